"""A frame as it is compared with others: at several sizes, freed of its brightness and contrast."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.align.photometric import shade_of, shrunk
from allfocus.core.color import Array, FloatArray, luma, srgb_to_linear, to_unit

#: Longest side of the finest level that frames are compared at, and the shortest side of the coarsest, at least.
FINEST, COARSEST = 1600, 24
#: Standard deviation in pixels of the neighbourhood whose mean is taken out and whose contrast is divided by, and of
#: the blur that keeps interpolation honest.
NEIGHBOURHOOD, SMOOTH = 8.0, 1.0
#: Side of the squares in which sharpness is summed up, in pixels of the finest level.
SQUARE = 12
#: Light that is taken for white at least, where nothing is brighter; every so many pixels are looked at.
DARKEST_8_BIT, DARKEST, STEP = 0.2, 1e-4, 4
#: Contrast that sensors and rounding make of flat areas, white being 1: what is not above it, does not count.
NOISE = 0.004


@dataclass(frozen=True, kw_only=True)
class Level:
    """A frame at one size, freed of its brightness.

    Attributes:
        planes: (h, w, 4) float32: detail of mean 0 and contrast about 1, its gradients along x and y, and the contrast
            that it had, unit scale.
        scale: pixels of the frame for one of these.
    """

    planes: FloatArray
    scale: int


@dataclass(frozen=True, kw_only=True)
class View:
    """A frame as it is compared with others.

    Attributes:
        levels: coarse to fine.
        size: height and width of the frame.
        sharpness: (4, h, w) float32, the energy of the finest detail in squares all over the frame, across, down and
            along both diagonals.
        shade: see `photometric.shade_of`.
    """

    levels: Sequence[Level]
    size: tuple[int, int]
    sharpness: FloatArray
    shade: FloatArray


def view_of(frame: Array) -> View:
    """Make a frame (H, W) or (H, W, 3) of any depth comparable.

    In linear light, since blur is a sum of it: encoded, the bright side of a blurred edge would seem to have moved.
    """
    scale = -(-max(frame.shape[:2]) // FINEST)
    plane = luma(srgb_to_linear(to_unit(shrunk(frame, scale))))
    white = max(float(np.percentile(plane[::STEP, ::STEP], 99)), DARKEST)
    shown_as_white = max(white, DARKEST_8_BIT) if frame.dtype == np.uint8 else white
    plane /= shown_as_white
    sharpness = sharpness_of(plane) * np.float32((shown_as_white / white) ** 2)  # a dark frame is no less sharp
    levels = [level_of(plane, scale)]
    while min(plane.shape) >= 2 * COARSEST:
        plane, scale = shrunk(plane, 2), scale * 2
        levels.append(level_of(plane, scale))
    return View(
        levels=levels[::-1],
        size=(frame.shape[0], frame.shape[1]),
        sharpness=sharpness,
        shade=shade_of(frame),
    )


def sharpness_of(plane: FloatArray) -> FloatArray:
    """Mean square of the differences over two pixels in four directions, in squares: (h, w) -> (4, h', w')."""
    middle = plane[1:-1, 1:-1]
    ends = ((1, 2, 1, 0), (2, 1, 0, 1), (2, 2, 0, 0), (2, 0, 0, 2))
    height, width = middle.shape

    def difference(down: int, right: int, up: int, left: int) -> FloatArray:
        return plane[down : down + height, right : right + width] - plane[up : up + height, left : left + width]

    return np.stack([shrunk(difference(*end) ** 2, min(SQUARE, height, width)) for end in ends])


def level_of(plane: FloatArray, scale: int) -> Level:
    """Free a gray plane (h, w), unit scale, of its brightness and contrast."""
    detail = cv2.GaussianBlur(plane, (0, 0), SMOOTH) - cv2.GaussianBlur(plane, (0, 0), NEIGHBOURHOOD)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), NEIGHBOURHOOD))
    detail /= contrast + NOISE
    slope = np.array([[1, -8, 0, 8, -1]], np.float32) / 12
    across, down = (cv2.filter2D(detail, cv2.CV_32F, kernel) for kernel in (slope, slope.T))
    return Level(planes=np.stack([detail, across, down, contrast], axis=2), scale=scale)
