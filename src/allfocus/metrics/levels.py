"""What the metrics measure: pictures on the 8-bit scale, of one shape, without their border."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array, to_unit
from allfocus.core.stack import size_of
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
        raise StackError(f"pictures to compare differ in size: {size_of(first)} and {size_of(second)}")
    if first.ndim == second.ndim:
        return first, second
    if first.ndim == 2:
        return np.repeat(first[..., None], 3, axis=2), second
    return first, np.repeat(second[..., None], 3, axis=2)


def gray_bytes(image: Array) -> NDArray[np.uint8]:
    """Return the Rec. 601 luma (H, W) rounded to 8 bits: what metrics without a truth are defined and published on."""
    if image.ndim == 2 and image.dtype == np.uint8:
        return image
    return np.clip(np.rint(gray_levels(image)), 0, WHITE).astype(np.uint8)


def check_sizes(frames: Sequence[Array], image: Array, smallest: int = 1) -> None:
    """Raise `StackError` unless there are frames, all as wide and high as `image`, and no side is below `smallest`."""
    if not frames:
        raise StackError("no frames given; a fused picture is judged by its frames")
    for position, frame in enumerate(frames, start=1):
        if frame.shape[:2] != image.shape[:2]:
            raise StackError(f"frame {position} is {size_of(frame)}; the fused picture is {size_of(image)}")
    if min(image.shape[:2]) < smallest:
        raise StackError(f"the picture is {size_of(image)}; this metric needs at least {smallest}x{smallest} pixels")
