"""Apply an alignment: warp the used frames of a stack into the reference's pixels, and match their exposure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.alignment.warp import find_common_window, warp_frame
from allfocus.core.color import Array
from allfocus.core.samples import fill_missing
from allfocus.core.stack import FocalStack
from allfocus.core.windows import Window
from allfocus.run.context import Run

#: Where the common area lacks at most so many pixels at each edge, the full frame is kept.
SLIGHT = 2


def apply_alignment(
    stack: FocalStack,
    alignment: Alignment,
    run: Run | None = None,
    *,
    area: Window | None = None,
    keep_canvas: bool = False,
    in_place: bool = False,
) -> tuple[FocalStack, Window]:
    """Warp the frames that are used into the reference's pixels; each is resampled once.

    Args:
        stack: the frames.
        alignment: of all of them.
        run: workers, scratch files for the warped frames, progress (stage ``warp``) and cancelling; None: one worker,
            in memory.
        area: rows and columns of the reference to show; None: the area seen in every frame, or the full frame if that
            is hardly larger.
        keep_canvas: whether to keep the full frame of the reference; where another frame shows nothing, the reference
            is filled in. Ignored if an area is given.
        in_place: whether the frames of the stack may be overwritten.

    Returns:
        The frames that are used, in the depth of the stack, and the rows and columns of the reference they show.
        Frames that need no change share memory with those of the stack.

    Raises:
        WriteError: the disk has no room for the scratch files.
        Cancelled: the run was cancelled.
    """
    run = run or Run()
    area, is_filled = choose_area(stack, alignment, area, keep_canvas)
    filling = stack.frames[alignment.reference] if is_filled else None

    def warp(position: int) -> Array:
        frame = stack.frames[position]
        flow = alignment.flows[position] if alignment.flows else None
        warped = warp_frame(frame, alignment.matrices[position], alignment.exposures[position], flow, filling)
        if warped is frame:
            return frame[area]
        target = frame if in_place else run.empty(frame.shape, frame.dtype)
        target[...] = warped
        return target[area]

    frames = list(run.each("warp", warp, alignment.used))
    missing = warp_missing(stack, alignment, area, is_filled)
    if missing:
        frames = [frame if in_place else frame.copy() for frame in frames]
        fill_missing(frames, missing)
    names = [stack.names[position] for position in alignment.used]
    return replace(stack, frames=frames, names=names, missing=missing), area


def warp_missing(stack: FocalStack, alignment: Alignment, area: Window, is_filled: bool) -> Sequence[Array]:
    """Where each frame that is used has no value, in the reference's pixels."""
    if not stack.missing:
        return ()
    filling = stack.missing[alignment.reference].astype(np.uint8) * np.uint8(255) if is_filled else None
    masks = []
    for position in alignment.used:
        mask = stack.missing[position].astype(np.uint8) * np.uint8(255)
        flow = alignment.flows[position] if alignment.flows else None
        masks.append(warp_frame(mask, alignment.matrices[position], ExposureTransfer(), flow, filling)[area] > 127)
    return masks


def choose_area(stack: FocalStack, alignment: Alignment, area: Window | None, keep_canvas: bool) -> tuple[Window, bool]:
    """Rows and columns of the reference to show, and whether some frames must be filled in there."""
    if area is not None:
        return area, False
    full = slice(0, stack.height), slice(0, stack.width)
    if keep_canvas:
        return full, True
    common = find_common_window(alignment.matrices[alignment.used], (stack.height, stack.width))
    return (full, True) if is_nearly(common, full) else (common, False)


def is_nearly(window: Window, full: Window) -> bool:
    """Whether a window lacks at most `SLIGHT` pixels at each edge."""
    gaps = [gap for part, whole in zip(window, full, strict=True) for gap in (part.start, whole.stop - part.stop)]
    return bool(max(gaps) <= SLIGHT)
