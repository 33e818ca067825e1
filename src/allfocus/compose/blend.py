"""From logits to the picture: weights, decision, composition, confidence."""

from collections.abc import Iterator, Sequence
from functools import reduce

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, from_unit, full_scale, luma, to_unit
from allfocus.core.weights import SHARPNESS, pick, winner
from allfocus.core.windows import Window, grown, moved, tiles, within
from allfocus.options import Composition

#: Logits of noisy stacks are multiplied by this instead of `SHARPNESS`, since the mean of two equally good frames has
#: less noise than either.
SHARPNESS_IN_NOISE = 1.0

#: Sigma in pixels of the Gaussian that, applied twice, parts the two bands.
BAND_SIGMA = 0.85
#: Half the side of the guided filter's window in pixels, and what variance of the guide counts as flat.
GUIDED_REACH, GUIDED_FLAT = 3, 1e-4
#: Pixels that differ by two of 255 gray levels at most look alike; the hair's breadth is for rounding.
ALIKE = 2.01 / 255
#: Noise below this, unit scale, is left as it is: what looks like weak noise may be texture.
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
#: A frame whose weight is nowhere more than this does not show.
NOTHING = 1e-4
#: Rows that are compared at once; side of the squares that are composed at once.
STRIP, SQUARE = 64, 128
#: How far, in pixels, composing looks around a pixel.
COMPOSED_FROM, COMPOSED_FROM_IN_NOISE = 8, 16
#: How far, in pixels, a decision and the composition after it look around a pixel, rounded up to whole steps of tiles.
MARGIN = 32


def sharpness_in(noise: float) -> float:
    """What to multiply logits by in a stack whose noise has this standard deviation, unit scale."""
    return SHARPNESS if noise < NOISY else SHARPNESS_IN_NOISE


def compose(
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

    In noisy stacks all but `hard` take the mean of the frames that differ from the picked one by noise alone.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        weights: (N, H, W), summing to 1 over the frames.
        how: one of `COMPOSITIONS`.
        noise: standard deviation of the frames' noise, unit scale, see `noise_of`.
        wanted: rows and columns to compose; None: all of them.

    Returns:
        (H, W) or (H, W, 3) of what is wanted, in the dtype of the frames. Pixels further than `MARGIN` away have no
        influence.
    """
    return compose_alike([frames], weights, how, noise, wanted)[0]


def compose_alike(
    stacks: Sequence[Sequence[Array]], weights: FloatArray, how: Composition, noise: float, wanted: Window | None = None
) -> list[Array]:
    """`compose` several stacks, such as channels, by the one decision: the first, which made it, shapes the weights."""
    height, width = stacks[0][0].shape[:2]
    place = wanted or (slice(0, height), slice(0, width))
    if how == "hard":
        best = winner(weights[(slice(None), *place)])
        return [pick([frame[place] for frame in frames], best) for frames in stacks]
    images = [np.empty_like(frames[0][place]) for frames in stacks]
    reach = COMPOSED_FROM if noise < NOISY else COMPOSED_FROM_IN_NOISE
    for square in tiles(images[0].shape[0], images[0].shape[1], SQUARE):
        seen = grown(moved(square, place), reach, height, width)
        shares = weights[(slice(None), *seen)]
        matter = [k for k, share in enumerate(shares) if noise >= NOISY or share.max() > NOTHING]
        composed = _composed([[frames[k][seen] for k in matter] for frames in stacks], shares[matter], how, noise)
        for image, part in zip(images, composed, strict=True):
            image[square] = part[within(moved(square, place), seen)]
    return images


def _composed(stacks: Sequence[Sequence[Array]], weights: FloatArray, how: Composition, noise: float) -> list[Array]:
    """`compose_alike` in one go."""
    if len(weights) == 1:
        return [frames[0] for frames in stacks]
    if noise >= NOISY:
        weights = _shared_by_the_same(stacks[0], weights, noise)
    if how == "guided":
        weights = _guided(weights, _mean(stacks[0], weights))
    mix = two_bands if how == "band" else _mean
    images = [from_unit(mix(frames, weights), frames[0].dtype) for frames in stacks]
    # neither rounding nor overshoot may add a level that no frame has there
    return [np.clip(made, reduce(cv2.min, own), reduce(cv2.max, own)) for made, own in zip(images, stacks, strict=True)]


def strips(height: int, side: int) -> Iterator[slice]:
    """Rows in strips, so that what lies between two steps stays in the processor's cache."""
    for top in range(0, height, side):
        yield slice(top, min(top + side, height))


def confidence_of(frames: Sequence[Array], chances: FloatArray, index_map: Array, span: float = 1.0) -> FloatArray:
    """The probability that the picked pixel is as good as the best one: that the two differ by `ALIKE` at most.

    The softmax of the undoubled logits gives each frame's chance of being the best; the chances of all frames whose
    pixel looks like the picked one add up. Calibrated on scenes with truth: docs/benchmark.md.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        chances: (N, H, W), summing to 1 over the frames.
        index_map: (H, W), which frame is picked.
        span: the range of values that the frames use, unit scale.

    Returns:
        (H, W) float32 in [0, 1].
    """
    picked = pick(frames, index_map)
    confidence = np.zeros(index_map.shape, np.float32)
    for chance, frame in zip(chances, frames, strict=True):
        gap = cv2.absdiff(frame, picked)
        largest = gap if gap.ndim == 2 else reduce(cv2.max, cv2.split(gap))
        confidence += chance * (largest <= ALIKE * span * full_scale(picked.dtype))
    return np.minimum(confidence, 1)


def noise_of(frame: Array) -> float:
    """Standard deviation of a frame's noise, unit scale: what is left of fine detail where there is least of it.

    The difference of two Laplacians of Immerkaer, "Fast noise variance estimation", 1996, doi:10.1006/cviu.1996.0060,
    in blocks of 16 x 16; the tenth percentile of the blocks, where the paper takes the mean of all and finds texture.
    Of frames larger than `NOISE_SIDE` the middle is looked at. It falls some 10 % short of the truth.
    """
    height, width = frame.shape[:2]
    top, left = max(0, (height - NOISE_SIDE) // 2), max(0, (width - NOISE_SIDE) // 2)
    unit = to_unit(frame[top : top + NOISE_SIDE, left : left + NOISE_SIDE])
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    detail = cv2.filter2D(unit, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
    power = _mean_over_channels(cv2.multiply(detail, detail))
    blocks = max(1, power.shape[1] // 16), max(1, power.shape[0] // 16)
    return float(np.sqrt(np.quantile(cv2.resize(power, blocks, interpolation=cv2.INTER_AREA), 0.1)))


def calmed(frames: Sequence[Array], logits: FloatArray, noise: float) -> FloatArray:
    """Let the neighbourhood decide where all frames are the same but for noise, which must not decide.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        logits: (N, H, W).
        noise: standard deviation of the frames' noise, unit scale, see `noise_of`.

    Returns:
        (N, H, W), the logits where frames differ.
    """
    alike = _sameness(frames, winner(logits), max(noise, LEAST_NOISE), apart=2).min(axis=0)
    if not alike.any():
        return logits
    side = (CALM_SIDE, CALM_SIDE)
    around = np.stack([cv2.blur(plane, side, borderType=cv2.BORDER_REFLECT_101) for plane in logits])
    return np.asarray(logits + alike * (around - logits), np.float32)


def _mean_over_channels(values: Array) -> FloatArray:
    """(H, W) or (H, W, 3) -> (H, W); several times faster than NumPy's mean over a short axis."""
    mixed = values if values.ndim == 2 else cv2.transform(values, np.full((1, values.shape[2]), 1 / values.shape[2]))
    return np.asarray(mixed, np.float32)


def _sameness(frames: Sequence[Array], index_map: Array, noise: float, apart: int = 1) -> FloatArray:
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
        for rows in strips(height, STRIP):
            gap = cv2.absdiff(frame[rows], picked[rows])
            square = cv2.multiply(gap, gap, scale=1 / made_by_noise, dtype=cv2.CV_32F)
            squares[rows] = _mean_over_channels(square)
        if apart > 1:
            squares = np.asarray(cv2.resize(squares, points, interpolation=cv2.INTER_AREA), np.float32)
        around = cv2.GaussianBlur(squares, (window, window), SAME_SIGMA / apart, borderType=cv2.BORDER_REFLECT_101)
        found = np.clip((np.float32(SAME) - around) / np.float32(SAME_SLOPE), 0, 1)
        same[position] = found if apart == 1 else cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    return same


def _shared_by_the_same(frames: Sequence[Array], weights: FloatArray, noise: float) -> FloatArray:
    shared = weights + _sameness(frames, winner(weights), noise) * (1 - weights)
    return np.asarray(shared / shared.sum(axis=0, keepdims=True), np.float32)


def _mean(frames: Sequence[Array], weights: FloatArray) -> FloatArray:
    mixed = np.zeros(frames[0].shape, np.float32)
    for plane, frame in zip(weights, frames, strict=True):
        mixed += _over_channels(plane, frame) * to_unit(frame)
    return mixed


def two_bands(frames: Sequence[Array], weights: FloatArray) -> FloatArray:
    """Mix detail by the weights and what is smooth by smoothed weights, unclamped: see `compose`; unit scale."""
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
    return np.asarray(cv2.GaussianBlur(plane, (7, 7), BAND_SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float32)


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
