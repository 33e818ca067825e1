"""In which order frames are focused, from what is sharp in them: for stacks whose names do not tell."""

from collections.abc import Sequence

import numpy as np

from allfocus.core.color import FloatArray

#: Sharpness, mean square and white being 1, that is as good as none.
FLOOR = 1e-6
#: Frames that it takes to tell whether they are in order, and the difference of neighbours then, of that of all.
FEW, MORE_ALIKE = 5, 0.6


def focus_order(sharpness: Sequence[FloatArray]) -> list[int]:
    """Positions of the frames in an order in which focus goes by steadily.

    Frames next to each other are sharp in much the same places: they are put in a row along the second eigenvector of
    the Laplacian of their likeness (Atkins, Boman and Hendrickson, 10.1137/S0097539795285771). Which end is near can't
    be told: the row runs the way that is more like the order given.

    Args:
        sharpness: of each frame, as `View` has it.
    """
    count = len(sharpness)
    if count < 3:
        return list(range(count))
    apart = differences(sharpness)
    nearest = np.median(np.partition(apart, 1, axis=1)[:, 1])
    likeness = np.exp(-apart / max(2 * float(nearest), 1e-12))
    np.fill_diagonal(likeness, 0)
    laplacian = np.diag(likeness.sum(axis=1)) - likeness
    row = np.linalg.eigh(laplacian)[1][:, 1]
    order = np.argsort(row, kind="stable")
    runs_backwards = np.corrcoef(np.argsort(order), np.arange(count))[0, 1] < 0
    return [int(k) for k in (order[::-1] if runs_backwards else order)]


def is_in_order(sharpness: Sequence[FloatArray]) -> bool:
    """Whether frames next to each other are more alike in what is sharp than others: false where there are few."""
    if len(sharpness) < FEW:
        return False
    apart = differences(sharpness)
    every = apart[np.triu_indices(len(apart), 1)]
    return bool(np.median(np.diag(apart, 1)) < MORE_ALIKE * np.median(every))


def differences(sharpness: Sequence[FloatArray]) -> FloatArray:
    """How different each two frames are in what is sharp, (N, N): mean squared differences of logarithms."""
    profiles = np.stack([np.log(frame + FLOOR).ravel() for frame in sharpness])
    profiles -= profiles.mean(axis=1, keepdims=True)  # brighter frames are not sharper
    squares = np.square(profiles).mean(axis=1)
    products = profiles @ profiles.T / profiles.shape[1]
    return np.asarray(np.maximum(squares[:, None] + squares - 2 * products, 0), np.float32)
