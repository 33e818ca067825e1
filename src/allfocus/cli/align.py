"""``allfocus align``: frames in, the same frames out, registered to one of them."""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from allfocus.cli.flags import chosen_options, option_flags, with_flags
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import DebugOption, FramesArgument, OptionsOption, ProgressOption, QuietOption
from allfocus.options import STEPS, FusionOptions, build_options
from allfocus.run.streams import say

FolderOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", readable=False, help="Folder for the frames; made if missing."),
]
FormatOption = Annotated[Literal["tif", "png", "jpg", "webp"], typer.Option("--format", help="Format of the files.")]
TransformsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Write the transforms that were estimated (.json, or .pto for Hugin)."
    ),
]
#: Options of the fusion that don't matter for the alignment.
OTHERS = (*STEPS["decide"], *STEPS["compose"], "max_tile", "draft")


@with_flags(*option_flags(FusionOptions, skip=OTHERS))
def align(
    context: typer.Context,
    frames: FramesArgument,
    output: FolderOption,
    *,
    file_format: FormatOption = "tif",
    save_transforms: TransformsOption = None,
    options: OptionsOption = None,
    progress: ProgressOption = "bar",
    quiet: QuietOption = False,
    debug: DebugOption = False,
    **flags: Any,
) -> None:
    """Register frames to one of them, match their brightness, and write them: for other programs.

    Each is resampled once, and keeps its bit depth, its channels and its metadata.
    """
    from allfocus.core.stack import size_of
    from allfocus.formats.pixels import limit_pixels
    from allfocus.formats.write import check_outputs
    from allfocus.outputs.aligned import plan_aligned, write_aligned
    from allfocus.outputs.words import describe_alignment
    from allfocus.pipeline import align as register
    from allfocus.sources.expand import list_frames
    from allfocus.sources.leftovers import protect
    from allfocus.sources.open import open_stack

    started = time.monotonic()
    typed = chosen_options(context, flags, options)
    chosen = build_options({**typed, "method": "laplacian", "depth": False})
    settings = [path for path in (options, chosen.transforms, chosen.model) if path is not None]
    paths = list_frames(frames)
    if save_transforms is not None:
        check_outputs([], [*protect(paths), *settings], [save_transforms])
    with limit_pixels(chosen.pixel_limit):
        listing = open_stack(paths, chosen.order, chosen.stack)
    sources = [*protect(paths), *listing.files, *settings]
    targets = plan_aligned(listing, output, file_format, sources, save_transforms)
    with show_progress(quiet, progress) as reporter:
        registered = register(listing, options=chosen, progress=reporter)
        notes = [*registered.notes, *write_aligned(registered, targets, save_transforms)]
    if quiet:
        return
    used, size = len(registered.positions), size_of(registered.frames[0])
    say(f"{output}: {used} of {len(listing)} frames, {size}, {time.monotonic() - started:.1f} s")
    if registered.alignment is not None:
        moved = describe_alignment(registered.alignment, registered.names)
        say(f"alignment: {moved or 'the frames match as they are'}")
    for note in notes:
        say(f"note: {note}")
