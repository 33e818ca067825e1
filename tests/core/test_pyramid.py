"""The pyramid of a frame: how many levels, how they are padded, what each remembers; see test_train_pyramid too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.pyramid import (
    COARSEST_SIDE,
    PATCH,
    ValueRange,
    build_levels,
    count_levels,
    measure_range,
    pad,
    padded_size,
    sample_values,
    stretch_into,
)
from pictures import picture

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES)
def test_just_enough_octaves_to_see_the_whole_picture_at_once(height: int, width: int) -> None:
    octaves = count_levels(height, width)
    longest = max(height, width)
    assert octaves >= 2
    assert longest <= COARSEST_SIDE * 2 ** (octaves - 1)
    assert octaves == 2 or longest > COARSEST_SIDE * 2 ** (octaves - 2)


@given(SIDES, SIDES, st.integers(2, 9))
def test_padding_is_the_least_that_divides_into_patches(height: int, width: int, octaves: int) -> None:
    step = PATCH * 2 ** (octaves - 1)
    for side, padded in zip((height, width), padded_size(height, width, octaves), strict=True):
        assert padded % step == 0
        assert 0 <= padded - side < step


def shown(pixels: Array, levels: ValueRange | None = None) -> FloatArray:
    planes = np.empty((3, *pixels.shape[:2]), np.float32)
    stretch_into(pixels, levels or ValueRange(), planes)
    return planes


def test_a_gray_frame_is_an_rgb_frame_with_equal_channels() -> None:
    gray = picture(40, 56, gray=True)
    color = np.repeat(gray[..., None], 3, axis=2)
    for (one, energy), (other, same) in zip(build_levels(gray, 3), build_levels(color, 3), strict=True):
        np.testing.assert_array_equal(shown(one), shown(other))
        np.testing.assert_allclose(energy, same, rtol=1e-5)


def test_a_frame_is_padded_by_repeating_its_last_row_and_column() -> None:
    frame = picture(5, 6)
    pixels, (_, energy) = pad(frame, *padded_size(5, 6, 2)), next(build_levels(frame, 2))
    assert pixels.shape == (8, 8, 3)
    np.testing.assert_array_equal(pixels[:5, :6], frame)
    assert (pixels[5:, :6] == pixels[4:5, :6]).all()
    assert (pixels[:, 6:] == pixels[:, 5:6]).all()
    assert not energy[1].any()


def test_detail_that_only_the_finest_octave_shows_is_remembered_by_the_coarsest() -> None:
    checkers = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255
    *_, (pixels, energy) = build_levels(checkers, 4)
    assert np.ptp(pixels) < 2  # in the mean of 2x2 pixels the checkers are gone
    assert energy[1].min() > 1
    *_, (_, flat) = build_levels(np.full((64, 64), 128, np.uint8), 4)
    assert not flat.any()


def test_ordinary_frames_are_seen_as_they_are() -> None:
    assert measure_range([sample_values(picture()), sample_values(picture())]) == ValueRange()
    assert not ValueRange().is_stretched
    frame = picture()
    np.testing.assert_allclose(shown(frame), to_unit(frame).transpose(2, 0, 1), atol=1e-7)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.02), (0.5, 0.6), (0.0, 40.0), (-3.0, 3.0)])
def test_dark_flat_and_boundless_data_is_stretched_to_the_whole_range(low: float, high: float) -> None:
    frame = np.linspace(low, high, 40 * 50, dtype=np.float32).reshape(40, 50)
    levels = measure_range([sample_values(frame)] * 2)
    assert levels.is_stretched
    stretched = shown(frame, levels)
    np.testing.assert_allclose((stretched.min(), stretched.max()), (0, 1), atol=0.01)


def test_a_stack_without_any_contrast_is_left_alone() -> None:
    assert measure_range([np.full(81, 0.01, np.float32)] * 2) == ValueRange()
