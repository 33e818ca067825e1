"""What stands near: painted within bounds, from the seed alone, and as wide as it says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from allfocus.core.color import FloatArray
from allfocus.train.puzzles.near_things import PAINTERS, WIDEST, curve, paint_stalk

Painter = Callable[[int, np.random.Generator], FloatArray]


@pytest.mark.parametrize("paint", PAINTERS)
def test_mattes_are_shares_that_come_from_the_seed_and_leave_something_to_see(paint: Painter) -> None:
    covers = []
    for seed in range(30):
        matte = paint(64, np.random.default_rng(seed))
        assert matte.shape == (64, 64)
        assert matte.dtype == np.float32
        assert matte.min() >= 0
        assert matte.max() <= 1
        np.testing.assert_array_equal(matte, paint(64, np.random.default_rng(seed)))
        covers.append(matte.mean())
    assert 0.02 < np.mean(covers) < 0.7
    assert np.mean(np.array(covers) > 0.9) < 0.2


def test_a_stalk_is_as_wide_as_asked_and_tapers() -> None:
    canvas = np.zeros((100, 200), np.uint8)
    paint_stalk(canvas, curve(*(np.array([x, 50.0]) for x in (-10, 100, 210))), 20, 4)
    widths = (canvas / 255.0).sum(axis=0)
    assert widths[5] == pytest.approx(20, abs=1)
    assert widths[195] == pytest.approx(6, abs=1)
    assert (np.diff(widths[5:195:40]) < 0).all()


def test_stalks_are_thin_and_thick() -> None:
    reaches = []
    for seed in range(40):
        matte = next(iter(PAINTERS))(256, np.random.default_rng(seed)) > 0.5
        reaches.append(2 * cv2.distanceTransform(matte.astype(np.uint8), cv2.DIST_L2, 5).max())
    assert min(reaches) < 4
    assert max(reaches) > WIDEST / 2


def test_odds_of_the_painters_sum_to_one() -> None:
    assert sum(PAINTERS.values()) == pytest.approx(1)
