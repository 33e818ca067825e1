"""Which pixels of a frame show something: one mask for transparent borders, NaN and other missing data.

Formats and arrays tell it in the samples: by an alpha channel, the last one, or by numbers that are no values, see
`samples.NO_VALUE`. `split_coverage` takes both off a picture, once, as it is read: what is left holds finite samples
everywhere, and the mask goes with it as `FocalStack.covered`. Whoever finds out in another way that samples mean
nothing says so in `find_missing`, or in that mask; the rest goes by nothing else.

From then on: registration and photometry leave out what a frame does not cover, `fill_from_others` puts the nearest
frame that does cover it there, so that no decision can choose it, and the picture is cropped to what all frames cover.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.samples import WORKING, find_opaque, has_no_value
from allfocus.core.windows import Window
from allfocus.errors import StackError

#: Share of full opacity from which on a pixel counts as covered: less is mixed with what lies behind it.
OPAQUE = 0.99

#: Blocks a side of the coarse mask in which the common window is looked for, about.
BLOCKS = 256

#: For each frame, what it covers, (H, W) bool; None: everything.
Coverage = Sequence[Array | None]


def split_coverage(picture: Array, name: str) -> tuple[Array, Array | None]:
    """The samples of a picture, and which of its pixels are covered.

    Args:
        picture: (H, W), (H, W, 3), or with alpha (H, W, 2) or (H, W, 4); numbers of any type.
        name: what to call it in messages.

    Returns:
        (H, W) or (H, W, 3), finite: where nothing is covered, the nearest pixels that are, repeated. And (H, W) bool,
        or None where everything is covered.

    Raises:
        StackError: no pixel is covered.
    """
    if picture.ndim not in (2, 3) or picture.dtype not in WORKING:
        return picture, None  # which no stack takes
    has_alpha = picture.shape[2:] in ((2,), (4,))
    samples = picture[..., :-1] if has_alpha else picture
    samples = samples[..., 0] if samples.shape[2:] == (1,) else samples
    if not has_alpha and samples.dtype.kind != "f":
        return np.ascontiguousarray(samples), None  # whole numbers are values, all of them
    missing = find_missing(samples)
    if has_alpha:
        missing |= ~(picture[..., -1] >= OPAQUE * find_opaque(picture.dtype))
    if not missing.any():
        return np.ascontiguousarray(samples), None
    if missing.all():
        what = "alpha channel is nowhere opaque" if has_alpha else "values are all NaN or infinite"
        raise StackError(f"{name} shows nothing: its {what}; leave it out, or export it without")
    return repeat_edges(samples, ~missing), ~missing


def find_missing(samples: Array) -> Array:
    """(H, W) bool: which pixels of (H, W) or (H, W, 3) samples, alpha apart, mean nothing."""
    missing = has_no_value(samples)
    return missing if missing.ndim == 2 else np.asarray(missing.any(axis=2))


def repeat_edges(samples: Array, covered: Array) -> Array:
    """A copy in which each pixel that is not covered is as the nearest one that is."""
    missing = ~covered
    edge = covered & (cv2.dilate(missing.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    _, labels = cv2.distanceTransformWithLabels(
        (~edge).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(edge)
    place = np.zeros(len(rows) + 1, np.intp)
    place[labels[edge]] = np.arange(len(rows))
    nearest = place[labels[missing]]
    filled = samples.copy()
    filled[missing] = samples[rows[nearest], columns[nearest]]
    return filled


def list_fills(covered: Coverage) -> Iterator[tuple[int, int, Array]]:
    """For each frame that lacks something: its position, that of a frame that has it, and where, (H, W) bool.

    The nearest frame in the stack that covers a pixel has it; of two as near, the earlier one.
    """
    count = len(covered)
    for position, mask in enumerate(covered):
        missing: Array = np.zeros((), np.bool_) if mask is None else ~mask
        for other in sorted(range(count), key=lambda k, position=position: abs(k - position)):  # type: ignore[misc]
            if not missing.any():
                break
            theirs = covered[other]
            taken = missing if theirs is None else missing & theirs
            yield position, other, taken
            missing = missing & ~taken


def fill_from_others(frames: Sequence[Array], covered: Coverage) -> None:
    """Put, where a frame covers nothing, the nearest frame in the stack that does; where none does, all stay as is.

    Args:
        frames: (H, W) or (H, W, 3) each, registered; changed in place.
        covered: of each frame.
    """
    for position, other, taken in list_fills(covered):
        frames[position][taken] = frames[other][taken]


def name_fillers(index: Array, covered: Coverage) -> Array:
    """A map of chosen frames (H, W) in which no frame stands that covers nothing there, but the one that fills it.

    Args:
        index: which frame is chosen at each pixel.
        covered: of each frame, (H, W) as the map.
    """
    named = index.copy()
    for position, other, taken in list_fills(covered):
        named[taken & (index == position)] = other
    return named


def find_covered_window(covered: Array) -> Window | None:
    """The rows and columns of a large rectangle that is covered; None where nothing is.

    Holes that are covered all around don't count: other frames fill them. The largest rectangle of whole blocks is
    found first; then each side moves out as far as it can.

    Args:
        covered: (H, W) bool, what all frames cover.
    """
    solid = fill_holes(covered)
    factor = max(1, max(solid.shape) // BLOCKS)
    height, width = (side // factor for side in solid.shape)
    if not height or not width:
        return None
    blocks = solid[: height * factor, : width * factor].reshape(height, factor, width, factor).all(axis=(1, 3))
    box = find_largest_rectangle(np.asarray(blocks))
    if box is None:
        return None
    top, bottom, left, right = (side * factor for side in box)
    while True:
        before = top, bottom, left, right
        top -= top > 0 and bool(solid[top - 1, left:right].all())
        bottom += bottom < solid.shape[0] and bool(solid[bottom, left:right].all())
        left -= left > 0 and bool(solid[top:bottom, left - 1].all())
        right += right < solid.shape[1] and bool(solid[top:bottom, right].all())
        if before == (top, bottom, left, right):
            return slice(top, bottom), slice(left, right)


def fill_holes(covered: Array) -> Array:
    """The mask with all that can't be reached from its border through what is not covered."""
    outside = np.pad((~covered).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(outside, None, (0, 0), (2,))
    return np.asarray(outside[1:-1, 1:-1] != 2)


def find_largest_rectangle(mask: Array) -> tuple[int, int, int, int] | None:
    """Top, bottom, left and right, ends excluded, of the largest rectangle within a mask (h, w); None in an empty one.

    Row by row, by a stack of the columns whose heights increase.
    """
    best, found = 0, None
    heights = np.zeros(mask.shape[1] + 1, int)  # of the last, which is always 0, all rectangles end
    for row, line in enumerate(mask):
        heights[:-1] = np.where(line, heights[:-1] + 1, 0)
        growing: list[tuple[int, int]] = []  # where rectangles begin, and how high they are
        for column, height in enumerate(heights.tolist()):
            begin = column
            while growing and growing[-1][1] >= height:
                begin, tall = growing.pop()
                if tall * (column - begin) > best:
                    best, found = tall * (column - begin), (row + 1 - tall, row + 1, begin, column)
            growing.append((begin, height))
    return found


def cut_coverage(covered: Coverage, window: Window) -> list[Array | None]:
    """The masks within a window; None where everything in it is covered."""
    parts = [None if mask is None else mask[window] for mask in covered]
    return [None if part is None or part.all() else part for part in parts]
