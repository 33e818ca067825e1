"""Warp a frame into the reference's pixels: one Lanczos resampling, with its exposure matched in the same pass."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from allfocus.alignment.brightness import match_exposure
from allfocus.alignment.flow import map_pixels
from allfocus.alignment.lanczos import Change, as_it_is, can_resample, resample
from allfocus.alignment.motion import Matrix, map_points
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import Array, FloatArray, full_scale
from allfocus.core.windows import Window
from allfocus.errors import AlignmentError

#: Left, top, right and bottom, in pixels.
Box = tuple[float, float, float, float]

#: A frame whose corners move by less than this, in pixels, is not resampled: that would cost more than it gains.
STILL = 0.05
#: Rows that are warped by flow at a time, and how many pixels around its position the kernel reads.
STRIP, REACH = 256, 5
#: Rows that are warped at a time of frames larger than memory, a multiple of `STRIP`; how many rows around them are
#: looked at, and how far they may have moved.
PART, MARGIN, MOST_BETWEEN = 2048, 48, 3072
#: Precision of the common window, and how far outside of a frame it may lie, in pixels.
PRECISION, OUTSIDE = 0.02, 0.05


def warp_frame(
    frame: Array,
    matrix: Matrix,
    exposure: ExposureTransfer,
    flow: FloatArray | None = None,
    filling: Array | None = None,
    check: Callable[[], object] = lambda: None,
) -> Array:
    """Warp a frame into the reference's pixels by an 8 x 8 Lanczos kernel, clipped to the depth of the frame.

    Args:
        frame: (H, W) or (H, W, 3), uint8, uint16 or float32.
        matrix: from pixels of the reference to those of the frame.
        exposure: of the frame against the reference.
        flow: added to pixels of the reference before the matrix is applied, see `flow.estimate_flows`.
        filling: what to show where the frame shows nothing: the reference, of the frame's shape and dtype; None: the
            frame's edges are repeated.
        check: called every few rows; what it raises ends the work.

    Returns:
        An array of the frame's shape and dtype; the frame itself if nothing changes.
    """
    size = frame.shape[0], frame.shape[1]
    is_still = flow is None and is_unmoved(matrix, size)
    if is_still and exposure.is_same:
        return frame
    if is_still:
        return match_exposure(frame, exposure, frame.dtype)
    # with 16 bits in between, 8-bit values are rounded once
    deeper = np.uint16 if frame.dtype == np.uint8 else frame.dtype

    def match(values: Array) -> Array:
        check()
        return values if exposure.is_same else match_exposure(values, exposure, deeper)

    def reduce_depth(values: Array) -> Array:
        check()
        if values.dtype == frame.dtype:
            return values
        return np.rint(values * np.float32(full_scale(frame.dtype) / full_scale(deeper))).astype(frame.dtype)

    if flow is None:
        warped = resample_by_matrix(frame, matrix, match, reduce_depth)
    else:
        warped = resample_by_flow(frame, matrix, flow, match, reduce_depth)
    if filling is not None:
        unseen = ~find_seen(matrix, size)
        warped[unseen] = filling[unseen]
    return warped


def changes(matrix: Matrix, exposure: ExposureTransfer, size: tuple[int, int]) -> bool:
    """Whether `warp_frame` would change a frame of this height and width that has no flow."""
    return not (is_unmoved(matrix, size) and exposure.is_same)


def warp_in_parts(
    frame: Array,
    matrix: Matrix,
    exposure: ExposureTransfer,
    filling: Array | None,
    size: tuple[int, int],
    height: int = PART,
) -> Iterator[tuple[slice, Array]]:
    """`warp_frame` of so many rows at a time, of frames larger than memory: yields the rows, and what they become.

    Rows are cut as the resampling cuts them, so that nothing depends on the parts but the last bit of coordinates.

    Raises:
        AlignmentError: a few rows come from far more of them: the frame is turned.
    """
    bottom, width = size
    for top in range(0, bottom, height):
        rows = slice(top, min(top + height, bottom))
        y = map_points(matrix, list_corners((0, rows.start, width - 1, rows.stop - 1)))[:, 1]
        first, last = min(float(y.min()), top) - MARGIN, max(float(y.max()), rows.stop) + MARGIN
        low = max(0, int(first) // STRIP * STRIP)
        high = min(bottom, -(-int(np.ceil(last)) // STRIP) * STRIP)
        if high - low > height + MOST_BETWEEN:
            raise AlignmentError(
                "a frame is turned or shifted too far to be warped in parts: allow more --max-memory, or take the "
                "frames as they lie with --align none"
            )
        shift = np.array([[1, 0, 0], [0, 1, low], [0, 0, 1]], np.float64)
        here = np.linalg.inv(shift) @ matrix @ shift
        fill = None if filling is None else filling[low:high]
        yield rows, warp_frame(frame[low:high], here, exposure, None, fill)[rows.start - low : rows.stop - low]


def is_unmoved(matrix: Matrix, size: tuple[int, int]) -> bool:
    """Whether a matrix moves no corner of a picture of this height and width by `STILL` pixels or more."""
    corners = list_corners((0, 0, size[1] - 1, size[0] - 1))
    return bool(np.abs(map_points(matrix, corners) - corners).max() < STILL)


def resample_by_matrix(frame: Array, matrix: Matrix, before: Change = as_it_is, after: Change = as_it_is) -> Array:
    """Warp a frame (H, W[, 3]) by a matrix from pixels of the result to pixels of the frame; edges are repeated.

    What is done `before` and `after`, see `resample`, is done a few rows at a time.
    """
    if can_resample(matrix):
        return resample(frame, matrix, before, after)
    height, width = frame.shape[:2]
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    is_affine = np.allclose(matrix[2], (0, 0, 1), atol=1e-12)
    deep, result = in_strips(frame, before), np.empty_like(frame)
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height))
        size = width, rows.stop - top
        here = matrix @ np.array([[1, 0, 0], [0, 1, top], [0, 0, 1]], np.float64)
        if is_affine:
            moved = cv2.warpAffine(deep, here[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        else:
            moved = cv2.warpPerspective(deep, here, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        result[rows] = after(np.asarray(moved))
    return result


def in_strips(values: Array, change: Change) -> Array:
    """A change of values, a few rows at a time; the array itself where nothing changes."""
    first = change(values[:STRIP])
    if first is values or np.shares_memory(first, values):
        return values
    changed = np.empty(values.shape, first.dtype)
    changed[:STRIP] = first
    for top in range(STRIP, len(values), STRIP):
        changed[top : top + STRIP] = change(values[top : top + STRIP])
    return changed


def resample_by_flow(
    frame: Array, matrix: Matrix, flow: FloatArray, before: Change = as_it_is, after: Change = as_it_is
) -> Array:
    """Warp a frame (H, W[, 3]) by an optical flow and a matrix, strip by strip; edges are repeated."""
    size = frame.shape[0], frame.shape[1]
    warped = np.empty_like(frame)
    for top in range(0, size[0], STRIP):
        rows = slice(top, min(top + STRIP, size[0]))
        x, y = map_pixels(matrix, flow, size, rows)
        first = int(np.clip(np.floor(y.min()) - REACH, 0, size[0] - 1))
        last = int(np.clip(np.ceil(y.max()) + REACH, first + 1, size[0]))
        source = before(frame[first:last])
        moved = cv2.remap(source, x, y - first, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
        warped[rows] = after(np.asarray(moved))
    return warped


def find_seen(matrix: Matrix, size: tuple[int, int], covered: Array | None = None) -> Array:
    """(H, W) bool: which pixels of the reference a frame shows, if a matrix leads from the reference to it.

    Args:
        matrix: from pixels of the reference to those of the frame.
        size: height and width.
        covered: (H, W) bool, where the frame shows something; None: everywhere.
    """
    inside = np.full(size, 255, np.uint8) if covered is None else covered.astype(np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(inside, matrix, size[::-1], flags=flags, borderValue=(0,))) > 0


def find_common_window(matrices: Sequence[Matrix] | Array, size: tuple[int, int]) -> Window:
    """Rows and columns of the reference that all frames show: a rectangle that can't be extended on any side.

    The visible part of each frame is convex, so a rectangle lies within it if its corners do. A rectangle that shrinks
    evenly towards the middle, or the middle of what all frames show, is fitted first; then each side moves out as far
    as it can.

    Args:
        matrices: from pixels of the reference to those of each frame.
        size: height and width.

    Raises:
        AlignmentError: the frames have no pixel in common.
    """
    height, width = size
    limit = np.array([width - 1, height - 1]) + OUTSIDE

    def fits(box: Box) -> bool:
        corners = list_corners(box)
        points = np.concatenate([map_points(matrix, corners) for matrix in matrices])
        return bool((points >= -OUTSIDE).all() and (points <= limit).all())

    def shrunk(share: float) -> Box:
        right, bottom = share * (width - 1 - x), share * (height - 1 - y)
        return share * x, share * y, width - 1 - right, height - 1 - bottom

    def widened(side: int, share: float) -> Box:
        moving = list(box)
        moving[side] += share * (outermost[side] - box[side])
        return moving[0], moving[1], moving[2], moving[3]

    outermost = (0.0, 0.0, width - 1.0, height - 1.0)
    x, y = (width - 1) / 2, (height - 1) / 2
    if not fits((x, y, x, y)):
        x, y = find_common_middle(matrices, size)
    box = shrunk(1 - bisect_share(lambda share: fits(shrunk(1 - share)), width))
    for side in range(4):
        box = widened(side, bisect_share(lambda share, side=side: fits(widened(side, share)), width))  # type: ignore[misc]
    (left, top), (right, bottom) = np.ceil(np.array(box[:2]) - OUTSIDE), np.floor(np.array(box[2:]) + OUTSIDE)
    return slice(int(top), max(int(bottom), int(top)) + 1), slice(int(left), max(int(right), int(left)) + 1)


def find_common_middle(matrices: Sequence[Matrix] | Array, size: tuple[int, int]) -> tuple[float, float]:
    """The middle (x, y) of what all frames show; raises `AlignmentError` where that is less than a pixel."""
    corners = list_corners((0, 0, size[1] - 1, size[0] - 1))[[0, 1, 3, 2]]
    common = corners.astype(np.float32)
    for matrix in matrices:
        seen = map_points(np.linalg.inv(matrix), corners).astype(np.float32)
        area, found = cv2.intersectConvexConvex(common, seen) if len(common) > 2 else (0.0, None)
        common = np.zeros((0, 2), np.float32) if found is None or area < 1 else np.float32(found).reshape(-1, 2)
    if not len(common):
        raise AlignmentError(
            "the frames have no area in common; expected to see one scene in all of them: leave out those that show "
            "another part of it, or correct the file of transforms"
        )
    x, y = common.mean(axis=0)
    return float(x), float(y)


def bisect_share(holds: Callable[[float], bool], length: float) -> float:
    """The largest share, 0 to 1, up to which a condition holds, to `PRECISION` pixels of this length."""
    if holds(1.0):
        return 1.0
    low, high = 0.0, 1.0
    while (high - low) * length > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def list_corners(box: Box) -> Array:
    """The corners (4, 2) of a box, x first."""
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
