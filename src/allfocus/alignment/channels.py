"""Transfer the alignment of one channel to another channel of the same stack; only its exposure is estimated anew."""

from dataclasses import replace

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.motion import from_pixels
from allfocus.alignment.photometric import ExposureTransfer, estimate_exposures, measure_light
from allfocus.core.stack import FocalStack
from allfocus.options import Exposure
from allfocus.run.context import Run


def transfer_alignment(
    stack: FocalStack, alignment: Alignment, exposure: Exposure, run: Run | None = None
) -> Alignment:
    """The alignment of one channel for another: the same motions, with exposures of its own.

    Args:
        stack: the frames of the other channel.
        alignment: of the channel that was registered. If that was skipped, exposures are not matched either.
        exposure: whether to match brightness, by frame or by channel, or to keep it.
        run: workers and cancelling; None: one worker.
    """
    run = run or Run()
    same = replace(alignment, exposures=[ExposureTransfer()] * len(stack))
    if exposure == "keep" or np.isnan(alignment.residuals).all():
        return same
    used = alignment.used
    exposures = estimate_exposures(
        list(run.map(lambda k: measure_light(stack.frames[k], stack.covered[k]), used)),
        [from_pixels(alignment.matrices[k], (stack.height, stack.width)) for k in used],
        [None, *range(len(used) - 1)],
        used.index(alignment.reference),
        range(len(used)),
        by_channel=exposure == "match-colour",
    )
    own = dict(zip(used, exposures, strict=True))
    return replace(same, exposures=[own.get(k, ExposureTransfer()) for k in range(len(stack))])
