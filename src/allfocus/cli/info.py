"""``allfocus info``: what is in files and folders."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allfocus.cli.shared import DebugOption, draw_table
from allfocus.errors import printable
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.sources.contents import Contents, StackRow

#: How many stacks of a file a table lists; --json lists all.
MOST_LISTED = 24


def info(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER", readable=False, help="Files, folders or addresses to look into."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, for programs.")] = False,
    debug: DebugOption = False,
) -> None:
    """Say what is in files and folders: axes, sizes, units, channels and stacks; nothing is decoded.

    \b
    Examples:
      allfocus info plate.ome.zarr
      allfocus info night.czi cells.lif --json
    """  # noqa: D301
    from allfocus.sources.contents import look_into

    found = look_into(inputs)
    if as_json:
        say(json.dumps([contents.as_json() for contents in found], indent=2, ensure_ascii=False))
    else:
        for contents in found:
            show(contents)
    if any(contents.problem for contents in found):
        for contents in found:
            if contents.problem:
                say(f"error: {' '.join(contents.problem.split())}", err=True)
        raise typer.Exit(1)


def show(contents: "Contents") -> None:
    """A line on the file or folder, a table of its stacks, and notes."""
    if contents.problem:
        return
    nouns = {"P": "positions", "T": "times", "C": "channels", "Z": "planes"}
    axes = [f"{count} {nouns[axis]}" for axis, count in contents.axes.items() if count > 1]
    every = [] if contents.time_step is None else [f"every {contents.time_step:.6g} s"]
    stacks = f"{len(contents.stacks)} stack{'s' if len(contents.stacks) != 1 else ''}"
    say(": ".join([printable(contents.path), ", ".join([contents.format, *axes, *every, stacks])]))
    if contents.stacks:
        say(draw(contents.stacks), is_drawn=True)
    if len(contents.stacks) > MOST_LISTED:
        say(f"and {len(contents.stacks) - MOST_LISTED} more stacks; --json lists all")
    for note in contents.notes:
        say(f"note: {note}")


def draw(rows: "Sequence[StackRow]") -> str:
    """The table of stacks."""
    titles = ("", "stack", "planes", "size", "channels", "samples", "pixel in µm", "z step in µm", "")
    cells = []
    for number, row in enumerate(rows[:MOST_LISTED], start=1):
        size = "" if row.size is None else f"{row.size[0]}x{row.size[1]}"
        pixel = "" if row.pixel_size is None else " x ".join(f"{side:.6g}" for side in row.pixel_size)
        step = "" if row.z_step is None else f"{row.z_step:.6g}"
        lacks = f"{row.missing} missing" if row.missing else ""
        name = printable(row.name)
        cells.append((str(number), name, str(row.planes), size, row.channels, row.samples, pixel, step, lacks))
    return draw_table(titles, cells)
