"""``allfocus watch``: stacks fused while they are shot."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.batch.wishes import WatchOptions
from allfocus.cli.flags import command
from allfocus.cli.shared import ProgressOption, QuietOption, output_option
from allfocus.errors import OptionError
from allfocus.options import FusionOptions
from allfocus.outputs.asked import Asked
from allfocus.outputs.wishes import Outputs
from allfocus.run.streams import say


@command(WatchOptions, Asked, FusionOptions, Outputs)
def watch(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", readable=False, help="Folder that frames are written to.")
    ] = None,
    output: Annotated[Path | None, output_option("OUT", "Folder for pictures, drafts, ledger, table and page.")] = None,
    *,
    progress: ProgressOption = "bar",
    quiet: QuietOption = False,
    **typed: Any,
) -> None:
    """Watch a folder while stacks are shot into it, and fuse each once it is complete.

    After every frame a draft lies in OUT/drafts, and a line says where one more frame would help. Files that are still
    being written are waited for. Ctrl-C ends it; a ledger in OUT knows what is fused when it is started again.

    \b
    Examples:
      allfocus watch /media/camera/DCIM -o fused/
      allfocus watch incoming/ -o fused/ --frames 12 --outputs image,depth
    """  # noqa: D301
    from allfocus.batch.run import describe_ended
    from allfocus.batch.watch import Watcher
    from allfocus.batch.words import describe_watched
    from allfocus.jobs.requests import pick_options, request_for_all

    if folder is None or output is None:
        raise OptionError("give the folder to watch, and with -o a folder for the outputs")

    def listen(event: dict[str, Any]) -> None:
        if progress == "json":
            say(json.dumps(event), err=True)
        elif not quiet:
            say(describe_watched(event))

    wishes = pick_options(WatchOptions, typed)
    watcher = Watcher(folder, output, request_for_all(typed), wishes, typed.get("outputs"), listen)
    if not quiet and progress != "json":
        say(f"watching {folder}; Ctrl-C ends it", err=True)
    ended = watcher.run()
    if not quiet:
        say("\n".join(describe_ended(ended, output)))
        if watcher.unfinished:
            say(f"{watcher.unfinished} frames belong to no complete stack yet; start again to go on")
    if ended.failed:
        raise typer.Exit(1)
