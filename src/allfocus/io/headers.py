"""What a file says of its picture before any sample is decoded: size, channels, depth."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Exif
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from allfocus.io.decode import ORIENTATION, explained, find_kind
from allfocus.io.pixels import EXPANDED, check_pixels
from allfocus.io.png import bit_depth, read_exif
from allfocus.io.tiff import check_page, list_pages, only_page, orientation_of
from allfocus.stack import FrameInfo

PILLOW: dict[str, Any] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile, "BMP": BmpImageFile}


def read_header(path: Path) -> FrameInfo:
    """Shape and depth that `read_image` will return for a whole file.

    Raises:
        ReadError: the file is missing, is no picture, or its header is damaged.
    """
    kind = find_kind(path)
    with explained(path, kind):
        if kind == "TIFF":
            with TiffFile(path) as tiff:
                return of_page(only_page(tiff, path.name), path.name)
        with PILLOW[kind](path) as image:
            check_pixels(image.width, image.height, path.name)
            mode = EXPANDED.get(image.mode, image.mode)
            is_gray = mode in ("L", "LA") or image.mode.startswith("I")
            if kind != "PNG":
                orientation = int(image.getexif().get(ORIENTATION, 1))
                return info(image.height, image.width, is_gray, np.uint8, orientation)
            # Pillow would decode the picture to find its EXIF, and calls 16-bit RGB 8-bit
            with path.open("rb") as file:
                depth = np.uint16 if bit_depth(file.read(32)) == 16 else np.uint8
                exif = Exif()
                exif.load(read_exif(file, path.name))
            return info(image.height, image.width, is_gray, depth, int(exif.get(ORIENTATION, 1)))


def page_headers(path: Path) -> list[FrameInfo]:
    """Shape and depth of every page of a TIFF file; raises `ReadError` as `read_header` does."""
    with explained(path, "TIFF"), TiffFile(path) as tiff:
        return [of_page(page, path.name) for page in list_pages(tiff, path.name)]


def of_page(page: TiffPage, name: str) -> FrameInfo:
    """Shape and depth of one page."""
    check_page(page, name)
    is_gray = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    depth = np.uint8 if page.dtype == np.bool_ else page.dtype
    return info(page.imagelength, page.imagewidth, is_gray, depth, orientation_of(page))


def info(height: int, width: int, is_gray: bool, dtype: Any, orientation: int) -> FrameInfo:
    """Shape and depth once the picture is turned the right way up."""
    size = (width, height) if 5 <= orientation <= 8 else (height, width)
    return FrameInfo(shape=size if is_gray else (*size, 3), dtype=np.dtype(dtype))
