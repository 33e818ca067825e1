"""One door: whatever form files come in, they are looked at, put in order once, and called by their names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from allfocus.core.stack import FocalStack
from allfocus.errors import ReadError, StackError
from allfocus.formats import registry
from allfocus.formats.jpeg import Jpeg
from allfocus.io import Listing, open_source, open_stack, read_stack, write_image
from allfocus.metadata.blocks import Blocks
from conftest import Cli
from pictures import focal_frames, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three frames whose names are not in alphabetical order."""
    inside = tmp_path / "stack"
    inside.mkdir()
    for name, frame in zip(("f2.png", "f10.png", "f1.png"), focal_frames(32, 48, 3), strict=True):
        write_image(inside / name, frame)
    return inside


FORMS: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: folder,
    "text": str,
    "list": lambda folder: [folder],
    "files": lambda folder: [folder / name for name in ("f10.png", "f2.png", "f1.png")],
    "generator": lambda folder: (path for path in folder.iterdir()),
    "pattern": lambda folder: str(folder / "*.png"),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_come_in_natural_order(folder: Path, form: str) -> None:
    source = open_source(FORMS[form](folder))
    assert isinstance(source, Listing)
    assert list(source.names) == ["f1.png", "f2.png", "f10.png"]


@pytest.mark.parametrize("form", ["folder", "text", "pattern"])
def test_one_path_is_read_as_it_is_fused(folder: Path, form: str) -> None:
    assert list(read_stack(FORMS[form](folder)).names) == ["f1.png", "f2.png", "f10.png"]


def test_files_that_are_named_one_by_one_are_read_in_the_order_given(folder: Path) -> None:
    names = ["f10.png", "f1.png"]
    assert list(read_stack([folder / name for name in names]).names) == names


def test_files_and_pictures_can_be_mixed(folder: Path) -> None:
    source = open_source([folder / "f10.png", picture(32, 48), str(folder / "f1.png")])
    assert isinstance(source, FocalStack)
    assert source.names == ["f10.png", "array 2", "f1.png"]
    assert np.array_equal(source.frames[1], picture(32, 48))


def test_stacks_and_listings_are_what_they_are(folder: Path) -> None:
    listing = open_stack(folder)
    assert open_source(listing) is listing
    stack = read_stack(listing)
    assert open_source(stack) is stack
    assert np.array_equal(listing[-1], stack[2])
    assert repr(listing) == f"<Listing of 3 frames, 48x32 RGB uint8, in {folder}>"
    assert len({listing, open_stack(folder)}) == 2


def test_a_single_file_is_no_stack(folder: Path) -> None:
    with pytest.raises(StackError, match="1 frame given; fusing needs at least 2"):
        open_source(folder / "f1.png")


# --- the time when they were taken ---------------------------------------------------------------


class CountingJpeg(Jpeg):
    """JPEG that notes whose metadata was read."""

    def __init__(self) -> None:
        self.read_from: list[str] = []

    def blocks(self, path: Path) -> Blocks:
        self.read_from.append(path.name)
        return super().blocks(path)


@pytest.fixture
def counted() -> Iterator[CountingJpeg]:
    counting = CountingJpeg()
    registry.register(counting)
    yield counting
    registry.unregister("JPEG")


def write_dated(folder: Path, *seconds: int | None) -> list[Path]:
    """Frames a, b, c... taken so many seconds after noon; None: nobody knows."""
    paths = [folder / f"{chr(97 + k)}.jpg" for k in range(len(seconds))]
    frames = focal_frames(32, 48, len(seconds))
    for path, frame, second in zip(paths, frames, seconds, strict=True):
        exif = Image.Exif()
        if second is not None:
            exif[0x8769] = {36867: f"2026:11:23 12:00:{second:02d}"}
        Image.fromarray(frame).save(path, exif=exif)
    return paths


def test_frames_in_order_of_time_are_put_so_once_and_read_once(tmp_path: Path, counted: CountingJpeg) -> None:
    listing = open_stack(write_dated(tmp_path, 9, 3, 3, 5), "time")
    assert list(listing.names) == ["b.jpg", "c.jpg", "d.jpg", "a.jpg"]
    assert open_source(listing, "time") is listing
    assert sorted(counted.read_from) == sorted(
        2 * ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    )  # for its date, for its colours


def test_the_command_reads_dates_once(tmp_path: Path, counted: CountingJpeg, cli: Cli) -> None:
    paths = write_dated(tmp_path, 9, 3, 5)
    outcome = cli("fuse", *paths, "--order", "time", "--method", "laplacian", "-o", tmp_path / "out.png", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    reference = 1  # whose metadata goes into the picture
    assert len(counted.read_from) == 2 * len(paths) + reference  # for its date, for its colours


def test_a_frame_without_a_date_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"b\.jpg does not say when it was taken"):
        open_stack(write_dated(tmp_path, 9, None, 5), "time")


# --- notes ---------------------------------------------------------------------------------------


def test_notes_have_codes_and_know_their_frames_whatever_the_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    frame = np.pad(focal_frames(200, 300, 3)[0], [(0, 1), (0, 0), (0, 0)])
    for path, second, image in zip(paths, (9, 3, 5), [*focal_frames(200, 300, 2), frame], strict=True):
        exif = Image.Exif()
        exif[0x8769] = {36867: f"2026:11:23 12:00:{second:02d}"}
        Image.fromarray(image).save(path, exif=exif)
    listing = open_stack(paths)
    assert [(note.code, note.frames) for note in listing.notes] == [("sizes-fitted", (2,))]
    assert str(listing.notes[0]) == "c.jpg was cropped in the middle to 300x200, the size that all have"
    assert [note.frames for note in open_stack(paths, "time").notes] == [(1,)]
    assert [note.frames for note in listing.pick([0, 1]).notes] == [()]
