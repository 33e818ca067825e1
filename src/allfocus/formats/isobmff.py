"""Files of the ISO base media format (ISO/IEC 14496-12): HEIC, AVIF, Canon's CR3, MP4 and QuickTime."""

from collections.abc import Iterator
from typing import NamedTuple

from allfocus.errors import ReadError
from allfocus.formats.filebytes import Data, check_tail

#: Brands that stand for still pictures (ISO/IEC 23008-12); files of others are video, or RAW.
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
AVIF_BRANDS = {b"avif", b"avis"}
CANON_RAW = b"crx "


class Box(NamedTuple):
    """A box: its type, where it begins, and the bytes that it holds, which end beyond the file where that is cut."""

    kind: bytes
    place: int
    content: range


def list_boxes(data: Data, inside: range | None = None) -> Iterator[Box]:
    """Each box in a part of a file, the outermost ones by default (section 4.2).

    The walk ends with a box whose length can't be: its content stops before it starts.
    """
    inside = inside or range(len(data))
    place = inside.start
    while place + 8 <= inside.stop:
        size, start = int.from_bytes(data[place : place + 4], "big"), place + 8
        if size == 1:
            size, start = int.from_bytes(data[place + 8 : place + 16], "big"), place + 16
        end = place + size if size else inside.stop  # 0: up to the end
        yield Box(data[place + 4 : place + 8], place, range(start, end))
        if end < start:
            return
        place = end


def check_boxes(data: Data, name: str) -> set[bytes]:
    """Types of the outermost boxes; raises `ReadError` unless every one lies within the file."""
    kinds = set()
    for kind, place, content in list_boxes(data):
        if not content.start <= content.stop <= len(data):
            size = content.stop - place
            raise ReadError(f"{name} is cut short: the file ends at {len(data)} bytes, within a box of {size}")
        kinds.add(kind)
    return kinds


def check_picture(data: Data, name: str) -> None:
    """Raise `ReadError` for the file of a picture that was cut short, or filled up with zeros."""
    check_boxes(data, name)
    for kind, _, content in list_boxes(data):
        if kind == b"mdat":
            check_tail(data, content, name)


def read_brands(start: bytes) -> list[bytes]:
    """The brands of a file, the major one first, from its first bytes; none for files of other formats."""
    if start[4:8] != b"ftyp":
        return []
    length = int.from_bytes(start[:4], "big")
    return [start[8:12], *(start[place : place + 4] for place in range(16, min(length, len(start)), 4))]


def find_codes(data: Data) -> tuple[int, int] | None:
    """Codes of primaries and transfer (ITU-T H.273) in the first `nclx` box of a still picture; None without one.

    All items of a photo have the same, but gain maps and depth, which come after the picture.
    """
    inside: range | None = None
    for kind, skip in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        found = next((box.content for box in list_boxes(data, inside) if box.kind == kind), None)
        if found is None or not found:
            return None
        inside = range(found.start + skip, min(found.stop, len(data)))
    for box in list_boxes(data, inside):
        body = data[box.content.start : box.content.start + 8]
        if box.kind == b"colr" and body[:4] == b"nclx":
            primaries, transfer = int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big")
            return (primaries, transfer) if max(primaries, transfer) < 256 and (primaries, transfer) != (2, 2) else None
    return None
