"""Read one picture file: its samples, its header before they are decoded, and its metadata."""

from pathlib import Path

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Development, Header
from allfocus.formats.pixels import MAX_ALONE, drop_opaque_alpha, limit_pixels
from allfocus.formats.registry import find_format, recognize
from allfocus.metadata import carry, xmp
from allfocus.metadata.blocks import MICROMETRES, Blocks
from allfocus.metadata.carry import Metadata
from allfocus.metadata.profiles import profile_of_exif


def read_image(path: Path | str, development: Development | None = None, *, max_pixels: int = MAX_ALONE) -> Array:
    """Read a JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or RAW picture, turned the way its orientation tag says.

    Its first bytes, not its name, decide how.

    Args:
        path: the file.
        development: of the stack that a RAW picture belongs to; by default its own.
        max_pixels: larger pictures are refused.

    Returns:
        (H, W) gray or (H, W, 3) RGB in the file's own depth: uint8, uint16 or float32 (TIFF only). Palettes
        are expanded to RGB and single bits to gray; an opaque alpha channel is dropped. RAW is developed, see
        `raw.develop`; HEIC of 10 or 12 bits is widened to 16; AVIF is 8 bit.

    Raises:
        ReadError: the file is missing, is no such picture, is damaged or cut short, has transparent pixels,
            CMYK or other colours, several pages, samples of another depth, or too many pixels.
        MissingExtraError: HEIC or RAW without the package that reads it.
    """
    picture = read_picture(Path(path), development, max_pixels=max_pixels)
    if picture.shape[2:] in ((2,), (4,)):
        raise ReadError(f"{Path(path).name} has transparent pixels; flatten it onto a background first")
    return picture


def read_picture(path: Path, development: Development | None = None, *, max_pixels: int = MAX_ALONE) -> Array:
    """`read_image` that keeps an alpha channel, as the last one, where any pixel is not opaque: (H, W, 2) or (H, W, 4).

    `core.coverage.split_coverage` makes a frame of it and the mask of what that shows.
    """
    found = find_format(path)
    with explain_errors(path, found.name), limit_pixels(max_pixels):
        return drop_opaque_alpha(found.read(path, development))


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


def is_raw(path: Path) -> bool:
    """Whether a file is RAW, which is developed to sRGB whatever its EXIF says of the camera's own JPEG."""
    found = recognize(path) if path.is_file() else None
    return found is not None and found.is_raw


def read_profile(path: Path) -> bytes | None:
    """The ICC profile of a picture, or one for what the file says about its colours in another way; None without.

    Raises:
        ReadError: the file's metadata is damaged.
    """
    found = find_format(path)
    with explain_errors(path, found.name):
        blocks = found.blocks(path)
        if found.is_raw or blocks.icc:
            return None if found.is_raw else blocks.icc
        return profile_of_exif(blocks.tags or carry.parse(blocks.exif))


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
        icc = carry.check_profile(found.icc) or (None if is_raw(path) else profile_of_exif(block))
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
