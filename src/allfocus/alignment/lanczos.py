"""Separable Lanczos resampling: two passes of matrix products, first along rows, then along columns.

Under a shift, a change of scale and a slight rotation or shear, all pixels of a short segment of a row need almost the
same sub-pixel phase, row after row. So one band of weights, shared by many rows, resamples the segment. That is four
times as fast as 64 look-ups for each pixel (two-pass warping: Catmull and Smith, 10.1145/965139.807414).
"""

from collections.abc import Callable, Iterator
from functools import cache

import cv2
import numpy as np

from allfocus.alignment.motion import Matrix
from allfocus.core.color import Array, FloatArray

#: Lobes of the kernel on each side: 8 pixels contribute to one.
LOBES = 4
#: Pixels of a segment, and steps into which the distance between two pixels is divided: phases are rounded to them.
SEGMENT, STEPS = 32, 64
#: Lines that must at least share their weights: with more rotation this is no faster than OpenCV.
FEWEST_LINES = 10
#: Lines that are multiplied at a time: more would wake the threads of the BLAS, which fight with those of our workers
#: for the processors, at ten times the cost.
AT_ONCE = 128
#: Rows of the result that are computed at a time, so that intermediate planes stay small.
STRIP = 256
#: What makes other values of values, each by itself.
Change = Callable[[Array], Array]
#: OpenCV's names of sample types.
DEPTHS: dict[np.dtype[np.generic], int] = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U}
#: Largest change of scale along an axis that is supported.
MAX_SCALE = 1.3


def as_it_is(values: Array) -> Array:
    """No change."""
    return values


def can_resample(matrix: Matrix) -> bool:
    """Whether two passes can apply a matrix: it is affine and hardly rotates or shears."""
    (a, b, _), (d, e, _), last = matrix
    is_affine = np.allclose(last, (0, 0, 1), atol=1e-12)
    is_moderate = min(a, e) > 1 / MAX_SCALE and max(a, e) < MAX_SCALE
    return bool(is_affine and is_moderate and max(abs(b / e), abs(d)) * FEWEST_LINES * STEPS < 2)


def resample(frame: Array, matrix: Matrix, before: Change = as_it_is, after: Change = as_it_is) -> Array:
    """Warp a frame (H, W[, 3]) by a matrix from pixels of the result to pixels of the frame; edges are repeated.

    Args:
        frame: uint8, uint16 or float32.
        matrix: one for which `can_resample` holds.
        before: done to values of the frame, a few rows at a time.
        after: the same to those of the result, which have the frame's dtype in the end.

    Returns:
        An array of the frame's shape and dtype.
    """
    (a, b, c), (d, e, f) = matrix[:2]
    height, width = frame.shape[:2]
    result = np.empty_like(frame)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        ends = [d * x + e * y + f for x in (0, width) for y in (top, bottom)]
        # the last segment of a strip has weights for a whole one, though it may hold one row
        first, last = int(np.floor(min(ends))) - LOBES, int(np.ceil(max(ends))) + 2 * SEGMENT
        source = before(take_rows(frame, first, last))
        planes = split_channels(source)
        # x in the frame, as a function of x in the result and the row of the frame
        across = resample_rows(planes, a - b * d / e, b / e, c - b * f / e + b / e * first, width)
        down = resample_columns(across, e, d, f + e * top - first, bottom - top)
        merged = merge_channels(down, source.dtype).reshape(bottom - top, width, *frame.shape[2:])
        result[top:bottom] = after(merged)
    return result


def take_rows(frame: Array, first: int, last: int) -> Array:
    """Rows `first` to `last` of a frame; beyond its ends the outermost rows are repeated."""
    height = frame.shape[0]
    inside = frame[np.clip(first, 0, height - 1) : np.clip(last, 1, height)]
    above, below = max(0, -first), max(0, last - height)
    above, below = min(above, last - first - 1), min(below, last - first - 1)
    return np.asarray(cv2.copyMakeBorder(inside, above, below, 0, 0, cv2.BORDER_REPLICATE))


def split_channels(strip: Array) -> FloatArray:
    """Channels of (h, w[, 3]) as planes (c, h, w) float32, in their own scale."""
    return np.stack([plane.astype(np.float32) for plane in cv2.split(strip)])


def merge_channels(planes: FloatArray, dtype: np.dtype[np.generic]) -> Array:
    """The inverse of `split_channels`: (c, h, w) -> (h, w, c) of this dtype, rounded and clipped."""
    merged = np.asarray(cv2.merge(list(planes)))
    return merged if dtype == np.float32 else np.asarray(cv2.addWeighted(merged, 1, merged, 0, 0, dtype=DEPTHS[dtype]))


def resample_rows(planes: FloatArray, scale: float, drift: float, start: float, length: int) -> FloatArray:
    """Resample rows: pixel x of row k comes from ``scale * x + drift * k + start``; (c, n, w) -> (c, n, length)."""
    count, width = planes.shape[1:]
    margin = LOBES + 2 * SEGMENT + int(max(abs(start), abs(scale * length + start - width)) + abs(drift) * count)
    padded = np.pad(planes, ((0, 0), (0, 0), (margin, margin)), mode="edge")
    result = np.empty((len(planes), count, length), np.float32)
    for lines, segment, begin, weights in plan_segments(count, length, scale, drift, start):
        source = padded[:, lines, begin + margin : begin + margin + len(weights)]
        np.matmul(source, weights, out=result[:, lines, segment])
    return result


def resample_columns(planes: FloatArray, scale: float, drift: float, start: float, length: int) -> FloatArray:
    """Resample columns, as `resample_rows` does: pixel y of column k; (c, h, n) -> (c, length, n)."""
    count = planes.shape[2]
    result = np.empty((len(planes), length, count), np.float32)
    for lines, segment, begin, weights in plan_segments(count, length, scale, drift, start):
        np.matmul(weights.T, planes[:, begin : begin + len(weights), lines], out=result[:, segment, lines])
    return result


def plan_segments(
    count: int, length: int, scale: float, drift: float, start: float
) -> Iterator[tuple[slice, slice, int, FloatArray]]:
    """Divide `count` lines of `length` pixels into segments that share their weights.

    Yields:
        Which lines, which segment of them, the first source pixel, and the weights (source pixels, segment).
    """
    together = count if drift == 0 else int(np.clip(2 / (STEPS * abs(drift)), 1, count))
    for top in range(0, count, together):
        lines = slice(top, min(top + together, count))
        middle = start + drift * (lines.start + lines.stop - 1) / 2
        for left in range(0, length, SEGMENT):
            segment = slice(left, min(left + SEGMENT, length))
            whole, step = divmod(round((scale * left + middle) * STEPS), STEPS)
            weights = make_weights(step, round(scale * SEGMENT * STEPS))[:, : segment.stop - left]
            for first in range(lines.start, lines.stop, AT_ONCE):
                few = slice(first, min(first + AT_ONCE, lines.stop))
                yield few, segment, whole - LOBES + 1, weights


@cache
def make_weights(step: int, span: int) -> FloatArray:
    """Weights (k, SEGMENT) of k source pixels for a segment; the fourth source pixel is `step` before its first sample.

    Args:
        step: phase of the first sample, in steps.
        span: length of the segment in the source, in steps.
    """
    samples = step / STEPS + np.arange(SEGMENT) * (span / STEPS / SEGMENT) + LOBES - 1
    distances = samples[None, :] - np.arange(int(samples[-1]) + LOBES + 1)[:, None]
    weights = np.where(np.abs(distances) < LOBES, np.sinc(distances) * np.sinc(distances / LOBES), 0)
    return np.asarray(weights / weights.sum(axis=0), np.float32)
