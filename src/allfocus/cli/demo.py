"""``allfocus demo``: fuse the focal stack that ships with the package."""

from pathlib import Path
from typing import Annotated

from allfocus.cli.flags import command
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import QuietOption, output_option
from allfocus.run.atomic import made_folder
from allfocus.run.streams import say


@command()
def demo(
    *,
    output: Annotated[Path, output_option("FOLDER", "Where the pictures go; made if missing.")] = Path("allfocus-demo"),
    quiet: QuietOption = False,
) -> None:
    """Fuse the focal stack that ships with the package, and measure the result against its truth."""
    from allfocus import demo as room

    with made_folder(output), show_progress(quiet) as progress:
        report = room.run(output, progress)
    if not quiet:
        say(str(report))
