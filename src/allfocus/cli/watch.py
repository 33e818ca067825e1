"""``allfocus watch``: stacks fused while they are shot."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.batch.wishes import STACKS, WatchOptions
from allfocus.cli.batch import OutOption, request_for_all
from allfocus.cli.flags import option_flags, own_options, with_flags
from allfocus.cli.fuse import ChannelOption, NoAlignOption, OutputsOption, SlabOption
from allfocus.cli.shared import DebugOption, OptionsOption, ProgressOption, QuietOption
from allfocus.errors import OptionError
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from allfocus.run.streams import say

FolderArgument = Annotated[
    Path | None, typer.Argument(metavar="FOLDER", readable=False, help="Folder that frames are written to.")
]
NameOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Name of each picture under OUT, made of {folder}, {stack}, {root}, {first} and {ext}.",
        rich_help_panel=STACKS,
    ),
]


@with_flags(*option_flags(WatchOptions), *option_flags(FusionOptions, skip=("depth",)), *option_flags(Outputs))
def watch(
    context: typer.Context,
    folder: FolderArgument = None,
    output: OutOption = None,
    *,
    name: NameOption = None,
    channel_for_focus: ChannelOption = None,
    no_align: NoAlignOption = False,
    outputs: OutputsOption = None,
    slab: SlabOption = None,
    options: OptionsOption = None,
    progress: ProgressOption = "bar",
    quiet: QuietOption = False,
    debug: DebugOption = False,
    **flags: Any,
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

    if folder is None or output is None:
        raise OptionError("give the folder to watch, and with -o a folder for the outputs")
    request = request_for_all(context, flags, options, no_align, slab, channel_for_focus)

    def listen(event: dict[str, Any]) -> None:
        if progress == "json":
            say(json.dumps(event), err=True)
        elif not quiet:
            say(describe_watched(event))

    watcher = Watcher(folder, output, request, own_options(WatchOptions, flags), name, outputs, listen)
    if not quiet:
        say(f"watching {folder}; Ctrl-C ends it", err=True)
    ended = watcher.run()
    if not quiet:
        say("\n".join(describe_ended(ended, output)))
        if watcher.unfinished:
            say(f"{watcher.unfinished} frames belong to no complete stack yet; start again to go on")
    if ended.failed:
        raise typer.Exit(1)
