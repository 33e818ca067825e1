"""Pages of TIFF files: which of them are pictures, whether they can be frames, and their samples."""

import struct
from os import SEEK_CUR
from pathlib import Path
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffFrame, TiffPage

from allfocus.core.color import FULL_SCALE, Array
from allfocus.core.samples import WORKING, find_opaque
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.pixels import check_pixels, decode_pillow, describe_frame, orient, widen
from allfocus.formats.quiet import libtiff_errors
from allfocus.formats.tiff_check import check_segments
from allfocus.formats.tiff_strips import is_for_strips, read_strips

READABLE = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE, PHOTOMETRIC.YCBCR)

ORIENTATION, NO_DATA = 274, 42113  # TIFF tags; the second is GDAL's

#: Samples of more bits than this that fill no whole bytes are not read.
LARGEST_PACKED = 16

#: Largest share of an alpha channel that is half transparent, where only its values tell that it is one.
SOFT = 0.1


def find_page(tiff: TiffFile, name: str) -> TiffPage:
    """The one page of full size; raises `ReadError` where there are several."""
    check_pages(tiff, name)
    pages = list_pages(tiff, name)
    # ImageJ describes all planes of a large stack on one page; the series of other files may span companions
    is_described = len(pages) == 1 and (tiff.is_imagej or tiff.is_shaped)
    count = tiff.series[0].size // pages[0].size if is_described else len(pages)
    if count > 1:
        raise ReadError(
            f"{name} holds {count} pages; expected one picture: "
            "give it alone to fuse its pages, or export single pictures"
        )
    return pages[0]


def check_pages(tiff: TiffFile, name: str) -> None:
    """Raise `ReadError` where pages are missing: tifffile would go by those that are left.

    That is so where there is none, where the last one names another beyond the end of the file, or where ImageJ
    counted more planes than there are.
    """
    if not len(tiff.pages):
        raise ReadError(f"{name} is damaged or cut short: no TIFF page found")
    last, form, size = tiff.pages[-1], tiff.tiff, tiff.filehandle.size
    tiff.filehandle.seek(last.offset)
    (tags,) = struct.unpack(form.tagnoformat, tiff.filehandle.read(form.tagnosize))
    tiff.filehandle.seek(tags * form.tagsize, SEEK_CUR)
    following = tiff.filehandle.read(form.offsetsize)
    if len(following) == form.offsetsize and struct.unpack(form.offsetformat, following)[0] >= size:
        raise ReadError(f"{name} is cut short: page {len(tiff.pages) + 1} lies beyond the end of the file")
    counted = int((tiff.imagej_metadata or {}).get("images", 1))
    if counted > len(tiff.pages) and tiff.series[0].kind != "imagej":
        raise ReadError(f"{name} is cut short: of {counted} planes it holds {len(tiff.pages)}")


def list_pages(tiff: TiffFile, name: str) -> list[TiffPage]:
    """Pages of full size, in order: previews and masks are left out; raises `ReadError` where there is none."""
    pages = [page.aspage() for page in tiff.pages]
    pages = [page for page in pages if not page.is_reduced and not page.is_mask]
    if not pages:
        raise ReadError(f"{name} is damaged or cut short: no TIFF page found")
    return pages


def read_page(path: Path, page: TiffPage) -> Array:
    """Samples (H, W[, C]) of one page, oriented; alpha, where there is any, is the last channel.

    tifffile reads what is not compressed, `tiff_strips` what is compressed as bytes; compressions of pictures, such as
    JPEG, are left to Pillow, at 8 bit.

    Raises:
        ReadError: colours, depth or layout that can't be fused, or samples that are missing or damaged.
    """
    name = path.name
    check_page(page, name)
    check_data(page, path.stat().st_size, name)
    check_segments(page, name)
    if page.photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB):
        if page.compression == COMPRESSION.NONE and page.is_contiguous and not has_odd_bits(page):
            return normalize(page.asarray(), page, name)
        if is_for_strips(page):  # tifffile would unpack all that there is, whatever the page needs
            return normalize(read_strips(path, page), page, name)
    return read_by_pillow(path, page)


def normalize(samples: Array, page: TiffPage, name: str) -> Array:
    """Stored samples the way they are seen: channels last, 0 for black, few bits widened to 8 or 16, oriented."""
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, -1)
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8) * np.uint8(255)
    elif is_packed(page):
        samples = widen(samples, page.bitspersample)
    elif samples.dtype.kind == "f":
        samples = drop_no_data(samples, page)
    samples = drop_unknown_sample(turn_white_is_zero(samples, page), page, name)
    return orient(samples, find_orientation(page))


def drop_unknown_sample(samples: Array, page: TiffPage, name: str) -> Array:
    """Samples without a last channel that is never filled in, where the file does not say that it is alpha.

    Many programs write alpha so, others a selection, depth or infrared. Alpha is black and white, but for edges.

    Raises:
        ReadError: it holds what can't be alpha.
    """
    colours = 1 if page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE) else 3
    if samples.ndim == 2 or samples.shape[2] != colours + 1 or (page.extrasamples or (0,))[0] != 0:
        return samples
    extra, white = samples[..., -1], find_opaque(samples.dtype)
    if not extra.any():
        return samples[..., :-1]
    if np.mean((extra > 0) & (extra < white)) > SOFT:
        raise ReadError(
            f"{name} has a channel beside its colours that is not said to be alpha and is not black and white; "
            "export it without that channel"
        )
    return samples


def inspect_page(page: TiffPage, name: str) -> FrameInfo:
    """Shape and depth of one page, once it is decoded; raises `ReadError` as `check_page` does."""
    check_page(page, name)
    is_gray = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    return describe_frame(page.imagelength, page.imagewidth, is_gray, find_depth(page), find_orientation(page))


def check_page(page: TiffPage, name: str) -> None:
    """Raise `ReadError` for colours, depths and layouts that are no frame of a focal stack."""
    check_pixels(page.imagewidth, page.imagelength, name)
    if page.photometric not in READABLE:
        colours = getattr(page.photometric, "name", page.photometric)
        what = "CMYK" if page.photometric == PHOTOMETRIC.SEPARATED else colours
        raise ReadError(f"{name} has {what} colours; expected gray or RGB: convert it first")
    if page.dtype is None:
        raise ReadError(
            f"{name} is damaged, or has samples of an unknown kind, {page.bitspersample} bits; copy it anew"
        )
    if find_depth(page) not in WORKING:
        raise ReadError(f"{name} has {page.dtype} samples; expected whole or real numbers of 8 to 64 bits: convert it")
    if has_odd_bits(page) and (page.bitspersample > LARGEST_PACKED or np.dtype(page.dtype).kind != "u"):
        raise ReadError(f"{name} has {page.bitspersample}-bit samples; expected 1 to 16, 32 or 64: convert it first")
    if page.axes not in ("YX", "YXS", "SYX") or page.samplesperpixel > 4:
        raise ReadError(f"{name} has shape {page.shape} ({page.axes}); expected a gray or RGB picture")


def find_depth(page: TiffPage) -> Any:
    """Depth in which a page comes back: bits as 8 bit, and 9 to 15 of them as 16."""
    return np.dtype(np.uint8) if page.dtype == np.bool_ else page.dtype


def has_odd_bits(page: TiffPage) -> bool:
    """Whether samples take other than 8, 16, 32 or 64 bits each."""
    return page.dtype != np.bool_ and page.bitspersample != np.dtype(page.dtype).itemsize * 8


def is_packed(page: TiffPage) -> bool:
    """Whether samples lie bit by bit behind each other, so that white is less than the type that holds them has."""
    return has_odd_bits(page) and page.photometric != PHOTOMETRIC.PALETTE


def drop_no_data(samples: Array, page: TiffPage) -> Array:
    """Floats with NaN where they are the number that GDAL's tag says stands for no data."""
    tag = page.tags.get(NO_DATA)
    try:
        number = samples.dtype.type(str(tag.value).strip("\0 ")) if tag is not None else np.nan
    except ValueError:
        return samples
    return samples if np.isnan(number) else np.where(samples == number, samples.dtype.type(np.nan), samples)


def check_data(page: TiffPage | TiffFrame, file_size: int, name: str) -> None:
    """Raise `ReadError` unless every strip or tile lies within the file."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or 0 in (*page.databytecounts, *page.dataoffsets) or max(ends) > file_size:
        raise ReadError(f"{name} is cut short: the file ends at {file_size} bytes, before its samples do")


def turn_white_is_zero(picture: Array, page: TiffPage) -> Array:
    """Turn the gray of a page whose 0 means white; its alpha stays."""
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        gray = picture if picture.ndim == 2 else picture[..., :1]
        np.subtract(find_white(picture.dtype), gray, out=gray, casting="unsafe")
    return picture


def find_white(dtype: np.dtype[Any]) -> float | int:
    """The number that stands for black where 0 stands for white; of signed numbers the two change sides."""
    if dtype in FULL_SCALE or dtype.kind == "f":
        return FULL_SCALE.get(dtype, 1.0)
    return -1 if dtype.kind == "i" else int(np.iinfo(dtype).max)


def find_orientation(page: TiffPage) -> int:
    """The orientation tag, 1 where there is none."""
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1


def read_by_pillow(path: Path, page: TiffPage) -> Array:
    """Read a page of 8 bits that neither tifffile nor libtiff's decompressors can; Pillow turns it.

    Raises:
        ReadError: it is deeper, or Pillow can't either.
    """
    if page.dtype not in (np.uint8, np.bool_):
        compression = getattr(page.compression, "name", page.compression)
        raise ReadError(f"{path.name} can't be decoded ({compression}); save it with LZW, deflate or no compression")
    with libtiff_errors(), TiffImageFile(path) as image:
        image.seek(page.index)
        image.load()
        return decode_pillow(image, path.name)
