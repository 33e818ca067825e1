"""Blocks of a cell that were refined, fading into each other and into what was not."""

from functools import reduce

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.weights import softmax_weights
from allfocus.core.windows import Window
from allfocus.decision.cells import LEAST_CHANCE

#: How far below the others, inside a block, the logits of frames are put that are no candidates there.
NO_CANDIDATE = 12.0


class FadingBlocks:
    """Logits of a window, refined block by block; where blocks fade, their chances are mixed.

    Frames that are no candidates in a block have no chance there. Of logits that were mixed neither of two frames would
    win beside the edge of a block, if each is a candidate on its own side alone, but a third one.

    Args:
        settled: (n, h, w), the logits where no block is; they are changed.
    """

    def __init__(self, settled: FloatArray) -> None:
        self._logits = settled
        self._settled: FloatArray | None = None  # chances
        self._chances = settled
        self._fades = np.zeros(settled.shape[1:], np.uint8)

    def put(self, place: Window, few: Array, found: FloatArray, share: FloatArray) -> None:
        """Add a block.

        Args:
            place: its rows and columns in the window.
            few: (k,) rows of the frames that are candidates there.
            found: (k, h, w), their logits.
            share: (h, w), its share.
        """
        if self._settled is None:
            self._settled = softmax_weights(self._logits, sharpness=1)
            self._chances = self._settled.copy()
        inside = (share >= 1).view(np.uint8)
        self._fades[place] |= 1 - inside
        self._chances[(slice(None), *place)] -= share * self._settled[(slice(None), *place)]
        none = reduce(np.minimum, found) - np.float32(NO_CANDIDATE)
        refined = dict(zip(few.tolist(), found, strict=True))
        for frame, plane in zip(few, softmax_weights(found, sharpness=1), strict=True):
            self._chances[(frame, *place)] += share * plane
        for frame, plane in enumerate(self._logits):
            cv2.copyTo(refined.get(frame, none), inside, plane[place])

    def logits(self) -> FloatArray:
        """What all blocks say."""
        if self._fades.any():
            for plane, chances in zip(self._logits, self._chances, strict=True):
                cv2.copyTo(cv2.log(np.maximum(chances, np.float32(LEAST_CHANCE))), self._fades, plane)
        return self._logits
