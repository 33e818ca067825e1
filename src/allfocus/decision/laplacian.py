"""The Laplacian rule: at each pixel, take the frame with the most fine detail around it."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.windows import Window, grow, tiles
from allfocus.decision.decision import Choice, TiledDecision
from allfocus.errors import StackError
from allfocus.options import Composition
from allfocus.run.context import Run

#: Side in pixels of the tiles that are composed at once.
TILE = 512
#: Pixels around a tile that composing may need.
MARGIN = 32


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


def decide_by_laplacian(frames: Iterable[Array], sigma: float = 3.0) -> tuple[Array, FloatArray]:
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


def laplacian_index_map(frames: Iterable[Array], sigma: float = 3.0) -> Array:
    """Which frame has the largest local Laplacian energy at each pixel: the map of `decide_by_laplacian`."""
    return decide_by_laplacian(frames, sigma)[0]


class LaplacianDecision(TiledDecision):
    """What the Laplacian rule decides about a registered stack; composed as a hard choice.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        run: told how far it is; the stage is called `laplacian`.
    """

    method = "laplacian"
    composition: Composition | None = "hard"

    def __init__(self, frames: Sequence[Array], run: Run) -> None:
        self.size, self.count = (frames[0].shape[0], frames[0].shape[1]), len(frames)

        def counted() -> Iterable[Array]:
            for position, frame in enumerate(run.in_turn(frames)):
                run.report("laplacian", position, self.count)
                yield frame

        self._index_map, self._confidence = decide_by_laplacian(counted())
        run.report("laplacian", self.count, self.count)

    def tiles(self) -> Sequence[Window]:
        """Squares that cover the picture."""
        return list(tiles(*self.size, TILE))

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one square."""
        around = grow(tile, MARGIN, *self.size)
        candidates = np.unique(self._index_map[around])
        return Choice(
            window=tile,
            around=around,
            candidates=candidates,
            extras=np.array([], np.uint16),
            weights=(self._index_map[around] == candidates[:, None, None]).astype(np.float32),
            index_map=self._index_map[tile],
            confidence=self._confidence[tile],
        )
