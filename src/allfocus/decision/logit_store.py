"""The network's logits and features of a whole level: kept in blocks, cut, and carried on to the next finer level."""

from itertools import product

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.pyramid import ENERGY_FLOOR, PATCH, count_levels, laplacian, padded_size
from allfocus.core.stack import FrameInfo
from allfocus.core.windows import Window, intersect, relative_to, scale_down
from allfocus.decision.model import LOGIT_RANGE, Answer
from allfocus.run.context import Run

#: What the detail around a pixel counts where the finest level is not refined, and how far around it, in pixels, it
#: is summed up.
DETAIL_GAIN, DETAIL_SIGMA, DETAIL_WINDOW = 2.0, 2.0, (7, 7)
#: How far the logits of frames that were not looked at lie below the best, at least.
NO_CANDIDATE = 3.0
#: What blocks take beyond the level that they cover.
BLOCKS_FILL_UP = 1.1


class LogitStore:
    """The network's answer to a whole level, in blocks: what is used together lies together, on a few pages.

    Args:
        frames: how many.
        channels: of the features.
        height, width: of the level.
        side: of the blocks, whole patches; less where the level is smaller.
        run: keeps them.
    """

    def __init__(self, frames: int, channels: int, height: int, width: int, side: int, run: Run) -> None:
        side = min(side, max(height, width))
        rows, columns = -(-height // side), -(-width // side)
        self._side, self._run = side, run
        self._logits = run.empty((rows, columns, frames, 1, side, side), np.float32)
        self._context = run.empty((rows, columns, frames, channels, side // PATCH, side // PATCH), np.float32)

    def put(self, block: Window, answer: Answer) -> None:
        """Keep the answer to one block, all frames."""
        row, column = (part.start // self._side for part in block)
        window = relative_to(block, block)
        self._logits[(row, column, ..., *window)] = answer.logits
        self._context[(row, column, ..., *scale_down(window, PATCH))] = answer.context

    def part(self, window: Window, frames: Array) -> Answer:
        """What was kept about a window, of whole patches, and some of the frames."""
        context = self._gather(self._context, scale_down(window, PATCH), frames, self._side // PATCH)
        return Answer(logits=self.logits(window, frames), context=context)

    def logits(self, window: Window, frames: Array) -> FloatArray:
        """The logits of a window alone, (n, 1, h, w)."""
        return self._gather(self._logits, window, frames, self._side)

    def _gather(self, kept: FloatArray, window: Window, frames: Array, side: int) -> FloatArray:
        height, width = (part.stop - part.start for part in window)
        found = np.empty((len(frames), kept.shape[3], height, width), np.float32)
        rows, columns = (range(part.start // side, -(-part.stop // side)) for part in window)
        for row, column in self._run.in_turn(product(rows, columns)):
            block = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
            shared = intersect(window, block)
            found[(..., *relative_to(shared, window))] = kept[
                (row, column, frames, slice(None), *relative_to(shared, block))
            ]
        return found


def count_stored_bytes(frame: FrameInfo, finest: int, channels: int = 32) -> int:
    """What answers to all levels from `finest` on take for one frame like this, with so many channels of features."""
    levels = count_levels(*frame.size)
    height, width = padded_size(*frame.size, levels)
    places = sum((height >> k) * (width >> k) for k in range(finest, levels))
    return int(BLOCKS_FILL_UP * places * 4 * (1 + channels / PATCH**2))


def part_of(answer: Answer, window: Window) -> Answer:
    """What an answer says about a window, of whole patches."""
    return Answer(logits=answer.logits[(..., *window)], context=answer.context[(..., *scale_down(window, PATCH))])


def enlarge(plane: FloatArray, times: int = PATCH) -> FloatArray:
    """So many times the size, bilinear; by default from a value a patch to a value a pixel."""
    size = (plane.shape[1] * times, plane.shape[0] * times)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def carry_on(coarser: Answer, frames: Array, found: Answer) -> Answer:
    """An answer to all frames of which only some were looked at: the others keep that of the next coarser level.

    They stay well below the best: what the coarser level is less sure of than the finer one makes no candidates.

    Args:
        coarser: its answer to the same window, all frames.
        frames: (n,) which were looked at.
        found: the answer to those.
    """
    logits = np.stack([enlarge(plane, 2) for plane in coarser.logits[:, 0]])
    logits += found.logits.mean(axis=(0, 1)) - logits[frames].mean(axis=0)  # only differences between frames count
    np.minimum(logits, found.logits.max(axis=(0, 1)) - NO_CANDIDATE, out=logits)
    context = coarser.context.repeat(2, axis=2).repeat(2, axis=3)
    logits[frames], context[frames] = found.logits[:, 0], found.context
    return Answer(logits=logits[:, None], context=context)


def extrapolate(coarser: Answer, pixels: FloatArray) -> FloatArray:
    """Logits (n, h, w) of a window of the finest level without the network: from the coarser ones and the detail.

    Args:
        coarser: the next coarser level's answer to the window.
        pixels: (n, 3, h, w) of the window.
    """
    prior = subtract_mean(coarser.logits[:, 0])
    size = prior.shape[2], prior.shape[1]
    detail = np.empty_like(prior)
    for target, frame in zip(detail, pixels, strict=True):
        energy = np.zeros(frame.shape[1:], np.float32)
        for plane in frame:
            cv2.accumulateSquare(laplacian(plane), energy)
        half = cv2.resize(energy, size, interpolation=cv2.INTER_AREA)
        around = cv2.GaussianBlur(half, DETAIL_WINDOW, DETAIL_SIGMA / 2, borderType=cv2.BORDER_REPLICATE)
        np.log(around + np.float32(ENERGY_FLOOR), out=target)
    decided = np.clip(prior, -LOGIT_RANGE, LOGIT_RANGE) + np.float32(DETAIL_GAIN) * subtract_mean(detail)
    return np.stack([enlarge(plane, 2) for plane in decided])


def subtract_mean(planes: FloatArray) -> FloatArray:
    """Deviations from the mean over the first axis."""
    return np.asarray(planes - planes.mean(axis=0), np.float32)
