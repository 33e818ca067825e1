"""Tiles: squares of a picture or map, at full size or smaller by powers of two, as files that a browser shows."""

import struct
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal
from weakref import ref

import cv2
import numpy as np

from allfocus.composition.depth import colour_places
from allfocus.core.color import Array, full_scale
from allfocus.core.windows import Window, scale_down

#: Side of a tile in pixels.
SIDE = 512
#: Levels from this one on, each half as large as the one before, are made from a copy of this level.
OVERVIEW = 2
#: Bytes of such copies that are kept.
KEPT_BYTES = 96_000_000
#: Longest side of a layer that is sent as one picture.
WHOLE = 2048
#: Quality of JPEG tiles; tiles at full size are PNG, which changes nothing.
QUALITY = 92
#: Colour of what masks mark, RGB, and its opacity.
MARK, MARK_OPACITY = (255, 64, 129), 190

#: How the values of a layer are shown: a photo, places of frames from 0 to `top` in colours, shades, or marks.
Kind = Literal["photo", "places", "shades", "marks"]


@dataclass(eq=False)
class Layer:
    """A picture or map that can be shown.

    Attributes:
        pixels: (H, W) or (H, W, 3).
        window: rows and columns of the reference's full frame that it covers.
        kind: how it is shown.
        top: of places, the last frame.
        version: goes up when the pixels change.
        done: (H / 8, W / 8) bool, what is there yet; None: all of it.
        icc: its colour profile; None for sRGB.
    """

    pixels: Array
    window: Window
    kind: Kind = "photo"
    top: float = 1.0
    version: int = 1
    done: Array | None = None
    icc: bytes | None = None
    overview: Array | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in its own pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def place_of(self, x: float, y: float) -> Window | None:
        """The one pixel that shows a place of the reference's full frame; None beyond the layer."""
        row, column = int(y) - self.window[0].start, int(x) - self.window[1].start
        is_inside = 0 <= row < self.size[0] and 0 <= column < self.size[1]
        return (slice(row, row + 1), slice(column, column + 1)) if is_inside else None

    def changed(self, window: Window) -> None:
        """Note that a window of the pixels has changed."""
        self.version += 1
        if self.overview is not None:
            place = scale_down(
                tuple(slice(part.start >> OVERVIEW << OVERVIEW, part.stop) for part in window),  # type: ignore[arg-type]
                1 << OVERVIEW,
            )
            source = tuple(slice(part.start << OVERVIEW, part.stop << OVERVIEW) for part in place)
            small = reduce_pixels(self, self.pixels[source], OVERVIEW)
            self.overview[place][: small.shape[0], : small.shape[1]] = small


class Overviews:
    """Small copies of layers, of which the latest few are kept."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit, self._lock = limit, Lock()
        self._layers: OrderedDict[int, ref[Layer]] = OrderedDict()

    def of(self, layer: Layer) -> Array:
        """The copy of a layer at level `OVERVIEW`."""
        made = layer.overview
        if made is None:
            made = layer.overview = reduce_pixels(layer, layer.pixels, OVERVIEW)
        with self._lock:
            self._layers[id(layer)] = ref(layer)
            self._layers.move_to_end(id(layer))
            for key in [key for key, known in self._layers.items() if known() is None]:
                del self._layers[key]  # no longer on view
            while len(self._layers) > 1 and self._total() > self._limit:
                oldest = self._layers.popitem(last=False)[1]()
                if oldest is not None:
                    oldest.overview = None
        return made

    def _total(self) -> int:
        there = (known() for known in self._layers.values())
        return sum(layer.overview.nbytes for layer in there if layer is not None and layer.overview is not None)


def render_tile(layer: Layer, level: int, column: int, row: int, overviews: Overviews) -> tuple[bytes, str] | None:
    """One tile as the bytes of a file, and its media type; None where the layer has no such tile.

    Args:
        layer: what is shown.
        level: 0 is full size, each further one half as large.
        column: place of the tile in its level.
        row: as for that.
        overviews: where small copies are kept.
    """
    place = find_place(layer, level, column, row)
    if place is None:
        return None
    shown = colour(layer, cut(layer, level, place, overviews))
    if layer.done is not None and shown.ndim == 3 and shown.shape[2] == 3:
        shown = np.dstack([shown, find_done(layer.done, level, place)])
    is_lossy = layer.kind == "photo" and level > 0 and (shown.ndim == 2 or shown.shape[2] == 3)
    return encode(shown, is_lossy, layer.icc if layer.kind == "photo" else None)


def render_pixels(layer: Layer, pixels: Array) -> tuple[bytes, str]:
    """Pixels of a tile at full size, other than those of the layer that they are like, and its media type."""
    return encode(colour(layer, to_8_bits(pixels)), False, layer.icc)


def find_place(layer: Layer, level: int, column: int, row: int) -> Window | None:
    """Rows and columns of a tile in its level of a layer; None where there is no such tile."""
    if not 0 <= level < 32:
        return None
    height, width = (-(-side >> level) for side in layer.size)
    top, left = row * SIDE, column * SIDE
    if not (0 <= top < height and 0 <= left < width):
        return None
    return slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))


def render_whole(layer: Layer) -> tuple[bytes, str]:
    """A layer as one small picture, and its media type."""
    level = max(0, int(np.ceil(np.log2(max(layer.size) / WHOLE))))
    shown = colour(layer, reduce_pixels(layer, layer.pixels, level))
    return encode(shown, layer.kind == "photo", layer.icc)


def cut(layer: Layer, level: int, place: Window, overviews: Overviews) -> Array:
    """The values of a tile: 8 bits of a photo, the layer's own of maps."""
    if level < OVERVIEW:
        source = tuple(slice(part.start << level, part.stop << level) for part in place)
        return reduce_pixels(layer, layer.pixels[source], level)
    small = overviews.of(layer)
    further = level - OVERVIEW
    source = tuple(slice(part.start << further, part.stop << further) for part in place)
    return shrink_to_level(small[source], further, layer.kind)


def reduce_pixels(layer: Layer, pixels: Array, level: int) -> Array:
    """Pixels of a layer, smaller by so many powers of two; those of photos in 8 bits."""
    small = shrink_to_level(pixels, level, layer.kind)
    return to_8_bits(small) if layer.kind == "photo" else small


def shrink_to_level(pixels: Array, level: int, kind: Kind) -> Array:
    """Smaller by so many powers of two: averaged photos and shades, picked values of maps."""
    if level == 0 or 0 in pixels.shape:
        return pixels
    height, width = (-(-side >> level) for side in pixels.shape[:2])
    if kind in ("places", "marks"):
        half = 1 << (level - 1)
        rows = np.minimum(np.arange(height) * 2 * half + half, pixels.shape[0] - 1)
        columns = np.minimum(np.arange(width) * 2 * half + half, pixels.shape[1] - 1)
        return np.asarray(pixels[rows[:, None], columns[None]])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))


def to_8_bits(pixels: Array) -> Array:
    """Samples of any depth in 8 bits, rounded."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.asarray(cv2.convertScaleAbs(np.maximum(pixels, 0), alpha=255 / full_scale(pixels.dtype)))


def colour(layer: Layer, values: Array) -> Array:
    """What is shown of values: gray, RGB, or RGB with opacity, in 8 bits."""
    if layer.kind == "places":
        return colour_places(values.astype(np.float32), layer.top)
    if layer.kind == "shades":
        return np.asarray(cv2.merge([np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)] * 3))
    if layer.kind == "marks":
        shown = np.zeros((*values.shape, 4), np.uint8)
        shown[values.astype(bool)] = (*MARK, MARK_OPACITY)
        return shown
    return np.asarray(cv2.merge([values] * 3)) if values.ndim == 2 else values


def find_done(done: Array, level: int, place: Window) -> Array:
    """(h, w) opacity of a tile: where its pixels are there yet."""
    rows, columns = (
        np.minimum((np.arange(part.start, part.stop) << level) >> 3, side - 1)
        for part, side in zip(place, done.shape, strict=True)
    )
    return np.asarray(done[rows[:, None], columns[None]].astype(np.uint8) * 255)


def encode(shown: Array, is_lossy: bool, icc: bytes | None) -> tuple[bytes, str]:
    """A tile's file and its media type."""
    order = [2, 1, 0, 3][: shown.shape[2]]
    pixels = np.ascontiguousarray(shown[..., order])
    if is_lossy:
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return with_jpeg_profile(data.tobytes(), icc), "image/jpeg"
    _, data = cv2.imencode(".png", pixels)  # by runs: half the time of any level of compression that is asked for
    return with_png_profile(data.tobytes(), icc), "image/png"


def with_png_profile(data: bytes, icc: bytes | None) -> bytes:
    """A PNG file with a colour profile behind its header."""
    if icc is None:
        return data
    content = b"iCCPicc\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:33] + chunk + data[33:]


def with_jpeg_profile(data: bytes, icc: bytes | None) -> bytes:
    """A JPEG file with a colour profile, unless that is too long for one segment."""
    if icc is None or len(icc) > 65_000:
        return data
    content = b"ICC_PROFILE\0\1\1" + icc
    return data[:2] + b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content + data[2:]
