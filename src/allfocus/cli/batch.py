"""``allfocus batch``: every stack below some folders, by many workers, kept account of."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.batch.wishes import BatchOptions
from allfocus.cli.flags import command
from allfocus.cli.progress import live_bar
from allfocus.cli.shared import ProgressOption, QuietOption, output_option
from allfocus.errors import OptionError
from allfocus.options import FusionOptions
from allfocus.outputs.asked import Asked
from allfocus.outputs.wishes import Outputs
from allfocus.run.install import extra
from allfocus.run.streams import say


@command(BatchOptions, Asked, FusionOptions, Outputs)
def batch(
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="ROOT", readable=False, help="Folders with stacks below them, or files of stacks."),
    ] = None,
    output: Annotated[Path | None, output_option("OUT", "Folder for pictures, ledger, table and page.")] = None,
    *,
    progress: ProgressOption = "bar",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan: which frames make which stack, and what it will take.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan, or what came of the batch, as JSON.")
    ] = False,
    quiet: QuietOption = False,
    **typed: Any,
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
    from allfocus.jobs.requests import pick_options, request_for_all
    from allfocus.run.workers import cpus

    if not roots or output is None:
        raise OptionError("give folders with stacks below them, and with -o a folder for the outputs")
    wishes = pick_options(BatchOptions, typed)
    work = plan_batch(roots, output, request_for_all(typed), wishes, typed.get("outputs"))
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
