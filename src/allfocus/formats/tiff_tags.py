"""TIFF and raw files, which have tags where others have an EXIF block: one is made of those that say something."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import BinaryIO

from allfocus.formats import blocks
from allfocus.metadata import exif
from allfocus.metadata import ifd as directories
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.exif import Block, Directory

#: Tags of a TIFF file's first directory that say something of the picture rather than of how it is stored.
DESCRIPTIVE = {
    exif.DESCRIPTION, exif.ORIENTATION, exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT, exif.SOFTWARE,
    exif.ARTIST, exif.COPYRIGHT,
    0x010D, 0x010F, 0x0110, 0x011D, 0x0132, 0x013C, 0x013E, 0x013F,  # names, make and model, date, host, white point
    0x4746, 0x4749,  # rating
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # title, comment, author, keywords and subject, as Windows writes them
}  # fmt: skip

#: What programs put into a TIFF's description for themselves: it describes the old file's pages.
MACHINE_WRITTEN = (b"<?xml", b"<OME", b"ImageJ=", b'{"shape"')

RAF_START = b"FUJIFILMCCD-RAW "

#: Where Canon's newer raw files, in the ISO base media format, keep their directories: each is a block of its own.
CANON_BOX = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
CANON_DIRECTORIES = {b"CMT1": exif.IMAGE, b"CMT2": exif.EXIF, b"CMT4": exif.GPS}

#: Tags of lengths, and their unit, which are dropped together.
RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)


def of_tiff(file: BinaryIO) -> tuple[Blocks, Block]:
    """The blocks of a TIFF file's first page, and its descriptive tags as an EXIF block."""
    page = directories.take_apart(blocks.file_reader(file))
    tags = page.directory(exif.IMAGE)
    icc, xmp, iptc = (tags[tag].value if tag in tags else None for tag in (exif.ICC, exif.XMP, exif.IPTC))
    has_no_unit = page.number(exif.IMAGE, exif.RESOLUTION_UNIT) == 1  # ImageJ's pixels for a micrometre, say
    kept = {tag: entry for tag, entry in descriptive(tags).items() if not (has_no_unit and tag in RESOLUTION)}
    ours = {f"tag {tag:#06x}" for tag in DESCRIPTIVE}
    damaged = tuple(what for what in page.damaged if what in ours or not what.startswith("tag "))
    block = replace(page, directories={**page.directories, exif.IMAGE: kept}, damaged=damaged)
    return Blocks(icc=icc, xmp=xmp, iptc=iptc), directories.narrowed(block)


def descriptive(tags: Directory) -> Directory:
    """The tags of a first directory that say something of the picture."""
    kept = {tag: entry for tag, entry in tags.items() if tag in DESCRIPTIVE}
    if exif.DESCRIPTION in kept and kept[exif.DESCRIPTION].value.startswith(MACHINE_WRITTEN):
        del kept[exif.DESCRIPTION]
    return kept


def of_fuji(file: BinaryIO) -> Blocks:
    """The EXIF block of the JPEG picture inside a Fujifilm raw file; where that is, its header says."""
    file.seek(84)
    file.seek(int.from_bytes(file.read(4), "big"))
    return Blocks(exif=blocks.of_jpeg(BytesIO(file.read(2**18))).exif)


def of_canon(file: BinaryIO) -> Block:
    """The directories of a CR3 file as one block, but the maker's note, which has a box to itself."""
    size = file.seek(0, 2)
    movie = next((box for kind, box in boxes(file, range(0, size)) if kind == b"moov"), range(0))
    found = {}
    for kind, box in boxes(file, movie):
        file.seek(box.start)
        if kind == b"uuid" and file.read(16) == CANON_BOX:
            for name, inside in boxes(file, range(box.start + 16, box.stop)):
                if name in CANON_DIRECTORIES:
                    file.seek(inside.start)
                    found[CANON_DIRECTORIES[name]] = directories.take_apart(exif.reader(file.read(len(inside))))
    if exif.IMAGE not in found:
        raise ValueError("no directories found")
    inner = {pointer: block.directory(exif.IMAGE) for pointer, block in found.items()}
    inner[exif.IMAGE] = descriptive(inner[exif.IMAGE])
    damaged = tuple(what for block in found.values() for what in block.damaged)
    return Block(layout=found[exif.IMAGE].layout, directories=inner, damaged=damaged)


def boxes(file: BinaryIO, inside: range) -> Iterator[tuple[bytes, range]]:
    """Kind and content of each box (ISO/IEC 14496-12, section 4.2) in a part of a file."""
    place = inside.start
    while place + 8 <= inside.stop:
        file.seek(place)
        head = file.read(16)
        length, start = int.from_bytes(head[:4], "big"), place + 8
        if length == 1:
            length, start = int.from_bytes(head[8:], "big"), place + 16
        end = place + length if length else inside.stop
        if end <= start:
            return
        yield head[4:8], range(start, min(end, inside.stop))
        place = end
