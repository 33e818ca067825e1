"""Lanczos resampling in two passes, as products of matrices: along rows, then along columns.

A shift, growth and slight turn or shear moves all pixels of a short piece of a row by almost the same fraction, row
after row: a band of weights, the same for many rows, makes the piece. That is four times as fast as looking up 64
neighbours of each pixel (Catmull and Smith, 10.1145/965139.807414, for the two passes).
"""

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np

from allfocus.align.motion import Matrix
from allfocus.core.color import Array, FloatArray

#: Lobes of the kernel on each side: 8 pixels make one.
LOBES = 4
#: Length of the pieces that are made at once, and steps between pixels to which their places are rounded.
PIECE, STEPS = 32, 64
#: Lines that share their weights, at least: for more of a turn this is no gain.
FEWEST = 10
#: Rows of the result that are made at once, so that what lies between the passes stays small.
STRIP = 256
#: OpenCV's names of sample types.
DEPTHS: dict[np.dtype[np.generic], int] = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U}
#: Growth, along a side, that pieces are made for.
GROWTH = 1.3


def can_resample(matrix: Matrix) -> bool:
    """Whether a matrix is one that two passes are good for: affine, and hardly a turn."""
    (a, b, _), (d, e, _), last = matrix
    is_affine = np.allclose(last, (0, 0, 1), atol=1e-12)
    is_moderate = min(a, e) > 1 / GROWTH and max(a, e) < GROWTH
    return bool(is_affine and is_moderate and max(abs(b / e), abs(d)) * FEWEST * STEPS < 2)


def resample(frame: Array, matrix: Matrix) -> Array:
    """A frame (H, W[, 3]) seen through a matrix that leads from the result to it; edges are repeated.

    Args:
        frame: of any depth.
        matrix: one for which `can_resample` holds.

    Returns:
        An array of the frame's shape and depth.
    """
    (a, b, c), (d, e, f) = matrix[:2]
    height, width = frame.shape[:2]
    result = np.empty_like(frame)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        ends = [d * x + e * y + f for x in (0, width) for y in (top, bottom)]
        first, last = int(np.floor(min(ends))) - LOBES, int(np.ceil(max(ends))) + PIECE
        planes = planes_of(rows_of(frame, first, last))
        # x in the frame, as a function of x in the result and the row of the frame
        across = along_rows(planes, a - b * d / e, b / e, c - b * f / e + b / e * first, width)
        down = along_columns(across, e, d, f + e * top - first, bottom - top)
        result[top:bottom] = in_depth(down, frame.dtype).reshape(bottom - top, width, *frame.shape[2:])
    return result


def rows_of(frame: Array, first: int, last: int) -> Array:
    """Rows of a frame, the first and the last repeated beyond its ends."""
    height = frame.shape[0]
    inside = frame[np.clip(first, 0, height - 1) : np.clip(last, 1, height)]
    above, below = max(0, -first), max(0, last - height)
    above, below = min(above, last - first - 1), min(below, last - first - 1)
    return np.asarray(cv2.copyMakeBorder(inside, above, below, 0, 0, cv2.BORDER_REPLICATE))


def planes_of(part: Array) -> FloatArray:
    """The channels of (h, w[, 3]) one after the other, (c, h, w) float32."""
    return np.stack([plane.astype(np.float32) for plane in cv2.split(part)])


def along_rows(planes: FloatArray, growth: float, drift: float, start: float, length: int) -> FloatArray:
    """Resample rows: pixel x of row k comes from ``growth * x + drift * k + start``; (c, n, w) -> (c, n, length)."""
    count, width = planes.shape[1:]
    margin = LOBES + PIECE + int(max(abs(start), abs(growth * length + start - width)) + abs(drift) * count)
    padded = np.pad(planes, ((0, 0), (0, 0), (margin, margin)), mode="edge")
    made = np.empty((len(planes), count, length), np.float32)
    for lines, piece, begin, weights in pieces(count, length, growth, drift, start):
        source = padded[:, lines, begin + margin : begin + margin + len(weights)]
        np.matmul(source, weights, out=made[:, lines, piece])
    return made


def along_columns(planes: FloatArray, growth: float, drift: float, start: float, length: int) -> FloatArray:
    """Resample columns, `length` pixels of each: y of column k comes from ``growth * y + drift * k + start``."""
    count = planes.shape[2]
    made = np.empty((len(planes), length, count), np.float32)
    for lines, piece, begin, weights in pieces(count, length, growth, drift, start):
        np.matmul(weights.T, planes[:, begin : begin + len(weights), lines], out=made[:, piece, lines])
    return made


def pieces(
    count: int, length: int, growth: float, drift: float, start: float
) -> Iterator[tuple[slice, slice, int, FloatArray]]:
    """Yield which of so many lines, which piece of each, the first pixel that makes it, and the weights of those."""
    together = count if drift == 0 else int(np.clip(2 / (STEPS * abs(drift)), 1, count))
    for top in range(0, count, together):
        lines = slice(top, min(top + together, count))
        middle = start + drift * (lines.start + lines.stop - 1) / 2
        for left in range(0, length, PIECE):
            piece = slice(left, min(left + PIECE, length))
            whole, step = divmod(round((growth * left + middle) * STEPS), STEPS)
            weights = band(step, round(growth * PIECE * STEPS))[:, : piece.stop - left]
            yield lines, piece, whole - LOBES + 1, weights


@cache
def band(step: int, span: int) -> FloatArray:
    """Weights (k, PIECE) that make a piece from k pixels, of which the fourth lies `step` before its first place.

    Args:
        step: the first place beyond that pixel, in steps.
        span: how long the piece is in the source, in steps.
    """
    places = step / STEPS + np.arange(PIECE) * (span / STEPS / PIECE) + LOBES - 1
    distances = places[None, :] - np.arange(int(places[-1]) + LOBES + 1)[:, None]
    weights = np.where(np.abs(distances) < LOBES, np.sinc(distances) * np.sinc(distances / LOBES), 0)
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def in_depth(planes: FloatArray, dtype: np.dtype[np.generic]) -> Array:
    """Planes (c, h, w), in their own scale, as samples (h, w, c) of this depth: rounded and clipped."""
    merged = np.asarray(cv2.merge(list(planes)))
    return merged if dtype == np.float32 else np.asarray(cv2.addWeighted(merged, 1, merged, 0, 0, dtype=DEPTHS[dtype]))
