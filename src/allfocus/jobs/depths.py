"""Depth of a picture that is painted on: measured tile by tile, once somebody looks at it."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Lock

import numpy as np

from allfocus.core.color import FloatArray
from allfocus.core.windows import Window
from allfocus.decision.decision import Decision, touching
from allfocus.decision.network import NetworkDecision
from allfocus.jobs.events import Kept
from allfocus.run.workers import in_parallel, one_thread_each

#: The maps that are measured.
DEPTHS = ("depth", "depth_error")


class Depths:
    """The depth map of a picture and its error, of which only those tiles are measured that somebody asks for.

    Measuring takes as long as a third of a fusion, and most pictures are looked at without their depth.

    Args:
        kept: what a job kept.
    """

    def __init__(self, kept: Kept) -> None:
        self._run = kept.registered.run
        self._size = kept.canvas.images[0].shape[:2]
        self._decision = kept.decision.with_depth() if isinstance(kept.decision, NetworkDecision) else None
        self._lock = Lock()
        self._known: set[tuple[int, int]] = set()
        self._changes = Counter[tuple[int, int]]()

    @property
    def can_be_measured(self) -> bool:
        """Whether what decides knows of depth at all."""
        return self._decision is not None

    @cached_property
    def planes(self) -> dict[str, FloatArray]:
        """(H, W) each, see `Choice`; they mean nothing where no tile was measured."""
        return {name: self._run.zeros(self._size, np.float32) for name in DEPTHS}

    def unknown(self, window: Window | None = None) -> list[Window]:
        """The tiles, of those that a window touches or of all, that are not measured."""
        if self._decision is None:
            return []
        tiles = self._decision.tiles() if window is None else touching(self._decision, window)
        with self._lock:
            return [tile for tile in tiles if key_of(tile) not in self._known]

    def touch(self, windows: Sequence[Window]) -> None:
        """Windows of the picture were painted on: their tiles have to be measured again."""
        if self._decision is None:
            return
        touched = {key_of(tile) for window in windows for tile in touching(self._decision, window)}
        with self._lock:
            self._known -= touched
            self._changes.update(touched)

    def measure(self, tiles: Sequence[Window], paint: Callable[[Decision], Decision]) -> None:
        """Measure tiles; from any thread, while others paint.

        Args:
            tiles: some of `unknown`.
            paint: lays what is painted now over a decision.
        """
        if self._decision is None:
            return
        with self._lock:
            before = dict(self._changes)
        decision = paint(self._decision)

        def measure_one(tile: Window) -> None:
            choice, key = decision.decide_tile(tile), key_of(tile)
            with self._lock:
                if self._changes[key] == before.get(key, 0):  # else it was painted on meanwhile
                    for name, plane in self.planes.items():
                        plane[tile] = getattr(choice, name)
                    self._known.add(key)

        with one_thread_each():
            for _ in in_parallel(measure_one, tiles, min(self._run.workers, len(tiles))):
                pass


def key_of(tile: Window) -> tuple[int, int]:
    """What tells a tile from the others."""
    return tile[0].start, tile[1].start
