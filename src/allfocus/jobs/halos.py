"""Halos of a picture that is painted on: removed anew in the cells that see what has changed, one at a time."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock

import numpy as np

from allfocus.composition.compositor import Canvas
from allfocus.core.windows import Window, relative_to
from allfocus.decision.decision import Decision
from allfocus.decision.painted import PaintedDecision
from allfocus.jobs.events import Kept
from allfocus.pipeline import find_remover
from allfocus.run.progress import silent

#: Composes one window of a picture, halos and all, by a decision.
ComposeWindow = Callable[[Decision, Window], Canvas]


class Halos:
    """Which cells of a picture have to be solved again, and how.

    A stroke changes what its own cell shows, and what the cells around hold for near and far. That takes longer than a
    hand moves, so that a stroke is shown as it was picked first; once no cell is left the picture is, to the bit, what
    a fusion with the same strokes makes.

    Args:
        kept: what a job kept; its canvas and its veil are changed.
    """

    def __init__(self, kept: Kept) -> None:
        run = replace(kept.registered.run, workers=1, progress=silent, cancelled=Event())
        self._remover = find_remover(kept.registered, kept.request.options, run)
        self._canvas, self._veil = kept.canvas, kept.veil
        self._lock, self._one_at_a_time = Lock(), Lock()
        self._stale: dict[tuple[int, int], Window] = {}

    @property
    def are_removed(self) -> bool:
        """Whether there is anything to do at all."""
        return self._remover is not None

    @property
    def are_settled(self) -> bool:
        """Whether no cell is left to solve."""
        return not self._stale

    def touch(self, windows: list[Window]) -> None:
        """Windows of the picture were picked anew."""
        if self._remover is not None:
            with self._lock:
                for window in windows:
                    self._stale |= {(c[0].start, c[1].start): c for c in self._remover.seeing(window)}

    def solve_next(self, paint: Callable[[], Decision], compose: ComposeWindow) -> Window | None:
        """Solve one cell and put it into the picture; None where none is left.

        Args:
            paint: gives the decision as it is now.
            compose: see `ComposeWindow`.
        """
        with self._one_at_a_time:
            if self._remover is None:
                return None
            with self._lock:
                if not self._stale:
                    return None
                key = next(iter(self._stale))
                cell, decision = self._stale.pop(key), paint()
                origin = self._remover.around(cell)
                labels = self._canvas.maps["index_map"][origin].copy()
            place = relative_to(cell, origin)
            image = np.empty((*labels.shape, *self._canvas.images[0].shape[2:]), self._canvas.images[0].dtype)
            image[place] = compose(decision, cell).images[0]
            spared = decision.painted(origin) if isinstance(decision, PaintedDecision) else None
            veil = self._remover.remove(image, labels, origin, cell, spared).crop(place)
            with self._lock:
                if key not in self._stale:
                    self._canvas.images[0][cell] = image[place]
                    if self._veil is not None:
                        self._veil.put(veil, cell)
            return cell

    def locked(self) -> Lock:
        """Held by whoever changes the picture, so that no cell is put over what is newer."""
        return self._lock
