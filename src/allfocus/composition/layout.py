"""Which layers a window of a stack has: things about equally far away, from near to far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allfocus.composition.defocus import Defocus
from allfocus.core.color import Array

#: Frames whose discs differ by less, in pixels, make one layer; behind all others they may differ by more.
ALIKE, ALIKE_LAST = 1.5, 3.0
#: No window has more layers: the steps between them grow where it would.
MOST = 6


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Things about equally far away.

    Attributes:
        frames: the frames that are sharp there.
        position: where the things lie, in steps of focus.
    """

    frames: tuple[int, ...]
    position: float


def find_layers(counts: Array, defocus: Defocus) -> list[Layer]:
    """The layers of a window, from near to far.

    Args:
        counts: (N,) how many pixels are picked from each frame.
        defocus: the radii of the discs.
    """
    used = [int(k) for k in np.flatnonzero(counts)]
    if not defocus.near_first:
        used.reverse()
    apart = max(ALIKE, defocus.radius(defocus.positions[used[0]], used[-1]) / MOST)
    groups = [_alike(used, used[-1:], counts, defocus, max(apart, ALIKE_LAST))]
    left = [k for k in used if k not in groups[0]]
    while left:
        groups.append(_alike(left, left, counts, defocus, apart))
        left = [k for k in left if k not in groups[-1]]
    layers = [
        Layer(frames=tuple(group), position=float(np.average(defocus.positions[group], weights=counts[group])))
        for group in groups
    ]
    return sorted(layers, key=lambda layer: layer.position, reverse=not defocus.near_first)


def _alike(left: Sequence[int], seeds: Sequence[int], counts: Array, defocus: Defocus, apart: float) -> list[int]:
    """The frames that are about as far as the one most pixels are from."""
    seed = max(seeds, key=lambda k: counts[k])
    return [k for k in left if defocus.step * abs(defocus.positions[k] - defocus.positions[seed]) < apart]
