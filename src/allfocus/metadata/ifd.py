"""EXIF blocks and TIFF directories taken apart and put together again, every value bit for bit."""

import struct
from collections.abc import Iterator
from typing import Literal

from allfocus.metadata.budget import LIMIT, Budget
from allfocus.metadata.exif import (
    EXIF,
    IMAGE,
    LONG,
    LONG8,
    MAGIC,
    MAKER_NOTE,
    NAMES,
    NUMBERS,
    ORIENTATION,
    PARENTS,
    SIZES,
    Block,
    Directory,
    Entry,
    Layout,
    Reader,
)

#: Maker's notes that hold no offsets into the rest of the block, and so may be moved.
MOVABLE = (b"Nikon\0\x02", b"FUJIFILM", b"OLYMPUS\0", b"OM SYSTEM\0", b"Apple iOS\0", b"PENTAX \0")

#: Up to here a maker's note that can't be moved is kept where it was, be it with a gap before it.
FARTHEST_NOTE = 2**16


def take_apart(read: Reader) -> Block:
    """Read the directories of an EXIF block, or of the first page of a TIFF file.

    What is damaged is left out and named; thumbnails, which would show the old picture, are left out too.

    Raises:
        ValueError: no such block, nothing in it can be read, or its values take more than a budget in all: tags may
            share bytes.
    """
    layout, place = read_head(read)
    budget = Budget()
    directories: dict[int, Directory] = {}
    damaged: list[str] = []
    directories[IMAGE], lost = read_directory(read, layout, place, budget)
    damaged += [f"tag {tag:#06x}" for tag in lost]
    for pointer, parent in PARENTS.items():
        entry = directories.get(parent, {}).pop(pointer, None)
        if entry is None:
            continue
        try:
            place = layout.unpack(NUMBERS[entry.kind], entry.value)[0]
            directories[pointer], lost = read_directory(read, layout, place, budget)
            damaged += [f"{NAMES[pointer]} tag {tag:#06x}" for tag in lost]
        except (ValueError, KeyError, struct.error):
            damaged.append(f"the {NAMES[pointer]} directory")
    return Block(layout=layout, directories=directories, damaged=tuple(damaged))


def read_head(read: Reader) -> tuple[Layout, int]:
    """Layout and place of the first directory; raises `ValueError` for anything but TIFF."""
    head = read(0, 16)
    orders: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
    order = orders.get(head[:2])
    magic = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 8 else None
    if order is None or magic not in MAGIC:
        raise ValueError("no EXIF header")
    layout = Layout(order=order, big=MAGIC[magic])
    place = head[8:16] if layout.big else head[4:8]
    if len(place) < layout.inline:
        raise ValueError("cut short")
    return layout, layout.unpack(layout.offset, place)[0]


def read_directory(read: Reader, layout: Layout, place: int, budget: Budget) -> tuple[Directory, list[int]]:
    """One directory, and the tags in it that can't be read; raises `ValueError` where there is none."""
    directory: Directory = {}
    lost = []
    for record in read_records(read, layout, place):
        tag, entry = read_entry(read, layout, record, budget)
        if entry is None:
            lost.append(tag)
        else:
            directory.setdefault(tag, entry)
    return directory, lost


def read_records(read: Reader, layout: Layout, place: int) -> list[bytes]:
    """The records of a directory, one for each tag; raises `ValueError` where there is none."""
    code = "Q" if layout.big else "H"
    head = read(place, struct.calcsize(layout.order + code))
    width = struct.calcsize(f"{layout.order}HH{layout.offset * 2}")
    if len(head) < struct.calcsize(layout.order + code):
        raise ValueError("cut short")
    (count,) = layout.unpack(code, head)
    table = read(place + len(head), width * min(count, 65535))
    if not count or len(table) < width * count:
        raise ValueError("cut short")
    return [table[row : row + width] for row in range(0, len(table), width)]


def list_tags(read: Reader) -> set[int]:
    """Tags of the first directory, whose values are not read; raises `ValueError` for anything but TIFF."""
    layout, place = read_head(read)
    return {layout.unpack("H", record[:2])[0] for record in read_records(read, layout, place)}


def read_orientation(read: Reader) -> int:
    """The orientation in a block, whose other values are not read; 0 where it says none.

    Raises:
        ValueError: no such block.
    """
    layout, place = read_head(read)
    for record in read_records(read, layout, place):
        tag, kind = layout.unpack("HH", record[:4])
        if tag == ORIENTATION and kind in NUMBERS and SIZES[kind] <= layout.inline:
            return layout.unpack(NUMBERS[kind], record[-layout.inline :][: SIZES[kind]])[0]
    return 0


def measure_values(read: Reader) -> int:
    """Bytes of all values of the first directory, those that several tags share counted for each of them."""
    layout, place = read_head(read)
    records = (
        layout.unpack(f"HH{layout.offset}", record[: -layout.inline]) for record in read_records(read, layout, place)
    )
    return sum(SIZES.get(kind, 0) * count for _, kind, count in records)


def read_entry(read: Reader, layout: Layout, record: bytes, budget: Budget) -> tuple[int, Entry | None]:
    """One tag and its value; None where the value is of an unknown type, too long or outside."""
    tag, kind, count = layout.unpack(f"HH{layout.offset}", record[: -layout.inline])
    size = SIZES.get(kind, 0) * count
    if kind not in SIZES or size > LIMIT:
        return tag, None
    budget.take(size)
    tail = record[-layout.inline :]
    if size <= layout.inline:
        return tag, Entry(kind, tail[:size])
    place = layout.unpack(layout.offset, tail)[0]
    value = read(place, size)
    return tag, Entry(kind, value, place) if len(value) == size else None


def put_together(block: Block) -> bytes:
    """The bytes of a block; maker's notes that hold offsets stay where they were found.

    Raises:
        ValueError: such a note is found too far behind to stay there; `drop_note` leaves it out.
    """
    layout = block.layout
    directories = add_pointers(block)
    gap = find_fixed_note(block)
    places: dict[tuple[int, int], int] = {}
    end = layout.start
    for pointer, tag, size in list_pieces(directories, layout):
        if gap and (pointer, tag) == (EXIF, MAKER_NOTE):
            places[pointer, tag] = gap.start
            continue
        end += end % 2
        if end < gap.stop and end + size > gap.start:
            end = gap.stop + gap.stop % 2
        places[pointer, tag] = end
        end += size
    data = bytearray(max(end, gap.stop))
    data[: layout.start] = make_header(layout, places[IMAGE, -1])
    for pointer, directory in directories.items():
        for child, parent in PARENTS.items():
            if parent == pointer and child in directories:
                directory[child] = Entry(LONG, layout.pack("L", places[child, -1]))
        write_directory(data, layout, pointer, directory, places)
    return bytes(data)


def make_header(layout: Layout, place: int) -> bytes:
    """The first bytes of a file whose first directory is at `place`."""
    mark = b"II" if layout.order == "<" else b"MM"
    return mark + (layout.pack("HHHQ", 43, 8, 0, place) if layout.big else layout.pack("HL", 42, place))


def add_pointers(block: Block) -> dict[int, Directory]:
    """A copy of a block's directories that have something in them, with room for the pointers between them."""
    kept = {pointer: dict(block.directory(pointer)) for pointer in (IMAGE, *PARENTS)}
    for pointer in reversed(PARENTS):  # the innermost first
        if kept[pointer]:
            kept[PARENTS[pointer]][pointer] = Entry(LONG, bytes(4))
    return {pointer: directory for pointer, directory in kept.items() if directory}


def find_fixed_note(block: Block) -> range:
    """The bytes that a maker's note must stay in, an empty range where there is none."""
    note = block.directory(EXIF).get(MAKER_NOTE)
    if note is None or not note.place or note.value.startswith(MOVABLE):
        return range(0)
    if not block.layout.start <= note.place <= FARTHEST_NOTE:
        raise ValueError("the maker's note can't be moved")
    return range(note.place, note.place + len(note.value))


def narrow(block: Block) -> Block:
    """The block with offsets of 32 bits, as EXIF blocks have them; numbers that don't fit are left out."""
    layout = Layout(order=block.layout.order)
    directories = {pointer: dict(directory) for pointer, directory in block.directories.items()}
    for directory in directories.values():
        for tag, entry in list(directory.items()):
            if entry.kind in (LONG8, 18):
                values = layout.unpack("Q" * (len(entry.value) // 8), entry.value)
                del directory[tag]
                if max(values) < 2**32:
                    directory[tag] = Entry(LONG, layout.pack("L" * len(values), *values))
    return Block(layout=layout, directories=directories, damaged=block.damaged)


def drop_note(block: Block) -> Block:
    """The block without its maker's note."""
    camera = {tag: entry for tag, entry in block.directory(EXIF).items() if tag != MAKER_NOTE}
    return Block(layout=block.layout, directories={**block.directories, EXIF: camera}, damaged=block.damaged)


def list_pieces(directories: dict[int, Directory], layout: Layout) -> Iterator[tuple[int, int, int]]:
    """What needs a place: pointer and length of each directory (its tag is -1), and of its longer values."""
    width, ends = (20, 16) if layout.big else (12, 6)
    for pointer, directory in directories.items():
        yield pointer, -1, width * len(directory) + ends
        for tag, entry in sorted(directory.items()):
            if len(entry.value) > layout.inline:
                yield pointer, tag, len(entry.value)


def write_directory(
    data: bytearray, layout: Layout, pointer: int, directory: Directory, places: dict[tuple[int, int], int]
) -> None:
    """Put one directory and its values into their places."""
    rows = []
    for tag, entry in sorted(directory.items()):
        field_ = entry.value.ljust(layout.inline, b"\0")
        if len(entry.value) > layout.inline:
            place = places[pointer, tag]
            data[place : place + len(entry.value)] = entry.value
            field_ = layout.pack(layout.offset, place)
        rows.append(layout.pack(f"HH{layout.offset}", tag, entry.kind, len(entry.value) // SIZES[entry.kind]) + field_)
    count = layout.pack("Q" if layout.big else "H", len(rows))
    table = count + b"".join(rows) + bytes(layout.inline)
    start = places[pointer, -1]
    data[start : start + len(table)] = table
