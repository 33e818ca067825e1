"""Apply an alignment: warp the used frames of a stack into the reference's pixels, and match their exposure."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.brightness import find_burnt
from allfocus.alignment.defects import fill_defects
from allfocus.alignment.warp import changes, find_common_window, find_seen, warp_frame, warp_in_parts
from allfocus.core.color import Array
from allfocus.core.coverage import Coverage, cut_coverage, fill_from_others, find_covered_window
from allfocus.core.stack import FocalStack
from allfocus.core.windows import Window
from allfocus.errors import AlignmentError, StackError
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
    defects: Array | None = None,
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
        defects: samples to fill in each frame before it is warped, see `find_defects`; None: none.

    Returns:
        The frames that are used, in the depth of the stack, and the rows and columns of the reference they show.
        Frames that need no change share memory with those of the stack. Where a frame was not `covered`, or is far
        brighter than the reference and burnt, its neighbours are put, and `covered` of the new stack says where.

    Raises:
        StackError: no pixel is covered by all frames that are used.
        WriteError: the disk has no room for the scratch files.
        Cancelled: the run was cancelled.
    """
    run = run or Run()
    covered = [] if stack.is_covered else map_coverage(stack, alignment, run)
    area, is_filled = choose_area(stack, alignment, covered, area, keep_canvas)
    filling = stack.frames[alignment.reference] if is_filled and not covered else None

    def warp(position: int) -> Array:
        frame = stack.frames[position]
        if run.in_parts:
            return warp_part_by_part(frame, alignment, position, filling, run)[area]
        flow = alignment.flows[position] if alignment.flows else None
        if defects is not None:
            frame = fill_defects(frame, defects)
        warped = warp_frame(
            frame, alignment.matrices[position], alignment.exposures[position], flow, filling, check=run.check
        )
        if warped is stack.frames[position] and (in_place or not covered):
            return warped[area]
        target = frame if in_place else run.empty(frame.shape, frame.dtype)
        target[...] = warped
        return target[area]

    burnt = list(run.map(lambda position: map_unburnt(stack, alignment, position, run), alignment.used))
    frames = list(run.each("warp", warp, alignment.used))
    seen: Coverage = covered or [None] * len(burnt)
    masks = cut_coverage(leave_out_burnt(seen, burnt), area)
    fill_from_others(frames, masks)
    names = [stack.names[position] for position in alignment.used]
    torn = [new for new, old in enumerate(alignment.used) if old in stack.torn]
    return replace(stack, frames=frames, names=names, covered=masks, torn=torn), area


def warp_part_by_part(frame: Array, alignment: Alignment, position: int, filling: Array | None, run: Run) -> Array:
    """A frame larger than memory, warped; the frame itself where nothing changes.

    Raises:
        AlignmentError: it can't be warped so.
    """
    matrix, exposure, size = alignment.matrices[position], alignment.exposures[position], frame.shape[:2]
    if alignment.flows:
        raise AlignmentError(
            "refine local: frames this large are warped in parts, without flow; allow more --max-memory"
        )
    if not changes(matrix, exposure, (size[0], size[1])):
        return frame
    target = run.empty(frame.shape, frame.dtype)
    for rows, warped in run.in_turn(warp_in_parts(frame, matrix, exposure, filling, (size[0], size[1]))):
        target[rows] = warped
    return target


def map_coverage(stack: FocalStack, alignment: Alignment, run: Run) -> list[Array]:
    """For each frame that is used, (H, W) bool: which pixels of the reference it shows."""
    size = stack.height, stack.width

    def find(position: int) -> Array:
        kept = run.empty(size, np.bool_)
        kept[...] = find_seen(alignment.matrices[position], size, stack.covered[position])
        return kept

    return list(run.map(find, alignment.used))


def map_unburnt(stack: FocalStack, alignment: Alignment, position: int, run: Run) -> Array | None:
    """(H, W) bool: which pixels of the reference a frame shows without having lost their light; None: all of them."""
    burnt = find_burnt(stack.frames[position], alignment.exposures[position])
    if burnt is None:
        return None
    kept = run.empty(burnt.shape, np.bool_)
    kept[...] = ~find_seen(alignment.matrices[position], (stack.height, stack.width), burnt)
    return kept


def leave_out_burnt(seen: Coverage, unburnt: Coverage) -> Coverage:
    """What each frame shows and has not lost to burning; what is burnt in all that show it stays, as it is a value."""
    masks = [both(*pair) for pair in zip(seen, unburnt, strict=True)]
    if all(mask is None for mask in unburnt) or any(mask is None for mask in masks):
        return masks
    nowhere = ~reduce(np.logical_or, [mask for mask in masks if mask is not None])
    return [both(shown, mask | nowhere) for shown, mask in zip(seen, masks, strict=True) if mask is not None]


def both(one: Array | None, other: Array | None) -> Array | None:
    """What two masks have in common; None is everything."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def list_reasons(stack: FocalStack, alignment: Alignment, covered: Sequence[Array]) -> list[Array]:
    """For each frame that is used, (H, W) bool, what need not be cropped away: of a torn one all that it had."""
    size = stack.height, stack.width
    return [
        find_seen(alignment.matrices[position], size) if position in stack.torn else mask
        for position, mask in zip(alignment.used, covered, strict=True)
    ]


def choose_area(
    stack: FocalStack, alignment: Alignment, covered: Sequence[Array], area: Window | None, keep_canvas: bool
) -> tuple[Window, bool]:
    """Rows and columns of the reference to show, and whether some frames must be filled in there."""
    if area is not None:
        return area, False
    full = slice(0, stack.height), slice(0, stack.width)
    if keep_canvas:
        return full, True
    if covered:
        common = find_covered_window(reduce(np.logical_and, list_reasons(stack, alignment, covered)))
        if common is None:
            raise StackError(
                f"no pixel is covered by all {len(covered)} frames: their transparent or empty areas leave none; "
                "keep the full frame (--keep-canvas), or leave frames out"
            )
    else:
        common = find_common_window(alignment.matrices[alignment.used], (stack.height, stack.width))
    return (full, True) if is_nearly(common, full) else (common, False)


def is_nearly(window: Window, full: Window) -> bool:
    """Whether a window lacks at most `SLIGHT` pixels at each edge."""
    gaps = [gap for part, whole in zip(window, full, strict=True) for gap in (part.start, whole.stop - part.stop)]
    return bool(max(gaps) <= SLIGHT)
