"""Noise of a stack: how strong it is, and where frames differ by nothing else."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, full_scale, to_unit
from allfocus.core.weights import SHARPNESS, pick, winner

#: Logits of noisy stacks are multiplied by this instead of `SHARPNESS`, since the mean of two equally good frames has
#: less noise than either.
SHARPNESS_IN_NOISE = 1.0
#: Noise below this, unit scale, is ignored: what looks like weak noise may be texture.
NOISY = 1.2 / 255
#: Frames whose squared difference from the picked one is less than this, in units of what noise alone makes, are
#: the same picture, on a slope of this width; and the sigma in pixels of the window that this is measured in.
SAME, SAME_SLOPE, SAME_SIGMA = 2.0, 0.3, 2.0
#: Noise that rounding alone leaves, unit scale: with less no frame counts as the same as another.
LEAST_NOISE = 0.4 / 255
#: Side in pixels of the neighbourhood that decides where all frames are the same.
CALM_SIDE = 33
#: Side in pixels of the part of a frame in which its noise is measured.
NOISE_SIDE = 1024
#: How many frames of a stack the noise is measured in.
NOISE_FRAMES = 4
#: Rows that are compared at once.
STRIP = 64


def measure_noise(frames: Sequence[Array]) -> float:
    """Standard deviation of a stack's noise, unit scale: the median over its first `NOISE_FRAMES` frames."""
    return float(np.median([noise_of(frame) for frame in frames[:NOISE_FRAMES]]))


def noise_of(frame: Array) -> float:
    """Standard deviation of a frame's noise, unit scale: what is left of fine detail where there is least of it.

    The difference of two Laplacians of Immerkaer, "Fast noise variance estimation", 1996, doi:10.1006/cviu.1996.0060,
    in blocks of 16 x 16; the tenth percentile of the blocks, where the paper takes the mean of all and finds texture.
    Of frames larger than `NOISE_SIDE` the middle is measured. It falls some 10 % short of the truth.
    """
    height, width = frame.shape[:2]
    top, left = max(0, (height - NOISE_SIDE) // 2), max(0, (width - NOISE_SIDE) // 2)
    unit = to_unit(frame[top : top + NOISE_SIDE, left : left + NOISE_SIDE])
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    detail = cv2.filter2D(unit, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
    power = _mean_over_channels(cv2.multiply(detail, detail))
    blocks = max(1, power.shape[1] // 16), max(1, power.shape[0] // 16)
    return float(np.sqrt(np.quantile(cv2.resize(power, blocks, interpolation=cv2.INTER_AREA), 0.1)))


def sharpness_in(noise: float) -> float:
    """What to multiply logits by in a stack whose noise has this standard deviation, unit scale."""
    return SHARPNESS if noise < NOISY else SHARPNESS_IN_NOISE


def calm_logits(frames: Sequence[Array], logits: FloatArray, noise: float) -> FloatArray:
    """Let the neighbourhood decide where all frames are the same but for noise, which must not decide.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        logits: (N, H, W).
        noise: standard deviation of the frames' noise, unit scale, see `noise_of`.

    Returns:
        (N, H, W), the logits where frames differ.
    """
    alike = measure_sameness(frames, winner(logits), max(noise, LEAST_NOISE), apart=2).min(axis=0)
    if not alike.any():
        return logits
    side = (CALM_SIDE, CALM_SIDE)
    around = np.stack([cv2.blur(plane, side, borderType=cv2.BORDER_REFLECT_101) for plane in logits])
    return np.asarray(logits + alike * (around - logits), np.float32)


def measure_sameness(frames: Sequence[Array], index_map: Array, noise: float, apart: int = 1) -> FloatArray:
    """How surely each frame differs from the picked pixels by noise alone: (N, H, W) in [0, 1].

    Found at points so many pixels `apart`, and between them by interpolation.
    """
    picked = pick(frames, index_map)
    height, width = index_map.shape
    points = (-(-width // apart), -(-height // apart))
    made_by_noise = 2 * (noise * full_scale(picked.dtype)) ** 2
    window = 2 * round(3 * SAME_SIGMA / apart) + 1
    same = np.empty((len(frames), height, width), np.float32)
    for position, frame in enumerate(frames):
        squares = np.empty((height, width), np.float32)
        for rows in split_rows(height, STRIP):
            gap = cv2.absdiff(frame[rows], picked[rows])
            square = cv2.multiply(gap, gap, scale=1 / made_by_noise, dtype=cv2.CV_32F)
            squares[rows] = _mean_over_channels(square)
        if apart > 1:
            squares = np.asarray(cv2.resize(squares, points, interpolation=cv2.INTER_AREA), np.float32)
        around = cv2.GaussianBlur(squares, (window, window), SAME_SIGMA / apart, borderType=cv2.BORDER_REFLECT_101)
        found = np.clip((np.float32(SAME) - around) / np.float32(SAME_SLOPE), 0, 1)
        same[position] = found if apart == 1 else cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    return same


def split_rows(height: int, side: int) -> Iterator[slice]:
    """Rows in strips, so that what lies between two steps stays in the processor's cache."""
    for top in range(0, height, side):
        yield slice(top, min(top + side, height))


def _mean_over_channels(values: Array) -> FloatArray:
    """(H, W) or (H, W, 3) -> (H, W); several times faster than NumPy's mean over a short axis."""
    mixed = values if values.ndim == 2 else cv2.transform(values, np.full((1, values.shape[2]), 1 / values.shape[2]))
    return np.asarray(mixed, np.float32)
