"""Frames upside down: one whose EXIF orientation is off by half a turn is turned back where the content agrees."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from allfocus.core.likeness import make_small, measure_likeness
from allfocus.core.notes import Note
from allfocus.errors import AllFocusError
from allfocus.sources.conform import LEAD, Fit, read_fitted
from allfocus.sources.facts import read_facts
from allfocus.sources.listing import Reader

#: Orientations of EXIF that differ by half a turn.
OPPOSITE = {1: 3, 3: 1, 6: 8, 8: 6}


def turn_upright(paths: Sequence[Path], readers: Sequence[Reader | None]) -> tuple[dict[int, Reader], list[Note]]:
    """Readers that turn frames which a camera took for upside down, and notes on them.

    Cameras that look straight down guess how they are held. At most two frames are decoded for each in doubt.

    Args:
        paths: the files.
        readers: what decodes each; None for those that can't be read.
    """
    marks = [1 if reader is None else read_facts(path).orientation for path, reader in zip(paths, readers, strict=True)]
    usual = max(marks, key=marks.count, default=1)
    turned: dict[int, Reader] = {}
    notes = []
    for place in (k for k, mark in enumerate(marks) if mark == OPPOSITE.get(usual)):
        neighbour = min((k for k, mark in enumerate(marks) if mark == usual), key=lambda k: abs(k - place))
        reader, other = readers[place], readers[neighbour]
        if reader is not None and other is not None and lies_upside_down(reader, other):
            turned[place] = half_turn(reader)
            message = f"{paths[place].name} was turned by half a turn, to lie as its neighbours do"
            notes.append(Note(code="frame-turned", message=message, frames=(place,)))
    return turned, notes


def half_turn(reader: Reader) -> Reader:
    """A reader that turns what another decodes."""
    return lambda: read_fitted(reader, Fit(turns=2))


def lies_upside_down(reader: Reader, other: Reader) -> bool:
    """Whether a frame is clearly more like another once it is turned by half a turn."""
    with suppress(AllFocusError):
        frame, upright = make_small(reader()), make_small(other())
        return measure_likeness(np.rot90(frame, 2).copy(), upright) - measure_likeness(frame, upright) > LEAD
    return False
