"""What layers are computed with: planes and pictures (h, w) and (h, w, c), masked, continued and mixed."""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, linear_to_srgb

#: Below the first share of light left, what is behind a veil is continued from around; above the second it is trusted.
DARK, CLEAR = 0.15, 0.35
#: What is the core of a narrow part: so much of its half width from the edge on.
CORE = 0.4


def enlarge(plane: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """A plane (h, w) or (h, w, c) enlarged to this height and width."""
    large = cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large.reshape(*size[:2], *plane.shape[2:]), np.float32)


def enlarge_labels(labels: Array, size: tuple[int, ...]) -> Array:
    """Labels (h, w) of less than 65,536, or a mask, enlarged to this height and width."""
    large = cv2.resize(labels.astype(np.uint16), (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(large, labels.dtype)


def unveil(seen: FloatArray, veil: FloatArray, share: FloatArray) -> FloatArray:
    """What is behind a veil, in linear light: B = (I - V) / T, within [0, 1]."""
    return np.asarray(np.clip((seen - veil) * spread(np.reciprocal(np.maximum(share, DARK)), seen), 0, 1), np.float32)


def known_share(share: FloatArray) -> FloatArray:
    """How far what is behind a veil is to be trusted, by the share of its light that is left."""
    return np.asarray(np.clip((share - DARK) / (CLEAR - DARK), 0, 1), np.float32)


def share_out(mattes: Sequence[FloatArray]) -> list[FloatArray]:
    """Which share of each pixel layers have that lie over each other, from near to far, each a matte (h, w)."""
    left, shares = np.ones_like(mattes[0]), []
    for matte in mattes:
        shares.append(left * matte)
        left = left * (1 - matte)
    return shares


def find_core(mask: Array, margin: float) -> FloatArray:
    """Where a part is itself, though it may have been drawn too wide: 1 there, else 0, (h, w).

    Args:
        mask: (h, w) bool.
        margin: pixels from the edge of the mask, or as much of a narrow part's half width as `CORE`.
    """
    inside = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    side = 2 * int(np.ceil(margin)) + 1
    width = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray((inside >= np.minimum(margin, CORE * width)) & mask, np.float32)


def continue_labels(labels: Array, mask: Array) -> tuple[Array, FloatArray]:
    """Labels continued from a mask to everywhere by the nearest pixel, and the distance to that in pixels."""
    distance, nearest = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, labels.dtype)
    table[nearest[mask]] = labels[mask]
    return table[nearest], np.asarray(distance, np.float32)


def fill_from_around(values: FloatArray, known: FloatArray) -> FloatArray:
    """Values continued to where they are not known, as smooth as need be.

    By pull and push over a pyramid: Gortler et al., "The lumigraph", 1996, doi:10.1145/237170.237200.

    Args:
        values: (h, w, c).
        known: (h, w) in [0, 1].
    """
    if min(known.shape) < 4 or known.min() >= 1:
        return values
    *planes, weight = cv2.split(cv2.pyrDown(pack(values, known)))
    scale = 1 / np.maximum(weight, 1e-6)
    means = cv2.merge([plane * scale for plane in planes]).reshape(*weight.shape, -1)
    means = fill_from_around(np.asarray(means, np.float32), np.minimum(weight * 4, 1))
    large = cv2.pyrUp(means, dstsize=(known.shape[1], known.shape[0])).reshape(values.shape)
    return np.asarray(large + spread(known, values) * (values - large), np.float32)


def spread(plane: FloatArray, like: FloatArray) -> FloatArray:
    """A plane (h, w) once for each channel of (h, w, c): faster than leaving that to NumPy."""
    count = like.shape[2]
    return np.asarray(cv2.merge([plane] * count) if count > 1 else plane, np.float32).reshape(like.shape)


def pack(light: FloatArray, matte: FloatArray) -> FloatArray:
    """The light (h, w, c) that a matte (h, w) lets through, with the matte as one more channel."""
    return np.asarray(cv2.merge([*(plane * matte for plane in cv2.split(light)), matte]), np.float32)


def add_up(values: FloatArray) -> FloatArray:
    """Sums over the channels of (h, w, c)."""
    count = values.shape[2]
    return values[..., 0] if count == 1 else np.asarray(cv2.transform(values, np.ones((1, count), np.float32)))


def soften(plane: FloatArray, sigma: float) -> FloatArray:
    """A plane blurred by a Gaussian."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def compare(made: FloatArray, encoded: FloatArray) -> FloatArray:
    """How far light (h, w, c) is from a display-encoded picture, mean over the channels, display-encoded."""
    apart = add_up(np.abs(linear_to_srgb(np.clip(made, 0, 1)) - encoded)) / encoded.shape[2]
    return np.asarray(apart, np.float32)
