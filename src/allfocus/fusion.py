"""From logits to the picture: weights, decision, composition, confidence."""

from collections.abc import Sequence

import numpy as np

from allfocus.color import Array, FloatArray


def softmax_weights(logits: FloatArray) -> FloatArray:
    """Logits (N, H, W) -> weights (N, H, W), non-negative, summing to 1 over the frames."""
    weights: FloatArray = np.exp(logits - logits.max(axis=0, keepdims=True))
    weights /= weights.sum(axis=0, keepdims=True)
    return weights


def pick(frames: Sequence[Array], index_map: Array) -> Array:
    """Compose the picture that `index_map` (H, W) decides on: every pixel is one frame's own, bit for bit.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        index_map: (H, W), values 0 .. N - 1.
    """
    image = np.empty_like(frames[0])
    for position, frame in enumerate(frames):
        np.copyto(image, frame, where=_over_channels(index_map == position, frame))
    return image


def confidence_of(weights: FloatArray) -> FloatArray:
    """How clearly the first choice beats the second: (N, H, W) weights -> (H, W) in [0, 1]."""
    second, first = np.partition(weights, len(weights) - 2, axis=0)[-2:]
    margin: FloatArray = np.clip(first - second, 0, 1)
    return margin


def _over_channels(mask: Array, frame: Array) -> Array:
    return mask if frame.ndim == 2 else mask[..., None]
