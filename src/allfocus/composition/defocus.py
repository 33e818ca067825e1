"""Defocus: how wide the blur of a thing is in each frame, measured from the stack itself."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from allfocus.composition.planes import spread
from allfocus.core.color import FloatArray

#: Discs with at least this radius in pixels are applied at half the size, and what that blurs by itself: four times its
#: variance in pixels, which is the square of the radius of a disc.
WIDE, SPREAD = 5.0, 3.6

#: Radii in pixels above this are rounded to 10 %.
COARSE = 2.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Defocus:
    """How wide the blur of a thing is in each frame: a disc whose radius grows with the steps of focus to it.

    Attributes:
        step: radius in pixels that the disc grows by with each step of focus.
        positions: (N,) where things lie that are sharpest in each frame, in steps of focus: between two frames too.
        near_first: whether the first frame is focused on the nearest things.
        explained: which share of the differences between frames such discs explain, 0 to 1.
    """

    step: float
    positions: FloatArray
    near_first: bool = True
    explained: float = 1.0

    def radius(self, position: float, frame: int) -> float:
        """Radius in pixels of the disc of a thing in a frame."""
        return self.step * abs(position - frame)

    def scaled(self, scale: float) -> "Defocus":
        """The same in a picture `scale` times smaller."""
        return replace(self, step=self.step / scale)


def disc_blur(image: FloatArray, radius: float) -> FloatArray:
    """Blur (h, w) or (h, w, c) by a disc of this radius in pixels; one below .4 changes nothing."""
    if radius < 0.4:
        return image
    if radius >= WIDE and min(image.shape[:2]) >= 4 * radius:
        height, width = image.shape[:2]
        small = cv2.resize(image, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        small = cv2.filter2D(small, -1, disc((radius * radius - SPREAD) ** 0.5 / 2), borderType=cv2.BORDER_REFLECT)
        return np.asarray(cv2.resize(small, (width, height)), np.float32).reshape(image.shape)
    blurred = cv2.filter2D(image, -1, disc(radius), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32).reshape(image.shape)


@lru_cache(maxsize=128)
def disc(radius: float) -> FloatArray:
    """A disc with a soft edge of one pixel, summing to 1: one for all who ask, not to be changed."""
    half = int(np.ceil(radius + 0.5))
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def blur_layer(light: FloatArray, radius: float) -> tuple[FloatArray, FloatArray]:
    """A blurred layer (h, w, c + 1), and which share of what is behind it shows through, for each of its channels."""
    made = disc_blur(light, radius)
    return made, spread(1 - made[..., -1], made)


def round_radius(radius: float) -> float:
    """A radius in pixels to a quarter, or to 10 % where that is more: frames whose discs are alike share one."""
    if radius < COARSE:
        return round(radius * 4) / 4
    return float(COARSE * 1.1 ** round(np.log(radius / COARSE) / np.log(1.1)))
