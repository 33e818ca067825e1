"""``allfocus fuse``: frames in, one sharp picture out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allfocus.cli.flags import command
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import OptionalFramesArgument, ProgressOption, QuietOption, output_option
from allfocus.options import FusionOptions
from allfocus.outputs.asked import Asked
from allfocus.outputs.wishes import Outputs
from allfocus.run.loading import loading
from allfocus.run.streams import say
from allfocus.run.tables import draw_table

if TYPE_CHECKING:
    from allfocus.jobs import Event, Job


@command(Asked, FusionOptions, Outputs)
def fuse(
    frames: OptionalFramesArgument = None,
    output: Annotated[
        Path | None,
        output_option(
            "OUT", "Picture to write: .png, .tif, .webp or .jpg (default: STACK.fused.EXT beside the stack)."
        ),
    ] = None,
    *,
    project: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Fuse the frames of this project (.allfocus.json), as allfocus studio saved it, strokes included.",
        ),
    ] = None,
    progress: ProgressOption = "bar",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, list what each frame is, and fuse nothing.")
    ] = False,
    quiet: QuietOption = False,
    **typed: Any,
) -> None:
    """Fuse photos focused at different distances into one that is sharp everywhere.

    Frames are taken in natural order of their names (img2 before img10) and registered to the middle one with the
    simplest model that fits. The picture keeps their bit depth and channels where its format can, and the metadata of
    the reference: colour profile, camera, date and place.

    \b
    Examples:
      allfocus fuse DCIM/stack/ -o sharp.tif
      allfocus fuse stack/ -o sharp.jpg --outputs image,depth,confidence
      ls *.ARW | allfocus fuse - -o linear.tif
      allfocus fuse --project beetle.allfocus.json -o beetle.tif
    """  # noqa: D301
    with loading():
        from allfocus.jobs import Job
        from allfocus.jobs.requests import begin_request, complete_request
        from allfocus.outputs.words import summarize

    begun, place = begin_request(frames or [], project)
    request = complete_request(begun, typed, output or place)
    if dry_run:
        describe(Job(request))
        return
    with show_progress(quiet, progress) as reporter:

        def listen(event: "Event") -> None:
            reporter.listen(event)
            if event.plan is not None and (event.plan.is_large or request.is_about_memory):
                reporter.say(str(event.plan))

        made = Job(request, listen).run()
    if not quiet:
        for line in summarize(made.fused, request.outputs, made.files, request.options.method, made.seconds):
            say(line)
        for note in made.notes:
            say(f"note: {note}")


def describe(job: "Job") -> None:
    """What each frame is, and what the fusion would take; raises what is wrong."""
    from allfocus.jobs.preview import preview
    from allfocus.sources.describe import TITLES

    for part in preview(job):
        if isinstance(part, str):
            say(part)
        else:
            say(draw_table(TITLES, (row.cells for row in part)), is_drawn=True)
