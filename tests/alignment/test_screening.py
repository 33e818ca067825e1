"""Screening by sharpness: frames that are blurred everywhere, and frames that were bumped."""

import numpy as np

from allfocus.alignment.screening import BLURRED_EVERYWHERE, BUMPED_FRAME, find_blurred
from allfocus.core.color import FloatArray

FRAMES = 7


def receding() -> list[FloatArray]:
    """Sharpness (4, 8, 14) of frames whose focus moves from left to right."""
    columns = np.linspace(0, FRAMES - 1, 14, dtype=np.float32)
    return [np.tile(0.01 * np.exp(-np.square(columns - k) / 8), (4, 8, 1)).astype(np.float32) for k in range(FRAMES)]


def test_good_frames_are_kept() -> None:
    assert find_blurred(receding(), range(FRAMES)) == {}


def test_a_frame_that_is_blurred_everywhere_is_found() -> None:
    sharpness = receding()
    sharpness[-1] = np.full_like(sharpness[0], 2e-5)
    found = find_blurred(sharpness, range(FRAMES))
    assert found == {FRAMES - 1: BLURRED_EVERYWHERE}
    assert find_blurred(sharpness, [0, FRAMES - 1]) == {}  # of two frames none is


def test_a_bumped_frame_is_found_though_it_keeps_detail_across_the_motion() -> None:
    sharpness = receding()
    sharpness[3][0] /= 5
    assert find_blurred(sharpness, range(FRAMES)) == {3: BUMPED_FRAME}
