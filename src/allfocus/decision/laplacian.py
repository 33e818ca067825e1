"""The Laplacian rule: at each pixel, take the frame with the most fine detail around it."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil

import cv2
import numpy as np
from numpy.typing import DTypeLike

from allfocus.core.color import Array, FloatArray, to_unit
from allfocus.core.windows import Window, grow, relative_to, tiles
from allfocus.decision.decision import Choice, TiledDecision
from allfocus.decision.noise import split_rows
from allfocus.errors import StackError
from allfocus.options import Composition
from allfocus.run.context import Run

#: Side in pixels of the tiles that are composed at once.
TILE = 512
#: Pixels around a tile that composing may need.
MARGIN = 32
#: Rows whose energy is measured at once.
STRIP = 256


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


def decide_by_laplacian(
    frames: Iterable[Array], sigma: float = 3.0, empty: Callable[[tuple[int, ...], DTypeLike], Array] = np.empty
) -> tuple[Array, FloatArray]:
    """Pick the frame with the largest local Laplacian energy at each pixel, and say how clear the choice is.

    The frames are visited once, in strips of rows, and only the two best energies are kept, so memory does not grow
    with their number.

    Args:
        frames: one or more frames of one size, as `local_laplacian_energy` takes them; may be a generator.
        sigma: smoothing of the energy, see `local_laplacian_energy`.
        empty: makes the arrays that are kept, see `Run.empty`.

    Returns:
        (H, W) uint16, counted from 0; of equal frames the first wins. And (H, W) float32 in [0, 1]: the share
        of the best energy by which it exceeds the second best.

    Raises:
        StackError: there are no frames, or their sizes differ.
    """
    size: tuple[int, int] | None = None
    reach = ceil(4 * sigma) + 2
    for position, frame in enumerate(frames):
        if size is None:
            size = frame.shape[0], frame.shape[1]
            index_map, best, second = empty(size, np.uint16), empty(size, np.float32), empty(size, np.float32)
            index_map[...], best[...], second[...] = 0, -1, 0  # less than any energy
        if frame.shape[:2] != size:
            raise StackError(f"frame {position + 1} has shape {frame.shape[:2]}; the stack has {size}")
        for rows in split_rows(size[0], STRIP):
            strip = rows, slice(0, size[1])
            around = grow(strip, reach, *size)
            energy = local_laplacian_energy(frame[around], sigma)[relative_to(strip, around)]
            index_map[rows][energy > best[rows]] = position
            np.maximum(second[rows], np.minimum(best[rows], energy), out=second[rows])
            np.maximum(best[rows], energy, out=best[rows])
    if size is None:
        raise StackError("no frames given; picking needs at least one")
    np.subtract(best, second, out=second)
    second[~(best > 0)] = 0  # where there is no detail, or no number
    confidence: FloatArray = np.divide(second, best, out=second, where=best > 0)
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

        self._index_map, self._confidence = decide_by_laplacian(counted(), empty=run.empty)
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
