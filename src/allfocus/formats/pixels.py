"""What formats share once their samples are decoded: orientation, alpha, limits, and the pictures that Pillow opens."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from allfocus.core.color import Array
from allfocus.core.samples import find_opaque
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.metadata import exif, ifd
from allfocus.metadata.blocks import EXIF_START, Blocks
from allfocus.metadata.budget import LIMIT

#: Larger pictures are refused before they are decoded, unless somebody allows them: those of a stack, whose memory is
#: planned, and single ones. OpenCV's own limit lies just above the first.
MAX_PIXELS, MAX_ALONE = 1_000_000_000, 250_000_000

_most_pixels = ContextVar("most_pixels", default=MAX_PIXELS)
_reduction = ContextVar("reduction", default=1)

#: The orientation in an XMP packet, which counts where EXIF says nothing.
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")

#: Bytes of a file for each pixel of its picture: no compression is worse.
BULK = 16

#: Pillow modes that are expanded to one of `L`, `RGB` and their twins with alpha.
EXPANDED = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA"}

#: What follows height and width in the shape of a picture of each mode.
BANDS: dict[str, tuple[int, ...]] = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}

#: Rows taken over from Pillow at a time.
STRIP = 128


# --- orientation, alpha and limits ---------------------------------------------------------------


def orient(picture: Array, orientation: int) -> Array:
    """Turn stored samples (H, W[, C]) the way the EXIF/TIFF orientation 1 to 8 says they are to be seen.

    Other values mean nothing and leave the picture as it is stored.
    """
    if 5 <= orientation <= 8:  # 5: transposed, 6: turned clockwise, 7: transversed, 8: turned anticlockwise
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def widen(samples: Array, bits: int) -> Array:
    """Samples of `bits`, up to 16, as uint8 or uint16 whose white is 255 or 65535."""
    white, full = 2**bits - 1, 255 if bits <= 8 else 65535
    table = (np.arange(white + 1, dtype=np.uint32) * full + white // 2) // white
    widened: Array = table.astype(np.uint8 if bits <= 8 else np.uint16)[samples]
    return widened


def read_orientation(find_blocks: Callable[[], Blocks]) -> int:
    """The orientation in EXIF, or else in XMP; 1 where neither says it, or where it is damaged."""
    try:
        blocks = find_blocks()
    except (ValueError, LookupError, struct.error, zlib.error):
        return 1
    try:
        found = ifd.read_orientation(exif.make_reader((blocks.exif or b"").removeprefix(EXIF_START)))
    except ValueError:
        found = 0
    said = None if found or not blocks.xmp else XMP_ORIENTATION.search(blocks.xmp)
    return int(said[1]) if said else found or 1


def drop_opaque_alpha(picture: Array) -> Array:
    """Gray (H, W) or RGB (H, W, 3); where any pixel is not opaque, with alpha last: (H, W, 2) or (H, W, 4)."""
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    if picture.shape[2] in (2, 4):
        if (picture[..., -1] < find_opaque(picture.dtype)).any():
            return picture
        picture = picture[..., :-1]
    if picture.shape[2] == 1:
        picture = picture[..., 0]
    return np.ascontiguousarray(picture)


@contextmanager
def limit_pixels(most: int) -> Iterator[None]:
    """Refuse larger pictures than of so many pixels within the block, in this thread."""
    token = _most_pixels.set(most)
    try:
        yield
    finally:
        _most_pixels.reset(token)


def most_pixels() -> int:
    """Pixels of the largest picture that is read here."""
    return _most_pixels.get()


@contextmanager
def reduced_by(factor: int) -> Iterator[None]:
    """Within the block, in this thread, formats may decode at 1 / `factor` of either side where that is cheaper."""
    token = _reduction.set(factor)
    try:
        yield
    finally:
        _reduction.reset(token)


def reduction() -> int:
    """What share of either side is enough: 1 / `reduction()`; see `reduced_by`."""
    return _reduction.get()


def check_pixels(width: int, height: int, name: str) -> None:
    """Raise `ReadError` for no size, or one beyond the limit: it would fill the memory before anything else fails."""
    if width < 1 or height < 1:
        raise ReadError(f"{name} is damaged: it is {width}x{height}, which holds no pixels")
    if width * height > most_pixels():
        most = f"{most_pixels() / 1e6:g} megapixels"
        raise ReadError(f"{name} is {width}x{height}; pictures above {most} are not read: allow more with max_pixels")


def check_bulk(size: int, pixels: int, name: str) -> None:
    """Raise `ReadError` for a file far longer than its picture: some decoders read it into memory as a whole."""
    if size > LIMIT + BULK * pixels:
        raise ReadError(f"{name} has {size} bytes for {pixels} pixels; expected {LIMIT + BULK * pixels} at most")


def describe_frame(height: int, width: int, is_gray: bool, dtype: Any, orientation: int = 1) -> FrameInfo:
    """Shape and depth of a picture stored with this height and width, once it is turned the right way up."""
    size = (width, height) if 5 <= orientation <= 8 else (height, width)
    return FrameInfo(shape=size if is_gray else (*size, 3), dtype=np.dtype(dtype))


# --- pictures that Pillow opened -----------------------------------------------------------------


def inspect_pillow(image: ImageFile, name: str, dtype: Any, orientation: int) -> FrameInfo:
    """Shape and depth of a picture that Pillow opened; raises `ReadError` for one that can't be a frame."""
    check_pixels(image.width, image.height, name)
    check_still(image, name)
    mode = EXPANDED.get(image.mode, image.mode)
    is_gray = mode in ("L", "LA") or image.mode.startswith("I")
    if not is_gray:
        check_mode(mode, name)
    return describe_frame(image.height, image.width, is_gray, dtype, orientation)


def reduce_pillow(image: ImageFile, name: str) -> None:
    """Let a JPEG picture be decoded at a half, quarter or eighth, by its transform, where that is enough."""
    check_pixels(image.width, image.height, name)  # as it is stored
    if reduction() > 1:
        image.draft(None, (max(1, image.width // reduction()), max(1, image.height // reduction())))


def read_pillow(image: ImageFile, name: str, orientation: int = 1) -> Array:
    """Samples of an 8-bit picture that Pillow opened, turned the way its metadata say, alpha kept."""
    check_pixels(image.width, image.height, name)
    check_still(image, name)
    return orient(decode_pillow(image, name), orientation)


def decode_pillow(image: ImageFile, name: str) -> Array:
    """Samples of an 8-bit picture that Pillow opened: palettes and bits expanded, alpha kept as a channel.

    Raises:
        ReadError: the colours are neither gray nor RGB.
    """
    mode = EXPANDED.get(image.mode, image.mode)
    if "transparency" in image.info:
        mode = "RGBA" if mode != "L" else "LA"
    check_mode(mode, name)
    converted: Image.Image = image.convert(mode) if mode != image.mode else image
    width, height = converted.size
    picture = np.empty((height, width, *BANDS[mode]), np.uint8)
    # in strips: of a whole picture Pillow would make two more copies on the way
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        picture[top:bottom] = np.asarray(converted.crop((0, top, width, bottom)))
    return picture


def check_still(image: ImageFile, name: str) -> None:
    """Raise `ReadError` for an animation; the second picture that phones hide in a JPEG is none."""
    count = getattr(image, "n_frames", 1)
    if count > 1:
        raise ReadError(f"{name} is an animation of {count} pictures; expected one: give it alone to fuse them")


def check_mode(mode: str, name: str) -> None:
    """Raise `ReadError` for a Pillow mode, palettes and bits expanded, that is neither gray nor RGB."""
    if mode not in BANDS:
        raise ReadError(f"{name} has {mode} colours; expected gray or RGB: convert it first")
