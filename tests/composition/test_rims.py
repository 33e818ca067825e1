"""Rims: where a choice fell on a frame between a near thing and what is behind it, what is behind is picked instead."""

import cv2
import numpy as np
import pytest

from allfocus.composition.defocus import Defocus, disc_blur
from allfocus.composition.layers import LayeredWindow
from allfocus.composition.layout import find_layers
from allfocus.composition.rims import Solution, find_rims, pick_behind_rims
from allfocus.core.color import Array, FloatArray
from scenes import ground

SIZE = 120, 140
STEP = 2.5
DEFOCUS = Defocus(step=STEP, positions=np.arange(4, dtype=np.float32))


def thing(lines: list[tuple[int, int]]) -> FloatArray:
    """A matte of upright bars, by centre and width."""
    matte = np.zeros(SIZE, np.float32)
    for centre, width in lines:
        matte[:, centre - width // 2 : centre + width // 2] = 1
    return matte


def render(things: list[tuple[int, FloatArray, float]], frame: int) -> FloatArray:
    """A frame of things (position, matte, light), from near to far, before a rich background in position 3."""
    light = disc_blur(ground(*SIZE, seed=3), STEP * (3 - frame))
    for position, matte, bright in reversed(things):
        cover = disc_blur(matte, STEP * abs(position - frame))[..., None]
        light = light * (1 - cover) + cover * np.float32(bright)
    return np.asarray(light, np.float32)


def solve_with(frames: dict[int, FloatArray], picture: Array) -> Solution:
    def solve(labels: Array) -> Solution:
        layers = find_layers(np.bincount(labels.ravel(), minlength=4), DEFOCUS)
        window = LayeredWindow(frames, labels, layers, DEFOCUS)
        window.solve(3)
        return Solution(window=window, labels=labels, picked_anew=labels != picture)

    return pick_behind_rims(solve(picture), DEFOCUS, solve)


@pytest.fixture(scope="module")
def bar_with_a_rim() -> tuple[dict[int, FloatArray], Array]:
    """A bar that was picked from frame 0, with a rim of frame 1 on one side and of frame 2 on the other."""
    bar = thing([(60, 20)])
    labels = np.full(SIZE, 3)
    labels[:, 44:76] = 0
    labels[:, 40:44], labels[:, 76:81] = 1, 2
    return {k: render([(0, bar, 0.9)], k) for k in range(4)}, labels


def test_rims_are_found_beside_nearer_things_only(bar_with_a_rim: tuple[dict[int, FloatArray], Array]) -> None:
    labels = bar_with_a_rim[1].copy()
    labels[10:20, 100:130] = 1  # a thing of its own, out of reach of the bar
    rims, behind = find_rims(labels, DEFOCUS)
    assert len(np.unique(rims)) == 3
    assert (rims[:, 40:44] > 0).all()
    assert not rims[10:20, 100:130].any()
    assert (behind[:, 40:44] == 3).all()
    assert (behind[:, 76:81] == 3).all()
    assert (behind[10:20, 100:130] == 1).all()


def test_the_order_of_near_and_far_is_heeded(bar_with_a_rim: tuple[dict[int, FloatArray], Array]) -> None:
    labels = bar_with_a_rim[1]
    far_first = Defocus(step=STEP, positions=DEFOCUS.positions, near_first=False)
    rims, behind = find_rims(3 - labels, far_first)
    np.testing.assert_array_equal(rims > 0, find_rims(labels, DEFOCUS)[0] > 0)
    np.testing.assert_array_equal(behind, 3 - find_rims(labels, DEFOCUS)[1])


def test_behind_a_rim_the_sharp_frame_is_picked(bar_with_a_rim: tuple[dict[int, FloatArray], Array]) -> None:
    frames, labels = bar_with_a_rim
    found = solve_with(frames, labels)
    np.testing.assert_array_equal(found.picked_anew, (labels == 1) | (labels == 2))
    assert (found.labels[found.picked_anew] == 3).all()
    light, _, _ = found.window.compose((slice(None), slice(None)))
    rim = np.zeros(SIZE, bool)
    rim[12:-12, 36:46] = True
    assert (
        np.abs(light - ground(*SIZE, seed=3))[rim].mean() < 0.5 * np.abs(frames[1] - ground(*SIZE, seed=3))[rim].mean()
    )


def test_a_thin_thing_beside_a_nearer_one_stays() -> None:
    bar, hair = thing([(60, 20)]), thing([(80, 4)])
    frames = {k: render([(0, bar, 0.9), (1, hair, 0.02)], k) for k in range(4)}
    labels = np.full(SIZE, 3)
    labels[:, 46:74] = 0
    labels[:, 76:84] = 1
    assert find_rims(labels, DEFOCUS)[0].any()  # by its place alone it might be a rim
    found = solve_with(frames, labels)
    assert not found.picked_anew.any()
    assert cv2.countNonZero((found.labels == 1).astype(np.uint8)) == SIZE[0] * 8
