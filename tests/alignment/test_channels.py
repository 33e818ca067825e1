"""Another channel of a stack: it moves as the registered one does, and has exposures of its own."""

import numpy as np
import pytest

from allfocus.alignment import estimate_alignment, transfer_alignment
from allfocus.core.color import from_unit
from allfocus.core.stack import FocalStack
from allfocus.run.context import Run
from moved_scenes import move_camera, scene


def test_motions_are_transferred_and_exposures_estimated_anew() -> None:
    plane = scene(size=(150, 200))[..., 0].copy()
    planes = [move_camera(plane, [0.01 * k, 0.0])[0] for k in range(3)]
    stack = FocalStack(frames=[from_unit(plane, "uint16") for plane in planes])
    dimmed = FocalStack(frames=[from_unit(planes[0] * np.float32(0.8), "uint16"), *stack.frames[1:]])
    alignment = estimate_alignment(stack)
    carried = transfer_alignment(dimmed, alignment, "match", Run(workers=2))
    np.testing.assert_array_equal(carried.matrices, alignment.matrices)
    assert [exposure.is_same for exposure in alignment.exposures] == [True] * 3
    assert [exposure.is_same for exposure in carried.exposures] == [False, True, True]
    assert carried.exposures[0].gain[0] == pytest.approx(0.8**2.2, rel=0.1)
    assert all(exposure.is_same for exposure in transfer_alignment(dimmed, alignment, "keep").exposures)


@pytest.mark.slow
def test_where_alignment_was_skipped_exposures_are_not_matched() -> None:
    frames = [from_unit(scene(seed, (150, 200)), "uint8") for seed in (1, 2)]
    alignment = estimate_alignment(FocalStack(frames=frames))
    darker = FocalStack(frames=[frames[0] // 2, frames[1]])
    assert all(exposure.is_same for exposure in transfer_alignment(darker, alignment, "match").exposures)
