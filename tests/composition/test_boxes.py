"""Boxes round edges hold all that may be veiled, and little else."""

import numpy as np

from allfocus.composition.boxes import find_boxes, find_edges
from allfocus.composition.defocus import disc_blur


def test_boxes_hold_all_that_is_wanted_and_are_apart_where_that_is_cheaper() -> None:
    wanted = np.zeros((200, 300), bool)
    wanted[10:20, 10:20] = wanted[180:190, 280:290] = True
    boxes = find_boxes(wanted, 4)
    held = np.zeros_like(wanted)
    for box in boxes:
        assert not held[box].any()
        held[box] = True
    assert held[wanted].all() and held.mean() < 0.1 and len(boxes) == 2


def test_one_box_is_cheaper_than_many_with_wide_margins() -> None:
    wanted = np.random.default_rng(0).random((64, 64)) > 0.9
    assert len(find_boxes(wanted, 40)) == 1
    assert find_boxes(np.zeros((5, 5), bool), 3) == []


def test_edges_reach_as_far_as_their_discs() -> None:
    radii = np.zeros((100, 100), np.float32)
    assert not find_edges(radii, 2.0).any()
    radii[:, 50:] = 1
    assert not find_edges(radii, 2.0).any()
    radii[:, 50:] = 3
    narrow = np.count_nonzero(find_edges(radii, 2.0)[0])
    radii[:, 50:] = 9
    assert np.count_nonzero(find_edges(radii, 2.0)[0]) > narrow > 16


def test_wide_discs_at_half_the_size_are_the_discs() -> None:
    picture = np.random.default_rng(1).random((81, 100, 3)).astype(np.float32)
    wide, exact = disc_blur(picture, 6.0), disc_blur(picture[:23], 6.0)
    assert wide.shape == picture.shape and np.abs(wide[:12] - exact[:12]).max() < 0.05
    assert np.abs(wide.mean() - picture.mean()) < 0.005
    assert disc_blur(picture[..., :1], 6.0).shape == (81, 100, 1)
