"""Depth maps as pictures: what is unknown is filled in, or shown in gray."""

import cv2
import numpy as np
import pytest

from allfocus.composition.depth import UNKNOWN, depth_preview, fill_depth, stretch_depth, stretch_error


def test_holes_are_filled_from_their_own_side_of_an_edge() -> None:
    guide = np.full((80, 100), 0.2, np.float32)
    guide[:, 50:] = 0.8
    truth = np.where(guide > 0.5, 3.0, 1.0).astype(np.float32)
    holed = truth.copy()
    holed[20:60, 30:70] = np.nan
    filled = fill_depth(holed, guide)
    gap = np.abs(filled - truth)
    assert gap.max() < 0.5  # the other side is 2 away
    assert gap.mean() < 0.05
    np.testing.assert_array_equal(filled[np.isfinite(holed)], truth[np.isfinite(holed)])


def test_strips_fit_together_and_far_windows_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    guide = cv2.GaussianBlur(rng.random((90, 70), np.float32), (0, 0), 3)
    depth = guide * 20 + np.linspace(0, 3, 70, dtype=np.float32)
    depth[15:70, 20:60] = np.nan
    whole = fill_depth(depth, guide)
    monkeypatch.setattr("allfocus.composition.depth.ROWS", 16)
    np.testing.assert_allclose(fill_depth(depth, guide), whole, atol=0.02)
    monkeypatch.setattr("allfocus.composition.depth.SPARSE", {})
    exact = fill_depth(depth, guide)
    assert 0 < np.abs(exact - whole).max() < 0.3


def test_where_nothing_is_known_there_is_still_a_finite_answer() -> None:
    nothing = np.full((30, 40), np.nan, np.float32)
    np.testing.assert_array_equal(fill_depth(nothing, np.zeros_like(nothing)), 0)


def test_what_is_known_stays_as_it_is() -> None:
    depth = np.random.default_rng(0).random((30, 40), np.float32)
    np.testing.assert_array_equal(fill_depth(depth, np.zeros_like(depth)), depth)


def test_depth_along_some_frames_is_told_along_all() -> None:
    depth, error = np.array([[0.5, 1.5, np.nan]], np.float32), np.array([[0.1, 0.1, np.nan]], np.float32)
    np.testing.assert_allclose(stretch_depth(depth, (0, 1, 4)), [[0.5, 2.5, np.nan]])
    np.testing.assert_allclose(stretch_error(error, depth, (0, 1, 4)), [[0.1, 0.3, np.nan]], rtol=1e-6)


@pytest.mark.parametrize(("width", "frames"), [(300, 5), (20, 2)])
def test_preview_is_coloured_by_place_and_has_a_legend(width: int, frames: int) -> None:
    depth = np.tile(np.linspace(0, frames - 1, width, dtype=np.float32), (10, 1))
    picture = depth_preview(depth, frames)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (width, 3)
    assert picture.shape[0] > 10
    np.testing.assert_array_equal(picture[10], picture[0])  # the legend's colours are the picture's


def test_what_is_unknown_is_gray_in_a_preview() -> None:
    depth = np.array([[0.0, np.nan, 2.0]], np.float32)
    assert depth_preview(depth, 3)[0, 1].tolist() == [UNKNOWN] * 3
