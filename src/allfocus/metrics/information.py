"""Information kept from the frames: normalised mutual information and visual information fidelity."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array
from allfocus.metrics.levels import Levels, check_sizes, gray_bytes

#: VIFF: window sides of the four scales (sigma is a fifth), their weights, and the variance of the visual noise.
VIFF_SIDES = (17, 9, 5, 3)
VIFF_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
VISUAL_NOISE = 0.005 * 255**2

#: Smallest side that leaves one window on the coarsest scale.
VIFF_SMALLEST = 41

#: Below this a variance is rounding, not signal.
NO_VARIANCE = 1e-10


def q_mi(frames: Sequence[Array], image: Array) -> float:
    """Hossny's normalised mutual information Q_MI (Electronics Letters 2008, doi:10.1049/el:20081754).

    Sum over the frames of 2 I(frame, image) / (H(frame) + H(image)), from 256x256 joint histograms, scaled by 2 / N
    for N > 2 to keep the range of the pair. Returning one frame unfused scores highest: compare with papers, do not
    rank by it.

    Args:
        frames: N >= 1 pictures of one size; colour counts as Rec. 601 luma.
        image: the fused picture.

    Returns:
        0 to 2. A constant frame and a constant image share no information: they count as 0.

    Raises:
        StackError: sizes differ.
    """
    check_sizes(frames, image)
    fused = gray_bytes(image)
    return 2 * sum(_shared_information(gray_bytes(frame), fused) for frame in frames) / len(frames)


class _Gain(NamedTuple):
    """What the image keeps of one frame, window by window."""

    gain: Levels
    kept: Levels
    available: Levels


def viff(frames: Sequence[Array], image: Array) -> float:
    """Visual information fidelity for fusion, VIFF (Han et al. 2013, doi:10.1016/j.inffus.2011.08.002).

    On four scales, in every window: the image is modelled as gain times frame plus noise; of the frames the one with
    the smallest gain counts, which is the sharpest where the image is as sharp as the best frame. Per scale, the
    information the image keeps over the information available; then a weighted mean of the scales. Defined for any
    number of frames.

    Args:
        frames: N >= 1 pictures of one size, at least 41x41; colour counts as Rec. 601 luma.
        image: the fused picture.

    Returns:
        >= 0, more is better; 1 for an image equal to all frames, above 1 for one with more contrast than they have.
        A scale without any information counts as kept.

    Raises:
        StackError: sizes differ, or a side is below 41 pixels.
    """
    check_sizes(frames, image, VIFF_SMALLEST)
    planes = [gray_bytes(frame).astype(np.float64) for frame in frames]
    fused = gray_bytes(image).astype(np.float64)
    score = 0.0
    for scale, (side, weight) in enumerate(zip(VIFF_SIDES, VIFF_WEIGHTS, strict=True)):
        if scale > 0:
            planes, fused = (
                [_blur_inside(plane, side)[::2, ::2] for plane in planes],
                _blur_inside(fused, side)[::2, ::2],
            )
        if weight > 0:
            score += weight * _fidelity(planes, fused, side)
    return score


def _shared_information(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """2 I / (H + H) of two 8-bit planes, 0 to 1."""
    joint = np.bincount(first.ravel() * np.int64(256) + second.ravel(), minlength=256 * 256).reshape(256, 256)
    entropy1, entropy2 = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    if entropy1 + entropy2 == 0:
        return 0.0
    return 2 * (entropy1 + entropy2 - _entropy(joint)) / (entropy1 + entropy2)


def _entropy(counts: NDArray[np.int64]) -> float:
    """Entropy in bits of a histogram."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _blur_inside(plane: Levels, side: int) -> Levels:
    """Gaussian of sigma side / 5 over every window that lies inside."""
    reach = side // 2
    return np.asarray(cv2.GaussianBlur(plane, (side, side), side / 5), np.float64)[reach:-reach, reach:-reach]


def _fidelity(planes: Sequence[Levels], fused: Levels, side: int) -> float:
    """Information kept over information available on one scale."""
    mean = _blur_inside(fused, side)
    variance = np.maximum(_blur_inside(fused * fused, side) - mean * mean, 0)
    chosen = _gain(planes[0], fused, mean, variance, side)
    for plane in planes[1:]:
        other = _gain(plane, fused, mean, variance, side)
        # Of equal gains the frame with more to lose, so that the order of the frames does not matter.
        more_to_lose = (other.gain == chosen.gain) & (other.available > chosen.available)
        take = (other.gain < chosen.gain) | more_to_lose
        chosen = _Gain(*(np.where(take, new, old) for new, old in zip(other, chosen, strict=True)))
    # Equal floors make a scale without information count as kept, and change no other digit that is shown.
    return float((chosen.kept + 1e-7).sum() / (chosen.available + 1e-7).sum())


def _gain(plane: Levels, fused: Levels, fused_mean: Levels, fused_variance: Levels, side: int) -> _Gain:
    """Fit `fused = gain * plane + noise` in every window and compare the information (logarithms to base 10)."""
    mean = _blur_inside(plane, side)
    variance = np.maximum(_blur_inside(plane * plane, side) - mean * mean, 0)
    covariance = _blur_inside(plane * fused, side) - mean * fused_mean
    has_signal = (variance >= NO_VARIANCE) & (fused_variance >= NO_VARIANCE)
    gain = np.where(has_signal, np.maximum(covariance, 0) / (variance + NO_VARIANCE), 0)
    noise = np.maximum(fused_variance - gain * covariance, NO_VARIANCE)
    kept = np.log10(1 + gain * gain * variance / (noise + VISUAL_NOISE))
    return _Gain(gain, kept, np.log10(1 + variance / VISUAL_NOISE))
