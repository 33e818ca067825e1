"""Doubtful places: where choosing wrongly would show most, for a person to look at first."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, luma, to_unit
from allfocus.core.windows import Window, relative_to, scale_down
from allfocus.decision.decision import Choice, Decision
from allfocus.run.context import Run

#: Side of a place in pixels, and of the cells that doubt is summed up in; how many places are listed at most.
SIDE, CELL, MOST = 64, 8, 100
#: Differences below this, unit scale, can't be seen; and the mean doubt of a place that is not worth looking at.
UNSEEN, NOTHING = 2 / 255, 3e-4
#: Weights are taken to the power of this to be chances again: they were sharpened for composing.
SOFTEN = 0.25
#: Where the decision is sure and wrong it has no doubt of its own, so that a plain focus measure has a say as well:
#: its share, the sigma in pixels of what it sums up, its floor, and the power that makes chances of it. Chosen on
#: scenes with truth, see docs/experiments.md.
SECOND, SIGMA, FLOOR, POWER = 0.5, 2.0, 1e-5, 2.0
#: The most frames that are named for a place.
RIVALS = 6


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A place to look at.

    Attributes:
        window: rows and columns of the picture.
        error: the mean error, unit scale, that a better choice may save there: of each pixel the root of the mean
            square by what is held possible. Squares themselves would be those of a few bright pixels.
        frames: those that compete there, the likeliest first, by their positions among those that are decided on.
    """

    window: Window
    error: float
    frames: tuple[int, ...]


def find_doubts(frames: Sequence[Array], decision: Decision, image: Array, run: Run, most: int = MOST) -> list[Doubt]:
    """The places where a better choice would change most, by what the decision itself holds possible.

    Args:
        frames: N arrays that were decided on.
        decision: about them.
        image: the picture.
        run: workers, and where the frames may lie.
        most: how many places at most.
    """
    height, width = decision.size
    doubt = np.zeros((-(-height // CELL), -(-width // CELL)), np.float32)
    tiles = decision.tiles()
    measured = run.map(lambda tile: doubt_tile(frames, decision, image, run, tile), tiles)
    for tile, found in zip(tiles, measured, strict=True):
        doubt[scale_down(tile, CELL)] = found
    return [name_rivals(decision, window, error) for window, error in find_places(doubt, (height, width), most)]


def doubt_tile(frames: Sequence[Array], decision: Decision, image: Array, run: Run, tile: Window) -> FloatArray:
    """(h / 8, w / 8), sums over cells of a tile of the error that a better choice may save."""
    choice = decision.decide_tile(tile)
    picture, here = to_unit(run.cut(image, tile)), relative_to(tile, choice.around)
    pixels = [to_unit(run.cut(frames[frame], choice.around)) for frame in choice.candidates]
    second = measure_chances(pixels)[(slice(None), *here)]
    height, width = picture.shape[:2]
    total = np.zeros((height, width), np.float32)
    for frame, chance, other in zip(pixels, find_chances(choice), second, strict=True):
        gap = np.square(frame[here] - picture)
        gap = gap if gap.ndim == 2 else gap.mean(axis=2)
        total += ((1 - SECOND) * chance + SECOND * other) * np.where(gap > UNSEEN**2, gap, 0)
    padded = cv2.copyMakeBorder(np.sqrt(total), 0, -height % CELL, 0, -width % CELL, cv2.BORDER_CONSTANT, value=(0.0,))
    cells = padded.reshape(padded.shape[0] // CELL, CELL, padded.shape[1] // CELL, CELL)
    return np.asarray(cells.sum(axis=(1, 3)), np.float32)


def find_chances(choice: Choice) -> FloatArray:
    """(n, h, w) of the candidates, over the choice's own window, summing to 1."""
    chances = choice.weights[(slice(None), *relative_to(choice.window, choice.around))] ** np.float32(SOFTEN)
    return np.asarray(chances / chances.sum(axis=0), np.float32)


def measure_chances(pixels: Sequence[FloatArray]) -> FloatArray:
    """(n, h, w), how likely each frame is the sharpest by the energy of its Laplacian, summing to 1."""
    energies = [np.square(cv2.Laplacian(luma(frame), cv2.CV_32F)) for frame in pixels]
    around = np.stack([cv2.GaussianBlur(energy, (0, 0), SIGMA) for energy in energies]) + np.float32(FLOOR)
    around = (around / around.max(axis=0)) ** np.float32(POWER)
    return np.asarray(around / around.sum(axis=0), np.float32)


def find_places(doubt: FloatArray, size: tuple[int, int], most: int) -> list[tuple[Window, float]]:
    """Squares that hold most doubt, one after the other, none over another; each with its mean."""
    side, found = SIDE // CELL, []
    sums = cv2.boxFilter(doubt, -1, (side, side), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    for _ in range(most):
        _, total, _, (column, row) = cv2.minMaxLoc(sums)
        if total / SIDE**2 < NOTHING:
            break
        sums[max(0, row - side + 1) : row + side, max(0, column - side + 1) : column + side] = 0
        down, across = (
            slice(start * CELL, min(start * CELL + SIDE, length))
            for start, length in zip((row, column), size, strict=True)
        )
        found.append(((down, across), total / SIDE**2))
    return found


def name_rivals(decision: Decision, window: Window, error: float) -> Doubt:
    """A place with the frames that compete there."""
    choice = decision.at(window)
    shares = find_chances(choice).mean(axis=(1, 2))
    likely = [int(choice.candidates[k]) for k in np.argsort(-shares, kind="stable")[:RIVALS]]
    return Doubt(window=window, error=error, frames=tuple(dict.fromkeys(likely)))
