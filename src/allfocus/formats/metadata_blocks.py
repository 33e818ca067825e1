"""What a picture file of any format says beside its pixels, read out of its blocks."""

from pathlib import Path
from typing import BinaryIO

from allfocus.formats import blocks
from allfocus.formats import tiff_tags as tags
from allfocus.formats.png import SIGNATURE
from allfocus.metadata import xmp
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import Metadata, assembled, checked_profile, dpi_of, noted, parse, sensible
from allfocus.metadata.exif import Block


def read_metadata(path: Path | str) -> Metadata:
    """Read what a JPEG, PNG, WebP, TIFF, AVIF, HEIC or raw file says beside its pixels.

    The first bytes, not the name, decide how. No sample is decoded and nothing is raised: what can't be read is
    left out and named in `notes`. Of a TIFF file's pages the first one counts.
    """
    path = Path(path)
    notes: list[str] = []
    found, block = Blocks(), None
    with noted(notes, path.name, "metadata"), path.open("rb") as file:
        found, block = find_blocks(path, file)
    icc, packet, parts = None, None, b""
    with noted(notes, path.name, "EXIF"):
        block = block or parse(found.exif)
    with noted(notes, path.name, "ICC profile"):
        icc = checked_profile(found.icc)
    with noted(notes, path.name, "XMP"):
        packet = xmp.clean(found.xmp) if found.xmp else None
    with noted(notes, path.name, "extended XMP"):
        packet = xmp.join(packet, found.rest) if packet and found.rest else packet
    if block is not None:
        parts, said = assembled(block, path.name)
        notes += said
    return Metadata(
        exif=parts or None,
        icc=icc,
        xmp=packet,
        iptc=found.iptc,
        dpi=sensible(found.dpi) or (dpi_of(block) if block else None),
        text=tuple(found.text),
        notes=tuple(notes),
    )


def find_blocks(path: Path, file: BinaryIO) -> tuple[Blocks, Block | None]:
    """All that is stored, and of a file that has tags rather than an EXIF block, one that is made of them."""
    start = file.read(64)
    if start.startswith(b"\xff\xd8\xff"):
        return blocks.of_jpeg(file), None
    if start.startswith(SIGNATURE):
        return blocks.of_png(file), None
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return blocks.of_webp(file), None
    if start.startswith(tags.RAF_START):
        return tags.of_fuji(file), None
    if start[:2] in (b"II", b"MM"):
        return tags.of_tiff(file)
    if start[4:12] == b"ftypcrx ":
        return Blocks(), tags.of_canon(file)
    return blocks.of_heif(path, start), None
