"""What a file says of its picture before any sample is decoded, and whether the file is all there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from allfocus.core.stack import FrameInfo
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.heif import avif_bits, open_avif, open_heic
from allfocus.formats.integrity import check_whole, mapped
from allfocus.formats.pixels import EXPANDED, check_mode, check_pixels, exif_orientation
from allfocus.formats.png import bit_depth, read_exif
from allfocus.formats.raw import raw_frame
from allfocus.formats.sniff import find_kind
from allfocus.formats.tiff import check_data, check_page, only_page, orientation_of, stored_depth
from allfocus.formats.webp import webp_header

PILLOW: dict[str, Any] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile, "BMP": BmpImageFile}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of its picture.

    Attributes:
        kind: see `find_kind`.
        frame: shape and depth that `read_image` will return.
        note: what reading it will lose; empty when nothing.
    """

    kind: str
    frame: FrameInfo
    note: str = ""


def read_header(path: Path) -> Header:
    """What `read_image` will return for this file, as far as can be known without decoding it.

    Raises:
        ReadError: the file is missing, is no picture, is cut short, or holds what can't be fused.
        MissingExtraError: its format needs a package that is not installed.
    """
    kind = find_kind(path)
    if kind == "video":
        raise ReadError(f"{path} is a video; give it alone to fuse its frames")
    with explained(path, kind):
        check_whole(path, kind)
        frame, note = READERS.get(kind, of_pillow)(path, kind)
        return Header(kind=kind, frame=frame, note=note)


@contextmanager
def explained(path: Path, kind: str) -> Iterator[None]:
    """Turn what decoders raise into a `ReadError` that names the file: damaged bytes cause errors of every type."""
    try:
        yield
    except (AllFocusError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"{path} can't be read as {kind}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The error's message up to its first line break, or its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def of_pillow(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape and depth of a JPEG or BMP file."""
    with PILLOW[kind](path) as image:
        return of_image(image, path.name, np.uint8, exif_orientation(image.getexif)), ""


def of_png(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape and depth of a PNG file: Pillow would decode it to find its EXIF, and calls 16-bit RGB 8-bit."""
    with mapped(path) as data:
        exif, depth = read_exif(data, path.name), np.uint16 if bit_depth(data) == 16 else np.uint8
    with PngImageFile(path) as image:
        return of_image(image, path.name, depth, exif_orientation(lambda: exif_from(exif))), ""


def of_webp(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape of a WebP file; it is RGB, 8 bit."""
    with mapped(path) as data:
        width, height, is_animated, exif = webp_header(data, path.name)
    check_pixels(width, height, path.name)
    if is_animated:
        raise ReadError(f"{path.name} is an animation; expected a single picture")
    return info(height, width, False, np.uint8, exif_orientation(lambda: exif_from(exif))), ""


def exif_from(data: bytes) -> Exif:
    """EXIF as a mapping; empty from no bytes."""
    exif = Exif()
    exif.load(data)
    return exif


def of_image(image: ImageFile, name: str, depth: Any, orientation: int) -> FrameInfo:
    """Shape and depth of a picture that Pillow opened; raises `ReadError` for one that can't be a frame."""
    check_pixels(image.width, image.height, name)
    check_still(image, name)
    mode = EXPANDED.get(image.mode, image.mode)
    is_gray = mode in ("L", "LA") or image.mode.startswith("I")
    if not is_gray:
        check_mode(mode, name)
    return info(image.height, image.width, is_gray, depth, orientation)


def check_still(image: ImageFile, name: str) -> None:
    """Raise `ReadError` for an animation; the second picture that phones hide in a JPEG is none."""
    if getattr(image, "n_frames", 1) > 1:
        raise ReadError(f"{name} is an animation; expected a single picture")


def of_tiff(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape and depth of the one picture in a TIFF file."""
    with TiffFile(path) as tiff:
        page = only_page(tiff, path.name)
        frame = of_page(page, path.name)
        check_data(page, path.stat().st_size, path.name)
        return frame, ""


def of_page(page: TiffPage, name: str) -> FrameInfo:
    """Shape and depth of one page."""
    check_page(page, name)
    is_gray = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    return info(page.imagelength, page.imagewidth, is_gray, stored_depth(page), orientation_of(page))


def of_heic(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape and depth of the main picture in a HEIC file."""
    image = open_heic(path)
    check_pixels(image.size[0], image.size[1], path.name)
    is_gray = image.mode.startswith(("L", "I"))
    depth = np.uint8 if int(image.info["bit_depth"]) == 8 else np.uint16
    return info(image.size[1], image.size[0], is_gray, depth, 1), ""


def of_avif(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape of an AVIF file; its depth is always 8 bit, whatever it has."""
    with open_avif(path) as image:
        frame = of_image(image, path.name, np.uint8, exif_orientation(image.getexif))
    bits = avif_bits(path)
    return frame, f"{bits}-bit AVIF is read as 8 bit" if bits > 8 else ""


def of_raw(path: Path, kind: str) -> tuple[FrameInfo, str]:
    """Shape of a RAW file once developed; its depth is 16 bit."""
    return raw_frame(path), ""


def info(height: int, width: int, is_gray: bool, dtype: Any, orientation: int) -> FrameInfo:
    """Shape and depth once the picture is turned the right way up."""
    size = (width, height) if 5 <= orientation <= 8 else (height, width)
    return FrameInfo(shape=size if is_gray else (*size, 3), dtype=np.dtype(dtype))


#: How each kind's header is read; the others' by Pillow.
READERS = {"PNG": of_png, "WebP": of_webp, "TIFF": of_tiff, "HEIC": of_heic, "AVIF": of_avif, "RAW": of_raw}
