"""Which frame is in focus, pixel by pixel: the network's logits, from a glance at the whole to its finest octave.

The coarse octaves are small; the network answers them whole, for all frames. Their answer tells which frames are in
the running at each place of the picture, and only those are looked at in the finer octaves, tile by tile. So neither
memory nor the work there grows with the number of frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.pyramid import PATCH
from allfocus.core.weights import softmax_weights, winner
from allfocus.core.windows import Place, grown, moved, scaled, tiles, within
from allfocus.decide.logit_store import Blocks, enlarged, part_of, settled
from allfocus.decide.model import Answer, FusionModel
from allfocus.decide.stack_pyramid import KEPT, Survey
from allfocus.run.progress import Progress
from allfocus.run.scratch import Spool
from allfocus.run.workers import in_parallel

#: How far the flaws look around a pixel, beyond what its logits and features know.
FLAWS_REACH = 32
#: Bounds of what the network looks at fall on whole patches of the next coarser octave.
STEP = 8
#: Side of the cells, in which the same frames are in the running: a multiple of `STEP`.
CELL = 512
#: Pixels of all frames together that the network looks at at once: about 0.2 GB.
PIXELS_AT_ONCE = 2_500_000
#: A frame is in the running in a cell where its chance is somewhere at least this; and in a block, by the next octave.
IN_THE_RUNNING, IN_THE_RUNNING_THERE = 0.2, 0.35
#: Side of the blocks of a cell that a closer look is decided on for: a multiple of `STEP`, and a divisor of `CELL`.
BLOCK = 128
#: How far below the others, in a block, the logits of frames are put that nobody looked at there.
OUT_OF_THE_RUNNING = 12.0
#: How many frames can be in the running in one place; twice as many where that leaves too much without a good one.
MOST = 8
#: A frame is a good one where it has this share of the best chance; and how much of a place may be left without one.
CLOSE, UNCOVERED = 0.5, 0.02
#: How many frames beside those in the running may help against noise.
OTHERS = 16
#: Squared error, unit scale, that a look at the finest octave has to promise to save; and when it should go fast.
WORTH_A_LOOK, WORTH_A_LOOK_FAST = 5e-6, 5e-4
#: Side in pixels, of the second finest octave, of the neighbourhood within which a choice may be misplaced.
MISPLACED = 5


@dataclass(frozen=True, kw_only=True)
class Selected:
    """What the network says about one cell: the logits with a margin around it.

    Attributes:
        frames: (n,) which frames are in the running, counted in the order of the survey.
        others: those that are not, and may be the same there but for noise: at most `OTHERS` of them.
        logits: (n, h, w) of the cell with its margin.
        flaws: (2, h, w) of the cell alone, log-odds that a place is sharp in no frame, and that it is veiled.
        around: rows and columns of the picture that the logits belong to.
        here: rows and columns of the picture that the cell covers.
        own: the same place within `logits`.
    """

    frames: Array
    others: Array
    logits: FloatArray
    flaws: FloatArray
    around: Place
    here: Place
    own: Place


@dataclass(frozen=True, kw_only=True)
class Approach:
    """What is known of a cell before the finest octave is looked at.

    Attributes:
        frames, others: see `Selected`.
        seen: the window of the finest octave that the answer serves for.
        coarser: the answer of the second finest octave to it.
        chances: (n, h / 2, w / 2) of the frames in the cell.
        promise: (h / 2, w / 2) squared error, unit scale, that a closer look may save at most.
    """

    frames: Array
    others: Array
    seen: Place
    coarser: Answer
    chances: FloatArray
    promise: FloatArray


class Selection:
    """The network's answers for one stack: the coarse octaves at once, the finest cell by cell, on demand.

    Args:
        model: the network.
        survey: the stack.
        margin: pixels around each cell whose logits are wanted too.
        max_tile: longest side of what the network looks at at once; None: what fits the memory.
        fast: whether to look closer only where much can be gained by it.
        spool: keeps the answers to the coarse octaves.
        workers: how many tiles to work on at a time.
        progress: called with the stage `glance`.
    """

    def __init__(
        self,
        model: FusionModel,
        survey: Survey,
        *,
        margin: int,
        max_tile: int | None,
        fast: bool,
        spool: Spool,
        workers: int,
        progress: Progress,
    ) -> None:
        self._model, self._survey, self._margin, self._max_tile = model, survey, margin, max_tile
        self._worth_a_look = WORTH_A_LOOK_FAST if fast else WORTH_A_LOOK
        self._known = min(KEPT, survey.octaves - 1)  # the finest octave that is answered whole
        self._answer = self._answer_whole(spool, workers, progress)

    def cells(self) -> list[Place]:
        """What `look` can be asked for: together they cover the picture."""
        height, width = self._survey.frames[0].shape[:2]
        return list(tiles(height, width, CELL))

    def look(self, cell: Place) -> Selected:
        """Answer one cell in the finest octave."""
        height, width = self._survey.frames[0].shape[:2]
        around = grown(cell, self._margin, height, width)
        approach = self._approach(cell)
        frames, seen, coarser = approach.frames, approach.seen, approach.coarser
        pixels = self._survey.pixels(0, seen, frames)
        logits = settled(coarser, pixels)
        for block, few in self._blocks(cell, approach):
            told = Answer(logits=coarser.logits[few], context=coarser.context[few])
            found = self._look_closer(0, block, frames[few], told, seen).logits[:, 0]
            place = within(block, seen)
            logits[(slice(None), *place)] = found.min(axis=0) - OUT_OF_THE_RUNNING
            logits[(few, *place)] = found
        flaws = self._model.flaws(pixels, Answer(logits=logits[:, None], context=coarser.context))
        return Selected(
            frames=frames,
            others=approach.others,
            logits=logits[(slice(None), *within(around, seen))],
            flaws=np.stack([enlarged(kind)[within(cell, seen)] for kind in flaws]),
            around=around,
            here=cell,
            own=within(cell, around),
        )

    def _answer_whole(self, spool: Spool, workers: int, progress: Progress) -> Blocks:
        """Logits and features of the finest octave that is answered whole, for all frames."""
        survey, every = self._survey, np.arange(len(self._survey.frames))
        coarsest = survey.octaves - 1
        whole = survey.whole(coarsest)
        glance = self._model.glance(survey.window(coarsest, whole, every))
        height, width = whole[0].stop, whole[1].stop
        answer = Blocks(len(every), glance.context.shape[1], height, width, max(height, width), spool)
        answer.put(whole, glance)
        for octave in range(coarsest - 1, self._known - 1, -1):
            progress("glance", coarsest - octave, coarsest - self._known + 1)
            answer = self._look_at_all_of(octave, answer, glance.context.shape[1], spool, workers)
        progress("glance", coarsest - self._known + 1, coarsest - self._known + 1)
        return answer

    def _look_at_all_of(self, octave: int, coarser: Blocks, channels: int, spool: Spool, workers: int) -> Blocks:
        """Logits and features of a whole octave, all frames, from those of the next coarser one."""
        every = np.arange(len(self._survey.frames))
        height, width = (part.stop for part in self._survey.whole(octave))
        side = tile_side(len(every), self._max_tile, self._model.reach)
        answer = Blocks(len(every), channels, height, width, side, spool)

        def look(tile: Place) -> None:
            seen = self._grown(tile, self._model.reach, octave)
            told = coarser.part(scaled(seen, 2), every)
            found = self._model.look(self._survey.window(octave, seen, every), told)
            answer.put(tile, part_of(found, within(tile, seen)))
            spool.release()

        for _ in in_parallel(look, tiles(height, width, side), workers):
            pass
        return answer

    def _look(self, octave: int, place: Place, frames: Array) -> Answer:
        """Answer a place of an octave, of some frames, by looking at it and around it in the coarser ones first."""
        if octave == self._known:
            return self._answer.part(place, frames)
        window = self._grown(place, self._model.reach, octave)
        coarser = self._look(octave + 1, scaled(window, 2), frames)
        return self._look_closer(octave, place, frames, coarser, window)

    def _look_closer(self, octave: int, place: Place, frames: Array, coarser: Answer, window: Place) -> Answer:
        """Answer a place of an octave, tile by tile, from the coarser octave's answer to a window around it."""
        height, width = (part.stop - part.start for part in place)
        reach = self._model.reach if octave else self._model.reach_finest
        logits = np.empty((len(frames), 1, height, width), np.float32)
        size = (height // PATCH, width // PATCH) if octave else (0, 0)  # the finest octave hands no features down
        context = np.empty((len(frames), coarser.context.shape[1], *size), np.float32)
        for tile in tiles(height, width, tile_side(len(frames), self._max_tile, reach)):
            here = moved(tile, place)
            seen = self._grown(here, reach, octave)
            told = part_of(coarser, within(scaled(seen, 2), scaled(window, 2)))
            answer = self._model.look(self._survey.window(octave, seen, frames), told, is_finest=octave == 0)
            found = part_of(answer, within(here, seen))
            logits[(..., *tile)] = found.logits
            if octave:
                context[(..., *scaled(tile, PATCH))] = found.context
        return Answer(logits=logits, context=context)

    def _in_the_running(self, cell: Place) -> tuple[Array, Array]:
        """Frames that may be the best one somewhere in a cell, by what the coarse octaves say; and the next best."""
        place = scaled(cell, 1 << self._known)
        logits = self._answer.logits(place, np.arange(len(self._survey.frames)))[:, 0]
        return in_the_running(softmax_weights(logits, sharpness=1), IN_THE_RUNNING)

    def _approach(self, cell: Place) -> Approach:
        """Answer a cell in the second finest octave, and say where that may not be enough.

        It has decided, but a pixel or two beside the right place. What that costs is the squared difference between
        the frames that it picked there; where they are alike it costs nothing.
        """
        frames, others = self._in_the_running(cell)
        seen = self._grown(cell, max(self._margin, FLAWS_REACH, self._model.reach_finest), octave=0)
        coarser = self._look(1, scaled(seen, 2), frames)
        place = scaled(self._grown(cell, 0, octave=0), 2)
        logits = coarser.logits[(slice(None), 0, *within(place, scaled(seen, 2)))]
        chances = softmax_weights(logits, sharpness=1)
        pixels = self._survey.pixels(1, place, frames)
        picked = np.take_along_axis(pixels, winner(logits)[None, None], axis=0)[0]
        promise = np.zeros(logits.shape[1:], np.float32)
        for chance, frame in zip(chances, pixels, strict=True):
            promise += cv2.blur(chance, (MISPLACED, MISPLACED)) * np.square(frame - picked).mean(axis=0)
        return Approach(frames=frames, others=others, seen=seen, coarser=coarser, chances=chances, promise=promise)

    def _blocks(self, cell: Place, approach: Approach) -> list[tuple[Place, Array]]:
        """Blocks of a cell that a closer look can improve, and which of its frames are in the running in each."""
        chances, promise = approach.chances, approach.promise
        height, width = promise.shape[-2:]

        def pieces(part: Place, side: int) -> list[tuple[Place, Array]]:
            """Blocks of a part of the cell; those that are cheaper to look at in one go are one."""
            if side == BLOCK:
                half = scaled(part, 2)
                if promise[half].mean() < self._worth_a_look:
                    return []
                around = grown(half, MISPLACED, height, width)
                return [(part, in_the_running(chances[(slice(None), *around)], IN_THE_RUNNING_THERE)[0])]
            rows, columns = part
            inner = tiles(rows.stop - rows.start, columns.stop - columns.start, side // 2)
            blocks = [block for place in inner for block in pieces(moved(place, part), side // 2)]
            if not blocks:
                return []
            together = np.unique(np.concatenate([few for _, few in blocks]))
            apart = sum(self._cost(place, few) for place, few in blocks)
            return [(part, together)] if self._cost(part, together) <= apart else blocks

        whole = slice(0, 2 * height), slice(0, 2 * width)
        return [(moved(part, cell), few) for part, few in pieces(whole, CELL)]

    def _cost(self, place: Place, frames: Array) -> int:
        """Pixels to look at, with what is around them, to answer a place."""
        height, width = (part.stop - part.start + 2 * self._model.reach_finest for part in place)
        return int(height * width) * len(frames)

    def _grown(self, place: Place, by: int, octave: int) -> Place:
        return grown(place, by, self._survey.height >> octave, self._survey.width >> octave, STEP)


def in_the_running(chances: FloatArray, least: float) -> tuple[Array, Array]:
    """Which frames may win somewhere, two at least; and at most `OTHERS` of the next best.

    First as few as it takes to have a good one nearly everywhere: of long stacks neighbours share their chances, and
    none has much. Then all that have some chance of their own, as far as `MOST` allows.

    Args:
        chances: (N, h, w), summing to 1 over the frames.
        least: the chance that counts, somewhere.
    """
    flat = chances.reshape(len(chances), -1)
    best, good = flat.max(axis=1), flat >= CLOSE * flat.max(axis=0)
    chosen: list[int] = []
    while len(chosen) < 2 * MOST and good.shape[1] > UNCOVERED * flat.shape[1]:
        chosen.append(int(good.sum(axis=1).argmax()))
        good = good[:, ~good[chosen[-1]]]
    ranked = [int(frame) for frame in np.argsort(-best, kind="stable") if frame not in chosen]
    wanted = max(2, min(MOST, len(chosen) + sum(bool(best[frame] >= least) for frame in ranked)))
    split = max(0, wanted - len(chosen))
    return np.sort([*chosen, *ranked[:split]]), np.sort(np.array(ranked[split : split + OTHERS], int))


def tile_side(frames: int, max_tile: int | None, reach: int) -> int:
    """Side of square tiles: with `reach` around it as large as memory for so many frames allows, and as `max_tile`."""
    affordable = int((PIXELS_AT_ONCE / frames) ** 0.5) - 2 * reach
    wanted = affordable if max_tile is None else min(affordable, max_tile)
    return max(STEP, wanted - wanted % STEP)
