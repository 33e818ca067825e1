"""From numbers as files and arrays hold them to the values of a focal stack."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.samples import Measure, fill_missing, find_samples, make_values, note_samples
from allfocus.core.stack import FocalStack
from allfocus.errors import StackError
from allfocus.sources.torn import find_tail, find_torn


def make_stack(
    frames: Sequence[Array], names: Sequence[str], dtype: np.dtype[Any], measures: Sequence[Measure]
) -> FocalStack:
    """The stack of frames whose numbers are to become values, in place where they are none yet.

    A pixel without a value gets that of the nearest frame that has one.

    Args:
        frames: numbers of the source, each as `as_working` returns it.
        names: what to call each.
        dtype: of the numbers.
        measures: of each frame.

    Raises:
        StackError: frames that differ, or no value in any of them.
    """
    samples = find_samples(dtype, measures)
    torn, more = find_torn(frames, names)
    notes = (*note_samples(samples, measures, names), *more)
    measures = [add_torn(each, torn.get(k)) for k, each in enumerate(measures)]
    holed = any(each.missing is not None for each in measures)
    nothing = np.zeros(frames[0].shape[:2] if holed else 0, np.bool_)
    masks = [nothing if each.missing is None else each.missing for each in measures] if holed else []
    if masks and all(mask.all() for mask in masks):
        raise StackError(f"{names[0]} and the other frames hold no values, only NaN and the like; give other files")
    if masks:
        fill_missing(frames, masks)
    for frame in frames:
        make_values(frame, samples)
    return FocalStack(frames=frames, names=names, samples=samples, missing=masks, notes=notes)


def add_torn(found: Measure, torn: Array | None) -> Measure:
    """What a frame holds, with no value where it was torn."""
    if torn is None:
        return found
    return replace(found, missing=torn if found.missing is None else found.missing | torn)


def needs_change(frames: Sequence[Array], dtype: np.dtype[Any], measures: Sequence[Measure]) -> bool:
    """Whether `make_stack` would change the frames."""
    if any(find_tail(frame) is not None for frame in frames):
        return True
    return not find_samples(dtype, measures).is_plain or any(each.missing is not None for each in measures)
