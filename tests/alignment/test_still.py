"""Frames that lie over each other are told from those that don't without registering them."""

import numpy as np
import pytest

from allfocus.alignment import estimate_alignment
from allfocus.alignment.contrast_pyramid import sketch_pyramid
from allfocus.alignment.still import check_still
from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from moved_scenes import defocus, make_parameters, move_camera, scene


def is_still(one: Array, other: Array) -> bool:
    """Whether it is clear that two frames lie over each other."""
    return check_still(sketch_pyramid(one), sketch_pyramid(other)) is not None


def test_frames_that_differ_in_focus_alone_are_still() -> None:
    assert is_still(scene(), scene())
    assert is_still(scene(), defocus(scene(), 1.2))


@pytest.mark.slow
def test_frames_that_moved_are_not() -> None:
    for parameters in ([0.001, 0.0], [0.02, -0.01], make_parameters(0.004, 0, 0), make_parameters(0, 0.2, 0)):
        assert not is_still(scene(), move_camera(scene(), parameters)[0])
    assert not is_still(scene(), scene(2))
    assert not is_still(scene(), np.full_like(scene(), 0.5))


@pytest.mark.slow
def test_a_drift_too_slow_for_neighbours_to_tell_is_found() -> None:
    still = scene(size=(150, 200))
    frames = [move_camera(still, [0.0008 * k, 0.0])[0] for k in range(9)]
    alignment = estimate_alignment(FocalStack(frames=frames, names=[f"{k}.png" for k in range(9)]))
    assert alignment.model != "none"
