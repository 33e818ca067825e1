"""Views from beside: pixels moved along their rows by how near they are.

What a view uncovers was seen by no frame. It is filled from the background beside it, mirrored, never from what is in
front; no place is wider than the shift between the nearest and the farthest.
"""

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.outputs.heights import fill_unknown

#: Shares of the pixels between whose depths the whole shift is spread.
ENDS = (1, 99)
#: Rows worked on at a time.
ROWS = 128
#: Differences of nearness within a few pixels that are an edge, and no slope.
EDGE = 0.15
#: How much nearer than the background, as a share of all depth, a pixel may be that fills an uncovered place.
SAME = 0.05


def measure_nearness(heights: FloatArray) -> FloatArray:
    """How near each pixel is, (H, W) from 0 to 1, for views alone: unknown depth is filled, edges are widened a little.

    Args:
        heights: (H, W) towards the camera, in any unit; NaN: unknown.
    """
    known = heights[np.isfinite(heights)]
    low, high = np.percentile(known, ENDS, overwrite_input=True) if known.size else (0.0, 0.0)
    del known  # as large as the picture
    near = fill_unknown(heights)
    near -= np.float32(low)
    near /= np.float32(max(float(high - low), 1e-6))
    np.clip(near, 0, 1, out=near)
    near = np.asarray(cv2.medianBlur(near, 5) if min(near.shape) > 5 else near, np.float32)
    sharpen_edges(near)
    # pixels at an edge are of both colours: they belong to what is in front
    return np.asarray(cv2.dilate(near, np.ones((3, 3), np.uint8)), np.float32)


def sharpen_edges(near: FloatArray) -> None:
    """Make steps of soft edges of nearness, in place: what lies on them would be torn to pieces, as neither of both."""
    radius = max(3, max(near.shape) // 500)
    kernel = np.ones((2 * radius + 1,) * 2, np.uint8)
    low, high = cv2.erode(near, kernel), cv2.dilate(near, kernel)
    for top in range(0, len(near), ROWS):
        here, below, above = (plane[top : top + ROWS] for plane in (near, low, high))
        step = np.where(above - here < here - below, above, below)
        np.copyto(here, step, where=above - below > EDGE)


def shift_view(picture: Array, nearness: FloatArray, shift: float) -> Array:
    """The picture from beside: what is nearest moves by half of `shift` to the right, what is farthest to the left.

    Args:
        picture: (H, W) or (H, W, 3), of any numbers.
        nearness: (H, W) from 0 to 1.
        shift: in pixels, between nearest and farthest; negative: the other way round. The left eye sees near things
            farther right.
    """
    view = np.empty_like(picture)
    for top in range(0, len(picture), ROWS):
        rows = slice(top, top + ROWS)
        view[rows] = take(picture[rows], find_sources(nearness[rows], shift))
    return view


def find_sources(nearness: FloatArray, shift: float) -> FloatArray:
    """At which column of the picture each pixel of the view is seen, (h, w)."""
    if shift < 0:
        mirrored = find_sources(nearness[:, ::-1], -shift)[:, ::-1]
        return np.asarray(nearness.shape[1] - 1 - mirrored, np.float32)
    near = land(nearness, shift)
    columns = np.arange(nearness.shape[1], dtype=np.float32)
    sources = columns - np.float32(shift) * (near - np.float32(0.5))
    filled: FloatArray = np.clip(fill_uncovered(sources, near, nearness), 0, nearness.shape[1] - 1)
    return filled


def land(nearness: FloatArray, shift: float) -> FloatArray:
    """How near the pixels of the view are, (h, w): NaN where none of the picture lands."""
    height, width = nearness.shape
    seen = np.full((height, width + 2), np.nan, np.float32)  # a column on either side for what leaves the view
    places = np.arange(width) + np.float32(shift) * (nearness - np.float32(0.5))
    first = np.floor(places).astype(np.intp)
    # up to the next pixel, unless that is of another thing: a step of depth is between them
    joined = np.abs(np.diff(places, axis=1, append=places[:, -1:] + 1) - 1) < 1
    both = np.clip(np.stack([first, first + joined], axis=2), -1, width) + 1
    # Of pixels that land on one place the last is kept. Near ones come from farther left: so from right to left.
    order = both[:, ::-1].reshape(height, -1)
    values = np.repeat(nearness[:, ::-1], 2, axis=1)
    seen[np.arange(height)[:, None], order] = values
    return np.asarray(seen[:, 1:-1], np.float32)


def fill_uncovered(sources: FloatArray, near: FloatArray, nearness: FloatArray) -> FloatArray:
    """Sources (h, w) with those of places where nothing landed: of the farther side, mirrored at the edge."""
    covered = np.isfinite(near)
    if covered.all():
        return sources
    width = near.shape[1]
    columns = np.broadcast_to(np.arange(width), near.shape)
    left = np.maximum.accumulate(np.where(covered, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(covered, columns, width)[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(len(near))[:, None]
    depths = [
        np.where((edge >= 0) & (edge < width), near[rows, np.clip(edge, 0, width - 1)], np.inf)
        for edge in (left, right)
    ]
    edge = np.clip(np.where(depths[0] <= depths[1], left, right), 0, width - 1)
    behind = np.minimum(*depths)
    from_edge = np.where(np.isfinite(behind), sources[rows, edge], columns)
    mirrored = np.clip(from_edge + (edge - columns), 0, width - 1)
    is_behind = nearness[rows, np.rint(np.nan_to_num(mirrored)).astype(np.intp)] <= behind + np.float32(SAME)
    filled = np.where(is_behind, mirrored, from_edge)
    return np.where(covered, sources, filled).astype(np.float32)


def take(picture: Array, sources: FloatArray) -> Array:
    """The picture (h, w[, 3]) at columns (h, w), between two pixels in proportion; in its own numbers."""
    left = np.floor(sources).astype(np.intp)
    right = np.minimum(left + 1, picture.shape[1] - 1)
    exact = np.float32 if picture.dtype.itemsize <= 2 or picture.dtype == np.float32 else np.float64
    share: Array = (sources - left).astype(exact)
    rows = np.arange(len(picture))[:, None]
    share = share[..., None] if picture.ndim == 3 else share
    one: Array = picture[rows, left].astype(exact)
    other: Array = picture[rows, right].astype(exact)
    mixed = np.where(share == 0, one, (1 - share) * one + share * other)
    return np.asarray((mixed if picture.dtype.kind == "f" else np.rint(mixed)).astype(picture.dtype))
