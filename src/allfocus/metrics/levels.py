"""What the metrics measure: pictures on the 8-bit scale, of one shape, without their border."""

import numpy as np
from numpy.typing import NDArray

from allfocus.color import Array, to_unit
from allfocus.errors import StackError

Levels = NDArray[np.float64]

#: Rec. 601 luma weights (ITU-R BT.601-7), which the published tables of fusion metrics use throughout.
LUMA_601 = np.array([0.299, 0.587, 0.114])

#: White on the 8-bit scale.
WHITE = 255.0


def levels(image: Array) -> Levels:
    """Return `image` of any depth as float64 where white is 255; shape unchanged, nothing rounded."""
    return WHITE * to_unit(image).astype(np.float64)


def gray_levels(image: Array) -> Levels:
    """Return the Rec. 601 luma (H, W) of an (H, W) or (H, W, 3) picture, 0 to 255, not rounded."""
    scaled = levels(image)
    return scaled if scaled.ndim == 2 else scaled @ LUMA_601


def crop(plane: NDArray[np.generic], border: int) -> NDArray[np.generic]:
    """Cut `border` pixels off all four sides.

    Raises:
        StackError: `border` is negative, or nothing would be left.
    """
    height, width = plane.shape[:2]
    if border < 0 or min(height, width) <= 2 * border:
        raise StackError(f"a border of {border} pixels leaves nothing of a {width}x{height} picture")
    return plane[border : height - border, border : width - border]


def same_channels(first: Array, second: Array) -> tuple[Array, Array]:
    """Return both pictures with the same shape: a gray one beside an RGB one is repeated on three channels.

    Raises:
        StackError: heights or widths differ.
    """
    if first.shape[:2] != second.shape[:2]:
        raise StackError(f"pictures to compare differ in size: {first.shape[:2]} and {second.shape[:2]}")
    if first.ndim == second.ndim:
        return first, second
    if first.ndim == 2:
        return np.repeat(first[..., None], 3, axis=2), second
    return first, np.repeat(second[..., None], 3, axis=2)
