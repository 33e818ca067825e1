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
    weights: FloatArray = np.exp(np.float32(sharpness) * (logits - logits.max(axis=0, keepdims=True)))
    weights /= weights.sum(axis=0, keepdims=True)
    return weights


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
    for position, plane in enumerate(logits[1:], start=1):
        np.copyto(index, np.uint16(position), where=plane > most)
        np.maximum(most, plane, out=most)
    return index
