"""Align a stack: compare its frames, decide, and lay each over the reference."""

from allfocus.align.alignment import Alignment, Wanted, conclude, untouched
from allfocus.align.chain import Chain
from allfocus.align.contrast_pyramid import View, view_of
from allfocus.align.warp import common_area, laid_over
from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.core.windows import Window
from allfocus.run.progress import Progress, silent
from allfocus.run.scratch import Scratch
from allfocus.run.workers import in_parallel

#: So many pixels at an edge that not all frames saw are not worth a picture of another size.
SLIGHT = 2
#: Frames with a side shorter than this show too little to be compared.
SMALLEST = 16


def estimate_alignment(
    stack: FocalStack,
    wanted: Wanted | None = None,
    *,
    spool: Scratch | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Alignment:
    """Find out how the frames of a stack lie over each other, and how bright they are.

    Args:
        stack: the frames, best in the order of their focus: each is compared with those before it.
        wanted: what is asked of it; None: the simplest model, the middle frame as the reference. Tiny frames are left
            as they are.
        spool: where the frames are.
        workers: how many frames to look at at a time.
        progress: called as ``progress("align", done, total)``.

    Raises:
        AlignmentError: the reference does not exist, or can't be aligned with most of the others.
    """
    if min(stack.height, stack.width) < SMALLEST:
        return untouched(len(stack))
    wanted = wanted or Wanted()
    chain = Chain(keep_details=wanted.refine)

    def look(frame: Array) -> View:
        view = view_of(frame)
        if spool is not None:
            spool.release()
        return view

    for done, view in enumerate(in_parallel(look, stack.frames, workers)):
        progress("align", done, len(stack))
        chain.add(view)
    progress("align", len(stack), len(stack))
    return conclude(chain, wanted)


def lay_over(
    stack: FocalStack,
    alignment: Alignment,
    *,
    area: Window | None = None,
    keep_canvas: bool = False,
    in_place: bool = False,
    spool: Scratch | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> tuple[FocalStack, Window]:
    """Lay the frames that are used over the reference, each resampled once from its own pixels.

    Args:
        stack: the frames.
        alignment: of all of them.
        area: which rows and columns of the reference to show; None: what all frames saw, or the whole where that is
            hardly less.
        keep_canvas: whether to keep all that the reference saw; where another frame saw nothing it shows the
            reference. Without an area only.
        in_place: whether the frames of the stack may be overwritten.
        spool: where to keep those that change.
        workers: how many to lay over at a time.
        progress: called as ``progress("warp", done, total)``.

    Returns:
        The frames that are used, and which rows and columns of the reference they show.
    """
    spool = spool or Scratch()
    used, size = alignment.used, (stack.height, stack.width)
    keep_canvas = keep_canvas and area is None
    if area is None:
        whole = slice(0, stack.height), slice(0, stack.width)
        area = whole if keep_canvas else common_area(alignment.matrices[used], size)
        if is_nearly(area, whole):
            area, keep_canvas = whole, True
    beyond = stack.frames[alignment.reference] if keep_canvas else None

    def lay(position: int) -> Array:
        frame = stack.frames[position]
        field = alignment.fields[position] if alignment.fields else None
        laid = laid_over(frame, alignment.matrices[position], alignment.tones[position], field, beyond)
        if laid is frame:
            return frame[area]
        target = frame if in_place else spool.empty(frame.shape, frame.dtype)
        target[...] = laid
        spool.release()
        return target[area]

    frames: list[Array] = []
    for frame in in_parallel(lay, used, workers):
        progress("warp", len(frames), len(used))
        frames.append(frame)
    progress("warp", len(used), len(used))
    return FocalStack(frames=frames, names=[stack.names[position] for position in used]), area


def is_nearly(area: Window, whole: Window) -> bool:
    """Whether hardly anything is missing at any edge."""
    gaps = [
        end for part, all_of_it in zip(area, whole, strict=True) for end in (part.start, all_of_it.stop - part.stop)
    ]
    return bool(max(gaps) <= SLIGHT)
