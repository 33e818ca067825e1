"""What can be fused: files or arrays, looked at, planned for and read."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.errors import StackError
from allfocus.run.progress import Progress, part_of
from allfocus.run.scratch import Scratch
from allfocus.sources.describe import in_order_of_time
from allfocus.sources.expand import list_frames
from allfocus.sources.inspect import inspect_stack, read_stack
from allfocus.sources.listing import Listing

#: What can be fused; see `fuse`.
Frames = FocalStack | Listing | Sequence[Array] | Sequence[str | PathLike[str]] | str | PathLike[str]


def listing_or_stack(frames: Frames, order: Literal["names", "time", "focus"] = "names") -> Listing | FocalStack:
    """What `fuse` accepts: files, looked at but not read yet, in the order that is wanted; or a checked stack."""
    if isinstance(frames, Listing):
        return in_order_of_time(frames) if order == "time" else frames
    if isinstance(frames, FocalStack):
        return frames
    if isinstance(frames, str | PathLike):
        return listing_or_stack([frames], order)
    paths = [Path(frame) for frame in frames if isinstance(frame, str | PathLike)]
    if paths and len(paths) == len(frames):
        return listing_or_stack(inspect_stack(list_frames(paths)), order)
    return FocalStack(frames=[np.asarray(frame) for frame in frames])


def read_all(
    sources: Sequence[Listing | FocalStack], spool: Scratch, workers: int, progress: Progress
) -> list[FocalStack]:
    """All channels of a stack; raises `StackError` where one has not as many frames of one size as the first."""
    counts = [(len(source), source.frame.size) for source in sources]
    if len(set(counts)) > 1:
        raise StackError(f"companions of {counts[1:]} frames and pixels; expected {counts[0]}, as the stack has")
    return [
        read_stack(source, part_of(progress, k, len(sources)), spool, workers)
        if isinstance(source, Listing)
        else source
        for k, source in enumerate(sources)
    ]


def notes_on(source: Listing | FocalStack) -> tuple[str, ...]:
    """What was done to make a stack of files."""
    return source.notes if isinstance(source, Listing) else ()
