"""Pictures made small, for whoever looks at them."""

import cv2
import numpy as np

from allfocus.core.color import Array


def shrunk(image: Array, side: int) -> Array:
    """The picture, averaged to a longest side of so many pixels; a small one as it is."""
    height, width = small_size(image, side)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def small_size(image: Array, side: int) -> tuple[int, int]:
    """Height and width of a picture whose longest side is to be no more than `side`."""
    scale = min(1.0, side / max(image.shape[:2]))
    return max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
