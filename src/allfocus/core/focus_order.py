"""Order of frames by focus distance, from what is sharp in each: for stacks whose file names don't say."""

from collections.abc import Sequence

import numpy as np

from allfocus.core.color import FloatArray

#: Sharpness below this is negligible: mean square, white is 1.
FLOOR = 1e-6
#: Frames needed to decide whether they are in order, and the largest difference of neighbours, as a share of the
#: median difference of all pairs, for which they are.
MIN_FRAMES, NEIGHBOUR_SHARE = 5, 0.6


def find_focus_order(sharpness: Sequence[FloatArray]) -> list[int]:
    """Positions of the frames in an order in which the focus distance changes monotonically.

    Frames focused at similar distances are sharp in similar places: the frames are sorted along the Fiedler vector, the
    second eigenvector of the Laplacian of their similarity (Atkins, Boman and Hendrickson, 10.1137/S0097539795285771).
    Sharpness doesn't say which end is near: of the two directions, the one closer to the given order is returned.

    Args:
        sharpness: (4, h, w) of each frame, see `RegistrationPyramid.sharpness`.
    """
    count = len(sharpness)
    if count < 3:
        return list(range(count))
    distances = measure_differences(sharpness)
    nearest = np.median(np.partition(distances, 1, axis=1)[:, 1])
    similarity = np.exp(-distances / max(2 * float(nearest), 1e-12))
    np.fill_diagonal(similarity, 0)
    laplacian = np.diag(similarity.sum(axis=1)) - similarity
    fiedler = np.linalg.eigh(laplacian)[1][:, 1]
    order = np.argsort(fiedler, kind="stable")
    runs_backwards = np.corrcoef(np.argsort(order), np.arange(count))[0, 1] < 0
    return [int(k) for k in (order[::-1] if runs_backwards else order)]


def is_in_order(sharpness: Sequence[FloatArray]) -> bool:
    """Whether neighbouring frames are sharp in more similar places than others; false for few frames."""
    if len(sharpness) < MIN_FRAMES:
        return False
    distances = measure_differences(sharpness)
    every = distances[np.triu_indices(len(distances), 1)]
    return bool(np.median(np.diag(distances, 1)) < NEIGHBOUR_SHARE * np.median(every))


def measure_differences(sharpness: Sequence[FloatArray]) -> FloatArray:
    """How much each pair of frames differs in what is sharp, (N, N): mean squared differences of logarithms."""
    profiles = np.stack([np.log(frame + FLOOR).ravel() for frame in sharpness])
    profiles -= profiles.mean(axis=1, keepdims=True)  # brighter frames are not sharper
    squares = np.square(profiles).mean(axis=1)
    products = profiles @ profiles.T / profiles.shape[1]
    return np.asarray(np.maximum(squares[:, None] + squares - 2 * products, 0), np.float32)
