"""Another channel of a stack: it moved as the one that was looked at did, and is as bright as it is."""

from dataclasses import replace

import numpy as np

from allfocus.align.alignment import Alignment
from allfocus.align.motion import from_pixels
from allfocus.align.photometric import Tone, shade_of, surest_tones
from allfocus.core.color import Array, FloatArray
from allfocus.core.stack import FocalStack
from allfocus.options import Exposure
from allfocus.run.scratch import Scratch
from allfocus.run.workers import in_parallel


def carried_over(
    stack: FocalStack, alignment: Alignment, exposure: Exposure, *, spool: Scratch | None = None, workers: int = 1
) -> Alignment:
    """The alignment of a stack for another of its channels: the same motions, and tones of its own.

    Args:
        stack: the frames of the other channel.
        alignment: of the channel that was looked at. Where its frames were left as they are, these are too.
        exposure: what to do about brightness.
        spool: where the frames are.
        workers: how many frames to look at at a time.
    """
    same = replace(alignment, tones=[Tone()] * len(stack))
    if exposure == "keep" or np.isnan(alignment.residuals).all():
        return same

    def look(frame: Array) -> FloatArray:
        shade = shade_of(frame)
        if spool is not None:
            spool.release()
        return shade

    used = alignment.used
    tones = surest_tones(
        list(in_parallel(look, [stack.frames[k] for k in used], workers)),
        [from_pixels(alignment.matrices[k], (stack.height, stack.width)) for k in used],
        [None, *range(len(used) - 1)],
        used.index(alignment.reference),
        range(len(used)),
        by_channel=exposure == "match-colour",
    )
    own = dict(zip(used, tones, strict=True))
    return replace(same, tones=[own.get(k, Tone()) for k in range(len(stack))])
