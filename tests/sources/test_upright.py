"""A frame upside down is turned back and said: by its EXIF where the content agrees, else when it is aligned."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.io import inspect_stack, read_stack
from conftest import Cli
from pictures import focal_frames


def write_turned(folder: Path, frames: Sequence[Array], orientations: Sequence[int]) -> None:
    for k, (frame, orientation) in enumerate(zip(frames, orientations, strict=True)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(frame).save(folder / f"IMG_{k:04d}.png", exif=exif)


def test_a_wrong_orientation_is_put_right(tmp_path: Path) -> None:
    frames = focal_frames(96, 128, 4)
    write_turned(tmp_path, frames, (1, 3, 1, 1))
    listing = inspect_stack(tmp_path)
    assert [str(note) for note in listing.notes] == [
        "IMG_0001.png was turned by half a turn, to lie as its neighbours do"
    ]
    assert all(np.array_equal(read, frame) for read, frame in zip(read_stack(listing), frames, strict=True))


def test_a_right_orientation_is_kept(tmp_path: Path) -> None:
    frames = focal_frames(96, 128, 4)
    write_turned(tmp_path, [frames[0], np.rot90(frames[1], 2), *frames[2:]], (1, 3, 1, 1))
    listing = inspect_stack(tmp_path)
    assert listing.notes == ()
    assert all(np.array_equal(read, frame) for read, frame in zip(read_stack(listing), frames, strict=True))


@pytest.mark.slow
def test_a_frame_turned_without_a_word_is_found_by_its_content(tmp_path: Path, cli: Cli) -> None:
    frames = focal_frames(192, 256, 4)
    write_turned(tmp_path, [frames[0], np.rot90(frames[1], 2), *frames[2:]], (1, 1, 1, 1))
    outcome = cli("fuse", tmp_path, "-o", tmp_path / "out.tif", "--method", "laplacian", "--halos", "keep")
    assert "note: IMG_0001.png was turned by 180 degrees, to lie as the others do" in outcome.out
