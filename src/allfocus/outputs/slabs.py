"""Slabs: sub-stacks that are fused for themselves and saved beside the whole, for retouching."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.errors import OptionError
from allfocus.formats.write import Picture
from allfocus.metadata.carry import SLAB
from allfocus.options import FusionOptions
from allfocus.outputs.finish import finish_picture
from allfocus.pipeline import compose, decide
from allfocus.registered import Registered
from allfocus.sources.colours import read_frame_metadata


def parse_slabs(text: str, frames: int) -> list[range]:
    """Positions of the frames of each slab, from ``SIZE:OVERLAP`` or ``SIZE``; the last one ends with the stack.

    Raises:
        OptionError: no such numbers, fewer than two frames a slab, or an overlap that leaves no progress.
    """
    size, overlap = parse_slab(text)
    starts = range(0, max(frames - overlap, 1), size - overlap)
    slabs = [range(start, min(start + size, frames)) for start in starts]
    if len(slabs) > 1 and len(slabs[-1]) < 2:
        slabs[-2:] = [range(slabs[-2].start, frames)]
    return slabs


def parse_slab(text: str) -> tuple[int, int]:
    """Size and overlap of slabs from ``SIZE:OVERLAP`` or ``SIZE``; raises `OptionError`."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?::\s*(\d{1,9})\s*)?", text)
    if found is None:
        raise OptionError(f"slab {text!r}: expected SIZE:OVERLAP, such as 8:2")
    size, overlap = int(found[1]), int(found[2] or 0)
    if size < 2 or overlap >= size:
        raise OptionError(f"slab {text!r}: expected at least 2 frames a slab, and an overlap of fewer than those")
    return size, overlap


def slab_paths(output: Path, slabs: Sequence[range]) -> list[Path]:
    """Where each slab goes: ``sharp.tif`` makes ``sharp_slab01.tif`` and so on."""
    digits = max(2, len(str(len(slabs))))
    return [output.with_name(f"{output.stem}_slab{k:0{digits}d}{output.suffix}") for k in range(1, len(slabs) + 1)]


def fuse_slabs(
    registered: Registered, options: FusionOptions, slabs: Sequence[range], paths: Sequence[Path]
) -> tuple[list[Picture], list[Note]]:
    """Fuse each slab, registered like the whole; returns what to write, and notes on slabs that can't be made."""
    pictures, notes = [], []
    plain = replace(options, depth=False)
    for slab, path in zip(slabs, paths, strict=True):
        used = [position for position in registered.positions if position in slab]
        if len(used) < 2:
            text = f"{path.name} is not made: fewer than 2 of its frames are used"
            notes.append(Note(code="slab-skipped", message=text, frames=tuple(slab)))
            continue
        part = registered.pick(used)
        result = compose(part, decide(part, options=plain, keep=False), options=plain)
        assert registered.source is not None
        metadata = read_frame_metadata(registered.source, slab[len(slab) // 2])
        done = f"{SLAB} {len(used)} frames"
        pictures.append(finish_picture(result, path, metadata, registered.source, done))
    return pictures, notes
