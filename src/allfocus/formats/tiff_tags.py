"""The tags of a TIFF file's first page, of which those that describe the picture become an EXIF block."""

from dataclasses import replace
from typing import Any

from allfocus.formats.filebytes import Data
from allfocus.metadata import exif, ifd
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.exif import Block, Directory
from allfocus.metadata.ome_xml import read_facts

#: TIFF and BigTIFF, in both byte orders.
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: Tags of a TIFF file's first directory that describe the picture rather than how it is stored.
DESCRIPTIVE = {
    exif.DESCRIPTION, exif.ORIENTATION, exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT, exif.SOFTWARE,
    exif.ARTIST, exif.COPYRIGHT,
    0x010D, 0x010F, 0x0110, 0x011D, 0x0132, 0x013C, 0x013E, 0x013F,  # names, make and model, date, host, white point
    0x4746, 0x4749,  # rating
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # title, comment, author, keywords and subject, as Windows writes them
}  # fmt: skip

#: What programs put into a TIFF's description for themselves: it describes the old file's pages.
MACHINE_WRITTEN = (b"<?xml", b"<OME", b"ImageJ=", b'{"shape"')

#: Tags of lengths, and their unit, which are dropped together.
RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)


def find_tags(data: Data) -> Blocks:
    """The metadata of a TIFF file's first page, its descriptive tags as an EXIF block."""
    page = ifd.take_apart(exif.make_reader(data))
    tags = page.directory(exif.IMAGE)
    icc, xmp, iptc = (tags[tag].value if tag in tags else None for tag in (exif.ICC, exif.XMP, exif.IPTC))
    facts = find_sizes(page)
    # pixels for a micrometre, or only their shape
    is_other = page.number(exif.IMAGE, exif.RESOLUTION_UNIT) == 1 or facts.get("pixel_size") is not None
    kept = {tag: entry for tag, entry in keep_descriptive(tags).items() if not (is_other and tag in RESOLUTION)}
    ours = {f"tag {tag:#06x}" for tag in DESCRIPTIVE}
    damaged = tuple(what for what in page.damaged if what in ours or not what.startswith("tag "))
    block = replace(page, directories={**page.directories, exif.IMAGE: kept}, damaged=damaged)
    tags_kept, size, step = ifd.narrow(block), facts.get("pixel_size"), facts.get("z_step")
    return Blocks(icc=icc, xmp=xmp, iptc=iptc, tags=tags_kept, pixel_size=size, z_step=step)


def find_sizes(page: Block) -> dict[str, Any]:
    """What microscopy programs noted in a first page's description; nothing where it is damaged."""
    entry = page.directory(exif.IMAGE).get(exif.DESCRIPTION)
    text = b"" if entry is None else entry.value.strip(b"\0")
    if not text.startswith(MACHINE_WRITTEN):
        return {}
    resolution = [page.ratio(exif.IMAGE, tag) or 0.0 for tag in (exif.X_RESOLUTION, exif.Y_RESOLUTION)]
    try:
        return read_facts(decode(text), [(side, 1) for side in resolution])
    except Exception:  # of every type: it is no more than a description
        return {}


def decode(text: bytes) -> str:
    """A description, in UTF-8 or in the letters of old programs."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def keep_descriptive(tags: Directory) -> Directory:
    """The tags of a first directory that describe the picture."""
    kept = {tag: entry for tag, entry in tags.items() if tag in DESCRIPTIVE}
    if exif.DESCRIPTION in kept and kept[exif.DESCRIPTION].value.startswith(MACHINE_WRITTEN):
        del kept[exif.DESCRIPTION]
    return kept
