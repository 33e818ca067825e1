"""A decision whose last few tiles are at hand, for whoever asks for the same place again and again."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from allfocus.core.windows import Window
from allfocus.decision.decision import Choice, Decision, TiledDecision

#: Tiles whose choices are at hand while somebody paints.
RECENT = 6


class Recent(TiledDecision):
    """A decision whose last few tiles are at hand.

    Args:
        base: what decides.
        count: how many tiles are kept.
    """

    def __init__(self, base: Decision, count: int = RECENT) -> None:
        self._base, self._count, self._lock = base, count, Lock()
        self._kept: OrderedDict[tuple[int, int], Choice] = OrderedDict()
        self.size, self.count, self.noise = base.size, base.count, base.noise
        self.composition, self.method, self.notes = base.composition, base.method, base.notes

    def tiles(self) -> Sequence[Window]:
        """Those of the base."""
        return self._base.tiles()

    def decide_tile(self, tile: Window) -> Choice:
        """The base's choice, from memory if it was asked for not long ago."""
        key = tile[0].start, tile[1].start
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        choice = self._base.decide_tile(tile)
        with self._lock:
            self._kept[key] = choice
            while len(self._kept) > self._count:
                self._kept.popitem(last=False)
        return choice

    def rest(self) -> None:
        """Give back what the base keeps."""
        if isinstance(self._base, TiledDecision):
            self._base.rest()
