"""Focus measures, and the classic rule: at each pixel, take the frame with the most fine detail around it."""

from collections.abc import Iterable

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.errors import StackError


def local_laplacian_energy(frame: Array, sigma: float = 3.0) -> FloatArray:
    """Measure how much fine detail surrounds each pixel: the energy of the 4-neighbour Laplacian.

    Nayar and Nakagawa, "Shape from Focus", 1994, doi:10.1109/34.308479, popularised Laplacian focus measures;
    this one squares, adds the channels and averages with a Gaussian instead of a box.

    Args:
        frame: (H, W) or (H, W, 3), uint8, uint16 or float32; values are taken on the unit scale (1 is white).
        sigma: standard deviation of the Gaussian window in pixels; 0 leaves the energy unsmoothed.

    Returns:
        (H, W) float32, >= 0. Borders are mirrored without repeating the edge pixel.
    """
    laplacian = cv2.Laplacian(to_unit(frame), cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REFLECT_101)
    energy = np.square(laplacian)
    if energy.ndim == 3:
        energy = energy.sum(axis=2)
    if sigma > 0:
        energy = cv2.GaussianBlur(energy, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(energy, np.float32)


def classic_index_map(frames: Iterable[Array], sigma: float = 3.0) -> Array:
    """Pick the frame with the largest local Laplacian energy at each pixel: the map of `classic_decision`."""
    return classic_decision(frames, sigma)[0]


def classic_decision(frames: Iterable[Array], sigma: float = 3.0) -> tuple[Array, FloatArray]:
    """Pick the frame with the largest local Laplacian energy at each pixel, and say how clear the choice is.

    The frames are visited once and only the two best energies are kept, so memory does not grow with their number.

    Args:
        frames: one or more frames of one size, as `local_laplacian_energy` takes them; may be a generator.
        sigma: smoothing of the energy, see `local_laplacian_energy`.

    Returns:
        (H, W) uint16, counted from 0; of equal frames the first wins. And (H, W) float32 in [0, 1]: the share
        of the best energy by which it exceeds the second best.

    Raises:
        StackError: there are no frames, or their sizes differ.
    """
    best: FloatArray | None = None
    for position, frame in enumerate(frames):
        energy = local_laplacian_energy(frame, sigma)
        if best is None:
            best, second = energy, np.zeros_like(energy)
            index_map = np.zeros(energy.shape, np.uint16)
            continue
        if energy.shape != best.shape:
            raise StackError(f"frame {position + 1} has shape {energy.shape}; the stack has {best.shape}")
        index_map[energy > best] = position
        np.maximum(second, np.minimum(best, energy), out=second)
        np.maximum(best, energy, out=best)
    if best is None:
        raise StackError("no frames given; picking needs at least one")
    confidence: FloatArray = np.divide(best - second, best, out=np.zeros_like(best), where=best > 0)
    return index_map, confidence
