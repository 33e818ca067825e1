"""``allfocus info``: what is in files and folders."""

import json
from pathlib import Path
from typing import Annotated

import typer

from allfocus.cli.flags import command
from allfocus.run.streams import say
from allfocus.run.tables import draw_table

#: How many stacks of a file a table lists; --json lists all.
MOST_LISTED = 24


@command()
def info(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|FOLDER", readable=False, help="Files, folders or addresses to look into."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, for programs.")] = False,
) -> None:
    """Say what is in files and folders: axes, sizes, units, channels and stacks; nothing is decoded.

    \b
    Examples:
      allfocus info plate.ome.zarr
      allfocus info night.czi cells.lif --json
    """  # noqa: D301
    from allfocus.sources.contents import TITLES, look_into

    found = look_into(inputs)
    problems = [contents.problem for contents in found if contents.problem]
    if as_json:
        say(json.dumps([contents.as_json() for contents in found], indent=2, ensure_ascii=False))
        found = []
    for contents in found:
        if contents.problem:
            continue
        say(contents.headline)
        rows = [[str(row.number), *row.cells] for row in contents.rows]
        if rows:
            say(draw_table(["", *TITLES], rows[:MOST_LISTED]), is_drawn=True)
        if len(rows) > MOST_LISTED:
            say(f"and {len(rows) - MOST_LISTED} more; --json lists all")
        for note in contents.notes:
            say(f"note: {note}")
    for problem in problems:
        say(f"error: {' '.join(problem.split())}", err=True)
    if problems:
        raise typer.Exit(1)
