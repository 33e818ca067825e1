"""What may be asked of a batch and of a watched folder, declared once; flags are made from the fields."""

import re
from dataclasses import dataclass
from typing import Literal

from allfocus.core.typed import check_fields, declared
from allfocus.errors import ConfigError, OptionError

#: Groups of options, as help lists them.
STACKS, WORKERS = "Stacks", "Workers"

#: What tells the stacks of one folder apart.
By = Literal["auto", "names", "time", "content", "folder"]


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How the files of one folder are told apart.

    Raises:
        OptionError: a value that makes no sense.
    """

    by: By = declared(
        "auto",
        help="What tells the stacks of one folder apart: auto (names, then pauses between pictures that don't match), "
        "names alone, time (a pause between bursts), content (neighbours that don't match), or folder (each is one "
        "stack).",
        group=STACKS,
    )
    group: str | None = declared(
        None,
        help="Files of a folder whose names agree in the groups of this pattern are a stack, as in "
        "'(?P<well>[A-H][0-9]+)_f([0-9]+)'; with a slash in it, paths below ROOT are matched.",
        group=STACKS,
        metavar="REGEX",
    )
    gap: float | None = declared(
        None,
        help="Seconds between two shots from which on a new stack begins (with it: --by time).",
        group=STACKS,
        metavar="SECONDS",
        low=0.001,
    )

    def __post_init__(self) -> None:
        check(self)
        compile_group(self.group)


@dataclass(frozen=True, kw_only=True)
class BatchOptions(Grouping):
    """How a batch is done.

    Raises:
        OptionError: a value that makes no sense.
    """

    name: str | None = declared(
        None,
        help="Name of each picture under OUT, made of {folder}, {stack}, {root}, {first}, {ext} and named groups of "
        "--group (default: the shape of the folders).",
        group=STACKS,
        metavar="PATTERN",
    )
    shard: str | None = declared(
        None, help="Do only every Nth stack, as in 3/16: for machines without a scheduler.", group=STACKS, metavar="K/N"
    )
    retries: int = declared(
        2,
        help="How often a stack is tried again after its worker was lost, or memory or disk failed it.",
        group=WORKERS,
        low=0,
        metavar="N",
    )
    hash: bool = declared(False, help="Tell changed frames by their content, not by size and time alone.", group=STACKS)
    scheduler: str | None = declared(
        None,
        help="Use the workers of this Dask scheduler, tcp://HOST:PORT (default: workers of its own on this machine).",
        group=WORKERS,
        metavar="ADDRESS",
    )
    workers: int | None = declared(
        None, help="How many workers to start (default: by processors and memory).", group=WORKERS, low=1, metavar="N"
    )
    threads_per_worker: int | None = declared(
        None,
        help="Threads in each worker, which fuses one stack at a time (default: its share of the processors).",
        group=WORKERS,
        low=1,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_shard(self.shard)
        if self.scheduler is not None and self.workers is not None:
            raise OptionError("workers: those of --scheduler are used; leave one of both out")


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """When a stack that grows is complete, and what it is called.

    Raises:
        OptionError: a value that makes no sense.
    """

    frames: int | None = declared(
        None, help="A stack is complete once it has so many frames.", group=STACKS, low=2, metavar="N"
    )
    gap: float = declared(
        30.0,
        help="A stack is complete once no frame has come for so many seconds; a later one begins a new stack.",
        group=STACKS,
        metavar="SECONDS",
        low=0.1,
    )
    settle: float = declared(
        1.0,
        help="A file is read once it has stayed as it is for so many seconds.",
        group=STACKS,
        metavar="SECONDS",
        low=0.05,
    )
    name: str | None = declared(
        None,
        help="Name of each picture under OUT, made of {folder}, {stack}, {root}, {first} and {ext}.",
        group=STACKS,
        metavar="PATTERN",
    )

    def __post_init__(self) -> None:
        check(self)


def check(options: object) -> None:
    """Check the fields of options; raises `OptionError`."""
    try:
        check_fields(options)
    except ConfigError as error:
        raise OptionError(str(error)) from None


def compile_group(pattern: str | None) -> re.Pattern[str] | None:
    """The pattern of `--group`; raises `OptionError` where it is none."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise OptionError(f"group {pattern!r}: expected a regular expression: {error}") from None


def parse_shard(text: str | None) -> tuple[int, int]:
    """Which part, counted from 0, of how many; raises `OptionError`."""
    if text is None:
        return 0, 1
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise OptionError(f"shard {text!r}: expected K/N with K from 1 to N, such as 3/16")
    return int(found[1]) - 1, int(found[2])
