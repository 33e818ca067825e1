"""Where halos may be: boxes round the edges at which things stand out from what is behind them."""

from collections.abc import Iterator

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, shift

#: Boxes are no smaller than this, in pixels of the smaller picture.
SMALLEST = 24
#: How far around a disc choices may be off, in pixels.
AROUND = 8


def find_edges(radii: FloatArray, visible: float) -> Array:
    """Where a thing that stands out may veil what is behind it, (h, w) bool.

    Args:
        radii: of the discs of what is picked at each pixel, in some frame, (h, w).
        visible: smaller discs don't matter.
    """
    kernel = np.ones((3, 3), np.uint8)
    steps = cv2.dilate(radii, kernel) - cv2.erode(radii, kernel)
    near = np.zeros(radii.shape, bool)
    while (steps > visible).any():
        # choices may be off by as much as the blur reaches
        distance = cv2.distanceTransform((steps <= visible).astype(np.uint8), cv2.DIST_L2, 5)
        near |= distance <= 4 * visible + AROUND
        visible *= 2
    return near


def find_boxes(wanted: Array, margin: int) -> list[Window]:
    """Boxes that hold all that is wanted, as cheap as may be if each is worked on with a margin.

    Args:
        wanted: (h, w) bool.
        margin: in pixels.
    """
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if not rows.size:
        return []
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    halves = list(halve(box))
    if len(halves) < 2:
        return [box]
    parts = [shift(part, half) for half in halves for part in find_boxes(wanted[half], margin)]
    return parts if sum(cost(part, margin) for part in parts) < cost(box, margin) else [box]


def halve(box: Window) -> Iterator[Window]:
    """The two halves of a box, cut across its longer side; itself where it is small."""
    rows, columns = box
    sides = [part.stop - part.start for part in box]
    if max(sides) < 2 * SMALLEST:
        yield box
    elif sides[0] >= sides[1]:
        middle = rows.start + sides[0] // 2
        yield from ((slice(rows.start, middle), columns), (slice(middle, rows.stop), columns))
    else:
        middle = columns.start + sides[1] // 2
        yield from ((rows, slice(columns.start, middle)), (rows, slice(middle, columns.stop)))


def cost(box: Window, margin: int) -> int:
    """Pixels that are worked on for a box."""
    height, width = (part.stop - part.start + 2 * margin for part in box)
    return int(height * width)
