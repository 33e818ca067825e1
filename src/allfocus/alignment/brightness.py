"""Make frames as bright as the reference, and find what they lack because they are burnt."""

import cv2
import numpy as np
from numpy.typing import DTypeLike

from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import Array, FloatArray, from_unit, full_scale, linear_to_srgb, srgb_to_linear

#: A frame that is so many times as bright as the reference, half a stop, lacks highlights that the reference has: what
#: is burnt in it, by this share of white, counts as not covered.
BRIGHTER, BURNT = 2**0.5, 0.99
#: Encoded output value above which the curve bends towards white, so that nothing is clipped.
SHOULDER = 0.9


def match_exposure(frame: Array, transfer: ExposureTransfer, dtype: DTypeLike) -> Array:
    """Make a frame (H, W[, 3]) as bright as the reference, in the depth `dtype`.

    In integers black stays black, white stays white unless the frame is far brighter, see `find_burnt`, and a shoulder
    below white keeps highlights from being clipped. Floats may exceed 1.
    """
    if frame.dtype == np.float32:
        gain = np.array(transfer.gain, np.float32)
        light = (srgb_to_linear(frame) - np.float32(transfer.offset)) / (gain if frame.ndim == 3 else gain[0])
        return linear_to_srgb(light)
    tables = [build_table(gain, transfer.offset, frame.dtype, dtype) for gain in transfer.gain]
    if len(tables) == 1:
        return np.asarray(tables[0][frame])
    return np.stack([table[frame[..., channel]] for channel, table in enumerate(tables)], axis=-1)


def find_burnt(frame: Array, transfer: ExposureTransfer) -> Array | None:
    """(H, W) bool: where a frame that is brighter than the reference is white, or next to it; None where nowhere."""
    if max(transfer.gain) < BRIGHTER:
        return None
    white = full_scale(frame.dtype)
    # floats may exceed 1, and nothing is lost there
    samples = np.equal(frame, white) if frame.dtype == np.float32 else np.greater_equal(frame, BURNT * white)
    burnt = np.asarray(samples if samples.ndim == 2 else samples.any(axis=2), np.uint8)
    return np.asarray(cv2.dilate(burnt, np.ones((3, 3), np.uint8))) > 0 if burnt.any() else None


def build_table(gain: float, offset: float, source: DTypeLike, target: DTypeLike) -> Array:
    """Look-up table that undoes a gain and an offset, for every value of the dtype `source`, in the dtype `target`."""
    values = np.arange(int(full_scale(source)) + 1, dtype=np.float64)
    encoded = (values / values[-1]).astype(np.float32)
    wanted = linear_to_srgb(np.maximum((srgb_to_linear(encoded) - offset) / gain, 0).astype(np.float32))
    knee = int(np.searchsorted(wanted, SHOULDER))
    if knee < len(values):
        start, left = (encoded[knee], wanted[knee]) if knee else (0.0, 0.0)
        share = np.clip((encoded[knee:] - start) / max(1 - start, 1e-6), 0, 1)
        slope = (wanted[knee] - wanted[max(knee - 1, 0)]) * values[-1] * (1 - start)
        wanted[knee:] = interpolate_shoulder(share, left, min(slope, 3 * (1 - left)))
    elif gain < BRIGHTER:
        wanted = wanted + np.maximum(encoded - SHOULDER, 0) / (1 - SHOULDER) * (1 - wanted[-1])
    wanted[0] = 0
    return from_unit(wanted.astype(np.float32), target)


def interpolate_shoulder(share: FloatArray, start: float, slope: float) -> FloatArray:
    """A monotone cubic over 0 to 1, from `start` with this slope to 1 (Fritsch and Carlson, 10.1137/0717021)."""
    end = min(slope, 3 * (1 - start)) / 2
    cubed, squared = share**3, share**2
    return np.asarray(
        (2 * cubed - 3 * squared + 1) * start
        + (cubed - 2 * squared + share) * slope
        + (3 * squared - 2 * cubed)
        + (cubed - squared) * end
    )
