"""From numbers as files and arrays hold them to the values of a focal stack."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.coverage import Coverage, repeat_edges
from allfocus.core.samples import Measure, find_samples, make_values, note_samples
from allfocus.core.stack import FocalStack
from allfocus.sources.torn import find_tail, find_torn


def make_stack(
    frames: Sequence[Array],
    names: Sequence[str],
    dtype: np.dtype[Any],
    measures: Sequence[Measure],
    covered: Coverage,
) -> FocalStack:
    """The stack of frames whose numbers are to become values, in place where they are none yet.

    Args:
        frames: numbers of the source, each as `as_working` returns it.
        names: what to call each.
        dtype: of the numbers.
        measures: of each frame.
        covered: of each frame; what copies that were interrupted lack is taken out.

    Raises:
        StackError: frames that differ.
    """
    samples = find_samples(dtype, measures)
    torn, notes = find_torn(frames, names)
    masks = list(covered)
    for position, missing in torn.items():
        before = masks[position]
        kept = ~missing if before is None else before & ~missing
        frames[position][...] = repeat_edges(frames[position], kept)
        masks[position] = kept
    for frame in frames:
        make_values(frame, samples)
    notes = [*note_samples(samples), *notes]
    return FocalStack(frames=frames, names=names, covered=masks, torn=tuple(torn), samples=samples, notes=tuple(notes))


def needs_change(frames: Sequence[Array], dtype: np.dtype[Any], measures: Sequence[Measure]) -> bool:
    """Whether `make_stack` would change the frames."""
    return not find_samples(dtype, measures).is_plain or any(find_tail(frame) is not None for frame in frames)
