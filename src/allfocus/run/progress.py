"""Progress: a callback that long work calls; silent unless somebody listens. And how long the rest will take."""

import textwrap
import time
from collections.abc import Callable, Mapping

#: Called as ``progress(stage, done, total)``: a word for the stage, and how many of its steps are done.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Ignore progress: the default of every function that takes a `Progress`."""


def part_of(progress: Progress, part: int, parts: int) -> Progress:
    """The progress of one of so many parts, counted from 0, that go through the same stages as if they were one."""
    return lambda stage, done, total: progress(stage, part * total + done, parts * total)


def only_forward(progress: Progress) -> Progress:
    """The progress of work that may go through a stage again: told only where it is further than before."""
    furthest: dict[str, int] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if done > furthest.get(stage, -1):
            furthest[stage] = done
            progress(stage, done, total)

    return tell


class Pace:
    """How much of a piece of work is done, and how long the rest will take at the pace so far.

    Args:
        costs: the stages in their order, and what each is expected to cost, in any unit; without them only the stage
            that is under way is looked at.
        clock: seconds from any start.
    """

    def __init__(self, costs: Mapping[str, float] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._costs, self._clock = dict(costs or {}), clock
        self._started = clock()
        self._stage: str | None = None

    def fraction(self, stage: str, done: int, total: int) -> float:
        """How much is done, 0 to 1."""
        here = done / total if total else 1.0
        if stage not in self._costs:
            if stage != self._stage:
                self._started, self._stage = self._clock(), stage
            return here
        before = list(self._costs)[: list(self._costs).index(stage)]
        spent = sum(self._costs[name] for name in before) + here * self._costs[stage]
        return spent / sum(self._costs.values())

    def seconds_left(self, stage: str, done: int, total: int) -> float | None:
        """Seconds until the end; None as long as there is nothing to go by."""
        fraction = self.fraction(stage, done, total)
        elapsed = self._clock() - self._started
        return elapsed * (1 - fraction) / fraction if fraction > 0 else None


def shortened(text: str, room: int) -> str:
    """As many words from the front of the text as there is room for."""
    return textwrap.shorten(text, max(room, 1), placeholder="").rstrip(" ,(")


def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds, ``2:05``; dashes where they are not known."""
    return "-:--" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
