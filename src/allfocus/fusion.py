"""From logits to the picture: weights, decision, composition, confidence."""

from collections.abc import Sequence

import numpy as np

from allfocus.color import Array, FloatArray, from_unit, to_unit

#: Logits are multiplied by this before they become weights: nearly a hard choice, softened where two frames are
#: about equally good. Measured against 1, 4, 8 and the hard choice: docs/experiments.md.
SHARPNESS = 2.0


def softmax_weights(logits: FloatArray, sharpness: float = SHARPNESS) -> FloatArray:
    """Logits (N, H, W) -> weights (N, H, W), non-negative, summing to 1 over the frames."""
    weights: FloatArray = np.exp(np.float32(sharpness) * (logits - logits.max(axis=0, keepdims=True)))
    weights /= weights.sum(axis=0, keepdims=True)
    return weights


def compose(frames: Sequence[Array], weights: FloatArray) -> Array:
    """Mean of the frames' pixels by their weights, never outside the range of the frames' values at a place.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        weights: (N, H, W), summing to 1 over the frames.
    """
    mixed = np.zeros(frames[0].shape, np.float32)
    for plane, frame in zip(weights, frames, strict=True):
        mixed += _over_channels(plane, frame) * to_unit(frame)
    image = from_unit(mixed, frames[0].dtype)
    # rounding must not add a level that no frame has there
    return np.clip(image, np.minimum.reduce(frames), np.maximum.reduce(frames))


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


def _over_channels(plane: Array, frame: Array) -> Array:
    return plane if frame.ndim == 2 else plane[..., None]
