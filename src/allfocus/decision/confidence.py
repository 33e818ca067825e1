"""How sure a choice is, and where between two frames the focus lies."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, full_scale
from allfocus.core.weights import pick

#: Pixels that differ by two of 255 gray levels at most look alike; the hair's breadth is for rounding.
ALIKE = 2.01 / 255


def measure_confidence(
    frames: Sequence[Array],
    chances: FloatArray,
    index_map: Array,
    span: float = 1.0,
    missing: FloatArray | float = 0.0,
) -> FloatArray:
    """The probability that the picked pixel is as good as the best one: that the two differ by `ALIKE` at most.

    The softmax of the logits gives each frame's chance of being the best; the chances of all frames whose pixel looks
    like the picked one add up. Calibrated on scenes with truth: docs/benchmark.md.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        chances: (N, H, W), summing to 1 over the frames.
        index_map: (H, W), which frame is picked.
        span: the range of values that the frames use, unit scale.
        missing: (H, W), the chance that the best frame is none of these. It looks like the picked pixel as often as the
            others do.

    Returns:
        (H, W) float32 in [0, 1].
    """
    picked = pick(frames, index_map)
    confidence = np.zeros(index_map.shape, np.float32)
    most = chances.max(axis=0)
    for chance, frame in zip(chances, frames, strict=True):
        gap = cv2.absdiff(frame, picked)
        largest = gap if gap.ndim == 2 else reduce(cv2.max, cv2.split(gap))
        confidence += chance * (largest <= ALIKE * span * full_scale(picked.dtype))
    others = np.clip(confidence - most, 0, 1) / np.maximum(1 - most, np.float32(1e-6))
    return np.asarray(np.clip(confidence * (1 - missing) + others * missing, 0, 1), np.float32)


def measure_depth(chances: FloatArray, positions: Array, best: Array) -> tuple[FloatArray, FloatArray]:
    """The mean position of the frames next to the best one, by their chances, and how certain that is.

    Frames further away are left out: between a hair and the wall behind it there is nothing.

    Args:
        chances: (N, H, W), summing to 1 over the frames.
        positions: (N,) place of each frame in the stack, counted from 0.
        best: (H, W) place of the frame that is picked.

    Returns:
        (H, W) position in [0, N - 1], and (H, W) certainty: 0 where all frames have one chance, 1 where one has all.
    """
    weighted = np.zeros(best.shape, np.float32)
    total = np.zeros(best.shape, np.float32)
    centre = best.astype(np.float32)
    for chance, position in zip(chances, positions, strict=True):
        share = chance * (np.abs(centre - np.float32(position)) <= 1)
        weighted += share * np.float32(position)
        total += share
    frames = len(chances)
    certainty = (chances.max(axis=0) - 1 / frames) / (1 - 1 / frames)
    return weighted / total, np.clip(certainty, 0, 1).astype(np.float32)
