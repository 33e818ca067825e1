"""Stacks that grow in a folder."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from allfocus.batch.labels import clean, strip
from allfocus.batch.split import split_folder
from allfocus.batch.tasks import Task
from allfocus.batch.wishes import Grouping
from allfocus.batch.work import Outcome
from allfocus.sources.expand import natural_key
from allfocus.sources.leftovers import leave_out
from allfocus.sources.listing import Stamp


@dataclass
class Arrival:
    """A file that is there: how it was when it last changed, and when that was seen."""

    stamp: Stamp | None
    since: float
    is_read: bool = False


@dataclass
class Growing:
    """A stack that grows: its frames in the order in which they came, and when the last one did."""

    folder: Path
    paths: list[Path] = field(default_factory=list)
    last: float = 0.0
    drafted: int = 0


@dataclass
class Current:
    """The stack that is being fused."""

    task: Task | None = None
    thread: Thread | None = None
    outcome: Outcome | None = None


def label(grown: Growing) -> str:
    """What a stack that grows is called: its first frame."""
    return clean(strip(sorted(grown.paths, key=natural_key)[0].name))


def split(grown: Growing) -> list[list[Path]]:
    """The stacks that the names of frames tell apart which came in one run."""
    kept, _ = leave_out(sorted(grown.paths, key=natural_key))
    return [list(stack.paths) for stack in split_folder(kept, Grouping(by="names"))]
