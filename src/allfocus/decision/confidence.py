"""How sure a choice is."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, full_scale
from allfocus.core.weights import pick, softmax_weights
from allfocus.decision.noise import NOISY

#: Pixels that differ by two of 255 gray levels at most look alike; the hair's breadth is for rounding.
ALIKE = 2.01 / 255
#: Logits are multiplied by this before they become chances, and by the second where a stack is noisy, since the network
#: is surer of itself in noise than it is right. Fitted on half of the scenes with truth: docs/experiments.md.
CALIBRATED, CALIBRATED_IN_NOISE = 0.9, 0.65


def measure_chances(logits: FloatArray, noise: float) -> FloatArray:
    """The chance of each frame to be the best, (N, H, W) summing to 1, from logits (N, H, W).

    Guo et al., "On calibration of modern neural networks", 2017, arXiv:1706.04599: one temperature.

    Args:
        logits: of the frames.
        noise: standard deviation of the frames' noise, unit scale.
    """
    return softmax_weights(logits, CALIBRATED if noise < NOISY else CALIBRATED_IN_NOISE)


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
