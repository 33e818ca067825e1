"""Hairs: things so narrow that they have no core to take a colour from, and whose mattes come out too faint.

Their own frames show them as they are. Only what lies behind them is blurred there, and is made sharp: the light
I = a c + (1 - a) K, with the matte a, the colour c and the blurred ground K, becomes I + (1 - a) (B - K) with the sharp
ground B. So the colour is not needed, and an error of the matte counts as much as B differs from K, not as B from c.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.composition.planes import spread
from allfocus.core.color import FloatArray

#: Things less than so many pixels wide are narrow, where their mattes stand out by so much.
NARROW, STANDS_OUT = 5, 0.2


def find_narrow(mattes: Sequence[FloatArray]) -> FloatArray:
    """Where the last of some layers, from near to far, is narrow and not covered by the others, (h, w) in [0, 1]."""
    *nearer, matte = mattes
    wide = cv2.morphologyEx(matte, cv2.MORPH_OPEN, np.ones((NARROW, NARROW), np.uint8))
    narrow = np.clip(cv2.dilate(matte - wide, np.ones((3, 3), np.uint8)) / STANDS_OUT, 0, 1)
    for cover in nearer:
        narrow = narrow * (1 - cover)
    return np.asarray(narrow, np.float32)


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
    behind, left = np.zeros_like(seen), np.ones_like(mattes[0])
    for matte, colour in zip(mattes[1:], colours[1:], strict=True):
        behind += spread(left * matte, colour) * colour
        left = left * (1 - matte)
    return np.asarray(seen + spread(1 - mattes[0], behind) * (behind - blurred), np.float32)
