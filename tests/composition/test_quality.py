"""What no choice could mend: whether it is so for sure, and where in the stack a frame is missing."""

import cv2
import numpy as np
import pytest

from allfocus.composition.quality import find_gap, stands_out, widest_gap
from allfocus.core.color import Array


@pytest.mark.parametrize(
    ("votes", "gap"),
    [
        ([0, 40, 60, 0], (1, 2)),
        ([5, 40, 60, 10], (1, 2)),
        ([30, 50, 0, 0], (0, 1)),
        ([100, 2, 0, 0], (0, 0)),  # before the first
        ([0, 3, 5, 100], (3, 3)),  # behind the last
        ([0, 90, 4, 3], (1, 1)),
        ([7, 6, 30, 200, 80, 1], (3, 4)),
        ([50, 50], (0, 1)),
        ([0, 9], (1, 1)),
    ],
)
def test_a_gap_lies_between_the_two_frames_that_share_what_is_out_of_focus(
    votes: list[int], gap: tuple[int, int]
) -> None:
    assert widest_gap(np.array(votes)) == gap


def test_only_what_is_out_of_focus_votes() -> None:
    index_map = np.array([[0, 0, 0, 1, 2, 2, 2, 2]], np.uint16)
    out_of_focus = np.array([[0, 0, 1, 1, 0, 0, 0, 0]], np.bool_)
    assert find_gap(out_of_focus, index_map, 3) == (0, 1)
    assert find_gap(np.zeros_like(out_of_focus), index_map, 3) is None


@pytest.fixture(scope="module")
def sharp() -> Array:
    return np.random.default_rng(3).integers(0, 256, (160, 200, 3), np.uint8)


RIGHT = np.arange(200) >= 100


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_what_is_far_softer_than_the_rest_is_out_of_focus_for_sure(sharp: Array, kind: type[np.generic]) -> None:
    picture = np.where(RIGHT[:, None], cv2.GaussianBlur(sharp, None, 2.0), sharp).astype(kind)
    marked = np.broadcast_to(RIGHT, sharp.shape[:2])
    assert stands_out(marked, picture)
    assert stands_out(marked, picture[..., 1])
    assert not stands_out(~marked, picture)


def test_where_nothing_is_sharp_nobody_can_tell(sharp: Array) -> None:
    marked = np.broadcast_to(RIGHT, sharp.shape[:2])
    assert not stands_out(marked, cv2.GaussianBlur(sharp, None, 2.0))


def test_without_structure_nothing_is_lost_and_no_number_is_missed(sharp: Array) -> None:
    marked = np.broadcast_to(RIGHT, sharp.shape[:2])
    assert not stands_out(marked, np.where(RIGHT[:, None], 128, sharp))
    assert not stands_out(marked, np.full(sharp.shape, np.nan, np.float32))
    assert stands_out(marked[:40], sharp[:40])  # too small to compare
