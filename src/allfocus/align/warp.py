"""Lay frames over the reference: each is resampled once, from its own pixels, and made as bright in the same go."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from allfocus.align.flow import places
from allfocus.align.lanczos import can_resample, resample
from allfocus.align.motion import Matrix, moved
from allfocus.align.photometric import Tone, brightened
from allfocus.core.color import Array, FloatArray, full_scale
from allfocus.core.windows import Window

#: Below this, in pixels, a frame is left where it is: resampling would cost more than it gives.
STILL = 0.05
#: Rows that are bent at once, and how far around its place a kernel looks.
STRIP, REACH = 256, 5
#: How finely the common area is searched, and by how much it may lie outside, in pixels.
FINENESS, OUTSIDE = 0.02, 0.05


def laid_over(
    frame: Array, matrix: Matrix, tone: Tone, field: FloatArray | None = None, beyond: Array | None = None
) -> Array:
    """A frame as the reference would have seen it.

    Lanczos over 8 x 8 pixels; what the resampling overshoots is clipped to the frame's depth.

    Args:
        frame: (H, W) or (H, W, 3) of any depth.
        matrix: from pixels of the reference to those of the frame.
        tone: of the frame against the reference.
        field: what is to be added to places of the reference before, see `local.displacements`.
        beyond: what to show where the frame saw nothing: the reference, of the same shape and depth; None: it does not
            matter, for it will be cut off.

    Returns:
        An array of the frame's shape and depth; the frame itself if there is nothing to do.
    """
    size = frame.shape[0], frame.shape[1]
    is_still = field is None and is_unmoved(matrix, size)
    if is_still and tone.is_same:
        return frame
    if is_still:
        return brightened(frame, tone, frame.dtype)
    # with 16 bits in between the values are rounded once
    deep = frame if tone.is_same else brightened(frame, tone, np.uint16 if frame.dtype == np.uint8 else frame.dtype)
    warped = resampled(deep, matrix) if field is None else bent(deep, matrix, field)
    if warped.dtype != frame.dtype:
        warped = np.rint(warped * np.float32(full_scale(frame.dtype) / full_scale(deep.dtype))).astype(frame.dtype)
    if beyond is not None:
        unseen = ~seen(matrix, size)
        warped[unseen] = beyond[unseen]
    return warped


def is_unmoved(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Whether a matrix moves no corner of a picture of this height and width noticeably."""
    corners = corners_of((0, 0, size[1] - 1, size[0] - 1))
    return bool(np.abs(moved(matrix, corners) - corners).max() < STILL)


def resampled(frame: Array, matrix: Matrix) -> Array:
    """A frame (H, W[, 3]) seen through a matrix that leads from the result to it; edges are repeated."""
    if can_resample(matrix):
        return resample(frame, matrix)
    size = frame.shape[1::-1]
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    if np.allclose(matrix[2], (0, 0, 1), atol=1e-12):
        return np.asarray(cv2.warpAffine(frame, matrix[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE))
    return np.asarray(cv2.warpPerspective(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def bent(frame: Array, matrix: Matrix, field: FloatArray) -> Array:
    """A frame (H, W[, 3]) seen through a field of displacements and a matrix."""
    size = frame.shape[0], frame.shape[1]
    warped = np.empty_like(frame)
    for top in range(0, size[0], STRIP):
        rows = slice(top, min(top + STRIP, size[0]))
        x, y = places(matrix, field, size, rows)
        first = int(np.clip(np.floor(y.min()) - REACH, 0, size[0] - 1))
        last = int(np.clip(np.ceil(y.max()) + REACH, first + 1, size[0]))
        part = frame[first:last]
        warped[rows] = cv2.remap(part, x, y - first, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return warped


def seen(matrix: Matrix, size: tuple[int, int]) -> Array:
    """(H, W) bool: which pixels of the reference the frame saw."""
    inside = np.full(size, 255, np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(inside, matrix, size[::-1], flags=flags, borderValue=(0,))) > 0


def common_area(matrices: Sequence[Matrix] | Array, size: tuple[int, int]) -> Window:
    """Rows and columns that all frames saw: a rectangle that can't be made larger on any side.

    What a frame saw of the reference is bounded by four lines, and convex: a rectangle is within where its corners are.
    Starting from one that shrinks evenly towards the middle, each side goes out as far as it can.

    Args:
        matrices: from pixels of the reference to those of each frame.
        size: height and width.
    """
    height, width = size
    limit = np.array([width - 1, height - 1]) + OUTSIDE

    def fits(box: tuple[float, float, float, float]) -> bool:
        corners = corners_of(box)
        places = np.concatenate([moved(matrix, corners) for matrix in matrices])
        return bool((places >= -OUTSIDE).all() and (places <= limit).all())

    def shrunk(share: float) -> tuple[float, float, float, float]:
        across, down = share * (width - 1) / 2, share * (height - 1) / 2
        return across, down, width - 1 - across, height - 1 - down

    def widened(side: int, share: float) -> tuple[float, float, float, float]:
        moving = list(box)
        moving[side] += share * (outermost[side] - box[side])
        return moving[0], moving[1], moving[2], moving[3]

    outermost = (0.0, 0.0, width - 1.0, height - 1.0)
    box = shrunk(1 - largest(lambda share: fits(shrunk(1 - share)), width))
    for side in range(4):
        box = widened(side, largest(lambda share, side=side: fits(widened(side, share)), width))  # type: ignore[misc]
    (left, top), (right, bottom) = np.ceil(np.array(box[:2]) - OUTSIDE), np.floor(np.array(box[2:]) + OUTSIDE)
    return slice(int(top), max(int(bottom), int(top)) + 1), slice(int(left), max(int(right), int(left)) + 1)


def largest(holds: Callable[[float], bool], length: float) -> float:
    """The largest share, 0 to 1, up to which something holds, to a fraction of a pixel of this length."""
    if holds(1.0):
        return 1.0
    low, high = 0.0, 1.0
    while (high - low) * length > FINENESS:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def corners_of(box: tuple[float, float, float, float]) -> Array:
    """The corners (4, 2), x first, of left, top, right, bottom."""
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
