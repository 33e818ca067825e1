"""A format is one object: what is added to the list is read, fused, listed, described and written like all others."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError, StackError, WriteError
from allfocus.formats import registry
from allfocus.formats.format import Capacity, Development, Format, Header
from allfocus.io import (
    Metadata,
    check_output,
    describe_frames,
    find_kind,
    list_frames,
    open_stack,
    read_image,
    read_metadata,
    read_stack,
    write_image,
)
from allfocus.metadata.blocks import Blocks
from conftest import Cli
from pictures import focal_frames, picture


class TextPicture(Format):
    """Gray numbers as text, in the way of PGM: a first line of words, width and height, then rows."""

    name = "text picture"
    extensions = (".txtpic",)
    capacity = Capacity(depths=(np.uint8,), longest=999, texts=("Comment",))

    def sniff(self, start: bytes, path: Path) -> bool:
        return start.startswith(b"TEXTPICTURE")

    def check(self, path: Path) -> None:
        if not path.read_bytes().endswith(b"\n"):
            raise ReadError(f"{path.name} is cut short: it has no last line")

    def header(self, path: Path) -> Header:
        width, height = map(int, path.read_text().split("\n")[1].split())
        return Header(format=self, frame=FrameInfo(shape=(height, width), dtype=np.dtype(np.uint8)))

    def read(self, path: Path, development: Development | None = None) -> Array:
        return np.array([row.split() for row in path.read_text().split("\n")[2:-1]], np.uint8)

    def blocks(self, path: Path) -> Blocks:
        return Blocks(text=[("Comment", path.read_text().partition("\n")[0].removeprefix("TEXTPICTURE "))])

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        comment = dict(metadata.text).get("Comment", "")
        rows = [" ".join(map(str, row)) for row in image.tolist()]
        return "\n".join([f"TEXTPICTURE {comment}", f"{image.shape[1]} {image.shape[0]}", *rows, ""]).encode()


class Flipbook(Format):
    """Bytes, each of which is a frame of that brightness: a format that holds frames as videos do."""

    name = "flipbook"
    contains = "frames"

    def sniff(self, start: bytes, path: Path) -> bool:
        return start.startswith(b"FLIPBOOK")

    def count_frames(self, path: Path) -> int:
        return len(path.read_bytes()) - 8

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        return lambda position: np.full((4, 6), path.read_bytes()[8 + position], np.uint8)


@pytest.fixture
def text_pictures() -> Iterator[None]:
    """The toy format, for the length of a test."""
    registry.register(TextPicture())
    yield
    registry.unregister("text picture")


@pytest.fixture
def stack(tmp_path: Path, text_pictures: None) -> list[Path]:
    """A focal stack in such files."""
    folder = tmp_path / "stack"
    folder.mkdir()
    paths = [folder / f"f{k}.txtpic" for k in range(3)]
    for path, frame in zip(paths, focal_frames(32, 48, 3, gray=True), strict=True):
        write_image(path, frame, Metadata(text=(("Comment", f"frame {path.stem}"),)))
    return paths


def test_it_is_written_and_comes_back(tmp_path: Path, text_pictures: None) -> None:
    image = picture(gray=True)
    assert write_image(tmp_path / "a.txtpic", image, Metadata(text=(("Comment", "hello"),))) == ()
    (tmp_path / "a.txtpic").rename(tmp_path / "a.jpg")  # content decides
    assert np.array_equal(read_image(tmp_path / "a.jpg"), image)
    assert find_kind(tmp_path / "a.jpg") == "text picture"
    assert read_metadata(tmp_path / "a.jpg").text == (("Comment", "hello"),)


def test_what_it_can_not_hold_is_noted_or_refused(tmp_path: Path, text_pictures: None) -> None:
    notes = write_image(tmp_path / "a.txtpic", picture(gray=True, dtype="uint16"), Metadata(iptc=b"\x1c"))
    said = " ".join(map(str, notes))
    assert "uint16 samples were rounded to uint8" in said and "IPTC" in said
    with pytest.raises(WriteError, match="at most 999 pixels a side"):
        check_output(tmp_path / "a.txtpic", (1, 1000))
    with pytest.raises(WriteError, match=r"expected one of \.txtpic, \.png"):
        check_output(tmp_path / "a.gif")


def test_its_files_are_a_stack(stack: list[Path]) -> None:
    assert list_frames([stack[0].parent]) == stack
    listing = open_stack(stack[0].parent)
    assert set(listing.kinds) == {"text picture"}
    assert np.array_equal(read_stack(listing).frames[1], read_image(stack[1]))
    row = describe_frames(listing)[0]
    assert (row.name, row.kind, row.size, row.channels, row.depth) == (
        "f0.txtpic", "text picture", "48x32", "gray", "uint8",
    )  # fmt: skip


def test_its_files_are_fused_into_its_files(stack: list[Path], tmp_path: Path, cli: Cli) -> None:
    outcome = cli("fuse", stack[0].parent, "--method", "laplacian", "-o", tmp_path / "out.txtpic", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert read_image(tmp_path / "out.txtpic").shape == (32, 48)
    assert read_metadata(tmp_path / "out.txtpic").text == (("Comment", "frame f1"),)


def test_its_damage_is_found_before_anything_is_decoded(stack: list[Path]) -> None:
    stack[1].write_bytes(stack[1].read_bytes()[:-1])
    with pytest.raises(ReadError, match=r"f1\.txtpic is cut short: it has no last line"):
        open_stack(stack)
    stack[1].write_text("TEXTPICTURE\nno numbers\n")
    with pytest.raises(ReadError, match=r"f1\.txtpic can't be read as text picture: invalid literal"):
        open_stack(stack)


def test_a_format_of_frames_is_a_stack_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"FLIPBOOK\3\5\7")
    registry.register(Flipbook())
    try:
        listing = open_stack(tmp_path / "a")
        assert list(listing.names) == ["a frame 1", "a frame 2", "a frame 3"]
        assert [int(frame[0, 0]) for frame in read_stack(listing).frames] == [3, 5, 7]
        with pytest.raises(ReadError, match="a is a flipbook; give it alone"):
            open_stack([tmp_path / "a", tmp_path / "a2"])
        (tmp_path / "a").write_bytes(b"FLIPBOOK\3")
        with pytest.raises(StackError, match="1 frame found"):
            open_stack(tmp_path / "a")
    finally:
        registry.unregister("flipbook")


def test_added_formats_can_be_replaced_and_taken_back(tmp_path: Path, text_pictures: None) -> None:
    registry.register(TextPicture())
    assert [each.name for each in registry.list_formats()].count("text picture") == 1
    registry.unregister("text picture")
    with pytest.raises(WriteError, match=r"ends in \.txtpic"):
        check_output(tmp_path / "a.txtpic")


def test_names_and_endings_are_each_given_once() -> None:
    formats = list(registry.list_formats())
    assert len({each.name for each in formats}) == len(formats)
    endings = [ending for each in formats for ending in each.extensions]
    assert len(set(endings)) == len(endings)
    assert all(ending == ending.lower() and ending.startswith(".") for ending in endings)


@pytest.mark.slow
def test_reading_a_png_loads_no_other_format(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture())
    code = (
        "import sys, allfocus; allfocus.read_image(sys.argv[1]); from allfocus.formats.read import read_metadata; "
        "read_metadata(sys.argv[1]); print({'tifffile', 'rawpy', 'pillow_heif'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
