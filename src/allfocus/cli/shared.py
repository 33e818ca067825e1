"""What the commands have in common: options, progress on a terminal, a hint at missing extras."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allfocus.errors import MissingExtraError
from allfocus.options import MACHINE
from allfocus.run.progress import Pace

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


@dataclass
class Session:
    """What `entry.main` has to know when a command fails.

    Attributes:
        debug: whether to show the traceback.
    """

    debug: bool = False


def note_debug(context: typer.Context, value: bool) -> bool:
    """Tell the session that `--debug` was given."""
    if value and isinstance(context.obj, Session):
        context.obj.debug = True
    return value


DebugOption = Annotated[
    bool, typer.Option("--debug", callback=note_debug, is_eager=True, help="Show the traceback of an error.")
]

FramesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FRAME|FOLDER",
        readable=False,
        help="Photos of one scene, a folder or pattern of them, a TIFF stack or a video; - reads names from stdin.",
    ),
]
OptionsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", readable=False, help="Read options from this file (.toml, .json); flags override it."),
]
ProgressOption = Annotated[
    Literal["bar", "json", "none"],
    typer.Option(
        help="Show progress as a bar on a terminal, as lines of JSON on stderr, or not at all.", rich_help_panel=MACHINE
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@contextmanager
def progress_bar() -> Iterator["Bar"]:
    """A bar on stderr that leaves no trace when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),  # what is left of the line
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        yield bar


class Reporter:
    """Shows how far the work is: the callback for it, and what is known of its stages.

    Attributes:
        costs: of the stages, see `progress.Pace`; may be set once they are known.
    """

    def __init__(self, show: Callable[[str, int, int, float, float | None], None] | None) -> None:
        self._show = show
        self._pace = Pace()

    def expect(self, costs: Mapping[str, float]) -> None:
        """Say what the stages will cost."""
        self._pace = Pace(costs)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """A `Progress`."""
        if self._show is not None:
            left = self._pace.seconds_left(stage, done, total)
            self._show(stage, done, total, self._pace.fraction(stage, done, total), left)


@contextmanager
def show_progress(quiet: bool, style: str = "bar") -> Iterator[Reporter]:
    """Yield a callback that draws a bar on a terminal, or writes lines of JSON to stderr.

    Args:
        quiet: no bar; lines of JSON all the same, for they are asked for.
        style: `bar`, `json` or `none`.
    """
    if style == "json":
        yield Reporter(print_json)
        return
    if quiet or style == "none" or not sys.stderr.isatty():
        yield Reporter(None)
        return
    with progress_bar() as bar:
        task = bar.add_task("", total=1.0, left="")

        def show(stage: str, done: int, total: int, fraction: float, left: float | None) -> None:
            text = "" if left is None else f"{int(left) // 60}:{int(left) % 60:02d}"
            bar.update(task, description=f"{stage} {done}/{total}", completed=fraction, left=text)

        yield Reporter(show)


def print_json(stage: str, done: int, total: int, fraction: float, left: float | None) -> None:
    """One line for other programs: stage, done, total, and the seconds left, null as long as nobody knows."""
    line = {"stage": stage, "done": done, "total": total, "eta": None if left is None else round(left, 1)}
    typer.echo(json.dumps(line), err=True)


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Turn a missing third-party module into a line that says what to install.

    Raises:
        MissingExtraError: a module that the extra `name` brings is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "allfocus").partition(".")[0] == "allfocus":
            raise
        raise MissingExtraError(f"{purpose} needs {error.name}; pip install 'allfocus[{name}]'") from error


def place_among(names: Sequence[str], asked: str) -> int | None:
    """Position of what is asked for by its name, or by its number counted from 1; None if there is no such thing."""
    if asked in names:
        return list(names).index(asked)
    return int(asked) - 1 if asked.isdecimal() and 1 <= int(asked) <= len(names) else None
