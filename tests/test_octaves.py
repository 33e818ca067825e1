"""The pyramid that inference builds, against the one that training builds."""

import numpy as np
import pytest
import torch
from conftest import picture
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from allfocus.color import to_unit
from allfocus.octaves import (
    GLANCE_SIDE,
    PATCH,
    Levels,
    coarser_octaves,
    count_octaves,
    finest_octave,
    levels_of,
    padded_size,
)
from allfocus.train.features import OCTAVE_CHANNELS, build_octaves
from allfocus.train.features import PATCH as TRAINED_PATCH

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES)
def test_just_enough_octaves_to_see_the_whole_picture_at_once(height: int, width: int) -> None:
    octaves = count_octaves(height, width)
    longest = max(height, width)
    assert octaves >= 2
    assert longest <= GLANCE_SIDE * 2 ** (octaves - 1)
    assert octaves == 2 or longest > GLANCE_SIDE * 2 ** (octaves - 2)


@given(SIDES, SIDES, st.integers(2, 9))
def test_padding_is_the_least_that_divides_into_patches(height: int, width: int, octaves: int) -> None:
    step = PATCH * 2 ** (octaves - 1)
    for side, padded in zip((height, width), padded_size(height, width, octaves), strict=True):
        assert padded % step == 0
        assert 0 <= padded - side < step


def test_training_and_inference_mean_the_same_patch() -> None:
    assert PATCH == TRAINED_PATCH
    assert finest_octave(picture(), 32, 48, Levels()).shape[0] == OCTAVE_CHANNELS


@pytest.mark.parametrize(
    ("height", "width", "octaves"), [(8, 8, 2), (97, 131, 2), (97, 131, 4), (1, 1, 2), (3, 700, 4), (200, 33, 3)]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_octaves_equal_those_of_training(height: int, width: int, octaves: int, dtype: str) -> None:
    frame = picture(height, width, dtype=dtype)
    rows, columns = padded_size(height, width, octaves)
    planes = torch.from_numpy(to_unit(frame)).permute(2, 0, 1)[None]
    padded = functional.pad(planes, (0, columns - width, 0, rows - height), mode="replicate")
    expected = build_octaves(padded, octaves)
    found = [finest_octave(frame, rows, columns, Levels()), *coarser_octaves(frame, octaves, Levels())]
    assert len(found) == octaves
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other[0].numpy(), rtol=1e-5, atol=1e-5)


def test_a_gray_frame_is_an_rgb_frame_with_equal_channels() -> None:
    gray = picture(40, 56, gray=True)
    color = np.repeat(gray[..., None], 3, axis=2)
    for one, other in zip(coarser_octaves(gray, 3, Levels()), coarser_octaves(color, 3, Levels()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_part_of_a_frame_is_padded_by_repeating_its_last_row_and_column() -> None:
    part = picture(5, 6)
    octave = finest_octave(part, 8, 16, Levels())
    np.testing.assert_array_equal(octave[:3, :5, :6], to_unit(part).transpose(2, 0, 1))
    assert (octave[:3, 5:, :6] == octave[:3, 4:5, :6]).all()
    assert (octave[:3, :, 6:] == octave[:3, :, 5:6]).all()
    assert not octave[3].any()


def test_detail_that_only_the_finest_octave_shows_is_remembered_by_the_coarsest() -> None:
    checkers = np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255
    *_, coarsest = coarser_octaves(checkers, 4, Levels())
    assert np.ptp(coarsest[:3]) < 1e-6  # in the mean of 2x2 pixels the checkers are gone
    assert coarsest[3].min() > 1
    *_, flat = coarser_octaves(np.full((64, 64), 128, np.uint8), 4, Levels())
    assert not flat[3].any()


def test_ordinary_frames_are_seen_as_they_are() -> None:
    assert levels_of([picture(), picture()]) == Levels()
    assert not Levels().are_stretched
    frame = to_unit(picture())
    assert Levels().stretch(frame) is frame


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.02), (0.5, 0.6), (0.0, 40.0), (-3.0, 3.0)])
def test_dark_flat_and_boundless_data_are_stretched_to_the_whole_range(low: float, high: float) -> None:
    frame = np.linspace(low, high, 40 * 50, dtype=np.float32).reshape(40, 50)
    levels = levels_of([frame, frame])
    assert levels.are_stretched
    stretched = levels.stretch(frame)
    np.testing.assert_allclose((stretched.min(), stretched.max()), (0, 1), atol=0.01)


def test_a_stack_without_any_contrast_is_left_alone() -> None:
    assert levels_of([np.full((9, 9), 0.01, np.float32)] * 2) == Levels()
