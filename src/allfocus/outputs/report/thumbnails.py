"""Pictures for a page: small, in 8 bits, bright enough to be seen, as data that the page carries inside."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from allfocus.composition.depth import depth_preview
from allfocus.core.color import Array, FloatArray, from_unit, to_unit
from allfocus.core.shrink import shrunk, small_size

#: Longest side in pixels of the pictures that are compared, and of maps.
PICTURE_SIDE, MAP_SIDE = 1600, 800
#: Bytes that one of them may take; with four of them, and a third for the letters they become, a page is below 3 MB.
PICTURE_BYTES, MAP_BYTES = 800_000, 250_000
#: Qualities of WebP that are tried, until a picture is small enough.
QUALITIES = (88, 80, 70, 55, 40, 25, 10)
#: Value below which all but a thousandth of a picture must lie to be shown brighter than it is.
DARK, BRIGHTEST = 0.25, 99.9


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture inside a page.

    Attributes:
        data: a data URI.
        width, height: in pixels.
    """

    data: str
    width: int
    height: int


def display_gain(image: Array) -> float:
    """By how much to multiply encoded values for display: 1 for all but dark pictures, and floats beyond white."""
    white = float(np.percentile(to_unit(shrunk(image, MAP_SIDE)), BRIGHTEST))
    return 1.0 if white <= 0 or DARK <= white <= 1 else 1 / white


def photo(image: Array, gain: float, icc: bytes | None) -> Figure:
    """A photo (H, W) or (H, W, 3) of any depth, made small, and brighter by `gain`; its colours are those of `icc`."""
    shown = from_unit(to_unit(shrunk(image, PICTURE_SIDE)) * np.float32(gain), np.uint8)
    return figure(shown, PICTURE_BYTES, icc)


def coloured(positions: Array, frames: int) -> Figure:
    """A depth or index map (H, W), dark blue for the first of so many frames to yellow for the last."""
    small = picked(positions, MAP_SIDE).astype(np.float32)
    return figure(depth_preview(small, frames)[: len(small)], MAP_BYTES)


def grayscale(certainty: FloatArray) -> Figure:
    """A map (H, W) of values from 0, black, to 1, white."""
    return figure(from_unit(shrunk(certainty, MAP_SIDE), np.uint8), MAP_BYTES)


def picked(plane: Array, side: int) -> Array:
    """As `shrunk`, but by picking pixels: between frames 1 and 5 there is no frame 3."""
    down, across = (
        (np.arange(few) + 0.5) * many // few for few, many in zip(small_size(plane, side), plane.shape[:2], strict=True)
    )
    return np.asarray(plane[np.ix_(down.astype(np.intp), across.astype(np.intp))])


def figure(shown: Array, most: int, icc: bytes | None = None) -> Figure:
    """An 8-bit picture as WebP, in the best quality that takes no more than so many bytes."""
    picture = Image.fromarray(shown).convert("RGB")
    for quality in QUALITIES:
        buffer = BytesIO()
        picture.save(buffer, "WEBP", quality=quality, icc_profile=icc or b"")
        if buffer.tell() <= most:
            break
    data = b64encode(buffer.getvalue()).decode("ascii")
    return Figure(data=f"data:image/webp;base64,{data}", width=picture.width, height=picture.height)
