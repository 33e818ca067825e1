"""What the commands have in common: options, progress on a terminal, a hint at missing extras."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from allfocus.errors import MissingExtraError
from allfocus.progress import Progress, silent

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

QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@contextmanager
def progress_bar() -> Iterator["Bar"]:
    """A bar on stderr that leaves no trace when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),  # what is left of the line
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        yield bar


@contextmanager
def show_progress(quiet: bool) -> Iterator[Progress]:
    """Yield a callback that draws a bar for each stage; a silent one when asked for, or off a terminal."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    with progress_bar() as bar:
        tasks = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield show


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
