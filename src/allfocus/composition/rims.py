"""Rims beside near things: picked from frames that show neither the thing nor what is behind it sharply."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.composition.defocus import Defocus
from allfocus.composition.layers import LayeredWindow
from allfocus.core.color import Array

#: How far beyond a disc a rim may reach, in pixels.
BEYOND = 4
#: What is behind is picked instead where that renders the frames better by this share.
BETTER = 0.1
#: Sigma in pixels over which misfits are averaged.
AVERAGED = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Solved layers.

    Attributes:
        window: the layers.
        labels: (h, w), from which frame each pixel was picked.
        picked_anew: (h, w) bool, where the labels are not those of the picture.
    """

    window: LayeredWindow
    labels: Array
    picked_anew: Array


def pick_behind_rims(solution: Solution, defocus: Defocus, solve: Callable[[Array], Solution]) -> Solution:
    """Pick what is behind rims instead, wherever the layers then render the frames better.

    Args:
        solution: of the labels of the picture.
        defocus: the radii of the discs, in pixels of the window.
        solve: from labels to solved layers.
    """
    rims, behind = find_rims(solution.labels, defocus)
    if not rims.any():
        return solution
    without = solve(behind)
    kept, dropped = (
        np.bincount(rims.ravel(), cv2.GaussianBlur(made.window.misfit_to(solution.window), (0, 0), AVERAGED).ravel())
        for made in (solution, without)
    )
    better = dropped < (1 - BETTER) * kept
    better[0] = False
    anew = better[rims]
    if not anew.any():
        return solution
    return without if better[1:].all() else solve(np.where(anew, behind, solution.labels))


def find_rims(labels: Array, defocus: Defocus) -> tuple[Array, Array]:
    """Rims: parts beside nearer things, no wider than a disc, that were picked from frames between thing and ground.

    There the disc of the near thing is smaller than in the frame that is sharp behind it, so that a choice often falls
    on a frame that shows neither sharply. Once the veil can be taken away the frame behind is the better one.

    Args:
        labels: (h, w), from which frame each pixel was picked.
        defocus: the radii of the discs.

    Returns:
        (h, w) int32, the number of the rim that each pixel is in, from 1 on, or 0; and the labels with what is picked
        behind each rim instead.
    """
    used = [int(k) for k in np.unique(labels)]
    if not defocus.near_first:
        used.reverse()
    wide = defocus.step * float(np.ptp(defocus.positions[used])) + BEYOND
    rims, count = np.zeros(labels.shape, np.int32), 0
    nearer = labels == used[0]
    for k in used[1:-1]:
        here = labels == k
        if nearer.any():
            distance = cv2.distanceTransform((~nearer).astype(np.uint8), cv2.DIST_L2, 5)
            found, parts = cv2.connectedComponents(here.astype(np.uint8))
            farthest = np.zeros(found, np.float32)
            np.maximum.at(farthest, parts.ravel(), distance.ravel())
            narrow = np.flatnonzero(farthest[1:] < wide) + 1
            numbers = np.zeros(found, np.int32)
            numbers[narrow] = count + 1 + np.arange(len(narrow))
            rims, count = rims + numbers[parts], count + len(narrow)
        nearer |= here & (rims == 0)
    return rims, _pick_behind(labels, rims > 0, used)


def _pick_behind(labels: Array, rims: Array, used: Sequence[int]) -> Array:
    """The labels, in rims those of the closest farther thing; where there is none they stay."""
    behind = labels.copy()
    farther = (labels == used[-1]) & ~rims
    for k in used[-2:0:-1]:
        here = labels == k
        if (here & rims).any() and farther.any():
            _, closest = cv2.distanceTransformWithLabels(
                (~farther).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            of = np.zeros(int(closest.max()) + 1, labels.dtype)
            of[closest[farther]] = labels[farther]
            behind[here & rims] = of[closest[here & rims]]
        farther |= here & ~rims
    return behind
