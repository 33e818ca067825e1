"""Photometric registration: how bright each frame is against the reference, in linear light, and how to match it.

Lamps flicker, and exposure drifts with focus. Frames are compared on a coarse grid of mean light, so that defocus and
small motions hardly matter.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import cv2
import numpy as np

from allfocus.alignment.motion import Matrix, to_pixels
from allfocus.core.color import Array, FloatArray, srgb_to_linear, to_linear, to_unit

#: Longest side of a frame when light is measured, and of the grid of means, larger than any blur: in pixels, about.
FINE_SIDE, GRID_SIDE = 768, 48
#: Encoded values outside of these may be clipped.
DARKEST, BRIGHTEST = 0.02, 0.97
#: Share of the grid that must be known in both frames for a comparison.
MIN_KNOWN = 0.1
#: Where less is known because the one frame is burnt, so many squares of the grid will do for a gain that is clear, in
#: natural logarithms: a quarter of a stop. A frame is burnt that has so much light on average; dark ones, as of
#: fluorescence, may show different amounts of light at one exposure.
FEW, CLEAR, BRIGHT = 12, 0.25 * np.log(2), 0.3
#: Correlation of the light of one scene, if frames are so blurred or burnt that they can't be registered.
ALIKE = 0.5
#: Gains closer to 1 than this, or than so many standard errors, are taken as 1; neighbouring means are correlated, so
#: that one in so many is independent.
SAME_GAIN, STANDARD_ERRORS, INDEPENDENT = 0.006, 2.0, 4
#: One kind of means is used alone if its error is less than this share of the other's.
CLEARER = 0.97
#: An offset is used if it leaves at most this share of the scatter, and is larger than this (linear light, white is 1).
OFFSET_SCATTER, MIN_OFFSET = 0.6, 0.004


@dataclass(frozen=True, kw_only=True)
class ExposureTransfer:
    """Linear light of a frame as a function of the reference's: ``light = gain * reference + offset``.

    Attributes:
        gain: one for all channels, or one for each of three; positive.
        offset: for all channels, white is 1.
        is_known: False if the frames are exposed differently, and so much is black or white that nobody knows how.
    """

    gain: tuple[float, ...] = (1.0,)
    offset: float = 0.0
    is_known: bool = True

    @property
    def is_same(self) -> bool:
        """Whether the frame is as bright as the reference."""
        return all(gain == 1 for gain in self.gain) and self.offset == 0


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioEstimate:
    """The brightness ratio of two frames in logarithms, with its standard error.

    Attributes:
        gain: (c,) natural logarithm of the gain of each channel.
        error: (c,) its standard error.
        offset: of linear light, white is 1.
    """

    gain: FloatArray
    error: FloatArray
    offset: float = 0.0

    def then(self, other: "RatioEstimate") -> "RatioEstimate":
        """The composition: from a first frame to a third, if `other` leads from the second to the third."""
        offset = self.offset * float(np.exp(other.gain.mean())) + other.offset
        return RatioEstimate(gain=self.gain + other.gain, error=np.hypot(self.error, other.error), offset=offset)

    def inverse(self) -> "RatioEstimate":
        """The ratio in the other direction."""
        return RatioEstimate(gain=-self.gain, error=self.error, offset=-self.offset / float(np.exp(self.gain.mean())))

    @property
    def transfer(self) -> ExposureTransfer:
        """The transfer, with gains of exactly 1 where they don't differ significantly from it."""
        is_significant = np.abs(self.gain) > np.maximum(SAME_GAIN, STANDARD_ERRORS * self.error)
        gains = np.exp(np.where(is_significant, self.gain, 0))
        is_known = bool(np.isfinite(self.error).all() or np.abs(self.gain.mean()) < CLEAR)
        return ExposureTransfer(gain=tuple(map(float, gains)), offset=self.offset, is_known=is_known)


def measure_light(frame: Array, covered: Array | None = None) -> FloatArray:
    """Mean linear light of a frame (H, W[, 3]) on a coarse grid: (3, h, w, c), c = 1 or 3.

    Three kinds of means: of linear light, which optical blur preserves; of encoded values, then linearised, which blur
    by most programs preserves; and the first again, with what may be clipped, which is NaN in the others. All are NaN
    where the frame is not `covered`, (H, W) bool.
    """
    fine = shrink_by(frame, fine_factor(frame))
    return measure_fine_light(fine, to_linear(fine), covered)


def fine_factor(frame: Array) -> int:
    """By what `measure_light` shrinks a frame at first."""
    return max(1, int(max(frame.shape[:2])) // FINE_SIDE)


def measure_fine_light(samples: Array, linear: FloatArray, covered: Array | None = None) -> FloatArray:
    """`measure_light` of a frame that is shrunk by its `fine_factor`, of which linear light is at hand.

    Args:
        samples: (h, w[, 3]), the frame when shrunk.
        linear: the same as linear light.
        covered: (H, W) bool, of the whole frame.
    """
    fine = to_unit(samples)
    fine, linear = (plane if plane.ndim == 3 else plane[..., None] for plane in (fine, linear))
    outside = (fine > BRIGHTEST) | (fine < DARKEST)
    may_be_clipped = np.asarray(reduce(np.logical_or, np.moveaxis(outside, 2, 0)), np.float32)
    light, encoded = shrink_to(linear, GRID_SIDE), srgb_to_linear(shrink_to(fine, GRID_SIDE))
    grid = np.stack([light, encoded, light]).reshape(3, *light.shape[:2], -1)
    grid[:2, shrink_to(may_be_clipped, GRID_SIDE) > 0] = np.nan
    if covered is not None:
        missing = shrink_to(shrink_to(np.asarray(~covered, np.float32), FINE_SIDE), GRID_SIDE)
        grid[:, missing > 0] = np.nan
    return grid


def measure_clipped_share(light: FloatArray) -> float:
    """The share of a frame, 0 to 1, where values may be clipped at black or white; `light` as `measure_light` gives."""
    return float(np.isnan(light[0]).any(axis=2).mean())


def shrink_to(plane: Array, side: int) -> Array:
    """Shrink by a whole factor so that the longest side becomes `side` or a little more."""
    return shrink_by(plane, max(1, max(plane.shape[:2]) // side))


def shrink_by(plane: Array, factor: int) -> Array:
    """Means over squares of `factor` pixels a side; incomplete squares at the right and the bottom are dropped."""
    if factor == 1:
        return plane
    height, width = (max(1, side // factor) for side in plane.shape[:2])
    whole = plane[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA))


def estimate_exposures(
    lights: Sequence[FloatArray],
    motions: Sequence[Matrix],
    parents: Sequence[int | None],
    reference: int,
    group: Collection[int],
    by_channel: bool,
) -> list[ExposureTransfer]:
    """Estimate the exposure of each frame against the reference.

    Directly, and along the chain of neighbours: distant frames differ in blur, and a chain adds up errors. Of the two
    the one with the smaller standard error is taken.

    Args:
        lights: `measure_light` of each frame.
        motions: from the reference to each frame, in normalised coordinates.
        parents: for each frame, an earlier one to compare it with as well; None: none.
        reference: position of the reference.
        group: positions of the frames that are connected by their parents.
        by_channel: whether each channel has its own gain, for white balance that drifts.
    """
    direct = [
        estimate_ratio(lights[reference], light, motion, by_channel)
        for light, motion in zip(lights, motions, strict=True)
    ]
    nothing = np.zeros_like(direct[reference].gain)
    paths = [RatioEstimate(gain=nothing, error=nothing)] * len(lights)
    for k, parent in enumerate(parents):
        if parent is not None and k in group:
            motion = motions[k] @ np.linalg.inv(motions[parent])
            paths[k] = paths[parent].then(estimate_ratio(lights[parent], lights[k], motion, by_channel))
    back = paths[reference].inverse()
    chained = [back.then(path) if k in group else direct[k] for k, path in enumerate(paths)]
    best = (min(pair, key=lambda ratio: float(ratio.error.mean())) for pair in zip(direct, chained, strict=True))
    return [ExposureTransfer() if k == reference else ratio.transfer for k, ratio in enumerate(best)]


def compare_still(lights: Sequence[FloatArray], reference: int, by_channel: bool) -> list[ExposureTransfer]:
    """The exposures of frames that could not be registered, if they lie over the reference and clearly differ from it.

    Args:
        lights: `measure_light` of each frame.
        reference: position of the reference.
        by_channel: whether each channel has its own gain.
    """

    def compare(light: FloatArray) -> ExposureTransfer:
        ratio = estimate_ratio(lights[reference], light, np.eye(3), by_channel)
        transfer = ratio.transfer
        is_clear = abs(ratio.gain.mean()) > CLEAR and is_alike(lights[reference][2], light[2])
        return transfer if is_clear or not transfer.is_known else ExposureTransfer()

    return [ExposureTransfer() if k == reference else compare(light) for k, light in enumerate(lights)]


def is_alike(one: FloatArray, other: FloatArray) -> bool:
    """Whether bright and dark lie at the same places of two grids of means (h, w, c)."""
    known = np.isfinite(one + other).all(axis=2)
    planes = [means[known].mean(axis=1) for means in (one, other)]
    if known.sum() <= FEW or min(plane.std() for plane in planes) < 1e-5:
        return False
    return bool(np.corrcoef(*planes)[0, 1] > ALIKE)


def estimate_ratio(reference: FloatArray, light: FloatArray, motion: Matrix, by_channel: bool) -> RatioEstimate:
    """Estimate how bright a frame is against another: the median of many ratios, robust to blur, motion, vignetting.

    Args:
        reference: `measure_light` of the one frame.
        light: that of the other.
        motion: from the one to the other, in normalised coordinates.
        by_channel: whether each channel has its own gain.
    """
    matrix = to_pixels(motion, (reference.shape[1], reference.shape[2]))
    warped = [warp_means(means, matrix) for means in light]
    linear, encoded = (compare_means(*pair, by_channel) for pair in zip(reference[:2], warped[:2], strict=True))
    if not np.isfinite(linear.error).all():
        return estimate_from_few(reference, warped, linear, by_channel)
    # blur scatters the one kind of means, and leaves the other alone
    for one, other in ((linear, encoded), (encoded, linear)):
        if one.error.mean() < CLEARER * other.error.mean():
            return one
    agree = linear.gain * encoded.gain > 0
    smaller = np.where(np.abs(linear.gain) < np.abs(encoded.gain), linear.gain, encoded.gain)
    return replace(linear, gain=np.where(agree, smaller, 0), error=np.maximum(linear.error, encoded.error))


def estimate_from_few(
    reference: FloatArray, warped: Sequence[FloatArray], unknown: RatioEstimate, by_channel: bool
) -> RatioEstimate:
    """The ratio of two frames of which little is neither black nor white in both, and if need be that it is unknown.

    What is burnt hides light, so the ratio of all light tells the direction and by how much at least. A gain from few
    squares counts only if it is clear and goes the same way.
    """
    both = np.isfinite(reference[2] + warped[2])
    one, other = (max(float(means[both].mean()), 1e-5) if both.any() else 1.0 for means in (reference[2], warped[2]))
    seen = float(np.log(other / one))
    if max(one, other) < BRIGHT:
        return unknown
    few = compare_means(reference[0], warped[0], by_channel, FEW)
    gain = float(few.gain.mean())
    if np.isfinite(few.error).all() and abs(gain) > CLEAR and seen * gain > 0:
        return few
    return replace(unknown, gain=np.full_like(unknown.gain, seen)) if abs(seen) > CLEAR else unknown


def warp_means(means: FloatArray, matrix: Matrix) -> FloatArray:
    """Warp a grid of means (h, w, c) by a matrix from the reference's grid to it; NaN outside of it."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(means, matrix, means.shape[1::-1], flags=flags, borderValue=(np.nan,) * 4)
    return np.asarray(warped, np.float32).reshape(means.shape)


def compare_means(
    reference: FloatArray, means: FloatArray, by_channel: bool, enough: float | None = None
) -> RatioEstimate:
    """Estimate the ratio of two grids of means (h, w, c), cell by cell; the error is infinite where few are known.

    More than `enough` must be known, by default `MIN_KNOWN` of all.
    """
    known = np.isfinite(means).all(axis=2) & np.isfinite(reference).all(axis=2)
    one, other = reference[known], means[known]
    if not by_channel:
        one, other = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    if len(one) <= (MIN_KNOWN * known.size if enough is None else enough):
        return RatioEstimate(gain=np.zeros(one.shape[1], np.float32), error=np.full(one.shape[1], np.inf, np.float32))
    offset = estimate_offset(one.mean(axis=1), other.mean(axis=1))
    ratios = np.log(np.maximum(other - offset, 1e-5) / np.maximum(one, 1e-5))
    low, gain, high = np.quantile(ratios, (0.25, 0.5, 0.75), axis=0).astype(np.float32)
    # standard error of a median of normally distributed ratios
    error = 1.2533 * (high - low) / 1.349 / np.sqrt(len(ratios) / INDEPENDENT)
    return RatioEstimate(gain=gain, error=error, offset=offset)


def estimate_offset(one: FloatArray, other: FloatArray) -> float:
    """Linear light added everywhere, such as veiling glare, white is 1; 0 unless a gain alone fits much worse."""
    gain = np.exp(np.median(np.log(np.maximum(other, 1e-5) / np.maximum(one, 1e-5))))
    by_gain = np.median(np.abs(other - gain * one))
    slope, offset = cv2.fitLine(np.stack([one, other], axis=1), cv2.DIST_HUBER, 0, 0.01, 0.01).reshape(2, 2)
    if abs(slope[0]) < 1e-3:
        return 0.0
    steep = float(slope[1] / slope[0])
    added = float(offset[1] - steep * offset[0])
    by_line = np.median(np.abs(other - steep * one - added))
    # a wide blur lowers contrast and keeps the mean: that is no change of light
    is_light = abs(other.mean() - one.mean()) > abs(added) / 2
    return added if is_light and abs(added) > MIN_OFFSET and by_line < OFFSET_SCATTER * by_gain else 0.0
