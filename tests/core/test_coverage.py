"""Coverage: one mask for transparent borders, NaN and holes; other frames stand in, and the picture is cropped."""

import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.coverage import (
    fill_from_others,
    find_covered_window,
    find_largest_rectangle,
    name_fillers,
    repeat_edges,
    split_coverage,
)
from allfocus.errors import StackError
from pictures import picture


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_alpha_below_99_percent_is_not_covered_and_edges_are_repeated_there(dtype: str, gray: bool) -> None:
    frame = picture(dtype=dtype, gray=gray)
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    alpha = np.full(frame.shape[:2], white, dtype)
    alpha[:, :5], alpha[3, 20], alpha[8, 8] = 0, white * 0.98, white * 0.995
    samples, covered = split_coverage(np.dstack([frame, alpha]), "a")
    expected = np.ones(frame.shape[:2], bool)
    expected[:, :5] = expected[3, 20] = False
    assert covered is not None
    assert np.array_equal(covered, expected)
    assert np.array_equal(samples[covered], frame[covered])
    assert np.array_equal(samples[10, 2], frame[10, 5])


def test_nan_and_infinite_samples_are_not_covered() -> None:
    frame = picture(dtype="float32")
    frame[2, 3, 1], frame[4, 5, 0] = np.nan, np.inf
    samples, covered = split_coverage(frame, "a")
    assert covered is not None
    assert np.argwhere(~covered).tolist() == [[2, 3], [4, 5]]
    assert np.isfinite(samples).all()


def test_opaque_pictures_stay_as_they_are() -> None:
    frame = picture()
    samples, covered = split_coverage(frame, "a")
    assert samples is frame
    assert covered is None
    opaque, nothing = split_coverage(np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]), "a")
    assert np.array_equal(opaque, frame)
    assert nothing is None


def test_a_frame_that_shows_nothing_is_named() -> None:
    with pytest.raises(StackError, match=r"b\.png shows nothing: its alpha channel is nowhere opaque"):
        split_coverage(np.zeros((4, 4, 4), np.uint8), "b.png")
    with pytest.raises(StackError, match=r"b\.tif shows nothing: its values are all NaN"):
        split_coverage(np.full((4, 4), np.nan, np.float32), "b.tif")


def test_edges_are_repeated_from_the_nearest_covered_pixel() -> None:
    frame = np.arange(30, dtype=np.uint8).reshape(5, 6)
    covered = np.zeros((5, 6), bool)
    covered[:, 2:4] = True
    filled = repeat_edges(frame, covered)
    assert np.array_equal(filled[:, :2], np.repeat(frame[:, 2:3], 2, axis=1))
    assert np.array_equal(filled[:, 4:], np.repeat(frame[:, 3:4], 2, axis=1))


def masks() -> list[Array | None]:
    """The second of three frames covers nothing on the left, the first nothing in its first column."""
    first, second = np.ones((4, 6), bool), np.ones((4, 6), bool)
    first[:, 0], second[:, :3] = False, False
    return [first, second, None]


def test_the_nearest_frame_that_covers_a_pixel_stands_in() -> None:
    frames = [np.full((4, 6), value, np.uint8) for value in (10, 20, 30)]
    fill_from_others(frames, masks())
    assert frames[1][0].tolist() == [30, 10, 10, 20, 20, 20]
    assert frames[0][0].tolist() == [30, 10, 10, 10, 10, 10]
    named = name_fillers(np.ones((4, 6), np.uint8), masks())
    assert named[0].tolist() == [2, 0, 0, 1, 1, 1]


def brute_force(mask: Array) -> int:
    """The area of the largest rectangle within a mask."""
    height, width = mask.shape
    return max(
        (
            (bottom - top) * (right - left)
            for top in range(height)
            for bottom in range(top + 1, height + 1)
            for left in range(width)
            for right in range(left + 1, width + 1)
            if mask[top:bottom, left:right].all()
        ),
        default=0,
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_largest_rectangle_is_found(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 8)) < 0.3 + 0.05 * seed
    found = find_largest_rectangle(mask)
    assert found is not None
    top, bottom, left, right = found
    assert mask[top:bottom, left:right].all()
    assert (bottom - top) * (right - left) == brute_force(mask)
    assert find_largest_rectangle(np.zeros((3, 3), bool)) is None


def test_the_covered_window_ignores_holes_and_reaches_the_last_pixel() -> None:
    covered = np.zeros((1100, 1300), bool)
    covered[7:1093, 13:1291] = True
    covered[500:520, 600:640] = False
    assert find_covered_window(covered) == (slice(7, 1093), slice(13, 1291))
    assert find_covered_window(np.zeros((20, 30), bool)) is None
    assert find_covered_window(np.ones((20, 30), bool)) == (slice(0, 20), slice(0, 30))
