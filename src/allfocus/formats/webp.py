"""WebP: size, EXIF and animation from its chunks; Pillow would make room for the whole picture to tell."""

from collections.abc import Iterator

from allfocus.errors import ReadError
from allfocus.formats.png import Data

ANIMATED = 0x02  # a flag of the VP8X chunk


def webp_header(data: Data, name: str) -> tuple[int, int, bool, bytes]:
    """Width, height, whether it is an animation, and the EXIF block, empty without one (RFC 9649).

    Raises:
        ReadError: no chunk says how large the picture is.
    """
    size: tuple[int, int] | None = None
    is_animated, exif = False, b""
    for kind, body in list_chunks(data):
        if kind == b"EXIF":
            exif = body
        elif kind == b"VP8X":
            is_animated = bool(body[0] & ANIMATED)
        size = size or size_in(kind, body)
    if size is None:
        raise ReadError(f"{name} is damaged: no part of the WebP file holds a picture")
    return *size, is_animated, exif


def list_chunks(data: Data) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's name, and what it holds: EXIF whole, of others the first bytes."""
    place = 12
    while place + 18 <= len(data):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        yield kind, data[place + 8 : place + 8 + (length if kind == b"EXIF" else 10)]
        place += 8 + length + length % 2


def size_in(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Width and height in the start of a chunk: extended, lossy (RFC 6386, section 9.1) or lossless; else None."""
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
