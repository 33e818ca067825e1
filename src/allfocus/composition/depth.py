"""The depth map: at which place in the stack each pixel is in focus, as a picture.

Where nothing decides the depth is unknown. A picture can't say so: there it is filled in from around, along the edges
of the fused picture.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray

#: Half the sides in pixels of the windows that depth is filled in from, tried from small to large.
REACHES = (4, 16, 64, 256)
#: Known share of a window that suffices to fill in from it.
ENOUGH = 0.2
#: Variance of the guide, unit scale, below which it counts as flat.
FLAT = 1e-3
#: Rows that are worked on at a time, and the distance of the pixels that stand for all in windows of that reach: a
#: plane of a large picture is large.
ROWS, SPARSE = 512, {256: 4}
#: Gray level of what is unknown in a preview.
UNKNOWN = 160


def fill_depth(depth: FloatArray, guide: FloatArray) -> FloatArray:
    """Replace what is unknown by what is known around it, along the edges of the guide.

    In each window depth is taken as a linear function of the guide, fitted where it is known: the guided filter of
    He, Sun and Tang (2013, doi:10.1109/TPAMI.2012.213) with weights. The smallest window where enough is known counts.

    Args:
        depth: (H, W), NaN where it is unknown; if that is everywhere it is 0.
        guide: (H, W) luma of the fused picture, unit scale.
    """
    known = np.isfinite(depth)
    if known.all() or not known.any():
        return np.nan_to_num(depth)
    lowest, highest = np.nanmin(depth), np.nanmax(depth)
    middle = np.float32(depth[known].mean())
    depth = np.asarray(np.where(known, depth, middle), np.float32)
    filled: FloatArray = np.full(depth.shape, middle, np.float32)
    for reach in reversed(REACHES):
        for top in range(0, len(depth), ROWS):
            _refill(filled[top : top + ROWS], depth, known, guide, reach, top)
    np.clip(filled, lowest, highest, out=filled)
    np.copyto(filled, depth, where=known)
    return filled


def _refill(filled: FloatArray, depth: FloatArray, known: Array, guide: FloatArray, reach: int, top: int) -> None:
    """Move some rows, from the top one on, to what is fitted in windows of this reach, as far as enough is known."""
    apart = SPARSE.get(reach, 1)
    first = max(0, top - 2 * reach) // apart * apart
    seen = slice(first, top + len(filled) + 2 * reach, apart), slice(None, None, apart)
    weight = known[seen].astype(np.float32) + np.float32(1e-6)
    place, slope, support = _fit(depth[seen], weight, guide[seen], reach // apart)
    rows = slice(top, top + len(filled))
    if apart > 1:
        size = (guide.shape[1], apart * len(place))
        place, slope, support = (
            np.asarray(cv2.resize(plane, (apart * plane.shape[1], size[1])), np.float32)[:, : size[0]]
            for plane in (place, slope, support)
        )
    own = slice(top - first, top - first + len(filled))
    fitted = slope[own] * guide[rows]
    fitted += place[own]
    fitted -= filled
    fitted *= np.minimum(support[own] / np.float32(ENOUGH), 1)
    filled += fitted


def stretch_depth(depth: FloatArray, places: Sequence[int]) -> FloatArray:
    """Depth along some frames as depth along all, given the places of those among these."""
    return np.asarray(np.interp(depth, np.arange(len(places)), places), np.float32)


def stretch_error(error: FloatArray, depth: FloatArray, places: Sequence[int]) -> FloatArray:
    """The error of a depth that is stretched; of the depth as it was before."""
    before = np.clip(np.nan_to_num(depth), 0, len(places) - 1 - 1e-3).astype(np.intp)
    return np.asarray(error * np.abs(np.diff(places))[before], np.float32)


def _fit(
    depth: FloatArray, weight: FloatArray, guide: FloatArray, reach: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Around each pixel: the depth where the guide is 0, by how much it rises with the guide, and the share known."""

    def mean(plane: FloatArray) -> FloatArray:
        side = 2 * reach + 1
        return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)

    # in place, since a plane of a large picture is large
    support, product = mean(weight), weight * guide
    level = mean(product)
    product *= depth
    together = mean(product)
    place = mean(np.multiply(weight, depth, out=product))
    np.square(guide, out=product)
    product *= weight
    spread = mean(product)
    for plane in (level, together, place, spread):
        plane /= support
    together -= np.multiply(level, place, out=product)
    spread -= np.square(level, out=product)
    del product
    np.maximum(spread, 0, out=spread)
    spread += np.float32(FLAT)
    slope = np.divide(together, spread, out=together)
    level *= slope
    place -= level
    return mean(place), mean(slope), support


def depth_preview(depth: FloatArray, frames: int, ends: tuple[int, int] | None = None) -> Array:
    """The depth map in colours, dark blue to yellow, above its legend: (H, W) -> (H + 28, W, 3) uint8 RGB.

    Args:
        depth: (H, W), from 0 to the last of the frames; NaN is gray.
        frames: how many there are.
        ends: numbers of the first and the last frame, counted from 1; None: 1 and `frames`.
    """
    picture = colour_places(depth, frames - 1)
    return np.concatenate([picture, legend_bar(depth.shape[1], *(ends or (1, frames)))])


def colour_places(places: FloatArray, last: float) -> Array:
    """Places in a stack, from 0 to the last, dark blue to yellow, NaN gray: (H, W) -> (H, W, 3) uint8 RGB."""
    shades = np.rint(np.nan_to_num(places) * np.float32(255 / max(last, 1))).astype(np.uint8)
    picture = np.asarray(cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB))
    picture[np.isnan(places)] = UNKNOWN
    return picture


def legend_bar(width: int, first: int, last: int) -> Array:
    """A strip to put below a preview: the colours from the first frame to the last, with their numbers from 1."""
    height = 28
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    bar = cv2.applyColorMap(np.tile(ramp, (height // 2, 1)), cv2.COLORMAP_VIRIDIS)
    strip = np.concatenate([cv2.cvtColor(bar, cv2.COLOR_BGR2RGB), np.full((height // 2, width, 3), 255, np.uint8)])
    for text, left in ((f"frame {first}", 2), (f"frame {last}", max(2, width - 70))):
        cv2.putText(strip, text, (left, height - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0.0,) * 3, 1, cv2.LINE_AA)
    return strip
