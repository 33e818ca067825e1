"""Frames of nearly one size conform to one: a lost orientation is restored, a slight crop repeated."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, luma
from allfocus.core.coverage import split_coverage
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo, size_of
from allfocus.errors import AllFocusError
from allfocus.formats.pixels import reduced_by, reduction
from allfocus.sources.listing import Reader

#: Sides that differ by less than this share are cropped to the shorter one.
SLIGHT = 0.01

#: Side of the small pictures that decide the direction of a turn, and by how much one has to correlate better.
PROXY, LEAD = 64, 0.1


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What is done to a frame once it is decoded.

    Attributes:
        turns: quarter turns, anticlockwise.
        crop: height and width of what is kept in the middle; None: all of it.
    """

    turns: int = 0
    crop: tuple[int, int] | None = None


def find_typical(frames: Sequence[FrameInfo]) -> FrameInfo:
    """What most frames are; of equally many, the first."""
    (shape, dtype), _ = Counter((frame.shape, frame.dtype) for frame in frames).most_common(1)[0]
    return FrameInfo(shape=shape, dtype=dtype)


def conform_frames(
    frames: Sequence[FrameInfo], readers: Sequence[Reader], names: Sequence[str]
) -> tuple[list[FrameInfo], list[Reader], list[Note]]:
    """Turn and crop frames of slightly other sizes; those that can't be made to fit stay unchanged.

    Returns:
        What the frames are then, what decodes them so, and notes on what was done.
    """
    typical = find_typical(frames)
    turned = find_turns(frames, readers, typical)
    sizes = [frame.size[::-1] if position in turned else frame.size for position, frame in enumerate(frames)]
    near = [position for position, size in enumerate(sizes) if is_near(size, typical.size)]
    common = (min(sizes[k][0] for k in near), min(sizes[k][1] for k in near))
    fitted, through = list(frames), list(readers)
    for position in near:
        fit = Fit(turns=turned.get(position, 0), crop=None if sizes[position] == common else common)
        fitted[position] = FrameInfo(shape=(*common, *frames[position].shape[2:]), dtype=frames[position].dtype)
        through[position] = readers[position] if fit == Fit() else partial(read_fitted, readers[position], fit)
    cropped = [position for position in near if sizes[position] != common]
    return fitted, through, note_changes(turned, cropped, names, fitted)


def is_near(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes differ by less than a hundredth of either side."""
    return all(abs(one - two) < SLIGHT * max(one, two) for one, two in zip(size, other, strict=True))


def find_turns(frames: Sequence[FrameInfo], readers: Sequence[Reader], typical: FrameInfo) -> dict[int, int]:
    """Quarter turns, anticlockwise, of frames that lie on their side, where a neighbour shows the direction."""
    lying = [
        position
        for position, frame in enumerate(frames)
        if not is_near(frame.size, typical.size) and is_near(frame.size[::-1], typical.size)
    ]
    upright = [position for position, frame in enumerate(frames) if is_near(frame.size, typical.size)]
    turns: dict[int, int] = {}
    for position in lying:
        neighbour = min(upright, key=lambda other: abs(other - position))
        with suppress(AllFocusError):  # a damaged frame stays unchanged: its damage is reported elsewhere
            found = find_direction(make_proxy(readers[position]()), make_proxy(readers[neighbour]()))
            turns |= {position: found} if found else {}
    return turns


def make_proxy(picture: Array) -> FloatArray:
    """A square picture of the luma, without its mean, small enough that focus and slight shifts do not matter."""
    frame, _ = split_coverage(picture, "a frame")
    proxy = cv2.resize(luma(frame), (PROXY, PROXY), interpolation=cv2.INTER_AREA)
    return np.asarray(proxy - proxy.mean(), np.float32)


def find_direction(lying: FloatArray, upright: FloatArray) -> int | None:
    """1 or 3 quarter turns anticlockwise, whichever correlates clearly better; None where neither does."""
    scale = float(np.linalg.norm(lying) * np.linalg.norm(upright)) or 1.0
    likeness = {turns: float((np.rot90(lying, turns) * upright).sum()) / scale for turns in (1, 3)}
    better, worse = sorted(likeness, key=likeness.__getitem__, reverse=True)
    return better if likeness[better] - max(likeness[worse], 0) > LEAD else None


def read_fitted(reader: Reader, fit: Fit) -> Array:
    """Decode a frame, then turn and crop it; what is cropped is decoded in full."""
    with reduced_by(reduction() if fit.crop is None else 1):
        picture = np.rot90(reader(), fit.turns)
    if fit.crop is not None:
        height, width = fit.crop
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        picture = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(picture)


def note_changes(
    turned: dict[int, int], cropped: Sequence[int], names: Sequence[str], fitted: Sequence[FrameInfo]
) -> list[Note]:
    """What was done: a note for each frame that was turned, one for all that were cropped."""
    ways = {1: "anticlockwise", 3: "clockwise"}
    notes = []
    for k, turns in turned.items():
        message = f"{names[k]} was turned {ways[turns]}, to lie as its neighbours do"
        notes.append(Note(code="frame-turned", message=message, frames=(k,)))
    if cropped:
        which = f"{names[cropped[0]]} was" if len(cropped) == 1 else f"{len(cropped)} frames were"
        message = f"{which} cropped in the middle to {size_of(fitted[cropped[0]])}, the size that all have"
        notes.append(Note(code="sizes-fitted", message=message, frames=tuple(cropped)))
    return notes
