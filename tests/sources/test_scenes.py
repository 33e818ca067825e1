"""Scenes that neither dates nor names tell apart: refused by content, with and without alignment, and chosen."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.likeness import group_scenes
from allfocus.errors import AlignmentError, OptionError
from allfocus.io import write_image
from allfocus.options import FusionOptions
from allfocus.registration import register
from allfocus.run.context import Run
from allfocus.sources.inspect import inspect_stack


def make_scene(seed: int, frames: int) -> list[Array]:
    """Frames of one scene, each sharp in another part."""
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    sharp = cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    edges = np.linspace(0, 96, frames + 1).astype(int)
    made = []
    for start, stop in pairwise(edges):
        frame = blurred.copy()
        frame[:, start:stop] = sharp[:, start:stop]
        made.append(frame)
    return made


@pytest.fixture
def two_scenes(tmp_path: Path) -> Path:
    """A folder of two scenes of three and four frames."""
    for k, frame in enumerate([*make_scene(1, 3), *make_scene(2, 4)]):
        write_image(tmp_path / f"f{k}.png", frame)
    return tmp_path


def test_scenes_that_alternate_are_told_apart_and_odd_frames_belong_to_none() -> None:
    one, other, odd = make_scene(1, 3), make_scene(2, 3), make_scene(3, 1)
    mixed = [frame for pair in zip(one, other, strict=True) for frame in pair]
    assert group_scenes(mixed) == [[0, 2, 4], [1, 3, 5]]
    assert group_scenes([*one, *odd]) == [[0, 1, 2]]
    assert group_scenes(one) == [[0, 1, 2]]


@pytest.mark.parametrize("align", [pytest.param("auto", marks=pytest.mark.slow), "none"])
def test_two_scenes_are_refused_with_and_without_alignment(two_scenes: Path, align: str) -> None:
    listing = inspect_stack(two_scenes)
    with pytest.raises(AlignmentError, match=r"2 scenes: 1: f0\.png to f2\.png \(3 frames\); 2: f3\.png to f6\.png"):
        register(listing, FusionOptions(align=align), Run())  # type: ignore[arg-type]
    together = FusionOptions(align="none", stack="together")
    assert len(register(listing, together, Run()).stack) == 7


def test_a_scene_is_chosen_by_its_number_or_name(two_scenes: Path) -> None:
    assert inspect_stack(two_scenes, 2).names == ["f3.png", "f4.png", "f5.png", "f6.png"]
    assert inspect_stack(two_scenes, "f0.png to f2.png").names == ["f0.png", "f1.png", "f2.png"]
    with pytest.raises(OptionError, match="stack 3: expected a number from 1 to 2"):
        inspect_stack(two_scenes, 3)


def test_one_scene_is_its_own_first(tmp_path: Path) -> None:
    for k, frame in enumerate(make_scene(1, 2)):
        write_image(tmp_path / f"f{k}.png", frame)
    assert len(inspect_stack(tmp_path, 1)) == 2
    with pytest.raises(OptionError, match="stack 2"):
        inspect_stack(tmp_path, "2")
