"""How far the work is, on a terminal or for other programs: a bar, lines of JSON, and lines printed above the bar."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from allfocus.errors import printable
from allfocus.run.progress import Pace, clock, shortened
from allfocus.run.signals import signals_wait
from allfocus.run.streams import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    from allfocus.jobs.events import Event

#: Columns that the words before a bar leave to the bar, the share that is done and the time left.
ROOM_FOR_BAR = 26

#: Called with the stage, steps done, steps in all, the fraction of the whole work, and the seconds left if known.
Show = Callable[[str, int, int, float, float | None], None]


class Bar:
    """One line on stderr that says how far the work is; nothing where `live` is None."""

    def __init__(self, live: "RichProgress | None" = None, is_silent: bool = False) -> None:
        self._live, self._is_silent = live, is_silent
        self._task = None if live is None else live.add_task("", total=1.0, left=clock(None))

    def show(self, text: str, fraction: float, left: float | None = None) -> None:
        """Draw the bar: a few words before it, how full it is (0 to 1), and the seconds left if they are known."""
        if self._live is not None and self._task is not None:
            words = shortened(text, self._live.console.width - ROOM_FOR_BAR)
            self._live.update(self._task, description=words, completed=fraction, left=clock(left))

    def say(self, line: str) -> None:
        """Print a line to stdout; on a terminal it stands above the bar."""
        if self._is_silent:
            return
        if self._live is None or sys.stdout is None or not sys.stdout.isatty():
            say(line)
        else:
            # the bar's own console, so that the bar makes room; soft_wrap: the terminal folds what is too long
            self._live.console.print(printable(line), markup=False, highlight=False, emoji=False, soft_wrap=True)


@contextmanager
def live_bar(quiet: bool = False, wanted: bool = True) -> Iterator[Bar]:
    """Yield a bar that leaves no trace when it is done; it stays empty where stderr is no terminal that can draw it.

    Args:
        quiet: neither bar nor lines.
        wanted: False: no bar, but lines.
    """
    if quiet or not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield Bar(is_silent=quiet)
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield Bar()
        return
    live = rich_bar(console)
    try:
        with signals_wait():
            live.start()
        yield Bar(live)
    finally:
        with signals_wait():
            live.stop()


def rich_bar(console: "Console") -> "RichProgress":
    """Words, bar, share done and time left, on one line that goes when it is done."""
    from rich.console import RenderableType
    from rich.constrain import Constrain
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    class OneLine(Progress):
        """Leaves room for the `^C` that a terminal writes at the cursor, which would open a second line."""

        def get_renderable(self) -> RenderableType:
            return Constrain(super().get_renderable(), console.width - len("^C"))

    return OneLine(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None),  # what is left of the line
        TextColumn("{task.percentage:3.0f} %", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        expand=True,
        # stdout may be a file: only what is given to `Bar.say` goes above the bar
        redirect_stdout=False,
        redirect_stderr=False,
    )


class Reporter:
    """The callback for a piece of work: counts, estimates the time left, and hands both to what shows them."""

    def __init__(self, show: Show, bar: Bar, is_json: bool = False) -> None:
        self._show, self._pace, self._is_json = show, Pace(), is_json
        #: Print a line, above the bar if there is one.
        self.say = bar.say

    def __call__(self, stage: str, done: int, total: int) -> None:
        """A `Progress`."""
        left = self._pace.seconds_left(stage, done, total)
        self._show(stage, done, total, self._pace.fraction(stage, done, total), left)

    def listen(self, event: "Event") -> None:
        """A listener of a job: progress for the bar, and every event for other programs."""
        if self._is_json:
            say(json.dumps(event.as_json()), err=True)
        elif event.kind == "progress":
            self._show(event.stage, event.done, event.total, event.fraction, event.seconds_left)


@contextmanager
def show_progress(quiet: bool, style: str = "bar") -> Iterator[Reporter]:
    """Yield a callback that draws a bar on a terminal, or writes lines of JSON to stderr.

    Args:
        quiet: no bar and no lines; JSON all the same, since it was asked for.
        style: `bar`, `json` or `none`.
    """
    with live_bar(quiet, wanted=style == "bar") as bar:

        def draw(stage: str, done: int, total: int, fraction: float, left: float | None) -> None:
            bar.show(f"{stage} {done}/{total}", fraction, left)

        yield Reporter(print_json if style == "json" else draw, bar, style == "json")


def print_json(stage: str, done: int, total: int, fraction: float, left: float | None) -> None:
    """One line for other programs: stage, done, total, and the seconds left, null as long as nobody knows."""
    line = {"stage": stage, "done": done, "total": total, "eta": None if left is None else round(left, 1)}
    say(json.dumps(line), err=True)
