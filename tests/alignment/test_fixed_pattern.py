"""What stays put while the scene moves does not steer: dust, a vignette, a burnt-in mark."""

import cv2
import numpy as np
import pytest

from allfocus.alignment import Alignment, estimate_alignment
from allfocus.alignment.contrast_pyramid import build_pyramid
from allfocus.alignment.motion import from_pixels, measure_displacement
from allfocus.alignment.pair import register_pair
from allfocus.core.color import Array, FloatArray
from allfocus.core.stack import FocalStack
from moved_scenes import SIZE, defocus, scene
from scenes import still_life, tilted_plane

#: By how many pixels the scene moves from frame to frame.
STEP = 5


def make_dust(value: float, count: int = 40) -> FloatArray:
    """What dust of random sizes lets through: (H, W, 1)."""
    rng = np.random.default_rng(3)
    mask = np.ones(SIZE, np.float32)
    for _ in range(count):
        at = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        cv2.circle(mask, at, int(rng.integers(2, 6)), value, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None]


def make_vignette() -> FloatArray:
    """What a round eyepiece lets through: (H, W, 1)."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    away = np.hypot(y - SIZE[0] / 2, x - SIZE[1] / 2)
    return np.clip((0.52 * SIZE[0] - away) / 6, 0.02, 1)[..., None].astype(np.float32)


def make_frames(fixed: FloatArray, step: int = STEP, count: int = 4, contrast: float = 0.12) -> list[Array]:
    """A pale scene that moves to the right under what does not move; 8 bits."""
    rng = np.random.default_rng(1)
    wide = scene(5, (SIZE[0], SIZE[1] + count * step))
    frames = []
    for k in range(count):
        start = (count - 1 - k) * step
        seen = defocus(wide[:, start : start + SIZE[1]], 0.4 + 0.5 * abs(k - 1))
        pale = 0.8 + contrast * (seen - 0.5) + rng.normal(0, 0.004, seen.shape)
        frames.append(np.rint(np.clip(pale * fixed, 0, 1) * 255).astype(np.uint8))
    return frames


def align(frames: list[Array]) -> Alignment:
    """Registered without options."""
    return estimate_alignment(FocalStack(frames=frames, names=[f"{k}.png" for k in range(len(frames))]))


def worst_error(alignment: Alignment, step: int) -> float:
    """How far a point of any frame is from where it belongs, in pixels."""
    errors = []
    for k, matrix in enumerate(alignment.matrices):
        true = np.eye(3)
        true[0, 2] = step * (k - alignment.reference)
        errors.append(measure_displacement(matrix, true, SIZE).max())
    return float(max(errors))


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.72, 1.2])
def test_dust_does_not_steer(value: float) -> None:
    alignment = align(make_frames(make_dust(value)))
    assert alignment.model == "translation"
    assert worst_error(alignment, STEP) < 0.5
    assert np.nanmean(alignment.residuals) < 0.5


@pytest.mark.slow
def test_a_vignette_does_not_steer() -> None:
    assert worst_error(align(make_frames(make_vignette())), STEP) < 0.7


@pytest.mark.slow
def test_slow_motion_under_dust_is_seen_over_several_frames() -> None:
    assert worst_error(align(make_frames(make_dust(0.72), step=1, count=8)), 1) < 0.6


@pytest.mark.slow
def test_two_frames_tell_dust_from_the_scene() -> None:
    first, second = make_frames(make_dust(0.72), count=2)
    found = register_pair(build_pyramid(first), build_pyramid(second))
    true = np.eye(3)
    true[0, 2] = STEP
    half = np.hypot(*SIZE) / 2
    assert np.abs(found.motions["similarity"] - from_pixels(true, SIZE)).max() * half < 0.5
    assert found.fixed is not None
    dust = cv2.resize(make_dust(0.72)[..., 0], found.fixed.shape[::-1]) < 0.8
    assert found.fixed[dust].mean() > 0.5 > 3 * found.fixed[~dust].mean()


@pytest.mark.slow
def test_frames_under_dust_that_do_not_move_stay_untouched() -> None:
    alignment = align(make_frames(make_dust(0.72), step=0))
    assert alignment.model == "none"
    assert np.array_equal(alignment.matrices, np.stack([np.eye(3)] * 4))


@pytest.mark.slow
def test_a_motion_that_explains_nothing_shows_no_fixed_pattern() -> None:
    steps = tilted_plane(still_life(7), 7, 24.0)
    found = align([steps[k][:, :160] for k in (0, 1, 5, 6)])
    assert found.model == "none"


def test_a_part_that_moves_before_a_still_scene_does_not_steer() -> None:
    frames = [np.rint(255 * scene()).astype(np.uint8) for _ in range(3)]
    for k, frame in enumerate(frames):
        frame[100:160, 100 + 8 * k : 160 + 8 * k] = np.rint(255 * scene(9)[100:160, 100:160])
    assert align(frames).model == "none"
