"""What formats share once their samples are decoded: orientation, alpha, limits, and the pictures that Pillow opens."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Exif
from PIL.ImageFile import ImageFile

from allfocus.core.color import Array, full_scale
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError

#: Larger pictures are refused before they are decoded; OpenCV's own limit lies just above.
MAX_PIXELS = 1_000_000_000

ORIENTATION = 0x0112  # the EXIF tag

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


def read_orientation(exif: Callable[[], Exif]) -> int:
    """The orientation in an EXIF block, which `exif` reads; 1 where there is none, or where the block is damaged."""
    try:
        return int(exif().get(ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1


def parse_exif(data: bytes) -> Exif:
    """EXIF as a mapping; empty from no bytes."""
    exif = Exif()
    exif.load(data)
    return exif


def drop_opaque_alpha(picture: Array, name: str) -> Array:
    """Return gray (H, W) or RGB (H, W, 3) from samples that may carry an alpha channel as their last.

    Raises:
        ReadError: the alpha channel says that some pixel is transparent.
    """
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    if picture.shape[2] in (2, 4):
        if (picture[..., -1] < full_scale(picture.dtype)).any():
            raise ReadError(f"{name} has transparent pixels; flatten it onto a background first")
        picture = picture[..., :-1]
    if picture.shape[2] == 1:
        picture = picture[..., 0]
    return np.ascontiguousarray(picture)


def check_pixels(width: int, height: int, name: str) -> None:
    """Raise `ReadError` for a size that no photo has: it would fill the memory before anything else fails."""
    if width * height > MAX_PIXELS:
        raise ReadError(f"{name} is {width}x{height}; pictures above {MAX_PIXELS // 10**6} megapixels are not read")


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


def read_pillow(image: ImageFile, name: str) -> Array:
    """Samples of an 8-bit picture that Pillow opened, turned the way its EXIF says, alpha kept."""
    check_pixels(image.width, image.height, name)
    check_still(image, name)
    orientation = read_orientation(image.getexif)
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
    if getattr(image, "n_frames", 1) > 1:
        raise ReadError(f"{name} is an animation; expected a single picture")


def check_mode(mode: str, name: str) -> None:
    """Raise `ReadError` for a Pillow mode, palettes and bits expanded, that is neither gray nor RGB."""
    if mode not in BANDS:
        raise ReadError(f"{name} has {mode} colours; expected gray or RGB: convert it first")
