"""TIFF: one page as a picture, or all pages of one file as a stack."""

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL.TiffImagePlugin import TiffImageFile
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from allfocus.color import FULL_SCALE, Array
from allfocus.errors import ReadError
from allfocus.io.pixels import check_pixels, from_pillow, orient

log = logging.getLogger(__name__)

READABLE = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR)

ORIENTATION = 274  # the TIFF tag


def read_single_page(path: Path) -> Array:
    """Read the one picture in a TIFF file: samples as `read_page` returns them.

    Raises:
        ReadError: no page or several, or a page that can't be read.
    """
    with TiffFile(path) as tiff:
        return read_page(path, only_page(tiff, path.name))


def only_page(tiff: TiffFile, name: str) -> TiffPage:
    """The one page of full size; raises `ReadError` where there are several."""
    pages = list_pages(tiff, name)
    if len(pages) > 1:
        raise ReadError(
            f"{name} holds {len(pages)} pages; expected one picture: "
            "give it alone to fuse its pages, or export single pictures"
        )
    return pages[0]


def list_pages(tiff: TiffFile, name: str) -> list[TiffPage]:
    """Pages of full size, in order: previews and masks are left out.

    Raises:
        ReadError: there is none, or they are several channels or times rather than one focal stack.
    """
    pages = [page.aspage() for page in tiff.pages]
    pages = [page for page in pages if not page.is_reduced and not page.is_mask]
    if not pages:
        raise ReadError(f"{name} is damaged or cut short: no TIFF page found")
    axes = dict(zip(tiff.series[0].axes, tiff.series[0].shape, strict=True)) if len(pages) > 1 else {}
    if axes.get("C", 1) > 1 or axes.get("T", 1) > 1:
        raise ReadError(f"{name} holds several channels or times; export one channel and one time as a stack")
    return pages


def read_page(path: Path, page: TiffPage) -> Array:
    """Samples (H, W[, C]) of one page, oriented; alpha, where there is any, is the last channel.

    tifffile decodes what it can by itself; compressions that it can't are left to Pillow (8 bit) or OpenCV.

    Raises:
        ReadError: colours, depth or layout that can't be fused, or samples that are missing or damaged.
    """
    name = path.name
    check_page(page, name)
    check_data(page, path.stat().st_size, name)
    if page.photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB):
        try:
            return orient(as_seen(page), orientation_of(page))
        except (ImportError, ValueError) as error:
            log.debug("%s: tifffile can't decode it (%s); another decoder is tried", name, error)
    return read_elsewhere(path, page)


def check_page(page: TiffPage, name: str) -> None:
    """Raise `ReadError` for colours, depths and layouts that are no frame of a focal stack."""
    check_pixels(page.imagewidth, page.imagelength, name)
    if page.photometric not in READABLE:
        colours = getattr(page.photometric, "name", page.photometric)
        what = "CMYK" if page.photometric == PHOTOMETRIC.SEPARATED else colours
        raise ReadError(f"{name} has {what} colours; expected gray or RGB: convert it first")
    if page.dtype not in FULL_SCALE and page.dtype != np.bool_:
        raise ReadError(
            f"{name} has {page.dtype} samples; expected 8 or 16 bit unsigned, or 32 bit float: convert it first"
        )
    if page.dtype != np.bool_ and page.bitspersample != np.dtype(page.dtype).itemsize * 8:
        raise ReadError(f"{name} has {page.bitspersample}-bit samples; expected 8, 16 or 32: convert it first")
    if page.axes not in ("YX", "YXS", "SYX") or page.samplesperpixel > 4:
        raise ReadError(f"{name} has shape {page.shape} ({page.axes}); expected a gray or RGB picture")


def check_data(page: TiffPage, file_size: int, name: str) -> None:
    """Raise `ReadError` unless every strip or tile lies within the file."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or 0 in page.databytecounts or max(ends) > file_size:
        raise ReadError(f"{name} is cut short: the file ends at {file_size} bytes, before its samples do")


def as_seen(page: TiffPage) -> Array:
    """Samples as tifffile decodes them, channels last, 0 for black, bits expanded to 0 and 255."""
    picture: Array = page.asarray()
    if page.axes == "SYX":
        picture = np.moveaxis(picture, 0, -1)
    if picture.dtype == np.bool_:
        picture = picture.astype(np.uint8) * np.uint8(255)
    return black_is_zero(picture, page)


def black_is_zero(picture: Array, page: TiffPage) -> Array:
    """Turn the gray of a page whose 0 means white; its alpha stays."""
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        gray = picture if picture.ndim == 2 else picture[..., :1]
        np.subtract(FULL_SCALE[picture.dtype], gray, out=gray, casting="unsafe")
    return picture


def orientation_of(page: TiffPage) -> int:
    """The orientation tag, 1 where there is none."""
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1


def read_elsewhere(path: Path, page: TiffPage) -> Array:
    """Read a page that tifffile can't: 8 bit by Pillow, deeper by OpenCV; both apply the orientation.

    Raises:
        ReadError: they can't either, or not at the page's own depth.
    """
    if page.dtype in (np.uint8, np.bool_):
        with TiffImageFile(path) as image:
            image.seek(page.index)
            image.load()
            return from_pillow(image, path.name)
    found, pages = cv2.imreadmulti(str(path), page.index, 1, flags=cv2.IMREAD_UNCHANGED)
    picture: Any = pages[0] if found and pages else None
    if picture is None or picture.dtype != page.dtype or picture.size != page.size:
        compression = getattr(page.compression, "name", page.compression)
        raise ReadError(f"{path.name} can't be decoded ({compression}); save it with LZW, deflate or no compression")
    if picture.ndim == 3:
        picture = np.concatenate([picture[..., 2::-1], picture[..., 3:]], axis=2)
    return black_is_zero(np.asarray(picture), page)
