"""Between which two frames another shot would help."""

import numpy as np

from allfocus.core.color import Array

#: What lies in a gap is taken from the frames on both sides of it: the lesser share is at least this of the greatest.
BOTH_SIDES = 0.2


def find_gap(out_of_focus: Array, index_map: Array, frames: int) -> tuple[int, int] | None:
    """Where in the stack most of what is sharp in no frame would have been; None if nothing is out of focus.

    Args:
        out_of_focus: (H, W) bool.
        index_map: (H, W), which frame is picked, counted from 0 in the order of focus.
        frames: how many there are.
    """
    votes = np.bincount(index_map[out_of_focus], minlength=frames)
    return widest_gap(votes) if votes.any() else None


def widest_gap(votes: Array) -> tuple[int, int]:
    """The two neighbours that share most of what is sharp in no frame; one frame, twice, that has it for itself.

    How blurred the other frames are does not tell on which side of the picked one a place would have been sharp: at
    the rim of a wide gap the next frame on the far side of it is sharper than that across it. But in a gap both
    frames beside it get picked.

    Args:
        votes: (N,) how much of what is out of focus is from each frame.
    """
    shared = np.minimum(votes[:-1], votes[1:])
    first, most = int(shared.argmax()), int(votes.argmax())
    return (first, first + 1) if shared[first] >= BOTH_SIDES * votes[most] else (most, most)
