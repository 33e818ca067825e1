"""Run: what one piece of work needs of the machine, made once and handed down.

Algorithms hand it what they do for each frame or tile; how many are under way at a time, where large arrays lie, when
their memory is given back, whether somebody listens and whether the work was called off is no business of theirs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TypeVar

from numpy.typing import DTypeLike

from allfocus.core.color import Array
from allfocus.core.windows import Window
from allfocus.errors import Cancelled
from allfocus.run.progress import Progress, part_of, silent
from allfocus.run.scratch import Scratch
from allfocus.run.workers import in_parallel

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Workers, scratch files, progress and cancelling of one piece of work.

    Attributes:
        workers: how many things to do at a time.
        scratch: keeps what may be larger than memory.
        progress: called as the work goes on.
        cancelled: once it is set the work ends with `Cancelled`, within a tile or a frame.
        region: side in pixels of what is worked on at a time where a frame is more than that: it is read, looked at and
            composed in parts; None: frames are taken as a whole.
    """

    workers: int = 1
    scratch: Scratch = field(default_factory=Scratch)
    progress: Progress = silent
    cancelled: Event = field(default_factory=Event)
    region: int | None = None

    @property
    def in_parts(self) -> bool:
        """Whether frames are worked on in parts."""
        return self.region is not None

    def check(self) -> None:
        """Raise `Cancelled` if the work was called off."""
        if self.cancelled.is_set():
            raise Cancelled

    def report(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is."""
        self.check()
        self.progress(stage, done, total)

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `work(item)` of each item, in order, as many at a time as there are workers."""

        def do(item: Item) -> Result:
            self.check()
            result = work(item)
            self.scratch.release()
            return result

        for result in in_parallel(do, items, self.workers, self.cancelled):
            self.check()
            yield result

    def each(self, stage: str, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """`map`, and tell how far this stage is."""
        self.report(stage, 0, len(items))
        for done, result in enumerate(self.map(work, items), start=1):
            yield result
            self.report(stage, done, len(items))

    def in_turn(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items one by one: what the work on one has mapped of scratch files is given back before the next."""
        for item in items:
            self.check()
            yield item
            self.scratch.release()

    def cut(self, array: Array, window: Window) -> Array:
        """A copy of a part of an array that may lie in a scratch file."""
        part: Array = array[window].copy()
        self.scratch.release()
        return part

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """A new array that may be larger than memory, see `Scratch.empty`."""
        return self.scratch.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """The same, of zeros: what is never written to takes no memory."""
        return self.scratch.zeros(shape, dtype)

    def part(self, number: int, count: int) -> "Run":
        """The same run for one of `count` parts, counted from 0, that go through the same stages as one."""
        return replace(self, progress=part_of(self.progress, number, count))
