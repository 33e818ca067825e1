"""Whether two pictures may show the same scene, whatever their focus and however they moved a little."""

from collections.abc import Iterable

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, luma

#: Side of the small pictures that are compared.
SIDE = 64

#: What differs in scale from detail that focus takes away, and from light that is the same everywhere, in pixels of a
#: small picture; and how far things may have moved in it.
COARSE, MARGIN = 8.0, 6

#: So many frames that are alike, and unlike most others, are a scene of their own.
MANY = 3

#: Pictures that correlate less show different scenes. Of 204 stacks the first and the last frame correlate by .36 and
#: more; of 600 pairs of frames of different scenes 98 % by less than .25.
ALIKE = 0.3


def are_alike(one: Array, other: Array) -> bool:
    """Whether two pictures (H, W) or (H, W, 3) may show the same scene."""
    return measure_likeness(make_small(one), make_small(other)) >= ALIKE


def group_scenes(frames: Iterable[Array]) -> list[list[int]]:
    """The scenes that frames show, as far as their content tells: positions of each scene's, in their order.

    A scene goes on as long as each frame is like the one before it; a later one that is like an earlier scene belongs
    to it. Where frames are no scene they are in none: those that are too few, see `MANY`, beside a larger one.

    Args:
        frames: pictures (H, W) or (H, W, 3), each looked at once.
    """
    smalls = [make_small(frame) for frame in frames]
    runs: list[list[int]] = []
    for k, small in enumerate(smalls):
        if k and measure_likeness(smalls[k - 1], small) >= ALIKE:
            runs[-1].append(k)
        else:
            runs.append([k])
    scenes: list[list[int]] = []
    for run in runs:
        middle = smalls[run[len(run) // 2]]
        like = (scene for scene in scenes if measure_likeness(smalls[scene[len(scene) // 2]], middle) >= ALIKE)
        found = next(like, None)
        if found is None:
            scenes.append(run)
        else:
            found += run
    fewest = MANY if any(2 * len(scene) > len(smalls) for scene in scenes) else 2
    return [scene for scene in scenes if len(scene) >= fewest]


def make_small(picture: Array) -> FloatArray:
    """A small square picture of the luma that holds structures between detail and light."""
    small = luma(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), COARSE), np.float32)


def measure_likeness(one: FloatArray, other: FloatArray) -> float:
    """Correlation of the middle of one small picture with the other, where it fits best; 1 where one is empty."""
    inner = slice(MARGIN, -MARGIN)
    if min(float(one[inner, inner].std()), float(other[inner, inner].std())) < 1e-6:
        return 1.0
    ways = ((one, other), (other, one))
    found = [cv2.matchTemplate(a, np.ascontiguousarray(b[inner, inner]), cv2.TM_CCOEFF_NORMED) for a, b in ways]
    return float(max(scores.max() for scores in found))
