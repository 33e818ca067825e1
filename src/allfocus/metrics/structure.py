"""Structure kept from the frames: Piella's weighted quality index and the sum of the correlations of differences."""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.metrics.levels import Levels, check_sizes, gray_bytes

#: Side of the sliding window, as in both papers.
WINDOW = 8

#: Floor on variances and mean powers: decides only where windows are flat, and is the square of 1e-6 of white.
TINY = (1e-6 * 255) ** 2


def q_w(frames: Sequence[Array], image: Array) -> float:
    """Piella and Heijmans' weighted fusion quality index Q_W (ICIP 2003, doi:10.1109/ICIP.2003.1247209).

    In each 8x8 window: the universal quality index of image and frame, averaged over the frames by their variance
    there; then averaged over the windows by the largest of those variances. The paper defines it for two frames;
    both averages read the same for N.

    Args:
        frames: N >= 1 pictures of one size, at least 8x8; colour counts as Rec. 601 luma.
        image: the fused picture.

    Returns:
        -1 to 1, more is better; 1 only if the image equals the frame in every window that has variance.

    Raises:
        StackError: sizes differ, or a side is below 8 pixels.
    """
    check_sizes(frames, image, WINDOW)
    fused = gray_bytes(image).astype(np.float64)
    fused_mean, fused_variance = _moments(fused)
    quality, saliency, largest = 0.0 * fused_mean, 0.0 * fused_mean, 0.0 * fused_mean
    for frame in frames:
        plane = gray_bytes(frame).astype(np.float64)
        mean, variance = _moments(plane)
        covariance = _average(plane * fused) - mean * fused_mean
        weight = variance + TINY
        quality += weight * _universal_quality(mean, fused_mean, variance, fused_variance, covariance)
        saliency += weight
        np.maximum(largest, weight, out=largest)
    return float((largest * quality / saliency).sum() / largest.sum())


def scd(frames: Sequence[Array], image: Array) -> float:
    """Sum of the correlations of differences, SCD (Aslantas and Bendes 2015, doi:10.1016/j.aeue.2015.09.004).

    What remains of the image after taking one frame away should correlate with the other frame. For N > 2 the mean
    of the other frames is taken away, and the sum is scaled by 2 / N to keep the range of the pair.

    Args:
        frames: N >= 2 pictures of one size; colour counts as Rec. 601 luma.
        image: the fused picture.

    Returns:
        -2 to 2, more is better. A frame or a difference without variance correlates with nothing: it counts as 0.

    Raises:
        StackError: sizes differ.
    """
    check_sizes(frames, image)
    fused = gray_bytes(image).astype(np.float64)
    total = np.zeros(fused.shape)
    for frame in frames:
        total += gray_bytes(frame)
    correlations = 0.0
    for frame in frames:
        plane = gray_bytes(frame).astype(np.float64)
        others = (total - plane) / max(len(frames) - 1, 1)
        correlations += _correlation(fused - others, plane)
    return 2 * correlations / len(frames)


def _average(plane: Levels) -> Levels:
    """Mean over every 8x8 window that lies inside; sums of integers are exact in float64."""
    height, width = plane.shape
    sums = cv2.boxFilter(plane, -1, (WINDOW, WINDOW), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    inside = np.asarray(sums, np.float64)[: height - WINDOW + 1, : width - WINDOW + 1]
    return inside / WINDOW**2


def _moments(plane: Levels) -> tuple[Levels, Levels]:
    """Mean and variance of every window."""
    mean = _average(plane)
    return mean, np.maximum(_average(plane * plane) - mean * mean, 0)


def _universal_quality(
    mean1: Levels, mean2: Levels, variance1: Levels, variance2: Levels, covariance: Levels
) -> Levels:
    """Universal image quality index of every window (Wang and Bovik 2002, doi:10.1109/97.995823), -1 to 1."""
    luminance = (2 * mean1 * mean2 + TINY) / (mean1 * mean1 + mean2 * mean2 + TINY)
    structure = (2 * covariance + TINY) / (variance1 + variance2 + TINY)
    return luminance * structure


def _correlation(first: Levels, second: Levels) -> float:
    """Pearson's correlation, 0 if either has no variance."""
    centred1, centred2 = first - first.mean(), second - second.mean()
    power = float(np.sqrt((centred1 * centred1).sum() * (centred2 * centred2).sum()))
    return float((centred1 * centred2).sum()) / power if power > 0 else 0.0
