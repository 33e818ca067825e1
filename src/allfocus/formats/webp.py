"""WebP (RFC 9649): size, animation and metadata from its chunks; Pillow would make room for the whole picture."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.filebytes import Data, check_tail, map_file
from allfocus.formats.format import Capacity, Development, Format, Header
from allfocus.formats.pixels import check_bulk, check_pixels, describe_frame, read_orientation, read_pillow
from allfocus.formats.riff import check_riff, find_end, list_chunks, read_riff_type
from allfocus.formats.several import Animation
from allfocus.formats.spliced import splice
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.budget import LIMIT, Budget
from allfocus.metadata.carry import Metadata

ANIMATED = 0x02  # a flag of the VP8X chunk


class WebP(Format):
    """WebP; written without loss, with the effort (`quality`, `method`) beyond which only time grows."""

    name = "WebP"
    extensions = (".webp",)
    capacity = Capacity(depths=(np.uint8,), longest=16383, gray=False, alpha=True)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By the type of the RIFF file."""
        return read_riff_type(start) == b"WEBP"

    def check(self, path: Path) -> None:
        """See `check_riff` and `check_tail`."""
        with map_file(path) as data:
            check_riff(data, path.name)
            for kind, start, end in list_chunks(data):
                if kind in (b"VP8 ", b"VP8L"):
                    check_tail(data, range(start, end), path.name)

    def header(self, path: Path) -> Header:
        """WebP is always RGB, 8 bit."""
        with map_file(path) as data:
            width, height = find_size(data, path.name)
            orientation = read_orientation(lambda: find_blocks(data))
        check_pixels(width, height, path.name)
        return Header(format=self, frame=describe_frame(height, width, False, np.uint8, orientation))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow."""
        with map_file(path) as data:
            width, height = find_size(data, path.name)
            check_pixels(width, height, path.name)
            check_bulk(find_end(data), width * height, path.name)
            image = WebPImageFile(splice(data, [(0, find_end(data))]))
            return read_pillow(image, path.name, read_orientation(lambda: find_blocks(data)))

    def count_frames(self, path: Path) -> int:
        """How many pictures an animation has; 1 for others."""
        with map_file(path) as data:
            return max(sum(kind == b"ANMF" for kind, _, _ in list_chunks(data)), 1)

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """See `Animation`."""
        return Animation(WebPImageFile, path).read

    def blocks(self, path: Path) -> Blocks:
        """See `find_blocks`."""
        with map_file(path) as data:
            return find_blocks(data)

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """Encoded by Pillow."""
        buffer = BytesIO()
        Image.fromarray(image).save(
            buffer,
            "WEBP",
            lossless=True,
            exact=True,
            quality=20,
            method=1,
            icc_profile=metadata.icc or b"",
            exif=metadata.exif or b"",
            xmp=metadata.xmp or b"",
        )
        return buffer.getvalue()


FORMATS = (WebP(),)


def find_blocks(data: Data) -> Blocks:
    """The metadata of a WebP file."""
    found: dict[bytes, bytes] = {}
    budget = Budget()
    for kind, start, end in list_chunks(data):
        if kind in (b"ICCP", b"EXIF", b"XMP ") and end - start <= LIMIT:
            budget.take(end - start)
            found[kind] = data[start:end]
    return Blocks(icc=found.get(b"ICCP"), exif=found.get(b"EXIF"), xmp=found.get(b"XMP "))


def find_size(data: Data, name: str) -> tuple[int, int]:
    """Width and height of the picture.

    Raises:
        ReadError: no chunk says how large it is, or it is an animation.
    """
    size = None
    for kind, start, _ in list_chunks(data):
        body = data[start : start + 10]
        if kind == b"VP8X" and len(body) == 10 and body[0] & ANIMATED:
            count = sum(kind == b"ANMF" for kind, _, _ in list_chunks(data))
            raise ReadError(f"{name} is an animation of {count} pictures; expected one: give it alone to fuse them")
        size = size or read_size(kind, body)
    if size is None:
        raise ReadError(f"{name} is damaged: no part of the WebP file holds a picture")
    return size


def read_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Width and height in the start of a chunk: extended, lossy (RFC 6386, section 9.1) or lossless; else None."""
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
