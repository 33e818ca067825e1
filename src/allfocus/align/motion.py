"""How a frame may have moved against another: nested models, as exponentials of few numbers, and the matrices of them.

A motion is a 3 x 3 matrix in coordinates of the picture's own size: 0 is its middle, 1 half its diagonal. So it means
the same at every octave. Matrices in pixels count from the middle of the first pixel.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array, FloatArray
from allfocus.options import MotionModel

Matrix = NDArray[np.float64]

#: How many of the `GENERATORS` each model is made of: every model holds those before it.
FREEDOM: dict[MotionModel, int] = {"none": 0, "translation": 2, "similarity": 4, "affine": 6, "homography": 8}

#: Directions in which a motion can go on from doing nothing: shift right, down; turn, grow; stretch along the axes and
#: along the diagonals; tilt about the two axes. A basis of the Lie algebra of homographies.
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
#: Terms of the exponential's series; the numbers are well below 1.
TERMS = 12


def motion_of(numbers: Sequence[float] | Array) -> Matrix:
    """The motion that the first generators make, each by its number: their exponential, (3, 3)."""
    step = np.tensordot(np.asarray(numbers, np.float64), GENERATORS[: len(numbers)], axes=1)
    total, term = np.eye(3), np.eye(3)
    for power in range(1, TERMS):
        term = term @ step / power
        total = total + term
    return normalised(total)


def normalised(matrix: Matrix) -> Matrix:
    """The same mapping with 1 in the last place."""
    return np.asarray(matrix / matrix[2, 2], np.float64)


def scaling(size: tuple[int, int]) -> Matrix:
    """From the coordinates of a motion to pixels of a picture of this height and width."""
    height, width = size
    half = np.hypot(height, width) / 2
    return np.array([[half, 0, (width - 1) / 2], [0, half, (height - 1) / 2], [0, 0, 1]])


def in_pixels(motion: Matrix, size: tuple[int, int]) -> Matrix:
    """The matrix that maps pixels (x, y, 1) of one picture of this size to those of the other."""
    scale = scaling(size)
    return normalised(scale @ motion @ np.linalg.inv(scale))


def from_pixels(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """The inverse of `in_pixels`."""
    scale = scaling(size)
    return normalised(np.linalg.inv(scale) @ matrix @ scale)


def moved(matrix: Matrix, points: Array) -> Array:
    """Where points (n, 2), x first, are mapped to."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def velocities(points: FloatArray, count: int) -> FloatArray:
    """How fast each point moves along each of the first generators: (n, 2) -> (n, count, 2).

    Points in coordinates of a motion. From d/dt of exp(t G) applied to a point, at t = 0.
    """
    x, y = points.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    along_x = (one, zero, -y, x, x, y, -x * x, -x * y)
    along_y = (zero, one, x, y, -y, x, -x * y, -y * y)
    return np.stack([np.stack(along_x[:count], axis=1), np.stack(along_y[:count], axis=1)], axis=2)


def grid(size: tuple[int, int], steps: int = 9) -> Array:
    """Points (steps^2, 2) spread over a picture of this height and width, corners included, in pixels, x first."""
    down, across = (np.linspace(0, side - 1, steps) for side in size)
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def displacement(one: Matrix, other: Matrix, size: tuple[int, int]) -> Array:
    """How far apart two matrices in pixels put the points of a `grid`, in pixels: (n,)."""
    points = grid(size)
    return np.asarray(np.linalg.norm(moved(one, points) - moved(other, points), axis=1))
