"""Read one picture; its first bytes, not its name, decide how."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ImageFile

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.headers import PILLOW, check_still, explained
from allfocus.formats.heif import open_avif, read_heic
from allfocus.formats.integrity import check_jpeg
from allfocus.formats.pixels import check_pixels, drop_opaque_alpha, exif_orientation, from_pillow, orient
from allfocus.formats.png import bit_depth, check_png, decode_png16
from allfocus.formats.raw import Development, read_raw
from allfocus.formats.sniff import find_kind
from allfocus.formats.tiff import read_single_page


def read_image(path: Path | str, development: Development | None = None) -> Array:
    """Read a JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or RAW picture, turned the way its orientation tag says.

    Args:
        path: the file.
        development: of the stack that a RAW picture belongs to; by default its own.

    Returns:
        (H, W) gray or (H, W, 3) RGB in the file's own depth: uint8, uint16 or float32 (TIFF only). Palettes
        are expanded to RGB and single bits to gray; an opaque alpha channel is dropped. RAW is developed, see
        `read_raw`; HEIC of 10 or 12 bits is widened to 16; AVIF is 8 bit.

    Raises:
        ReadError: the file is missing, is no such picture, is damaged or cut short, has transparent pixels,
            CMYK or other colours, several pages, or samples of another depth.
        MissingExtraError: HEIC or RAW without the package that reads it.
    """
    path = Path(path)
    kind = find_kind(path)
    with explained(path, kind):
        return drop_opaque_alpha(decode(path, kind, development), path.name)


def decode(path: Path, kind: str, development: Development | None) -> Array:
    """Samples of a file of this kind, oriented, alpha kept."""
    if kind == "video":
        raise ReadError(f"{path} is a video; expected a picture")
    if kind == "TIFF":
        return read_single_page(path)
    if kind == "RAW":
        return read_raw(path, development)
    if kind == "HEIC":
        return read_heic(path)
    if kind == "AVIF":
        with open_avif(path) as image:
            return oriented(image, path.name)
    return decode_bytes(path.read_bytes(), kind, path.name)


def decode_bytes(data: bytes, kind: str, name: str) -> Array:
    """Samples of a JPEG, PNG, WebP or BMP file, oriented, alpha kept."""
    image = open_pillow(data, kind, name)
    if kind == "PNG" and bit_depth(data) == 16:
        check_pixels(image.width, image.height, name)
        return orient(decode_png16(data, name), exif_orientation(image.getexif))
    return oriented(image, name)


def oriented(image: ImageFile.ImageFile, name: str) -> Array:
    """Samples of an 8-bit picture that Pillow opened, turned the way its EXIF says."""
    check_pixels(image.width, image.height, name)
    check_still(image, name)
    orientation = exif_orientation(image.getexif)
    return np.asarray(orient(from_pillow(image, name), orientation))


def open_pillow(data: bytes, kind: str, name: str) -> ImageFile.ImageFile:
    """Open a file that is whole.

    The plug-in is called by name: `Image.open` would refuse honest pictures above 179 megapixels, and takes
    the second picture that phones hide in a JPEG for another page.
    """
    if kind == "JPEG":
        check_jpeg(data, name)
    if kind == "PNG":
        check_png(data, name)
    image: ImageFile.ImageFile = PILLOW[kind](BytesIO(data))
    return image
