"""What stays put while the scene moves: dust, a vignette, a scratch, a burnt-in date. It must not steer.

Two frames are correlated around each pixel, once as they lie and once laid over each other by a motion. What fits as it
lies, and not by the motion, is a fixed pattern; what fits by the motion alone has moved. Which of the two is the scene
is told by their areas.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.alignment.contrast_pyramid import NOISE, Level
from allfocus.alignment.motion import Matrix, to_pixels
from allfocus.core.color import Array, FloatArray

#: Standard deviation, in pixels, of the neighbourhood in which frames are correlated.
AROUND = 3.0
#: Correlation around a pixel at which frames are alike there, and below which they differ; and by how much more they
#: are alike one way than the other where that tells the ways apart.
ALIKE, UNLIKE, MARGIN = 0.7, 0.5, 0.2
#: Normalised detail of pixels that count: a scratch counts by its own area, not by that whose contrast it changes.
STRONG = 0.5
#: Shares of the area with detail: what a motion leaves unlike must be so large for another motion to be looked for, and
#: a fixed pattern, or what has moved, to be believed.
MIN_UNLIKE, MIN_FIXED, MIN_MOVED = 0.1, 0.01, 0.05
#: What has moved must be so many times what the motion leaves unlike: a motion between frames whose blur differs much
#: fits a little better here and worse there, and explains nothing.
MIN_EXPLAINED = 0.5
#: Pixels around a fixed pattern whose normalised contrast it changes.
REACH = 5


@dataclass(frozen=True, eq=False)
class Areas:
    """Where two frames fit, at one pyramid level; shares are of the pixels that stand out from those around.

    Attributes:
        fixed: (h, w) bool: they fit as they lie, and not by the motion.
        fixed_share, moved_share: of that, and of where they fit by the motion alone.
        unlike_share: of where they don't fit by the motion.
    """

    fixed: Array
    fixed_share: float
    moved_share: float
    unlike_share: float


class Overlay:
    """Two frames at one pyramid level, compared as they lie and by motions.

    Args:
        one: level of the first frame.
        other: level of the second frame, of the same scale.

    Attributes:
        alike: (h, w) bool: where they are alike as they lie.
    """

    def __init__(self, one: Level, other: Level) -> None:
        self._one, self._other = (np.ascontiguousarray(level.planes[..., 0]) for level in (one, other))
        self._detailed = np.minimum(one.planes[..., 3], other.planes[..., 3]) > 2 * NOISE
        self._strong = self._detailed & (np.abs(self._one) > STRONG)
        self._power = average_around(self._one * self._one)
        self._still = correlate_around(self._one, self._other, self._power)
        self.alike = self._still > ALIKE

    def measure(self, motion: Matrix) -> Areas:
        """Where the frames fit as they lie, and where by a motion in normalised coordinates."""
        height, width = self._one.shape
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(self._other, to_pixels(motion, (height, width)), (width, height), flags=flags)
        moved = correlate_around(self._one, np.asarray(warped), self._power)
        fixed = self._detailed & self.alike & (self._still > moved + MARGIN)
        has_moved = self._detailed & (moved > ALIKE) & (moved > self._still + MARGIN)
        area = max(1, int(np.count_nonzero(self._strong)))
        shares = (int(np.count_nonzero(self._strong & each)) / area for each in (fixed, has_moved, moved < UNLIKE))
        return Areas(fixed, *shares)


def correlate_around(one: FloatArray, other: FloatArray, power: FloatArray | None = None) -> FloatArray:
    """Correlation of two planes (h, w) of mean 0 around each pixel, -1 to 1; `power`: of the first, if it is known."""
    own = average_around(one * one) if power is None else power
    product, others = average_around(one * other), average_around(other * other)
    return np.asarray(product / (np.sqrt(own * others) + NOISE), np.float32)


def average_around(plane: FloatArray) -> FloatArray:
    """Means of a plane (h, w) around each pixel."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), AROUND), np.float32)


def widen(fixed: Array) -> Array:
    """A fixed pattern (h, w) bool with what lies around it, as far as it changes what is compared."""
    return cv2.dilate(fixed.astype(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) > 0


def fit_mask(mask: Array, size: tuple[int, int]) -> Array:
    """A mask (h, w) bool at another height and width: true where more than half of a pixel is."""
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0.5)
