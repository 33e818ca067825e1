"""EXIF blocks and TIFF directories: what is in them, value for value.

An EXIF block is a small TIFF file without samples (TIFF 6.0; EXIF 3.0, CIPA DC-008): a header, and directories of
tags, values up to four bytes in the directory itself and longer ones elsewhere. BigTIFF is the same, but wider.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from typing import Literal, NamedTuple

#: Returns the bytes of a block or file from a place on: so many, or fewer at its end.
Reader = Callable[[int, int], bytes]

#: Bytes of one value of each TIFF type; 129 is UTF-8, new in EXIF 3.0.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
NUMBERS = {BYTE: "B", SHORT: "H", LONG: "L", 13: "L", LONG8: "Q", 18: "Q"}

#: Directories, by the tag that points to each; the first one needs no pointer.
IMAGE, EXIF, GPS, INTEROP = 0, 0x8769, 0x8825, 0xA005
PARENTS = {EXIF: IMAGE, GPS: IMAGE, INTEROP: EXIF}
NAMES = {IMAGE: "first", EXIF: "camera", GPS: "GPS", INTEROP: "interoperability"}

WIDTH, HEIGHT, DESCRIPTION, ORIENTATION = 0x0100, 0x0101, 0x010E, 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, SOFTWARE = 0x011A, 0x011B, 0x0128, 0x0131
POSITIONING, ARTIST, COPYRIGHT, XMP, IPTC, ICC = 0x0213, 0x013B, 0x8298, 0x02BC, 0x83BB, 0x8773
VERSION, COMPONENTS, BITS_PER_PIXEL, MAKER_NOTE, PIXEL_X, PIXEL_Y = 0x9000, 0x9101, 0x9102, 0x927C, 0xA002, 0xA003
CHANGED, TAKEN = 0x0132, 0x9003
STRIPS, STRIP_LENGTHS = 0x0111, 0x0117
COMPOSITE, COMPOSITE_COUNT = 0xA460, 0xA461

#: The fifth to eighth byte of files that are TIFF in all but name: Olympus and Panasonic raw.
MAGIC = {42: False, 43: True, 0x4F52: False, 0x5352: False, 0x55: False}


class Entry(NamedTuple):
    """One tag's value, in the byte order of its block; `place` is where it was found, if not in the directory."""

    kind: int
    value: bytes
    place: int = 0


Directory = dict[int, Entry]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How numbers are stored: byte order (`<` or `>`), and whether offsets are BigTIFF's."""

    order: Literal["<", ">"] = "<"
    big: bool = False

    def pack(self, codes: str, *values: int) -> bytes:
        """`struct.pack` in this byte order."""
        return struct.pack(self.order + codes, *values)

    def unpack(self, codes: str, data: bytes) -> tuple[int, ...]:
        """`struct.unpack` in this byte order."""
        return struct.unpack(self.order + codes, data)

    @property
    def offset(self) -> str:
        """Code of an offset."""
        return "Q" if self.big else "L"

    @property
    def inline(self) -> int:
        """Bytes that fit into the directory itself."""
        return 8 if self.big else 4

    @property
    def start(self) -> int:
        """Length of the header."""
        return 16 if self.big else 8


@dataclass(frozen=True, kw_only=True)
class Block:
    """An EXIF block, taken apart.

    Attributes:
        layout: its byte order.
        directories: tags of each directory that is there, without the pointers between them.
        damaged: what could not be read and is missing, in words.
    """

    layout: Layout = field(default_factory=Layout)
    directories: dict[int, Directory] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()

    def directory(self, pointer: int) -> Directory:
        """One directory's tags; none where there is no such directory."""
        return self.directories.get(pointer, {})

    @property
    def date(self) -> str:
        """When the picture was taken, or else when the file was last changed; empty without either."""
        for pointer, tag in ((EXIF, TAKEN), (IMAGE, CHANGED)):
            entry = self.directory(pointer).get(tag)
            text = entry.value.decode("ascii", "replace").strip("\0 ") if entry is not None else ""
            if text:
                return text
        return ""

    def numbers(self, kind: int, *values: int) -> Entry:
        """A value of whole numbers, or of numerators and denominators."""
        code = "L" if kind == RATIONAL else NUMBERS[kind]
        return Entry(kind, self.layout.pack(code * len(values), *values))

    def number(self, pointer: int, tag: int) -> int | None:
        """A whole number, the first if there are several."""
        entry = self.directory(pointer).get(tag)
        if entry is None or entry.kind not in NUMBERS or not entry.value:
            return None
        return self.layout.unpack(NUMBERS[entry.kind], entry.value[: SIZES[entry.kind]])[0]

    def all_numbers(self, pointer: int, tag: int) -> tuple[int, ...]:
        """All whole numbers of a tag that is there."""
        entry = self.directory(pointer)[tag]
        return self.layout.unpack(NUMBERS[entry.kind] * (len(entry.value) // SIZES[entry.kind]), entry.value)

    def ratio(self, pointer: int, tag: int) -> float | None:
        """An unsigned fraction."""
        entry = self.directory(pointer).get(tag)
        if entry is None or entry.kind != RATIONAL or len(entry.value) < 8:
            return None
        over, under = self.layout.unpack("LL", entry.value[:8])
        return over / under if under else None


def encode_text(text: str) -> Entry:
    """A value of letters; beyond ASCII in UTF-8, as most programs write and read them."""
    return Entry(ASCII, text.encode() + b"\0")


def make_reader(data: bytes | memoryview | mmap) -> Reader:
    """A `Reader` of bytes that are in memory or mapped into it."""
    return lambda place, size: bytes(data[place : place + size])
