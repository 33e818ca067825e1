"""What can be fused: files or arrays, looked at, planned for and read."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.color import Array
from allfocus.errors import StackError
from allfocus.io import Listing, in_order_of_time, inspect_stack, list_frames, read_stack
from allfocus.options import FusionOptions
from allfocus.plan import Plan, plan_fusion
from allfocus.progress import Progress, one_of
from allfocus.spool import Spool
from allfocus.stack import FocalStack

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


def plan_for(source: Listing | FocalStack, options: FusionOptions, companions: int = 0) -> Plan:
    """What the fusion of a stack will take, with so many other channels.

    Raises:
        ResourceError: more than there is.
    """
    return plan_fusion(
        len(source),
        source.frame,
        are_files=isinstance(source, Listing),
        network=options.method == "network",
        depth=options.depth,
        max_memory=options.max_memory,
        spool=options.spool,
        companions=companions,
    )


def read_all(
    sources: Sequence[Listing | FocalStack], spool: Spool, workers: int, progress: Progress
) -> list[FocalStack]:
    """All channels of a stack; raises `StackError` where one has not as many frames of one size as the first."""
    counts = [(len(source), source.frame.size) for source in sources]
    if len(set(counts)) > 1:
        raise StackError(f"companions of {counts[1:]} frames and pixels; expected {counts[0]}, as the stack has")
    return [
        read_stack(source, one_of(progress, k, len(sources)), spool, workers) if isinstance(source, Listing) else source
        for k, source in enumerate(sources)
    ]


def notes_on(source: Listing | FocalStack) -> tuple[str, ...]:
    """What was done to make a stack of files."""
    return source.notes if isinstance(source, Listing) else ()
