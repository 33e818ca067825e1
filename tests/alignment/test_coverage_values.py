"""Floats without a value in some frames, or in none, beside burnt frames: NaN only where nothing was measured."""

import numpy as np

from allfocus.alignment.apply import leave_out_burnt
from allfocus.core.stack import FocalStack


def test_what_is_burnt_in_all_frames_that_show_it_stays_a_value() -> None:
    seen = [np.array([[True, True, False]]), None]
    unburnt = [np.array([[True, False, True]]), np.array([[True, False, False]])]
    first, second = leave_out_burnt(seen, unburnt)
    assert first is not None and first.tolist() == [[True, True, False]]
    assert second is not None and second.tolist() == [[True, True, True]]


def test_without_burnt_pixels_masks_stay() -> None:
    seen = [np.array([[True, False]]), np.array([[True, False]])]
    assert [mask.tolist() for mask in leave_out_burnt(seen, [None, None]) if mask is not None] == [[[True, False]]] * 2


def test_picked_frames_are_still_torn() -> None:
    frames = [np.full((4, 4), k, np.uint8) for k in range(4)]
    assert list(FocalStack(frames=frames, torn=(1, 3)).pick([3, 0, 2]).torn) == [0]
