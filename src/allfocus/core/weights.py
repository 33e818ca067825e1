"""From logits to weights and choices."""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray

#: Logits are multiplied by this before they become weights: nearly a hard choice, softened where two frames are
#: about equally good. Measured against others and the hard choice: docs/experiments.md.
SHARPNESS = 4.0


def softmax_weights(logits: FloatArray, sharpness: float = SHARPNESS) -> FloatArray:
    """Logits (N, H, W) -> weights (N, H, W), non-negative, summing to 1 over the frames."""
    weights = np.subtract(logits, largest(logits), dtype=np.float32)
    if sharpness != 1:
        weights *= np.float32(sharpness)
    flat = weights.reshape(len(weights), -1)
    cv2.exp(flat, flat)  # three times as fast as NumPy's
    total = weights[0].copy()
    for plane in weights[1:]:
        total += plane
    np.reciprocal(total, out=total)
    weights *= total
    return weights


def largest(planes: Array) -> Array:
    """(N, ...) -> (...): the maximum over a short first axis, several times faster than NumPy's own."""
    most: Array = planes[0].copy()
    for plane in planes[1:]:
        np.maximum(most, plane, out=most)
    return most


def pick(frames: Sequence[Array], index_map: Array) -> Array:
    """Compose the picture that `index_map` (H, W) decides on: every pixel is one frame's own, bit for bit.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        index_map: (H, W), values 0 .. N - 1.
    """
    image = frames[0].copy()
    for position, frame in enumerate(frames[1:], start=1):
        chosen = (index_map == position).view(np.uint8)
        cv2.copyTo(np.ascontiguousarray(frame), chosen, image)
    return image


def winner(logits: FloatArray) -> Array:
    """The frame with the largest logit, the first of equals: (N, H, W) -> (H, W) uint16; much faster than argmax."""
    most = logits[0].copy()
    index = np.zeros(most.shape, np.uint16)
    position = np.zeros_like(index)
    for plane in logits[1:]:
        position += np.uint16(1)
        cv2.copyTo(position, (plane > most).view(np.uint8), index)
        np.maximum(most, plane, out=most)
    return index
