"""``allfocus align``: frames in, the same frames out, registered to one of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from allfocus.cli.flags import command
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import FramesArgument, ProgressOption, QuietOption, output_option
from allfocus.options import STEPS, FusionOptions
from allfocus.outputs.asked import Asked
from allfocus.run.streams import say

#: Options of the fusion that don't matter for the alignment.
OTHERS = (
    *(*STEPS["decide"], *STEPS["compose"], "max_tile", "device", "draft", "channel_for_focus", "no_align", "outputs"),
    "slab",
)


@command(Asked, FusionOptions, skip=OTHERS)
def align(
    frames: FramesArgument,
    output: Annotated[Path, output_option("FOLDER", "Folder for the frames; made if missing.")],
    *,
    file_format: Annotated[
        Literal["tif", "png", "jpg", "webp"], typer.Option("--format", help="Format of the files.")
    ] = "tif",
    save_transforms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="Write the transforms that were estimated (.json, or .pto for Hugin)."
        ),
    ] = None,
    progress: ProgressOption = "bar",
    quiet: QuietOption = False,
    **typed: Any,
) -> None:
    """Register frames to one of them, match their brightness, and write them: for other programs.

    Each is resampled once, and keeps its bit depth, its channels and its metadata.
    """
    from allfocus.jobs.aligning import align_files
    from allfocus.jobs.requests import chosen_options

    with show_progress(quiet, progress) as reporter:
        lines = align_files(
            frames, output, chosen_options(typed), typed.get("options"), file_format, save_transforms, reporter
        )
    if not quiet:
        say("\n".join(lines))
