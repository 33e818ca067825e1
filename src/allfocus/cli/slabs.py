"""Slabs: sub-stacks that are fused for themselves and saved beside the whole, for retouching."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from allfocus.errors import ConfigError

if TYPE_CHECKING:
    from allfocus.formats.write import Picture
    from allfocus.options import FusionOptions
    from allfocus.result import FusionResult
    from allfocus.run.progress import Progress
    from allfocus.sources.listing import Listing


def slabs_of(text: str, frames: int) -> list[range]:
    """Positions of the frames of each slab, from ``SIZE:OVERLAP`` or ``SIZE``; the last one ends with the stack.

    Raises:
        ConfigError: no such numbers, fewer than two frames a slab, or an overlap that leaves no progress.
    """
    found = re.fullmatch(r"\s*(\d+)\s*(?::\s*(\d+)\s*)?", text)
    if found is None:
        raise ConfigError(f"slab {text!r}: expected SIZE:OVERLAP, such as 8:2")
    size, overlap = int(found[1]), int(found[2] or 0)
    if size < 2 or overlap >= size:
        raise ConfigError(f"slab {text!r}: expected at least 2 frames a slab, and an overlap of fewer than those")
    starts = range(0, max(frames - overlap, 1), size - overlap)
    slabs = [range(start, min(start + size, frames)) for start in starts]
    if len(slabs) > 1 and len(slabs[-1]) < 2:
        slabs[-2:] = [range(slabs[-2].start, frames)]
    return slabs


def slab_paths(output: Path, slabs: Sequence[range]) -> list[Path]:
    """Where each slab goes: ``sharp.tif`` makes ``sharp_slab01.tif`` and so on."""
    digits = max(2, len(str(len(slabs))))
    return [output.with_name(f"{output.stem}_slab{k:0{digits}d}{output.suffix}") for k in range(1, len(slabs) + 1)]


def fuse_slabs(
    listing: "Listing",
    whole: "FusionResult",
    options: "FusionOptions",
    slabs: Sequence[range],
    paths: Sequence[Path],
    progress: "Progress",
) -> "tuple[list[Picture], list[str]]":
    """Fuse each slab so that it lies over the whole; returns what to write, and notes on slabs that can't be made."""
    from dataclasses import replace

    from allfocus.cli.outputs import finished_picture
    from allfocus.formats.read import read_metadata
    from allfocus.pipeline import fuse

    alignment = whole.alignment
    used = range(len(listing)) if alignment is None else alignment.used
    pictures, notes = [], []
    plain = replace(options, depth=False)
    for slab, path in zip(slabs, paths, strict=True):
        positions = [k for k in slab if k in used]
        if len(positions) < 2:
            notes.append(f"{path.name} is not made: fewer than 2 of its frames are used")
            continue
        part = listing.pick(positions)
        like = None if alignment is None or whole.area is None else (alignment.pick(positions), whole.area)
        result = fuse(part, options=plain, progress=progress, like=like)
        metadata = read_metadata(part.paths[len(part.paths) // 2])
        pictures.append(finished_picture(result, path, metadata, part.is_linear))
    return pictures, notes
