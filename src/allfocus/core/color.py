"""The only place that scales by 255 or 65535, and the only one that knows the sRGB curve."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from allfocus.errors import StackError

Array = NDArray[Any]
FloatArray = NDArray[np.float32]

#: Largest value of each sample type a frame may have; floats are display-encoded, 0 to 1.
FULL_SCALE: dict[np.dtype[Any], float] = {
    np.dtype(np.uint8): 255.0,
    np.dtype(np.uint16): 65535.0,
    np.dtype(np.float32): 1.0,
}

#: Values from which on it is worth looking whether they have 8 bits.
MANY = 4096

#: Rec. 709 luma weights (ITU-R BT.709-6, section 3).
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def full_scale(dtype: DTypeLike) -> float:
    """Return the value that means white for samples of `dtype`.

    Raises:
        StackError: `dtype` is not uint8, uint16 or float32.
    """
    found = np.dtype(dtype)
    if found not in FULL_SCALE:
        raise StackError(f"samples are {found}; expected uint8, uint16 or float32: convert them first")
    return FULL_SCALE[found]


def to_unit(samples: Array) -> FloatArray:
    """Scale samples of any shape from their own depth to float32, where 1 is white."""
    return np.divide(samples, full_scale(samples.dtype), dtype=np.float32)


def from_unit(unit: FloatArray, dtype: DTypeLike) -> Array:
    """Return `unit` (1 is white) in the depth `dtype`: rounded and clipped for integers, as it is for float32."""
    white = full_scale(dtype)
    if np.dtype(dtype) == np.float32:
        return unit.astype(np.float32)
    samples: Array = np.clip(np.rint(unit * np.float32(white)), 0, white).astype(dtype)
    return samples


def srgb_to_linear(encoded: FloatArray) -> FloatArray:
    """Display-encoded [0, 1] to linear light [0, 1] (IEC 61966-2-1).

    Powers take long, so that values of 8 bits are looked up; they are the same.
    """
    codes = find_codes(encoded)
    return (
        raise_to_linear(encoded) if codes is None else raise_to_linear(to_unit(np.arange(256, dtype=np.uint8)))[codes]
    )


def to_linear(samples: Array) -> FloatArray:
    """Display-encoded samples of any depth to linear light, 1 is white: `srgb_to_linear` of `to_unit`, to the bit."""
    if samples.dtype == np.uint8 and samples.size >= MANY:
        return raise_to_linear(to_unit(np.arange(256, dtype=np.uint8)))[samples]
    return srgb_to_linear(to_unit(samples))


def raise_to_linear(encoded: FloatArray) -> FloatArray:
    """`srgb_to_linear`, calculated."""
    low = encoded / 12.92
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def find_codes(encoded: FloatArray) -> Array | None:
    """The 8-bit values that an array of more than a few values was made of, uint8; None if it was not."""
    if encoded.size < MANY or encoded.dtype != np.float32:
        return None
    for some in (encoded.reshape(-1)[: MANY // 4], encoded):
        codes: Array = np.rint(np.clip(some, 0, 1) * np.float32(255)).astype(np.uint8)
        if not np.array_equal(to_unit(codes), some):
            return None
    return codes


def linear_to_srgb(linear: FloatArray) -> FloatArray:
    """Linear light [0, 1] to display-encoded [0, 1] (IEC 61966-2-1)."""
    low = linear * 12.92
    high = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, low, high).astype(np.float32)


def luma(image: Array) -> FloatArray:
    """Rec. 709 luma (H, W) of a display-encoded picture (H, W) or (H, W, 3), in the picture's own units."""
    if image.ndim == 2:
        return image.astype(np.float32)
    weighted: FloatArray = image.astype(np.float32) @ LUMA
    return weighted
