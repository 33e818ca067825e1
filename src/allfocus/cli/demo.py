"""``allfocus demo``: fuse the focal stack that ships with the package."""

from pathlib import Path
from typing import Annotated

import typer

from allfocus.cli.progress import show_progress
from allfocus.cli.shared import DebugOption, QuietOption
from allfocus.run.streams import say


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", readable=False, help="Where the pictures go; made if missing."
        ),
    ] = Path("allfocus-demo"),
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fuse the focal stack that ships with the package, and measure the result against its truth."""
    from allfocus import demo as room

    with show_progress(quiet) as progress:
        report = room.run(output, progress)
    if not quiet:
        say(str(report))
