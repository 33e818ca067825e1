"""What can be fused: files or arrays, looked at, planned for and read."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.sources.describe import in_order_of_time
from allfocus.sources.expand import list_frames
from allfocus.sources.inspect import inspect_stack
from allfocus.sources.listing import Listing

#: What can be fused; see `fuse`.
Frames = FocalStack | Listing | Sequence[Array] | Sequence[str | PathLike[str]] | str | PathLike[str]


def open_source(frames: Frames, order: Literal["names", "time", "focus"] = "names") -> Listing | FocalStack:
    """What `fuse` accepts: files, looked at but not read yet, in the order that is wanted; or a checked stack."""
    if isinstance(frames, Listing):
        return in_order_of_time(frames) if order == "time" else frames
    if isinstance(frames, FocalStack):
        return frames
    if isinstance(frames, str | PathLike):
        return open_source([frames], order)
    paths = [Path(frame) for frame in frames if isinstance(frame, str | PathLike)]
    if paths and len(paths) == len(frames):
        return open_source(inspect_stack(list_frames(paths)), order)
    return FocalStack(frames=[np.asarray(frame) for frame in frames])


def open_stack(
    frames: "Sequence[str | PathLike[str]] | str | PathLike[str]", order: Literal["names", "time", "focus"] = "names"
) -> Listing:
    """Look at the files of a stack without decoding them: names, size, depth, and how to read each frame.

    Args:
        frames: paths of pictures, of a folder of them, of a multi-page TIFF or of a video; patterns too.
        order: in which order to take them.

    Raises:
        ReadError: a file can't be read as a picture.
        StackError: the files can't be fused together.
    """
    source = open_source(frames, order)
    assert isinstance(source, Listing)
    return source
