"""Warping one frame, and the window that all frames show."""

import tracemalloc

import numpy as np
import pytest

from allfocus.alignment import ExposureTransfer
from allfocus.alignment.motion import make_motion, to_pixels
from allfocus.alignment.warp import find_common_window, find_seen, warp_frame
from allfocus.core.color import from_unit
from allfocus.errors import Cancelled
from moved_scenes import SIZE, scene


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_frames_keep_their_depth_and_channels(dtype: str, gray: bool) -> None:
    frame = from_unit(scene()[..., 0] if gray else scene(), dtype)
    matrix = to_pixels(make_motion([0.01, 0.01, 0.01, 0.01]), SIZE)
    for exposure in (ExposureTransfer(), ExposureTransfer(gain=(1.1,))):
        laid = warp_frame(frame, matrix, exposure, filling=frame)
        assert (laid.dtype, laid.shape) == (frame.dtype, frame.shape)
        unseen = ~find_seen(matrix, SIZE)
        assert unseen.any()
        np.testing.assert_array_equal(laid[unseen], frame[unseen])


@pytest.mark.parametrize("turn", [0.0, 0.05])
@pytest.mark.parametrize("has_flow", [False, True])
def test_warping_a_frame_ends_when_it_is_called_off(turn: float, has_flow: bool) -> None:
    frame = np.zeros((1200, 60, 3), np.uint8)
    matrix = to_pixels(make_motion([0.01, 0.01, turn, 0]), frame.shape[:2])
    flow = np.full((2, 75, 3), 0.5, np.float32) if has_flow else None
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 5:  # some rows are done by then
            raise Cancelled

    with pytest.raises(Cancelled):
        warp_frame(frame, matrix, ExposureTransfer(), flow, check=check)


def test_what_all_frames_saw_is_as_large_as_can_be() -> None:
    shift = np.array([[1.0, 0, 12], [0, 1, -7], [0, 0, 1]])
    assert find_common_window([np.eye(3), shift], SIZE) == (slice(7, 300), slice(0, 388))
    turned = to_pixels(make_motion([0, 0, 0.05, 0]), SIZE)
    rows, columns = find_common_window([np.eye(3), turned], SIZE)
    assert find_seen(turned, SIZE)[rows, columns].all()
    for wider in ((slice(rows.start - 9, rows.stop), columns), (rows, slice(columns.start, columns.stop + 9))):
        assert not find_seen(turned, SIZE)[wider].all()


def test_a_brighter_frame_is_warped_without_deeper_copies_of_it() -> None:
    frame = np.zeros((4096, 64, 3), np.uint8)
    matrix = np.array([[1, 0, 0.3], [0, 1, 5.2], [0, 0, 1]])
    tracemalloc.start()
    warp_frame(frame, matrix, ExposureTransfer(gain=(1.1,)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * frame.nbytes  # with copies of floats it is 12
