"""The network's decision: its logits, turned into weights, confidence, depth and quality masks."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.core.weights import softmax_weights, winner
from allfocus.core.windows import Window
from allfocus.decision.cells import CellLogits, FadingCells
from allfocus.decision.coarse_to_fine import CoarseToFine
from allfocus.decision.confidence import measure_chances, measure_confidence
from allfocus.decision.decision import Choice, TiledDecision
from allfocus.decision.depth import DepthMeter
from allfocus.decision.logit_store import LogitStore
from allfocus.decision.model import Network
from allfocus.decision.noise import calm_logits, measure_noise, sharpness_in
from allfocus.decision.search_rule import SearchRule
from allfocus.decision.stack_pyramid import StackPyramid
from allfocus.run.context import Run

#: How far, in pixels, a decision and the composition after it see around a pixel, rounded up to whole steps of tiles.
MARGIN = 32
#: What a preference adds to the logits of the frames at the one end, and takes from those at the other.
PREFERENCE = 1.0
#: Log-odds from which on a place counts as sharp in no frame, and as veiled. Veils are rare and thin, so that the
#: network is seldom sure of one; both are chosen on generated groups, see docs/experiments.md.
OUT_OF_FOCUS, VEILED = 0.5, -1.5


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What is known of the whole picture before any tile of it is decided: what one process hands to others.

    Attributes:
        pyramid: of the stack.
        answer: of the network to its coarse levels.
        noise: standard deviation of the frames' noise, unit scale.
    """

    pyramid: StackPyramid
    answer: LogitStore
    noise: float


class NetworkDecision(TiledDecision):
    """What the network decides about a registered stack, tile by tile, when it is asked.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype, from near to far or from far to near.
        model: the network.
        run: workers and scratch files.
        rule: what is refined, and where.
        prefer: which end of the stack to prefer where frames are equally sharp.
        depth: whether to measure depth too.
        keep: whether to keep the logits of each tile, so that no tile needs the network twice: for pictures that are
            composed again, or in parts.
        notes: what a user should know about the model.
        overview: of the same frames, where it is known already.
    """

    method = "network"

    def __init__(
        self,
        frames: Sequence[Array],
        model: Network,
        run: Run,
        *,
        rule: SearchRule | None = None,
        prefer: Literal["near", "far"] | None = None,
        depth: bool = False,
        keep: bool = False,
        notes: Sequence[Note] = (),
        overview: Overview | None = None,
    ) -> None:
        self._run, self._model = run, model
        self._pyramid = overview.pyramid if overview else StackPyramid(frames, run, by_focus=model.wants_order)
        self.size, self.count = self._pyramid.size, len(frames)
        self.noise = overview.noise if overview else measure_noise(self._pyramid.frames)
        self.notes = (*notes, *note_values(self._pyramid))
        self._meter = DepthMeter(self._pyramid, self.noise) if depth else None
        self._bias = preference(len(frames), prefer)[self._pyramid.order]
        rule = rule or SearchRule()
        answer = overview.answer if overview else None
        self._search = CoarseToFine(model, self._pyramid, margin=MARGIN, rule=rule, run=run, answer=answer)
        self._cells = FadingCells(self._answer, self.size, rule.cell, MARGIN)
        self._find: Callable[[Window], CellLogits] = Keeper(self._cells, run) if keep else self._cells

    @property
    def overview(self) -> Overview:
        """What is known of the whole picture."""
        return Overview(pyramid=self._pyramid, answer=self._search.answer, noise=self.noise)

    def tiles(self) -> Sequence[Window]:
        """The cells of the search."""
        return self._cells.windows

    def _answer(self, cell: Window) -> CellLogits:
        """What the network says about one cell, with the preference, and calm where noise must not decide."""
        found = self._search.refine(cell)
        frames = self._cut(found)
        logits = calm_logits(frames, found.logits + self._bias[found.frames, None, None], self.noise)
        return replace(found, logits=logits)

    def _cut(self, found: CellLogits) -> list[Array]:
        """The pixels of the candidates of a cell, and around it."""
        return [self._pyramid.cut_frame(frame, found.around) for frame in found.frames]

    def decide_tile(self, tile: Window) -> Choice:
        """The network's choice for one cell."""
        found = self._find(tile)
        order = self._pyramid.order[found.frames]
        frames = self._cut(found)
        inner = found.inner
        own = found.logits[(slice(None), *inner)]
        best = winner(own)
        index_map = order[best]
        depth = error = None
        if self._meter:
            depth, error = self._meter.measure(tile, softmax_weights(own, sharpness=1), order, index_map)
        picked, sure = [frame[inner] for frame in frames], measure_chances(own, self.noise)
        return Choice(
            window=tile,
            around=found.around,
            candidates=order,
            extras=self._pyramid.order[found.extras],
            weights=softmax_weights(found.logits, sharpness_in(self.noise)),
            index_map=index_map,
            confidence=measure_confidence(picked, sure, best, self._pyramid.values.span, found.missing[inner]),
            depth=depth,
            depth_error=error,
            out_of_focus=None if found.quality is None else found.quality[0] > OUT_OF_FOCUS,
            veiled=None if found.quality is None else found.quality[1] > VEILED,
        )

    def with_depth(self) -> "NetworkDecision":
        """The same decision, which measures depth too; what the network said is shared."""
        deep = copy(self)
        deep._meter = self._meter or DepthMeter(self._pyramid, self.noise)
        return deep

    def preferring(self, prefer: Literal["near", "far"] | None, *, depth: bool) -> "NetworkDecision":
        """The same decision with another preference, and with or without depth; what the network said is shared.

        The preference is added to logits in which cells have faded into each other already. Where they meet, some
        ten thousandths of the weight may lie elsewhere than in a decision that was made with it.
        """
        other = self.with_depth()
        if not depth:
            other._meter = None
        other._bias = preference(self.count, prefer)[self._pyramid.order]
        more = other._bias - self._bias

        def find(cell: Window) -> CellLogits:
            found = self._find(cell)
            return replace(found, logits=found.logits + more[found.frames, None, None])

        other._find = find
        return other

    def rest(self) -> None:
        """Give back what the network keeps."""
        self._model.give_back()


class Keeper:
    """Calls the network once for each cell, and keeps what it says in scratch files.

    Args:
        refine: answers a cell.
        run: keeps the answers.
    """

    def __init__(self, refine: Callable[[Window], CellLogits], run: Run) -> None:
        self._refine_anew, self._run = refine, run
        self._kept: dict[tuple[int, int], CellLogits] = {}

    def __call__(self, cell: Window) -> CellLogits:
        """The answer to one cell."""
        key = cell[0].start, cell[1].start
        if key not in self._kept:
            found = self._refine_anew(cell)
            logits = self._run.empty(found.logits.shape, np.float32)
            logits[...] = found.logits
            self._kept[key] = replace(found, logits=logits)
        return self._kept[key]


def preference(frames: int, prefer: Literal["near", "far"] | None) -> FloatArray:
    """What to add to the logits of each frame, from first to last, so that near or far ones win where it is close."""
    towards = {None: 0.0, "near": PREFERENCE, "far": -PREFERENCE}[prefer]
    return np.linspace(towards, -towards, frames, dtype=np.float32)


def note_values(pyramid: StackPyramid) -> list[Note]:
    """What a user should know about how the network saw the values of the frames."""
    values = pyramid.values
    if not values.is_stretched:
        return []
    used = f"{values.black:.2%} to {values.white:.2%}"
    text = f"the frames use {used} of their range; for the decision they were stretched to all of it"
    return [Note(code="values-stretched", message=text)]
