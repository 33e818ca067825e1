"""``allfocus fuse``: frames in, one sharp picture out."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allfocus.cli.flags import chosen_options, old_name, option_flags, with_flags
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import (
    DebugOption,
    OptionalFramesArgument,
    OptionsOption,
    ProgressOption,
    QuietOption,
    draw_table,
)
from allfocus.errors import OptionError
from allfocus.options import ALIGNMENT, FUSION, OUTPUT, FusionOptions, build_options, plain_options
from allfocus.outputs.wishes import NAMED, Outputs, add_listed, name_output
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.jobs import Event, Job, JobRequest
    from allfocus.sources.listing import Listing

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        readable=False,
        help="Picture to write: .png, .tif, .webp or .jpg (default: STACK.fused.EXT beside the stack).",
    ),
]
ChannelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|NUMBER",
        help="Fuse all channels by the focus of this one (default: each by its own).",
        rich_help_panel=FUSION,
    ),
]
NoAlignOption = Annotated[
    bool, typer.Option("--no-align", help="Take the frames as registered: --align none.", rich_help_panel=ALIGNMENT)
]
OutputsOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help=f"Write these beside the picture: image,{','.join(NAMED)}.",
        rich_help_panel=OUTPUT,
    ),
]
SlabOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE:OVERLAP",
        help="Also fuse sub-stacks of SIZE frames that share OVERLAP of them, and save them beside the picture.",
        rich_help_panel=OUTPUT,
    ),
]
ProjectOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Fuse the frames of this project (.allfocus.json), as allfocus studio saved it, strokes included.",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, list what each frame is, and fuse nothing.")
]


@with_flags(*option_flags(FusionOptions, skip=("depth",)), *option_flags(Outputs))
def fuse(
    context: typer.Context,
    frames: OptionalFramesArgument = None,
    output: OutputOption = None,
    *,
    channel_for_focus: ChannelOption = None,
    no_align: NoAlignOption = False,
    outputs: OutputsOption = None,
    slab: SlabOption = None,
    options: OptionsOption = None,
    project: ProjectOption = None,
    progress: ProgressOption = "bar",
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
    **flags: Any,
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
    from allfocus.jobs import Job
    from allfocus.outputs.words import summarize

    begun, place = begin(frames or [], project)
    chosen = plain_options(begun.options) | chosen_options(context, flags, options, no_align)
    request = replace(
        begun,
        outputs=add_listed(gather_outputs(output or place, flags), outputs),
        options=build_options(chosen),
        slab=slab,
        channel_for_focus=channel_for_focus,
        options_file=options,
    )
    if dry_run:
        describe(Job(request), list(request.frames))
        return
    with show_progress(quiet, progress) as reporter:

        def listen(event: "Event") -> None:
            reporter.listen(event)
            if event.plan is not None and (event.plan.is_large or {"max_memory", "spool"} & set(chosen)):
                reporter.say(str(event.plan))

        made = Job(request, listen).run()
    if not quiet:
        for line in summarize(made.fused, request.outputs, made.files, request.options.method, made.seconds):
            say(line)
        for note in made.notes:
            say(f"note: {note}")


def begin(frames: list[Path], project: Path | None) -> "tuple[JobRequest, Path]":
    """What frames or a project ask for, and where the picture goes if nobody says so."""
    from allfocus.jobs import JobRequest
    from allfocus.jobs.project import load_project, name_project_output
    from allfocus.sources.expand import list_frames
    from allfocus.sources.leftovers import leave_out
    from allfocus.sources.stacks import find_volume

    if (project is None) != bool(frames):
        raise OptionError("give either frames, a folder of them, or --project FILE; see allfocus fuse --help")
    if project is None:
        paths = list_frames(frames)
        used = leave_out(paths)[0] or paths
        place = name_output(frames, used, holds_volume=find_volume(used) is not None)
        return JobRequest(frames=paths, outputs=Outputs()), place
    loaded = load_project(project)
    return loaded.request(), name_project_output(project, loaded.frames)


def gather_outputs(image: Path | None, flags: dict[str, Any]) -> Outputs:
    """The outputs among a command's flags; old names of flags count as well."""
    wanted: dict[str, Any] = {}
    for item in fields(Outputs):
        if item.name not in flags:
            continue
        value = flags[item.name]
        for old in item.metadata.get("old_flags", ()):
            if value is None and flags[old_name(old)] is not None:
                say(f"note: {old} is called --{item.name.replace('_', '-')} now", err=True)
                value = flags[old_name(old)]
        wanted[item.name] = tuple(value or ()) if item.name == "report" else value
    return Outputs(image=image, **wanted)


def describe(job: "Job", paths: list[Path]) -> None:
    """What each frame is, and what the fusion would take; raises what is wrong."""
    from allfocus.sources.listing import Listing
    from allfocus.sources.volume import Volume

    is_single = len(paths) == 1 or job.request.options.stack is not None
    if not is_single:
        print_frames(paths)
    source, plan = job.check()
    if is_single and isinstance(source, Listing):
        print_frames(source)
    if isinstance(source, Volume):
        say(f"{source.path.name}: {source}, {len(source.stacks)} stacks")
    say(str(plan))
    for note in source.notes:
        say(f"note: {note}")


def print_frames(paths: "Sequence[Path] | Listing") -> None:
    """A table of all frames, those that can't be used too."""
    from allfocus.sources.describe import describe_frames

    titles = ("frame", "kind", "size", "channels", "depth", "profile", "taken", "")
    cells = [
        (row.name, row.kind, row.size, row.channels, row.depth, row.profile, row.date, row.problem)
        for row in describe_frames(paths)
    ]
    say(draw_table(titles, cells), is_drawn=True)
