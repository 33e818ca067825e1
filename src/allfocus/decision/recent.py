"""Decisions whose last few tiles are at hand, for whoever asks for the same places again and again."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from allfocus.core.windows import Window
from allfocus.decision.decision import Choice, Decision, TiledDecision

#: Tiles that are at hand of what is painted on; and the choices, of all decisions together, that are kept for that. A
#: choice takes 10 MB and more.
RECENT, MOST_CHOICES = 6, 12


class RecentChoices:
    """The choices that several decisions made last.

    Args:
        count: how many are kept.
    """

    def __init__(self, count: int = MOST_CHOICES) -> None:
        self._count, self._lock = count, Lock()
        self._kept: OrderedDict[tuple[Decision, int, int], Choice] = OrderedDict()

    def decide(self, decision: Decision, tile: Window) -> Choice:
        """The choice of a decision for one of its tiles; from memory if it was asked for not long ago."""
        key = decision, tile[0].start, tile[1].start
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        choice = decision.decide_tile(tile)
        with self._lock:
            self._kept[key] = choice
            while len(self._kept) > self._count:
                self._kept.popitem(last=False)
        return choice


class Recent(TiledDecision):
    """A decision whose last few tiles are at hand.

    Args:
        base: what decides.
        choices: where they are kept.
    """

    def __init__(self, base: Decision, choices: RecentChoices) -> None:
        self._base, self._choices = base, choices
        self.size, self.count, self.noise = base.size, base.count, base.noise
        self.composition, self.method, self.notes = base.composition, base.method, base.notes

    def tiles(self) -> Sequence[Window]:
        """Those of the base."""
        return self._base.tiles()

    def decide_tile(self, tile: Window) -> Choice:
        """The base's choice."""
        return self._choices.decide(self._base, tile)

    def rest(self) -> None:
        """Give back what the base keeps."""
        if isinstance(self._base, TiledDecision):
            self._base.rest()
