"""Metrics against a known truth: PSNR and SSIM, over the whole picture or in the ring round focus edges.

The yardsticks between which a fusion stands are here too: the oracle, which knows the truth, and the ring, where the
oracle changes its mind. All values are on the 8-bit scale whatever the depth of the files.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array
from allfocus.errors import StackError
from allfocus.metrics.levels import WHITE, Levels, crop, gray_levels, levels, same_channels

Mask = NDArray[np.bool_]

#: Smoothing of the oracle's error, in pixels.
ORACLE_SIGMA = 1.0

#: Side of the square that widens a focus edge into a ring, in pixels.
RING_SIDE = 15

#: SSIM: window side and sigma in pixels, and the two stabilising constants (0.01 * 255)^2 and (0.03 * 255)^2.
SSIM_SIDE, SSIM_SIGMA, SSIM_C1, SSIM_C2 = 11, 1.5, (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2


def psnr(image: Array, truth: Array, border: int = 0, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB over all channels, with a peak of 255.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16 or float32.
        truth: the same size; a gray picture is compared with an RGB one channel by channel.
        border: pixels to ignore on each side.
        mask: (H, W), where to measure; everywhere if None.

    Returns:
        dB; `inf` for equal pictures, `nan` where the mask holds no pixel.

    Raises:
        StackError: sizes differ, or the border leaves nothing.
    """
    same_image, same_truth = same_channels(image, truth)
    squared = np.square(levels(same_image) - levels(same_truth)).reshape(*truth.shape[:2], -1).mean(axis=2)
    mean = _mean_inside(crop(squared, border), border, mask)
    return float("inf") if mean == 0 else float(10 * np.log10(WHITE**2 / mean))


def ssim_map(image: Array, truth: Array) -> Levels:
    """Structural similarity at each pixel, (H, W), at most 1 (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    On Rec. 601 luma, 11x11 Gaussian window of sigma 1.5, population variances, mirrored borders.

    Raises:
        StackError: sizes differ.
    """
    same_image, same_truth = same_channels(image, truth)
    return ssim_map_of_levels(gray_levels(same_image), gray_levels(same_truth))


def ssim_map_of_levels(first: Levels, second: Levels) -> Levels:
    """Structural similarity (H, W) of two gray pictures on the 8-bit scale; see `ssim_map`."""
    mean1, mean2 = _window(first), _window(second)
    variance1 = _window(first * first) - mean1 * mean1
    variance2 = _window(second * second) - mean2 * mean2
    covariance = _window(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + SSIM_C1) / (mean1 * mean1 + mean2 * mean2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance1 + variance2 + SSIM_C2)
    return np.asarray(luminance * structure, np.float64)


def ssim(image: Array, truth: Array, border: int = 0, mask: Mask | None = None) -> float:
    """Mean structural similarity, at most 1; the border is cut off first, then see `ssim_map`.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16 or float32.
        truth: the same size.
        border: pixels to cut off each side.
        mask: (H, W) of the uncut size, where to average; everywhere if None.

    Returns:
        The mean, 1 for equal pictures; `nan` where the mask holds no pixel.

    Raises:
        StackError: sizes differ, or the border leaves nothing.
    """
    similarity = ssim_map(crop(image, border), crop(truth, border))
    return _mean_inside(similarity, border, mask)


def oracle_index_map(frames: Sequence[Array], truth: Array) -> Array:
    """Pick, at each pixel, the frame nearest to the truth: the best that choosing one frame a pixel can do.

    The distance is the sum over channels of |frame - truth|, smoothed by a Gaussian of sigma 1 so that noise does not
    decide.

    Args:
        frames: one or more pictures of the truth's size, visited one at a time.
        truth: (H, W) or (H, W, 3).

    Returns:
        (H, W) uint16, counted from 0; of equally near frames the first wins.

    Raises:
        StackError: no frames, or a size differs.
    """
    if not frames:
        raise StackError("no frames given; the oracle needs at least one")
    index_map = np.zeros(truth.shape[:2], np.uint16)
    nearest = _distance(frames[0], truth)
    for position in range(1, len(frames)):
        distance = _distance(frames[position], truth)
        index_map[distance < nearest] = position
        np.minimum(nearest, distance, out=nearest)
    return index_map


def focus_ring(index_map: Array, frame_count: int) -> Mask:
    """Mark the surroundings of focus edges, where halos and ghosts appear.

    A focus edge is where the index map jumps: its 3x3 morphological gradient exceeds 1, or 0 for pairs, since in a
    stack neighbouring frames are nearly interchangeable. Edges are widened by a 15x15 square.

    Args:
        index_map: (H, W), usually the oracle's.
        frame_count: how many frames the stack has.

    Returns:
        (H, W) bool.
    """
    smallest_jump = 1 if frame_count > 2 else 0
    gradient = cv2.morphologyEx(index_map, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edges = (np.asarray(gradient) > smallest_jump).astype(np.uint8)
    return np.asarray(cv2.dilate(edges, np.ones((RING_SIDE, RING_SIDE), np.uint8))) > 0


def _mean_inside(values: Array, border: int, mask: Mask | None) -> float:
    inside = values if mask is None else values[crop(mask, border)]
    return float(inside.mean()) if inside.size else float("nan")


def _window(plane: Levels) -> Levels:
    blurred = cv2.GaussianBlur(plane, (SSIM_SIDE, SSIM_SIDE), SSIM_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float64)


def _distance(frame: Array, truth: Array) -> Levels:
    same_frame, same_truth = same_channels(frame, truth)
    error = np.abs(levels(same_frame) - levels(same_truth)).reshape(*truth.shape[:2], -1).sum(axis=2)
    return np.asarray(cv2.GaussianBlur(error, (0, 0), ORACLE_SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float64)
