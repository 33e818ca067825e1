"""From weights to pixels: hard, soft, in two bands, or guided by edges."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, from_unit, luma, to_unit
from allfocus.core.weights import pick, winner
from allfocus.core.windows import Window, grow, relative_to, shift, tiles
from allfocus.decision.noise import NOISY, measure_sameness
from allfocus.options import Composition

#: Sigma in pixels of the Gaussian that, applied twice, parts the two bands.
BAND_SIGMA = 0.85
#: Side of its window, which takes more than half of the time of composing; and the pixels from which the bands of one
#: are made.
BAND_SIDE = 5
BAND_WINDOW = np.ones((9, 9), np.uint8)
#: Half the side of the guided filter's window in pixels, and what variance of the guide counts as flat.
GUIDED_REACH, GUIDED_FLAT = 3, 1e-4
#: A frame whose weight is nowhere more than this does not show.
NOTHING = 1e-4
#: From this weight on a frame is certain. What it would cost to have it so up to the seams: docs/experiments.md.
CERTAIN = 0.98
#: Side in pixels of the squares that are composed at once.
SQUARE = 128
#: How far, in pixels, composing looks around a pixel.
REACH, REACH_IN_NOISE = 8, 16


def blend(
    frames: Sequence[Array],
    weights: FloatArray,
    how: Composition = "band",
    noise: float = 0.0,
    wanted: Window | None = None,
) -> Array:
    """Make the picture; nowhere does it leave the range of the frames' values at that place.

    - `hard`: each pixel is that of the frame with the largest weight.
    - `soft`: the mean of the frames by their weights.
    - `band`: detail is mixed by the weights, and what is smooth by smoothed weights. Two bands, parted by a
      Gaussian, after Burt and Adelson, "A multiresolution spline with application to image mosaics", 1983,
      doi:10.1145/245.247; with more bands halos come back.
    - `guided`: the mean by weights that are smoothed along the edges of that mean: He, Sun, Tang, "Guided image
      filtering", 2013, doi:10.1109/TPAMI.2012.213.

    In `band` a pixel is one frame's to the bit where its weight is at least `CERTAIN` as far as the bands look.
    In noisy stacks all but `hard` take the mean of the frames that differ from the picked one by noise alone.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        weights: (N, H, W), summing to 1 over the frames.
        how: one of `COMPOSITIONS`.
        noise: standard deviation of the frames' noise, unit scale, see `noise_of`.
        wanted: rows and columns to compose; None: all of them.

    Returns:
        (H, W) or (H, W, 3) of what is wanted, in the dtype of the frames. Pixels further than
        `REACH_IN_NOISE` away have no influence.
    """
    return blend_alike([frames], weights, how, noise, wanted)[0]


def blend_alike(
    stacks: Sequence[Sequence[Array]], weights: FloatArray, how: Composition, noise: float, wanted: Window | None = None
) -> list[Array]:
    """`blend` several stacks, such as channels, by the one decision: the first, which made it, shapes the weights."""
    height, width = stacks[0][0].shape[:2]
    place = wanted or (slice(0, height), slice(0, width))
    if how == "hard":
        best = winner(weights[(slice(None), *place)])
        return [pick([frame[place] for frame in frames], best) for frames in stacks]
    images = [np.empty_like(frames[0][place]) for frames in stacks]
    reach = REACH if noise < NOISY else REACH_IN_NOISE
    for square in tiles(images[0].shape[0], images[0].shape[1], SQUARE):
        seen = grow(shift(square, place), reach, height, width)
        shares = weights[(slice(None), *seen)]
        matter = [k for k, share in enumerate(shares) if noise >= NOISY or share.max() > NOTHING]
        composed = _blend_square([[frames[k][seen] for k in matter] for frames in stacks], shares[matter], how, noise)
        for image, part in zip(images, composed, strict=True):
            image[square] = part[relative_to(shift(square, place), seen)]
    return images


def _blend_square(
    stacks: Sequence[Sequence[Array]], weights: FloatArray, how: Composition, noise: float
) -> list[Array]:
    """`blend_alike` in one go."""
    if len(weights) == 1:
        return [frames[0] for frames in stacks]
    if noise >= NOISY:
        weights = _share_among_same(stacks[0], weights, noise)
    if how == "guided":
        weights = _guided(weights, _mean(stacks[0], weights))
    mix = two_bands if how == "band" else _mean
    images = [from_unit(mix(frames, weights), frames[0].dtype) for frames in stacks]
    if how == "band" and noise < NOISY:
        _keep_certain(images, stacks, weights)
    # neither rounding nor overshoot may add a level that no frame has there
    return [np.clip(made, reduce(cv2.min, own), reduce(cv2.max, own)) for made, own in zip(images, stacks, strict=True)]


def _keep_certain(images: Sequence[Array], stacks: Sequence[Sequence[Array]], weights: FloatArray) -> None:
    """Where one frame is certain as far as the bands look, the picture is that frame's, to the bit.

    Small weights of other frames leak there, and so does rounding in floats; next to other frames bands hide the seam.
    """
    for k, plane in enumerate(weights):
        certain = (cv2.erode(plane, BAND_WINDOW) >= np.float32(CERTAIN)).view(np.uint8)
        for image, frames in zip(images, stacks, strict=True):
            cv2.copyTo(frames[k], certain, image)


def _share_among_same(frames: Sequence[Array], weights: FloatArray, noise: float) -> FloatArray:
    shared = weights + measure_sameness(frames, winner(weights), noise) * (1 - weights)
    return np.asarray(shared / shared.sum(axis=0, keepdims=True), np.float32)


def _mean(frames: Sequence[Array], weights: FloatArray) -> FloatArray:
    mixed = np.zeros(frames[0].shape, np.float32)
    for plane, frame in zip(weights, frames, strict=True):
        mixed += _over_channels(plane, frame) * to_unit(frame)
    return mixed


def two_bands(frames: Sequence[Array], weights: FloatArray) -> FloatArray:
    """Mix detail by the weights and what is smooth by smoothed weights, unclamped: see `blend`; unit scale."""
    detail = np.zeros(frames[0].shape, np.float32)
    smooth = np.zeros_like(detail)
    for plane, frame in zip(weights, frames, strict=True):
        unit = to_unit(frame)
        once = _gaussian(unit)
        smooth += np.multiply(_over_channels(_gaussian(plane), frame), once)
        unit -= _gaussian(once)
        detail += np.multiply(_over_channels(plane, frame), unit, out=unit)
    return detail + _gaussian(smooth)


def _gaussian(plane: FloatArray) -> FloatArray:
    return np.asarray(
        cv2.GaussianBlur(plane, (BAND_SIDE, BAND_SIDE), BAND_SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def _guided(weights: FloatArray, mixed: FloatArray) -> FloatArray:
    guide = luma(mixed)
    mean = _box(guide)
    variance = _box(np.square(guide)) - np.square(mean) + np.float32(GUIDED_FLAT)
    smoothed = np.empty_like(weights)
    for position, plane in enumerate(weights):
        level = _box(plane)
        slope = (_box(guide * plane) - mean * level) / variance
        smoothed[position] = np.clip(_box(slope) * guide + _box(level - slope * mean), 0, 1)
    smoothed /= smoothed.sum(axis=0, keepdims=True) + np.float32(1e-12)
    return smoothed


def _box(plane: FloatArray) -> FloatArray:
    side = 2 * GUIDED_REACH + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT_101), np.float32)


def _over_channels(plane: FloatArray, frame: Array) -> FloatArray:
    """A plane for gray frames, and once for each channel of others: faster than leaving that to NumPy."""
    return plane if frame.ndim == 2 else np.asarray(cv2.merge([plane] * frame.shape[2]), np.float32)
