"""Frames of nearly one size are made to fit, and it is said; all others are refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.errors import StackError
from allfocus.io import inspect_stack, read_frame, read_image, read_stack, write_image
from allfocus.sources.conform import is_near
from conftest import Cli
from pictures import focal_frames, picture


def frames_of(count: int = 4, height: int = 120, width: int = 200) -> list[Array]:
    """Frames with large and small things in them, each sharp elsewhere."""
    large = cv2.resize(picture(6, 9), (width, height), interpolation=cv2.INTER_CUBIC).astype(float)
    return [(0.7 * large + 0.3 * frame).astype(np.uint8) for frame in focal_frames(height, width, count)]


def write_all(folder: Path, frames: list[Array]) -> list[Path]:
    paths = [folder / f"f{k}.png" for k in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    return paths


@pytest.mark.parametrize(("turns", "word"), [(1, "clockwise"), (3, "anticlockwise")])
@pytest.mark.parametrize("position", [0, 2, 3])
def test_a_frame_that_lost_its_orientation_is_turned_back(tmp_path: Path, turns: int, word: str, position: int) -> None:
    frames = frames_of()
    lying = [np.rot90(frame, turns) if k == position else frame for k, frame in enumerate(frames)]
    listing = inspect_stack(write_all(tmp_path, lying))
    assert listing.frame.size == (120, 200)
    assert [str(note) for note in listing.notes] == [f"f{position}.png was turned {word}, to lie as its neighbours do"]
    assert all(np.array_equal(found, frame) for found, frame in zip(read_stack(listing).frames, frames, strict=True))


def test_a_frame_that_lies_on_its_side_and_shows_something_else_is_refused(tmp_path: Path) -> None:
    frames = frames_of()
    frames[2] = picture(200, 120, seed=9)
    with pytest.raises(StackError, match=r"frame 3 \(f2\.png\) is 120x200; the stack is 200x120"):
        inspect_stack(write_all(tmp_path, frames))


def test_most_frames_decide_how_the_stack_lies(tmp_path: Path) -> None:
    frames = [np.rot90(frame) for frame in frames_of()]
    frames[0] = np.rot90(frames[0], 3)
    listing = inspect_stack(write_all(tmp_path, [np.ascontiguousarray(frame) for frame in frames]))
    assert listing.frame.size == (200, 120)
    assert "f0.png was turned anticlockwise" in str(listing.notes[0])


def test_a_slight_crop_is_repeated_on_all(tmp_path: Path) -> None:
    frames = frames_of()
    cropped = [frame[:, 1:] if k == 1 else frame for k, frame in enumerate(frames)]
    listing = inspect_stack(write_all(tmp_path, cropped))
    assert listing.frame.size == (120, 199)
    assert [str(note) for note in listing.notes] == [
        "3 frames were cropped in the middle to 199x120, the size that all have"
    ]
    assert np.array_equal(read_frame(listing, 1), frames[1][:, 1:])
    assert np.array_equal(read_frame(listing, 0), frames[0][:, :199])
    stack = read_stack(listing)
    assert {frame.shape for frame in stack.frames} == {(120, 199, 3)}


def test_only_one_frame_larger_is_named(tmp_path: Path) -> None:
    frames = frames_of()
    frames[3] = np.pad(frames[3], [(0, 1), (0, 1), (0, 0)])
    listing = inspect_stack(write_all(tmp_path, frames))
    assert [str(note) for note in listing.notes] == [
        "f3.png was cropped in the middle to 200x120, the size that all have"
    ]


def test_less_than_a_hundredth_is_slight() -> None:
    assert is_near((1000, 991), (1000, 1000))
    assert not is_near((1000, 990), (1000, 1000))
    assert not is_near((99, 100), (100, 100))
    assert is_near((7, 5), (7, 5))


def test_a_turned_frame_that_is_damaged_is_refused_by_its_size(tmp_path: Path) -> None:
    frames = frames_of()
    paths = write_all(tmp_path, frames)
    Image.fromarray(np.ascontiguousarray(np.rot90(frames[2]))).save(paths[2], "TIFF", compression="tiff_deflate")
    data = bytearray(paths[2].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 50] = bytes(50)
    paths[2].write_bytes(data)
    with pytest.raises(StackError, match="is 120x200"):
        inspect_stack(paths)


@pytest.mark.slow
def test_fuse_takes_a_stack_with_a_turned_frame(tmp_path: Path, cli: Cli) -> None:
    frames = frames_of()
    frames[1] = np.ascontiguousarray(np.rot90(frames[1]))
    (tmp_path / "in").mkdir()
    write_all(tmp_path / "in", frames)
    outcome = cli("fuse", tmp_path / "in", "--method", "laplacian", "-o", tmp_path / "out.png", "--progress", "none")
    assert (outcome.code, outcome.err) == (0, "")
    assert "note: f1.png was turned clockwise" in outcome.out
    assert read_image(tmp_path / "out.png").shape == (120, 200, 3)
