"""Frames from files to files, registered: for other programs."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from allfocus.core.stack import size_of
from allfocus.formats.pixels import limit_pixels
from allfocus.formats.write import check_outputs
from allfocus.options import build_options
from allfocus.outputs.aligned import plan_aligned, write_aligned
from allfocus.outputs.words import describe_alignment
from allfocus.pipeline import align
from allfocus.run.atomic import made_folder
from allfocus.run.progress import Progress, silent
from allfocus.sources.expand import list_frames
from allfocus.sources.leftovers import protect
from allfocus.sources.open import open_stack


def align_files(
    frames: Sequence[Path],
    folder: Path,
    options: Mapping[str, Any],
    options_file: Path | None = None,
    ending: str = "tif",
    transforms: Path | None = None,
    progress: Progress = silent,
) -> list[str]:
    """Register frames and write each to a file of its own.

    Args:
        frames: files, folders and patterns, as they are typed.
        folder: where they go; made if missing.
        options: of the fusion, by their names.
        options_file: the file that options were read from, if they were; it is not written to.
        ending: of the files: tif, png, jpg or webp.
        transforms: where the transforms go; None: they are not wanted.
        progress: called as the work goes on.

    Returns:
        What was done, in lines for a person.

    Raises:
        AllFocusError: frames, options or places that can't be used.
    """
    started = time.monotonic()
    chosen = build_options({**options, "method": "laplacian", "depth": False})
    settings = [path for path in (options_file, chosen.transforms, chosen.model) if path is not None]
    paths = list_frames(list(frames))
    if transforms is not None:
        check_outputs([], [*protect(paths), *settings], [transforms])
    with limit_pixels(chosen.pixel_limit):
        listing = open_stack(paths, chosen.order, chosen.stack)
    with made_folder(folder):
        targets = plan_aligned(listing, folder, ending, [*protect(paths), *listing.files, *settings], transforms)
        registered = align(listing, options=chosen, progress=progress)
        notes = [*registered.notes, *write_aligned(registered, targets, transforms)]
    used, size = len(registered.positions), size_of(registered.frames[0])
    lines = [f"{folder}: {used} of {len(listing)} frames, {size}, {time.monotonic() - started:.1f} s"]
    if registered.alignment is not None:
        moved = describe_alignment(registered.alignment, registered.names)
        lines.append(f"alignment: {moved or 'the frames match as they are'}")
    return [*lines, *(f"note: {note}" for note in notes)]
