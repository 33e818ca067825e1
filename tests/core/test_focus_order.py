"""Frames in any order are sorted by focus distance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from allfocus import FusionOptions, fuse
from allfocus.alignment import AlignOptions, estimate_alignment
from allfocus.alignment.contrast_pyramid import sketch_pyramid
from allfocus.core.color import Array
from allfocus.core.focus_order import find_focus_order
from allfocus.core.stack import FocalStack
from allfocus.errors import ConfigError
from scenes import still_life, tilted_plane


@pytest.fixture(scope="module")
def steps() -> list[Array]:
    return [frame[:, :128] for frame in tilted_plane(still_life(5), 7, 16.0)]


@pytest.mark.slow
def test_frames_in_any_order_are_put_in_that_of_their_focus(steps: list[Array]) -> None:
    sharpness = [sketch_pyramid(frame).sharpness for frame in steps]
    for seed in range(4):
        mixed = np.random.default_rng(seed).permutation(7)
        in_focus = [int(mixed[k]) for k in find_focus_order([sharpness[k] for k in mixed])]
        assert in_focus in (list(range(7)), list(range(7))[::-1])


@pytest.mark.slow
def test_registration_finds_that_order(steps: list[Array]) -> None:
    mixed = np.array([3, 0, 4, 1, 2])
    found = estimate_alignment(FocalStack(frames=[steps[k] for k in mixed]), AlignOptions(order=True)).order
    assert mixed[list(found)].tolist() in (list(range(5)), list(range(5))[::-1])


@pytest.mark.slow
def test_depth_counts_the_frames_in_the_order_of_their_focus(steps: list[Array], tiny_model: Path) -> None:
    steps = steps[1:6]
    mixed = [3, 0, 4, 1, 2]
    options = FusionOptions(model=tiny_model, depth=True, halos="keep")
    straight = fuse(steps, options=options)
    found = fuse([steps[k] for k in mixed], options=dataclasses.replace(options, order="focus"))
    np.testing.assert_array_equal(found.image, straight.image)
    np.testing.assert_array_equal(np.array(mixed)[found.index_map], straight.index_map)
    assert found.depth is not None
    assert straight.depth is not None
    np.testing.assert_array_equal(np.isnan(found.depth), np.isnan(straight.depth))
    same, turned = (np.nanmean(np.abs(found.depth - depth)) for depth in (straight.depth, 4 - straight.depth))
    assert min(same, turned) < 1e-3
    with pytest.raises(ConfigError, match="order 'focus'"):
        FusionOptions(order="focus", align="none")
