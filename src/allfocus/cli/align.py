"""``allfocus align``: frames in, the same frames out, laid over one of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from allfocus.cli import options as given
from allfocus.cli import outcome
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import DebugOption, QuietOption
from allfocus.errors import ConfigError, WriteError

FolderOption = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", readable=False, help="Where the frames go; made if missing."),
]
FormatOption = Annotated[
    Literal["tif", "png", "jpg", "webp"], typer.Option("--format", help="What kind of files to write.")
]


def align(
    frames: given.FramesArgument,
    output: FolderOption,
    file_format: FormatOption = "tif",
    align: given.AlignOption = "auto",
    refine: given.RefineOption = "none",
    reference: given.ReferenceOption = None,
    transforms: given.TransformsOption = None,
    save_transforms: given.SaveTransformsOption = None,
    exposure: given.ExposureOption = "match",
    keep_canvas: given.KeepCanvasOption = False,
    keep_all: given.KeepAllOption = False,
    max_memory: given.MaxMemoryOption = None,
    spool: given.SpoolOption = None,
    progress: given.ProgressOption = "bar",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Lay frames over one of them, make them as bright, and write them: for other programs.

    Each is resampled once, and keeps its depth, its channels and what it says of itself.
    """
    from allfocus import io, pipeline
    from allfocus.align import dump_transforms
    from allfocus.options import FusionOptions

    started = time.monotonic()
    paths = io.list_frames(frames)
    if save_transforms is not None:
        io.check_outputs([], paths, [save_transforms])
    if output.exists() and not output.is_dir():
        raise WriteError(f"{output} is not a folder; name a folder for the frames")
    listing = io.inspect_stack(paths)
    options = FusionOptions(
        align=align,
        refine=refine,
        reference=outcome.position_of(reference, listing.names),
        transforms=transforms,
        exposure=exposure,
        keep_canvas=keep_canvas,
        keep_all=keep_all,
        max_memory=max_memory,
        spool=spool,
    )
    targets = targets_of(listing.names, output, file_format)
    output.mkdir(parents=True, exist_ok=True)
    io.check_outputs(targets, paths)
    with show_progress(quiet, progress) as reporter:
        stack, alignment = pipeline.align_stack(listing, options=options, progress=reporter)
        notes = [*listing.notes, *pipeline.notes_on_alignment(alignment, listing.names)]
        used = alignment.used
        for done, (position, frame) in enumerate(zip(used, stack.frames, strict=True)):
            reporter("write", done, len(used))
            metadata = io.finished(io.read_metadata(listing.path_of(position)), frames=1, size=frame.shape[:2])
            notes += io.write_images([io.Picture(targets[position], frame, metadata)])
        if save_transforms is not None:
            io.write_images([(save_transforms, dump_transforms(alignment, listing.names, listing.frame.size))])
        reporter("write", len(used), len(used))
    if not quiet:
        size = "x".join(map(str, stack.frames[0].shape[1::-1]))
        typer.echo(f"{output}: {len(used)} of {len(listing)} frames, {size}, {time.monotonic() - started:.1f} s")
        typer.echo(outcome.aligned(alignment, listing.names))
        for note in notes:
            typer.echo(f"note: {note}")


def targets_of(names: Sequence[str], folder: Path, ending: str) -> list[Path]:
    """Where each frame goes; raises `ConfigError` where two would go to one file."""
    targets = [folder / f"{Path(name.replace(' page ', '_')).stem}.{ending}" for name in names]
    for position, target in enumerate(targets):
        if target in targets[:position]:
            raise ConfigError(f"{names[position]} and another frame would both become {target.name}; rename one")
    return targets
