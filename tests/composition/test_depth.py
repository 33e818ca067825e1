"""Depth between the frames, and what it is filled in with where nothing decides."""

import numpy as np
import pytest

from allfocus.composition.depth import depth_preview, fill_depth
from allfocus.decision.confidence import measure_depth


def test_depth_lies_between_two_frames_that_share_the_focus() -> None:
    chances = np.array([[0.0, 0.3, 0.7, 0.0], [0.1, 0.8, 0.1, 0.0], [1.0, 0.0, 0.0, 0.0]], np.float32).T[:, None]
    best = chances.argmax(axis=0)
    depth, certainty = measure_depth(chances, np.arange(4), best)
    np.testing.assert_allclose(depth[0], [1.7, 1.0, 0.0], atol=1e-6)
    assert certainty[0, 2] == pytest.approx(1)
    assert certainty[0, 1] > certainty[0, 0]


def test_a_hair_and_its_wall_are_not_averaged() -> None:
    chances = np.array([0.55, 0.0, 0.0, 0.45], np.float32)[:, None, None]
    depth, _ = measure_depth(chances, np.arange(4), chances.argmax(axis=0))
    assert depth[0, 0] == 0


def test_positions_may_come_in_any_order() -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(5), (6, 7)).astype(np.float32).transpose(2, 0, 1)
    order = np.array([3, 0, 4, 1, 2])
    expected, _ = measure_depth(chances, np.arange(5), chances.argmax(axis=0))
    found, _ = measure_depth(chances[order], order, chances.argmax(axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_chance_is_better_than_another() -> None:
    _, certainty = measure_depth(np.full((4, 2, 2), 0.25, np.float32), np.arange(4), np.zeros((2, 2), np.int64))
    np.testing.assert_allclose(certainty, 0, atol=1e-6)


def test_holes_are_filled_from_their_own_side_of_an_edge() -> None:
    guide = np.full((80, 100), 0.2, np.float32)
    guide[:, 50:] = 0.8
    truth = np.where(guide > 0.5, 3.0, 1.0).astype(np.float32)
    certainty = np.ones_like(truth)
    certainty[20:60, 30:70] = 0
    holed = np.where(certainty > 0, truth, 2.0).astype(np.float32)
    filled = fill_depth(holed, certainty, guide)
    gap = np.abs(filled - truth)
    assert gap.max() < 0.5  # the other side is 2 away
    assert gap.mean() < 0.05
    np.testing.assert_allclose(filled[certainty > 0], truth[certainty > 0], atol=1e-5)


def test_where_nothing_is_certain_there_is_still_a_finite_answer() -> None:
    depth = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    filled = fill_depth(depth, np.zeros_like(depth), np.zeros_like(depth))
    assert np.isfinite(filled).all()
    assert depth.min() <= filled.min() <= filled.max() <= depth.max()


@pytest.mark.parametrize(("width", "frames"), [(300, 5), (20, 2)])
def test_preview_is_coloured_by_place_and_has_a_legend(width: int, frames: int) -> None:
    depth = np.tile(np.linspace(0, frames - 1, width, dtype=np.float32), (10, 1))
    picture = depth_preview(depth, frames)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (width, 3)
    assert picture.shape[0] > 10
    np.testing.assert_array_equal(picture[10], picture[0])  # the legend's colours are the picture's
