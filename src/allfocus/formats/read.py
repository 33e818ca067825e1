"""Read one picture file: its samples, its header before they are decoded, and its metadata."""

from pathlib import Path

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Development, Header
from allfocus.formats.pixels import drop_opaque_alpha
from allfocus.formats.registry import find_format, recognize
from allfocus.metadata import carry, xmp
from allfocus.metadata.blocks import MICROMETRES, Blocks
from allfocus.metadata.carry import Metadata


def read_image(path: Path | str, development: Development | None = None) -> Array:
    """Read a JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or RAW picture, turned the way its orientation tag says.

    Its first bytes, not its name, decide how.

    Args:
        path: the file.
        development: of the stack that a RAW picture belongs to; by default its own.

    Returns:
        (H, W) gray or (H, W, 3) RGB in the file's own depth: uint8, uint16 or float32 (TIFF only). Palettes
        are expanded to RGB and single bits to gray; an opaque alpha channel is dropped. RAW is developed, see
        `raw.develop`; HEIC of 10 or 12 bits is widened to 16; AVIF is 8 bit.

    Raises:
        ReadError: the file is missing, is no such picture, is damaged or cut short, has transparent pixels,
            CMYK or other colours, several pages, or samples of another depth.
        MissingExtraError: HEIC or RAW without the package that reads it.
    """
    path = Path(path)
    found = find_format(path)
    with explain_errors(path, found.name):
        return drop_opaque_alpha(found.read(path, development), path.name)


def read_header(path: Path) -> Header:
    """What `read_image` will return for this file, as far as can be known without decoding it.

    Raises:
        ReadError: the file is missing, is no picture, is cut short, or holds what can't be fused.
        MissingExtraError: its format needs a package that is not installed.
    """
    found = find_format(path)
    if found.contains == "frames":
        raise ReadError(f"{path} is a {found.name}; give it alone to fuse its frames")
    with explain_errors(path, found.name):
        found.check(path)
        return found.header(path)


def read_blocks(path: Path) -> Blocks:
    """Metadata as a file stores it; nothing from a file of an unknown format.

    Raises:
        Exception: of any type, where the file is damaged.
    """
    found = recognize(path)
    return Blocks() if found is None else found.blocks(path)


def read_metadata(path: Path | str) -> Metadata:
    """Read the metadata of a JPEG, PNG, WebP, TIFF, AVIF, HEIC or RAW file: EXIF, ICC profile, XMP, IPTC, texts.

    No sample is decoded and nothing is raised: what can't be read is left out and named in `notes`. Of a TIFF file's
    pages the first one counts.
    """
    path = Path(path)
    notes: list[str] = []
    found, block = Blocks(), None
    with carry.collect_errors(notes, path.name, "metadata"):
        found = read_blocks(path)
    icc, packet, parts = None, None, b""
    with carry.collect_errors(notes, path.name, "EXIF"):
        block = found.tags or carry.parse(found.exif)
    with carry.collect_errors(notes, path.name, "ICC profile"):
        icc = carry.check_profile(found.icc)
    with carry.collect_errors(notes, path.name, "XMP"):
        packet = xmp.clean(found.xmp) if found.xmp else None
    with carry.collect_errors(notes, path.name, "extended XMP"):
        packet = xmp.join(packet, found.rest) if packet and found.rest else packet
    if block is not None:
        parts, damage = carry.assemble(block, path.name)
        notes += damage
    return Metadata(
        exif=parts or None,
        icc=icc,
        xmp=packet,
        iptc=found.iptc,
        dpi=carry.keep_plausible(scale_to_dpi(found) or found.dpi) or (carry.read_dpi(block) if block else None),
        pixel_size=found.pixel_size,
        z_step=found.z_step,
        text=tuple(found.text),
        notes=tuple(notes),
    )


def scale_to_dpi(found: Blocks) -> tuple[float, float] | None:
    """Pixels for an inch, where the size of a pixel is known."""
    if found.pixel_size is None:
        return None
    width, height = found.pixel_size
    return MICROMETRES / width, MICROMETRES / height
