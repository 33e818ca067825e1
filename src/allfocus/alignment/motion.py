"""Motion models between two frames: translation, similarity, affine and homography, nested, as Lie group elements.

A motion is a 3 x 3 homography in normalised coordinates: the origin is the middle of the picture, and 1 is half its
diagonal, so that the same matrix holds at every pyramid level. Matrices in pixels map (x, y, 1), where (0, 0) is the
middle of the first pixel.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array, FloatArray
from allfocus.options import MotionModel

Matrix = NDArray[np.float64]

#: How many of the `GENERATORS` each model uses: the models are nested.
DEGREES_OF_FREEDOM: dict[MotionModel, int] = {
    "none": 0,
    "translation": 2,
    "similarity": 4,
    "affine": 6,
    "homography": 8,
}

#: A basis of the Lie algebra sl(3) of homographies: translation right and down; rotation, scale; stretch along the axes
#: and along the diagonals; tilt about the two axes.
GENERATORS = np.array(
    [
        [[0, 0, 1], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 1, 0]],
    ],
    np.float64,
)
#: Terms of the exponential's power series; parameters are well below 1.
SERIES_TERMS = 12


def make_motion(parameters: Sequence[float] | Array) -> Matrix:
    """The matrix exponential of the first generators, each times its parameter: (3, 3), normalised coordinates."""
    step = np.tensordot(np.asarray(parameters, np.float64), GENERATORS[: len(parameters)], axes=1)
    total, term = np.eye(3), np.eye(3)
    for power in range(1, SERIES_TERMS):
        term = term @ step / power
        total = total + term
    return normalise(total)


def normalise(matrix: Matrix) -> Matrix:
    """The same homography, scaled so that its last element is 1."""
    return np.asarray(matrix / matrix[2, 2], np.float64)


def make_pixel_scale(size: tuple[int, int]) -> Matrix:
    """The matrix from normalised coordinates to pixels of a picture of this height and width."""
    height, width = size
    half = np.hypot(height, width) / 2
    return np.array([[half, 0, (width - 1) / 2], [0, half, (height - 1) / 2], [0, 0, 1]])


def to_pixels(motion: Matrix, size: tuple[int, int]) -> Matrix:
    """A motion as a homography of pixels (x, y, 1), for pictures of this height and width."""
    if np.array_equal(motion, np.eye(3)):
        return np.eye(3)  # no motion is none at all: rounding would make some billionths of one
    scale = make_pixel_scale(size)
    return normalise(scale @ motion @ np.linalg.inv(scale))


def from_pixels(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """The inverse of `to_pixels`."""
    scale = make_pixel_scale(size)
    return normalise(np.linalg.inv(scale) @ matrix @ scale)


def map_points(matrix: Matrix, points: Array) -> Array:
    """Apply a homography to points (n, 2), x first."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def compute_velocities(points: FloatArray, count: int) -> FloatArray:
    """Derivatives of points by the parameters of the first generators, at the identity: (n, 2) -> (n, count, 2).

    That is d/dt of exp(t G) applied to a point at t = 0. Points are in normalised coordinates.
    """
    x, y = points.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    along_x = (one, zero, -y, x, x, y, -x * x, -x * y)
    along_y = (zero, one, x, y, -y, x, -x * y, -y * y)
    return np.stack([np.stack(along_x[:count], axis=1), np.stack(along_y[:count], axis=1)], axis=2)


def spread_points(size: tuple[int, int], steps: int = 9) -> Array:
    """A regular grid of points (steps^2, 2), in pixels, x first, over a picture of this height and width.

    The corners are included.
    """
    down, across = (np.linspace(0, side - 1, steps) for side in size)
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def measure_displacement(one: Matrix, other: Matrix, size: tuple[int, int]) -> Array:
    """Distances in pixels between where two pixel matrices map the points of `spread_points`: (n,)."""
    points = spread_points(size)
    return np.asarray(np.linalg.norm(map_points(one, points) - map_points(other, points), axis=1))
