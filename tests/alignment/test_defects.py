"""Pixels that are hot or dead in every frame are filled where the scene moves under them, and only there."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

import allfocus
from allfocus.alignment import find_defects
from allfocus.alignment.alignment import Alignment, make_identity
from allfocus.alignment.defects import fill_defects
from allfocus.core.color import Array, full_scale
from allfocus.core.stack import FocalStack
from moved_scenes import SIZE, scene

STEP = 4


def make_stack(
    kind: str, faults: list[tuple[int, int]], value: float, step: int = STEP, count: int = 5, glitter: int = 0
) -> FocalStack:
    """A scene that moves to the left, with pixels of this value (1 is white) that stay put, and glitter that moves."""
    wide = scene(3, (SIZE[0], SIZE[1] + count * step))
    rng = np.random.default_rng(0)
    points = np.zeros(wide.shape[:2], np.float32)
    points[rng.integers(0, len(points), glitter), rng.integers(0, points.shape[1], glitter)] = 3 * rng.random(glitter)
    wide = np.clip(0.2 + 0.5 * wide + cv2.GaussianBlur(points, (0, 0), 0.7)[..., None], 0, 1) if glitter else wide
    gray = kind.startswith("gray")
    dtype = np.dtype(kind.removeprefix("gray "))
    frames: list[Array] = []
    for k in range(count):
        seen = wide[:, k * step : k * step + SIZE[1]]
        seen = seen.mean(axis=2) if gray else seen.copy()
        for row, column in faults:
            seen[(row, column) if gray else (row, column, 1)] = value
        white = full_scale(dtype)
        frames.append(seen.astype(dtype) if white == 1 else np.rint(seen * white).astype(dtype))
    return FocalStack(frames=frames, names=[f"{k}.png" for k in range(count)])


def moved(count: int, step: int = STEP) -> Alignment:
    """The alignment of such a stack."""
    matrices = np.stack([np.eye(3)] * count)
    matrices[:, 0, 2] = -step * (np.arange(count) - count // 2)
    return replace(make_identity(count), model="translation", matrices=matrices)


FAULTS = [(20, 30), (150, 200), (151, 330), (299, 377), (0, 7)]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "gray uint8", "gray uint16"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_pixels_that_stay_put_are_found_and_filled(kind: str, value: float) -> None:
    stack, clean = make_stack(kind, FAULTS, value), make_stack(kind, [], value)
    defects = find_defects(stack, moved(5))
    assert defects is not None
    assert all(defects[place].any() for place in FAULTS)
    assert np.count_nonzero(defects) <= len(FAULTS) + 2
    filled = fill_defects(stack.frames[0], defects)
    assert np.abs(filled.astype(float) - clean.frames[0]).max() < 0.15 * full_scale(filled.dtype)
    assert np.array_equal(filled[~defects], stack.frames[0][~defects])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_pixels_that_stay_put_are_found_in_glitter(value: float) -> None:
    faults = [(40 + 11 * k, 60 + 13 * k) for k in range(20)]
    defects = find_defects(make_stack("uint8", faults, value, glitter=1500), moved(5))
    assert defects is not None
    assert all(defects[place].any() for place in faults)
    assert np.count_nonzero(defects) <= len(faults) + 2
    assert find_defects(make_stack("uint8", [], value, glitter=1500), moved(5)) is None


def test_where_nothing_moved_nothing_is_a_defect() -> None:
    stack = make_stack("uint8", FAULTS, 1.0, step=0)
    assert find_defects(stack, make_identity(5)) is None
    assert find_defects(stack, moved(5, 0)) is None


def test_bright_points_of_the_scene_are_no_defects() -> None:
    frames = make_stack("uint8", [], 1.0).frames
    for k, frame in enumerate(frames):
        for row, column in FAULTS[:3]:
            frame[row, column - k * STEP] = 255
    assert find_defects(FocalStack(frames=frames, names=[f"{k}.png" for k in range(5)]), moved(5)) is None


def test_glitter_that_agrees_by_chance_is_no_defect() -> None:
    rng = np.random.default_rng(0)
    frames = [np.where(rng.random((*SIZE, 1)) < 0.01, 255, 60).astype(np.uint8).repeat(3, axis=2) for _ in range(2)]
    assert find_defects(FocalStack(frames=frames, names=["a.png", "b.png"]), moved(2)) is None


@pytest.mark.slow
def test_the_fused_picture_shows_no_trail() -> None:
    faults = [(40 + 11 * k, 60 + 13 * k) for k in range(20)]
    found = allfocus.fuse(make_stack("uint8", faults, 1.0), method="laplacian", halos="keep", keep_canvas=True)
    clean = allfocus.fuse(make_stack("uint8", [], 1.0), method="laplacian", halos="keep", keep_canvas=True)
    assert [note.code for note in found.notes] == ["defects-filled"]
    assert int(found.notes[0].message.split()[0]) >= 15
    assert not clean.notes
    # of a hundred pixels that would be bright some stay, of faults that lie in glitter
    assert (np.abs(found.image.astype(int) - clean.image).max(axis=2) > 40).sum() < 20
    still = allfocus.fuse(make_stack("uint8", faults, 1.0, step=0), method="laplacian", halos="keep")
    assert not still.notes
    assert np.array_equal(still.image, make_stack("uint8", faults, 1.0, step=0).frames[0])
