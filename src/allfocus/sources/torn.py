"""Frames whose copy was interrupted: the file has its full length, but is zero from some byte on.

What is compressed fails to decode, or is found by its format. Uncompressed samples just turn black in the middle of a
row, which no picture does by itself: a black border starts at a row's beginning or runs on in the row above.
"""

from collections.abc import Sequence

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note

#: Rows that are looked at together.
STRIP = 256


def find_torn(frames: Sequence[Array], names: Sequence[str]) -> tuple[dict[int, Array], list[Note]]:
    """Frames that end in zeros from the middle of a row on, where other frames show something.

    Args:
        frames: numbers (H, W[, 3]), in the order of focus.
        names: what to call each.

    Returns:
        Of each such frame (H, W) bool, where it is zero; and a note for each.
    """
    found, notes = {}, []
    for position, frame in enumerate(frames):
        mask = find_tail(frame)
        if mask is None:
            continue
        shown = [k for k, other in enumerate(frames) if k != position and is_mostly_lit(other[mask])]
        if 2 * len(shown) < len(frames) - 1:
            continue
        found[position] = mask
        message = (
            f"{names[position]} is exactly black from the middle of a row on, {mask.mean():.0%} of it, where other "
            "frames are not: its copy was interrupted, copy it anew; other frames are used there"
        )
        notes.append(Note(code="frame-torn", message=message, frames=(position,)))
    return found, notes


def find_tail(frame: Array) -> Array | None:
    """The pixels (H, W) bool from the middle of a row on that are zero to the end; None where there are none.

    Rows are counted from the top, or as BMP does from the bottom.
    """
    for turned in (1, -1):
        rows = frame[::turned]
        if rows[-1].any() or not len(rows) > 2:
            continue
        row = find_last_lit(rows)
        if row is None:
            return None
        lit, above = (
            np.asarray(line.any(axis=1) if line.ndim == 2 else line != 0) for line in (rows[row], rows[row - 1])
        )
        column = int(np.flatnonzero(lit)[-1]) + 1
        is_cut = 0 < column < len(lit) and is_mostly_lit(lit[:column])
        if row == 0 or not is_cut or not is_mostly_lit(above[column:]):
            continue
        mask = np.zeros(frame.shape[:2], np.bool_)
        mask[row + 1 :], mask[row, column:] = True, True
        return mask[::turned]
    return None


def find_last_lit(rows: Array) -> int | None:
    """The last row that is not all zero; looked for from the end, since frames may be larger than memory."""
    for stop in range(len(rows), 0, -STRIP):
        part = rows[max(0, stop - STRIP) : stop]
        filled = np.flatnonzero(part.reshape(len(part), -1).any(axis=1))
        if filled.size:
            return max(0, stop - STRIP) + int(filled[-1])
    return None


def is_mostly_lit(samples: Array) -> bool:
    """Whether more than half of some samples are not zero."""
    return bool(2 * np.count_nonzero(samples) > samples.size)
