"""TIFF files of one page whose directories hold EXIF, XMP, IPTC and the colour profile."""

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

import tifffile

from allfocus.core.color import Array
from allfocus.metadata import exif, ifd
from allfocus.metadata.carry import STORAGE, Metadata, make_density_tags, make_resolution_tags, parse
from allfocus.metadata.exif import Block, Entry
from allfocus.metadata.ome_xml import make_imagej_notes

#: Tags of the camera's directory that only JPEG's own samples need.
COMPRESSED = {exif.COMPONENTS, exif.BITS_PER_PIXEL, exif.PIXEL_X, exif.PIXEL_Y}


def make_tiff(image: Array, metadata: Metadata, options: Mapping[str, object], kept: tuple[int, ...] = ()) -> bytes:
    """A TIFF file of one page, gray, RGB or RGBA, written by tifffile with `options`, whose tags `kept` beat EXIF's.

    The EXIF block is put before the samples, so that its offsets are the file's: that is how a maker's note, which
    may hold offsets of its own, stays whole.
    """
    block = parse(metadata.exif) or Block()
    buffer = BytesIO()
    usual = {
        "photometric": "minisblack" if image.ndim == 2 else "rgb",
        "compression": "zlib",
        "predictor": image.dtype.kind != "f",
        "extrasamples": ["unassalpha"] if image.ndim == 3 and image.shape[2] == 4 else None,
        "software": "allfocus",
    }
    tifffile.imwrite(buffer, image, byteorder=block.layout.order, **{**usual, **options})  # type: ignore[arg-type]
    stored = buffer.getbuffer()
    page = ifd.take_apart(exif.make_reader(stored))
    ours = {tag: entry for tag, entry in page.directory(exif.IMAGE).items() if tag in kept}
    tags = {**page.directory(exif.IMAGE), **make_tags(block, metadata), **make_scale(block, metadata), **ours}
    camera = {tag: entry for tag, entry in block.directory(exif.EXIF).items() if tag not in COMPRESSED}
    inner = {**block.directories, exif.IMAGE: tags, exif.EXIF: camera}
    return put_tags_first(stored, replace(block, layout=page.layout, directories=inner))


def make_tags(block: Block, metadata: Metadata) -> dict[int, Entry]:
    """Tags of a TIFF file's first directory that describe the picture rather than how it is stored."""
    tags = make_resolution_tags(block, metadata.dpi) if metadata.dpi else {}
    stored = {*STORAGE, exif.POSITIONING}
    tags |= {tag: entry for tag, entry in block.directory(exif.IMAGE).items() if tag not in stored}
    if metadata.icc:
        tags[exif.ICC] = Entry(exif.UNDEFINED, metadata.icc)
    if metadata.xmp:
        tags[exif.XMP] = Entry(exif.BYTE, metadata.xmp)
    if metadata.iptc:
        tags[exif.IPTC] = Entry(exif.UNDEFINED, metadata.iptc)
    return tags


def make_scale(block: Block, metadata: Metadata) -> dict[int, Entry]:
    """Tags in ImageJ's way for sizes in µm: pixels for one of them, its unit and the distance of planes as notes.

    Without the size of a pixel there are none: ImageJ would take each for 1 µm.
    """
    if metadata.pixel_size is None:
        return {}
    described = block.directory(exif.IMAGE).get(exif.DESCRIPTION)
    text = "" if described is None else described.value.strip(b"\0").decode("utf-8", "replace")
    width, height = metadata.pixel_size
    notes = exif.encode_text(make_imagej_notes(metadata.z_step, text))
    return {exif.DESCRIPTION: notes, **make_density_tags(block, (1 / width, 1 / height), 1)}


def put_tags_first(stored: memoryview, block: Block) -> bytes:
    """A TIFF file of all directories of `block`, followed by the samples of a file of one page."""
    tags = block.directory(exif.IMAGE)
    places = block.all_numbers(exif.IMAGE, exif.STRIPS)
    lengths = block.all_numbers(exif.IMAGE, exif.STRIP_LENGTHS)
    first, last = min(places), max(place + length for place, length in zip(places, lengths, strict=True))
    start = -(-len(ifd.put_together(block)) // 16) * 16
    tags[exif.STRIPS] = block.numbers(tags[exif.STRIPS].kind, *(place - first + start for place in places))
    return b"".join((ifd.put_together(block).ljust(start, b"\0"), stored[first:last]))
