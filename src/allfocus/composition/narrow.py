"""Hairs: things so narrow that they have no core to take a colour from, and whose mattes come out too faint.

Their own frames show them as they are. Only what lies behind them is blurred there, and is made sharp: the light
I = a c + (1 - a) K, with the matte a, the colour c and the blurred ground K, becomes I + (1 - a) (B - K) with the sharp
ground B. So the colour is not needed, and an error of the matte counts as much as B differs from K, not as B from c.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from allfocus.composition.planes import share_out, spread
from allfocus.core.color import Array, FloatArray

#: Things less than so many pixels wide are narrow, where their mattes stand out by so much.
NARROW, STANDS_OUT = 5, 0.2
#: Mattes up to which a hair does not cover what it crosses, and from which on it does; the widest gap, in pixels, in
#: what was picked of a hair, where it crosses another thing.
SEEN, COVERS, GAP = 0.7, 0.9, 17


def find_narrow(mattes: Sequence[FloatArray]) -> FloatArray:
    """Where the last of some layers, from near to far, is narrow and not covered by the others, (h, w) in [0, 1]."""
    *nearer, matte = mattes
    wide = cv2.morphologyEx(matte, cv2.MORPH_OPEN, np.ones((NARROW, NARROW), np.uint8))
    narrow = np.clip(cv2.dilate(matte - wide, np.ones((3, 3), np.uint8)) / STANDS_OUT, 0, 1)
    for cover in nearer:
        narrow = narrow * (1 - cover)
    return np.asarray(narrow, np.float32)


def find_crossings(mattes: Sequence[FloatArray], of: Array) -> FloatArray:
    """Where hairs pass before farther things that were picked there, (h, w) in [0, 1].

    The thing behind a hair is sharp too, in its own frames, and often has more contrast there. What tells is that the
    hair was picked on both sides, and that its matte goes on between.

    Args:
        mattes: of all layers, from near to far.
        of: (h, w), row of the layer that each pixel was picked from.
    """
    found = np.zeros_like(mattes[0])
    for row in range(len(mattes) - 2):
        own, farther = (of == row).astype(np.uint8), ((of > row) & (of < len(mattes) - 1)).astype(np.uint8)
        if own.any() and farther.any():
            joined = np.maximum.reduce([cv2.morphologyEx(own, cv2.MORPH_CLOSE, line) for line in draw_lines()])
            between = joined * (1 - own) * cv2.dilate(farther, np.ones((5, 5), np.uint8))
            covers = np.clip((mattes[row] - SEEN) / (COVERS - SEEN), 0, 1)
            np.maximum(found, find_narrow(mattes[: row + 1]) * between * covers, out=found)
    return found


@lru_cache
def draw_lines() -> list[Array]:
    """Lines in eight directions, as long as the widest gap, (h, w) of 0 and 1 each."""
    lines = []
    for angle in np.arange(8) * np.pi / 8:
        line = np.zeros((GAP, GAP), np.uint8)
        reach = np.rint(GAP // 2 * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        ends = [tuple(int(v) for v in GAP // 2 + side * reach) for side in (-1, 1)]
        lines.append(np.asarray(cv2.line(line, ends[0], ends[1], (1.0,)), np.uint8))
    return lines


def sharpen_behind(
    seen: FloatArray, blurred: FloatArray, mattes: Sequence[FloatArray], colours: Sequence[FloatArray]
) -> FloatArray:
    """The light of a layer's own frames, with what is behind it sharp, (h, w, c) linear.

    Args:
        seen: what its own frames show, without the veils of nearer layers.
        blurred: what they show of the farther ones.
        mattes: of the layer and of the farther ones, from near to far.
        colours: the same.
    """
    behind = np.zeros_like(seen)
    for share, colour in zip(share_out(mattes[1:]), colours[1:], strict=True):
        behind += spread(share, colour) * colour
    return np.asarray(seen + spread(1 - mattes[0], behind) * (behind - blurred), np.float32)
