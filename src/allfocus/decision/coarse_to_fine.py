"""The network over the pyramid, coarse to fine: logits of any cell of the picture.

The coarse levels are small; the network answers them whole, for all frames. Their answer tells which frames are
candidates in each cell of the picture, and only those are refined in the finer levels, tile by tile. So neither memory
nor the work there grows with the number of frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.pyramid import PATCH
from allfocus.core.weights import softmax_weights, winner
from allfocus.core.windows import Window, grow, intersect, relative_to, scale_down, shift, tiles
from allfocus.decision.blocks import FadingBlocks
from allfocus.decision.candidates import find_candidates
from allfocus.decision.cells import FADE, CellLogits, find_share
from allfocus.decision.logit_store import LogitStore, carry_on, enlarge, extrapolate, part_of
from allfocus.decision.model import Answer, Network
from allfocus.decision.search_rule import PIXELS_AT_ONCE, PIXELS_OF_PLACE, STEP, SearchRule, tile_side
from allfocus.decision.stack_pyramid import KEPT, StackPyramid
from allfocus.run.context import Run

#: How far the quality masks see around a pixel, beyond what its logits and features know.
QUALITY_REACH = 32
#: How many pixels of the second finest level, at the edges of what is answered around a cell, count for little: the
#: cell itself lies within, and the network hears next to nothing from the end of its reach.
SPARE = 24
#: In stacks of more frames than this only candidates are looked at in the finest level that is answered whole.
MANY = 16
#: Side in pixels, of the second finest level, of the neighbourhood within which a choice may be misplaced.
MISPLACED = 5


@dataclass(frozen=True, kw_only=True)
class CellState:
    """What is known of a cell before the finest level is refined.

    Attributes:
        frames, extras: see `CellLogits`.
        window: the window of the finest level that the answer serves for.
        coarser: the answer of the second finest level to it.
        chances: (n, h / 2, w / 2) of the frames in the cell.
        gain: (h / 2, w / 2) squared error, unit scale, that refining may save at most.
    """

    frames: Array
    extras: Array
    window: Window
    coarser: Answer
    chances: FloatArray
    gain: FloatArray


class CoarseToFine:
    """The network's answers for one stack: the coarse levels at once, the finest cell by cell, on demand.

    Args:
        model: the network.
        pyramid: of the stack.
        margin: pixels around each cell whose logits are wanted too.
        rule: what is refined, and where.
        run: workers and scratch files; the stage of the coarse levels is called `coarse`.
        answer: to the coarse levels, where it is known.
    """

    def __init__(
        self,
        model: Network,
        pyramid: StackPyramid,
        *,
        margin: int,
        rule: SearchRule,
        run: Run,
        answer: LogitStore | None = None,
    ) -> None:
        self._model, self._pyramid, self._margin, self._rule, self._run = model, pyramid, margin, rule, run
        self._known = min(KEPT, pyramid.levels - 1)  # the finest level that is answered whole
        self.answer = answer or self._answer_whole()

    def cells(self) -> list[Window]:
        """What `refine` can be asked for: together they cover the picture."""
        return list(tiles(*self._pyramid.size, self._rule.cell))

    def refine(self, cell: Window) -> CellLogits:
        """Answer one cell in the finest level; in full up to `FADE` pixels around it."""
        around, state = grow(cell, self._margin, *self._pyramid.size), self._approach(cell)
        frames, window, coarser = state.frames, state.window, state.coarser
        pixels = self._pyramid.cut_pixels(0, window, frames)
        mixed = FadingBlocks(extrapolate(coarser, pixels))
        for block, few in self._blocks(cell, state):
            known = Answer(logits=coarser.logits[few], context=coarser.context[few])
            place = self._grow(block, FADE, level=0)
            found = self._refine_tiles(0, place, frames[few], known, window, spare=FADE).logits[:, 0]
            mixed.put(relative_to(place, window), few, found, find_share(block, place, cell))
        logits = mixed.logits()
        return CellLogits(
            frames=frames,
            extras=state.extras,
            logits=logits[(slice(None), *relative_to(around, window))],
            missing=self._miss(frames, around),
            quality=self._judge(cell, window, pixels, Answer(logits=logits[:, None], context=coarser.context)),
            around=around,
            cell=cell,
        )

    def _judge(self, cell: Window, window: Window, pixels: FloatArray, answer: Answer) -> FloatArray | None:
        """Log-odds that the places of a cell are sharp in no frame, and that they are veiled."""
        if not self._model.knows_quality:
            return None
        return np.stack([enlarge(kind)[relative_to(cell, window)] for kind in self._model.judge(pixels, answer)])

    def _answer_whole(self) -> LogitStore:
        """Logits and features of the finest level that is answered whole, for all frames."""
        pyramid, coarsest = self._pyramid, self._pyramid.levels - 1
        every, (height, width) = np.arange(len(pyramid.frames)), (part.stop for part in pyramid.whole(coarsest))
        found = self._model.answer_coarsest(pyramid.cut(coarsest, pyramid.whole(coarsest), every))
        channels = found.context.shape[1]
        answer = LogitStore(len(every), channels, height, width, max(height, width), self._run)
        answer.put(pyramid.whole(coarsest), found)
        steps = coarsest - self._known
        for step in range(steps):
            self._run.report("coarse", step + 1, steps + 1)
            answer = self._refine_level(coarsest - 1 - step, answer, channels)
        self._model.give_back()
        self._run.report("coarse", steps + 1, steps + 1)
        return answer

    def _refine_level(self, level: int, coarser: LogitStore, channels: int) -> LogitStore:
        """Logits and features of a whole level, all frames, from those of the next coarser one.

        In the finest of these levels of a long stack only candidates are looked at; others keep the coarser answer.
        """
        every = np.arange(len(self._pyramid.frames))
        is_long = level == self._known and len(every) > MANY
        height, width = (part.stop for part in self._pyramid.whole(level))
        reach = self._model.reach(level)
        most = 2 * self._rule.in_tiles.most if is_long else len(every)
        side = tile_side(most, self._rule.max_tile, reach, PIXELS_AT_ONCE)
        if is_long:
            side = min(side, self._rule.cell >> level)
        answer = LogitStore(len(every), channels, height, width, side, self._run)

        def refine(tile: Window) -> None:
            window = self._grow(tile, reach, level)
            known = coarser.part(scale_down(window, 2), every)
            if is_long:
                found = self._refine_candidates(level, tile, window, known)
            else:
                found = self._model.refine(self._pyramid.cut(level, window, every), known, level)
            answer.put(tile, part_of(found, relative_to(tile, window)))

        for _ in self._run.map(refine, tiles(height, width, side)):
            pass
        return answer

    def _refine_candidates(self, level: int, tile: Window, window: Window, coarser: Answer) -> Answer:
        """Answer a tile and the window around it, all frames, after a look at those that may be the best in it."""
        near = relative_to(scale_down(self._grow(tile, STEP, level), 2), scale_down(window, 2))
        chances = softmax_weights(coarser.logits[(slice(None), 0, *near)], sharpness=1)
        frames = find_candidates(chances, self._rule.in_tiles)[0]
        few = Answer(logits=coarser.logits[frames], context=coarser.context[frames])
        return carry_on(coarser, frames, self._model.refine(self._pyramid.cut(level, window, frames), few, level))

    def _answer_place(self, level: int, place: Window, frames: Array) -> Answer:
        """Answer a place of a level, of some frames, after it and what is around it in the coarser levels."""
        if level == self._known:
            return self.answer.part(place, frames)
        window = self._grow(place, self._model.reach(level), level)
        coarser = self._answer_place(level + 1, scale_down(window, 2), frames)
        return self._refine_tiles(level, place, frames, coarser, window, spare=SPARE)

    def _refine_tiles(
        self, level: int, place: Window, frames: Array, coarser: Answer, window: Window, spare: int = 0
    ) -> Answer:
        """Answer a place of a level, tile by tile, from the coarser level's answer to a window around it.

        So many pixels from its edges count for little: they are `spare`, and less is looked at around them.
        """
        height, width = (part.stop - part.start for part in place)
        reach = self._model.reach(level)
        logits = np.empty((len(frames), 1, height, width), np.float32)
        size = (height // PATCH, width // PATCH) if level else (0, 0)  # the finest level hands no features down
        context = np.empty((len(frames), coarser.context.shape[1], *size), np.float32)
        limit = self._grow(place, max(0, reach - spare), level)
        side = tile_side(len(frames), self._rule.max_tile, reach, PIXELS_OF_PLACE)
        for tile in self._run.in_turn(tiles(height, width, side + 2 * spare)):
            here = shift(tile, place)
            seen = intersect(self._grow(here, reach, level), limit)
            known = part_of(coarser, relative_to(scale_down(seen, 2), scale_down(window, 2)))
            answer = self._model.refine(self._pyramid.cut(level, seen, frames), known, level)
            found = part_of(answer, relative_to(here, seen))
            logits[(..., *tile)] = found.logits
            if level:
                context[(..., *scale_down(tile, PATCH))] = found.context
        return Answer(logits=logits, context=context)

    def _candidates(self, cell: Window) -> tuple[Array, Array]:
        """Frames that may be the best one somewhere in a cell, by the coarse levels; and the next best."""
        place = scale_down(cell, 1 << self._known)
        logits = self.answer.logits(place, np.arange(len(self._pyramid.frames)))[:, 0]
        return find_candidates(softmax_weights(logits, sharpness=1), self._rule.in_cells)

    def _miss(self, frames: Array, around: Window) -> FloatArray:
        """(h, w) over a window of the picture, the chance by the coarse levels that the best frame is none of these."""
        scale = 1 << self._known
        place = scale_down(self._grow(around, 0, level=0), scale)
        logits = self.answer.logits(place, np.arange(len(self._pyramid.frames)))[:, 0]
        chance = 1 - softmax_weights(logits, sharpness=1)[frames].sum(axis=0)
        top, left = (part.start % scale for part in around)
        height, width = (part.stop - part.start for part in around)
        return enlarge(np.clip(chance, 0, 1), scale)[top : top + height, left : left + width]

    def _approach(self, cell: Window) -> CellState:
        """Answer a cell in the second finest level, and say where that may not be enough.

        It has decided, but a pixel or two beside the right place. What that costs is the squared difference between
        the frames that it picked there; where they are alike it costs nothing.
        """
        frames, extras = self._candidates(cell)
        window = self._grow(cell, max(self._margin, QUALITY_REACH, self._model.reach(0)), level=0)
        coarser = self._answer_place(1, scale_down(window, 2), frames)
        place = scale_down(self._grow(cell, 0, level=0), 2)
        logits = coarser.logits[(slice(None), 0, *relative_to(place, scale_down(window, 2)))]
        chances = softmax_weights(logits, sharpness=1)
        pixels = self._pyramid.cut_pixels(1, place, frames)
        picked = np.take_along_axis(pixels, winner(logits)[None, None], axis=0)[0]
        gain = np.zeros(logits.shape[1:], np.float32)
        for chance, frame in zip(chances, pixels, strict=True):
            gain += cv2.blur(chance, (MISPLACED, MISPLACED)) * np.square(frame - picked).mean(axis=0)
        return CellState(frames=frames, extras=extras, window=window, coarser=coarser, chances=chances, gain=gain)

    def _blocks(self, cell: Window, state: CellState) -> list[tuple[Window, Array]]:
        """Blocks of a cell that refining can improve, and which of its frames are candidates in each."""
        chances, gain = state.chances, state.gain
        height, width = gain.shape[-2:]

        def split(part: Window, side: int) -> list[tuple[Window, Array]]:
            """Blocks of a part of the cell; those that are cheaper to refine in one go are one."""
            if side == self._rule.block:
                half = scale_down(part, 2)
                promised = gain[half].mean()
                if promised < self._rule.least_gain:
                    return []
                if promised < self._rule.least_gain_if_empty and self._is_empty(shift(part, cell), state.frames):
                    return []
                around = grow(half, MISPLACED, height, width)
                return [(part, find_candidates(chances[(slice(None), *around)], self._rule.in_blocks)[0])]
            rows, columns = part
            inner = tiles(rows.stop - rows.start, columns.stop - columns.start, side // 2)
            blocks = [block for place in inner for block in split(shift(place, part), side // 2)]
            if not blocks:
                return []
            together = np.unique(np.concatenate([few for _, few in blocks]))
            apart = sum(self._cost(place, few) for place, few in blocks)
            return [(part, together)] if self._cost(part, together) <= apart else blocks

        whole = slice(0, 2 * height), slice(0, 2 * width)
        return [(shift(part, cell), few) for part, few in split(whole, self._rule.cell)]

    def _is_empty(self, block: Window, frames: Array) -> bool:
        """Whether the finest level holds next to no detail in a block, beside what the next coarser one holds."""
        finest, coarser = (self._pyramid.measure_detail(level, block, frames) for level in (0, 1))
        return finest < self._rule.least_detail * coarser

    def _cost(self, place: Window, frames: Array) -> int:
        """Pixels that the network is given, with what is around them, to answer a place."""
        height, width = (part.stop - part.start + 2 * self._model.reach(0) for part in place)
        return int(height * width) * len(frames)

    def _grow(self, place: Window, by: int, level: int) -> Window:
        return grow(place, by, self._pyramid.height >> level, self._pyramid.width >> level, STEP)
