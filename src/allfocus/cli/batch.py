"""``allfocus batch``: every stack below some folders, by many workers, kept account of."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.batch.wishes import BatchOptions
from allfocus.cli.flags import given_options, option_flags, own_options, with_flags
from allfocus.cli.fuse import ChannelOption, NoAlignOption, OutputsOption, SlabOption, gather_outputs
from allfocus.cli.progress import Bar, live_bar
from allfocus.cli.shared import DebugOption, OptionsOption, ProgressOption, QuietOption, extra
from allfocus.errors import OptionError
from allfocus.options import FusionOptions, build_options, read_option_values
from allfocus.outputs.wishes import Outputs
from allfocus.run.streams import say

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
    from allfocus.batch.run import as_event, describe_ended, plan_batch, run_batch
    from allfocus.jobs import JobRequest

    if not roots or output is None:
        raise OptionError("give folders with stacks below them, and with -o a folder for the outputs")
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
    work = plan_batch(roots, output, request, own_options(BatchOptions, flags), outputs)
    if dry_run:
        show_plan(work, as_json)
        return
    with extra("batch", "a batch"):
        import distributed  # noqa: F401
    with live_bar(quiet, wanted=progress == "bar") as bar:
        ended = run_batch(work, Told(bar, is_json=progress == "json"))
    if as_json:
        say(json.dumps(as_event(ended, work.out)))
    elif not quiet:
        say("\n".join(describe_ended(ended, work.out)))
    if ended.failed or ended.left:
        raise typer.Exit(1)


def show_plan(work: Any, as_json: bool) -> None:
    """Print what would be done."""
    from allfocus.batch.estimate import describe_plan, plan_lines
    from allfocus.run.workers import cpus

    plan = describe_plan(work, work.wishes.workers or cpus())
    say(json.dumps(plan, indent=1) if as_json else "\n".join(plan_lines(plan)))


class Told:
    """What a batch tells, as a bar with a line for each stack that failed, or as lines of JSON on stderr."""

    def __init__(self, bar: Bar, is_json: bool) -> None:
        self._bar, self._is_json, self._workers = bar, is_json, dict[str, str]()
        self._counts: dict[str, Any] = {"done": 0, "failed": 0, "total": 1, "fraction": 0.0, "eta": None}

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event, see `Engine`."""
        if self._is_json:
            say(json.dumps(event), err=True)
            return
        if event["event"] == "progress":
            self._counts = event
        elif event["event"] == "working":
            self._workers[event["worker"]] = f"{event['task']} {event['stage']} {event['fraction']:.0%}"
        elif event["event"] == "task":
            self._workers.pop(event["worker"], None)
            if event["state"] == "failed":
                self._bar.say(f"failed: {event['name']}: {event['error']}")
        failed = f", {self._counts['failed']} failed" if self._counts["failed"] else ""
        under_way = "".join(f"; {name}: {what}" for name, what in sorted(self._workers.items()))
        words = f"{self._counts['done']}/{self._counts['total']}{failed}{under_way}"
        self._bar.show(words, self._counts["fraction"], self._counts["eta"])
