"""What no choice could mend: where in the stack a frame is missing."""

import numpy as np
import pytest

from allfocus.composition.quality import find_gap, widest_gap


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
