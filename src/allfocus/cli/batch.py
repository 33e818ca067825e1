"""``allfocus batch``: every stack below some folders, by many workers, kept account of."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allfocus.batch.wishes import BatchOptions
from allfocus.cli.flags import chosen_options, option_flags, own_options, with_flags
from allfocus.cli.fuse import ChannelOption, NoAlignOption, OutputsOption, SlabOption, gather_outputs
from allfocus.cli.progress import live_bar
from allfocus.cli.shared import DebugOption, OptionsOption, ProgressOption, QuietOption, extra
from allfocus.errors import OptionError
from allfocus.options import FusionOptions, build_options
from allfocus.outputs.wishes import Outputs
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.jobs import JobRequest

RootsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="ROOT", readable=False, help="Folders with stacks below them, or files that hold stacks."),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", readable=False, help="Folder for pictures, ledger, table and page."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan: which frames make which stack, and what it will take.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the plan, or what came of the batch, as JSON.")]


@with_flags(*option_flags(BatchOptions), *option_flags(FusionOptions, skip=("depth",)), *option_flags(Outputs))
def batch(
    context: typer.Context,
    roots: RootsArgument = None,
    output: OutOption = None,
    *,
    channel_for_focus: ChannelOption = None,
    no_align: NoAlignOption = False,
    outputs: OutputsOption = None,
    slab: SlabOption = None,
    options: OptionsOption = None,
    progress: ProgressOption = "bar",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
    **flags: Any,
) -> None:
    """Fuse every stack below some folders, and write one table and one page.

    A ledger in OUT knows what is done: start the same command again to go on after whatever ended it, or to try again
    what failed. Several batches may share one OUT. Files of maps and reports are named by patterns, as is --name.

    \b
    Examples:
      allfocus batch night/ -o fused/ --dry-run
      allfocus batch night/ -o fused/ --outputs image,index,depth
      allfocus batch DCIM/ -o fused/ --gap 3 --report 'reports/{stack}.html'
      allfocus batch plates/ -o fused/ --scheduler tcp://head:8786
    """  # noqa: D301
    from allfocus.batch.estimate import describe_plan, plan_lines
    from allfocus.batch.run import as_event, describe_ended, plan_batch, run_batch
    from allfocus.batch.words import State
    from allfocus.run.workers import cpus

    if not roots or output is None:
        raise OptionError("give folders with stacks below them, and with -o a folder for the outputs")
    request = request_for_all(context, flags, options, no_align, slab, channel_for_focus)
    work = plan_batch(roots, output, request, own_options(BatchOptions, flags), outputs)
    if dry_run:
        plan = describe_plan(work, work.wishes.workers or cpus())
        say(json.dumps(plan, indent=1) if as_json else "\n".join(plan_lines(plan)))
        return
    with extra("batch", "a batch"):
        import distributed  # noqa: F401
    with live_bar(quiet, wanted=progress == "bar") as bar:
        state = State(bar.say)

        def listen(event: dict[str, Any]) -> None:
            if progress == "json":
                say(json.dumps(event), err=True)
            else:
                bar.show(state.take(event), state.fraction, state.left)

        ended = run_batch(work, listen)
    if as_json:
        say(json.dumps(as_event(ended, work.out)))
    elif not quiet:
        say("\n".join(describe_ended(ended, work.out)))
    if ended.failed or ended.left:
        raise typer.Exit(1)


def request_for_all(
    context: typer.Context,
    flags: dict[str, Any],
    options: Path | None,
    no_align: bool,
    slab: str | None,
    channel_for_focus: str | None,
) -> "JobRequest":
    """What is asked for each of many stacks, by the flags of a command."""
    from allfocus.jobs import JobRequest

    return JobRequest(
        frames=(),
        outputs=gather_outputs(None, flags),
        options=build_options(chosen_options(context, flags, options, no_align)),
        slab=slab,
        channel_for_focus=channel_for_focus,
        options_file=None if options is None else options.absolute(),
    )
