"""``allfocus watch``: stacks fused while they are shot."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.batch.wishes import STACKS, WatchOptions
from allfocus.cli.batch import OutOption
from allfocus.cli.flags import given_options, option_flags, own_options, with_flags
from allfocus.cli.fuse import ChannelOption, NoAlignOption, OutputsOption, SlabOption, gather_outputs
from allfocus.cli.shared import DebugOption, OptionsOption, ProgressOption, QuietOption
from allfocus.errors import OptionError
from allfocus.options import FusionOptions, build_options, read_option_values
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
    from allfocus.jobs import JobRequest

    if folder is None or output is None:
        raise OptionError("give the folder to watch, and with -o a folder for the outputs")
    chosen = ({} if options is None else read_option_values(options)) | given_options(context, flags)
    if no_align:
        chosen["align"] = "none"
    request = JobRequest(
        frames=(),
        outputs=gather_outputs(None, flags),
        options=build_options(chosen),
        slab=slab,
        channel_for_focus=channel_for_focus,
        options_file=None if options is None else options.absolute(),
    )

    def listen(event: dict[str, Any]) -> None:
        if progress == "json":
            say(json.dumps(event), err=True)
        elif not quiet:
            say(describe(event))

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


def describe(event: dict[str, Any]) -> str:
    """One line for a person."""
    kind = event["event"]
    if kind == "draft":
        advice = f"; {event['advice']}" if event["advice"] else ""
        draft = f", draft {event['file']}" if event["file"] else ""
        return f"{event['stack']}: frame {event['frames']} ({event['frame']}){draft}{advice}"
    if kind == "stack":
        return f"{event['name']}: {event['state']} with {event['frames']} frames"
    if kind == "task":
        why = f": {event['error']}" if event["error"] else "".join(f"; note: {note}" for note in event["notes"])
        return f"{event['name']}: {event['state']} in {event['seconds']:.1f} s{why}"
    return f"left over: {event['path']}: {event['reason']}"
