"""The pyramid that registration compares: each level of a frame with local brightness and contrast normalised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from allfocus.alignment.photometric import fine_factor, measure_fine_light, measure_light, shrink_by
from allfocus.core.color import Array, FloatArray, luma, to_linear

#: Longest side of the finest level at most, and shortest side of the coarsest level at least, in pixels.
MAX_SIDE, MIN_SIDE = 1600, 24
#: Standard deviations in pixels of the Gaussians: of the neighbourhood that is normalised by, and of the blur that
#: makes the plane smooth enough to be interpolated.
NEIGHBOURHOOD, SMOOTH = 8.0, 1.0
#: Side of the patches in which sharpness is averaged, in pixels of the finest level.
PATCH = 12
#: Light that is taken for white at least, of 8-bit and of other frames, and the stride of the pixels it is found from.
MIN_WHITE_8_BIT, MIN_WHITE, STRIDE = 0.2, 1e-4, 4
#: Contrast that noise and rounding make of flat areas, white is 1: what is not above it counts little.
NOISE = 0.004


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """One level of a `RegistrationPyramid`.

    Attributes:
        plane: (h, w) float32: luma of linear light, white is 1.
        scale: side of one pixel of the level, in pixels of the frame.
        seen: (h, w), 0 to 1, how much of a pixel shows something; None: all of it.
        is_sketch: whether means over the neighbourhood may be rough.
    """

    plane: FloatArray
    scale: int
    seen: FloatArray | None = None
    is_sketch: bool = False

    @property
    def side(self) -> int:
        """The longest side, in pixels."""
        return int(max(self.plane.shape))

    @cached_property
    def planes(self) -> FloatArray:
        """(h, w, 4) float32.

        Detail of mean 0 and contrast about 1, its gradients along x and y, and the local contrast before normalisation,
        white is 1.
        """
        return normalise_contrast(self.plane, self.seen, blur_roughly if self.is_sketch else blur)


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistrationPyramid:
    """A frame as registration compares it with others.

    Attributes:
        levels: coarse to fine.
        size: height and width of the frame.
        sharpness: (4, h, w) float32, mean squared differences of the finest level in patches, across, down and along
            both diagonals.
        light: coarse grid of linear light, see `photometric.measure_light`.
        points: how many points of a level are compared at most; None: as many as is usual.
    """

    levels: Sequence[Level]
    size: tuple[int, int]
    sharpness: FloatArray
    light: FloatArray
    points: int | None = None


def build_pyramid(frame: Array, covered: Array | None = None, points: int | None = None) -> RegistrationPyramid:
    """Build the registration pyramid of a frame (H, W) or (H, W, 3) of any depth; see `sketch_pyramid`."""
    pyramid = replace(sketch_pyramid(frame, covered, is_sketch=False), points=points)
    for level in pyramid.levels:
        _ = level.planes
    return pyramid


def sketch_pyramid(frame: Array, covered: Array | None = None, is_sketch: bool = True) -> RegistrationPyramid:
    """The registration pyramid of a frame (H, W) or (H, W, 3), whose levels normalise contrast once they are asked.

    Where it `is_sketch` they do so roughly.

    In linear light, since defocus averages light: in display encoding the bright side of a blurred edge would seem to
    have moved. Where the frame is not `covered`, (H, W) bool, it has no contrast, which is to say no weight.
    """
    scale = -(-max(frame.shape[:2]) // MAX_SIDE)
    small = shrink_by(frame, scale)
    linear = to_linear(small)
    is_fine = scale == fine_factor(frame)
    light = measure_fine_light(small, linear, covered) if is_fine else measure_light(frame, covered)
    plane = luma(linear)
    white = max(float(np.percentile(plane[::STRIDE, ::STRIDE], 99)), MIN_WHITE)
    shown_as_white = max(white, MIN_WHITE_8_BIT) if frame.dtype == np.uint8 else white
    plane /= shown_as_white
    sharpness = measure_sharpness(plane) * np.float32((shown_as_white / white) ** 2)  # a dark frame is no less sharp
    seen = None if covered is None else shrink_by(covered.astype(np.float32), scale)
    levels = [Level(plane=plane, scale=scale, seen=seen, is_sketch=is_sketch)]
    while min(plane.shape) >= 2 * MIN_SIDE:
        plane, scale, seen = shrink_by(plane, 2), scale * 2, None if seen is None else shrink_by(seen, 2)
        levels.append(Level(plane=plane, scale=scale, seen=seen, is_sketch=is_sketch))
    return RegistrationPyramid(
        levels=levels[::-1],
        size=(frame.shape[0], frame.shape[1]),
        sharpness=sharpness,
        light=light,
    )


def pair_levels(one: RegistrationPyramid, other: RegistrationPyramid) -> list[tuple[Level, Level]]:
    """The levels that both pyramids have, coarse to fine."""
    others = {level.scale: level for level in other.levels}
    return [(level, others[level.scale]) for level in one.levels if level.scale in others]


def measure_sharpness(plane: FloatArray) -> FloatArray:
    """Mean squared differences over two pixels, in four directions, in patches: (h, w) -> (4, h / PATCH, w / PATCH)."""
    middle = plane[1:-1, 1:-1]
    ends = ((1, 2, 1, 0), (2, 1, 0, 1), (2, 2, 0, 0), (2, 0, 0, 2))
    height, width = middle.shape

    def difference(down: int, right: int, up: int, left: int) -> FloatArray:
        return plane[down : down + height, right : right + width] - plane[up : up + height, left : left + width]

    return np.stack([shrink_by(difference(*end) ** 2, min(PATCH, height, width)) for end in ends])


def blur(plane: FloatArray, spread: float) -> FloatArray:
    """A plane (h, w) blurred by a Gaussian of this standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), spread), np.float32)


def blur_roughly(plane: FloatArray, spread: float) -> FloatArray:
    """The same to a few hundredths, in an eighth of the time: by means of squares."""
    side = int(spread / 2)
    if min(plane.shape) < 4 * spread:
        return blur(plane, spread)
    small = cv2.resize(plane, (plane.shape[1] // side, plane.shape[0] // side), interpolation=cv2.INTER_AREA)
    size = plane.shape[1], plane.shape[0]
    rough = blur(np.asarray(small, np.float32), spread / side)
    return np.asarray(cv2.resize(rough, size, interpolation=cv2.INTER_LINEAR), np.float32)


def normalise_contrast(
    plane: FloatArray, seen: FloatArray | None = None, around: Callable[[FloatArray, float], FloatArray] = blur
) -> FloatArray:
    """Normalise brightness and contrast of a gray plane (h, w), and take its gradients: see `Level.planes`.

    Contrast is 0 where less than all of a pixel is `seen`, (h, w), 0 to 1. Means `around` are taken by `blur` or
    `blur_roughly`.
    """
    detail = blur(plane, SMOOTH) - around(plane, NEIGHBOURHOOD)
    contrast = np.sqrt(around(detail * detail, NEIGHBOURHOOD))
    detail /= contrast + NOISE
    slope = np.array([[1, -8, 0, 8, -1]], np.float32) / 12
    across, down = (cv2.filter2D(detail, cv2.CV_32F, kernel) for kernel in (slope, slope.T))
    if seen is not None:
        contrast[seen < 1] = 0
    return np.asarray(cv2.merge([detail, across, down, contrast]), np.float32)
