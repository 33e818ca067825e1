"""Numbers of a source and values of frames: what stands for black and white, and what for no value.

Frames are computed on as uint8, uint16 or float32 from 0 to 1. Files and arrays hold more kinds of numbers: signed
ones, counts, doubles. `Samples` says how the values of a stack are made of its numbers, and the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan, log2, nan
from typing import Any

import numpy as np

from allfocus.core.color import FULL_SCALE, Array
from allfocus.core.notes import Note

#: Numbers that a source may hold, and what they are computed as.
WORKING: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(kind): np.dtype(working)
    for working, kinds in {
        "uint8": ("uint8", "int8"),
        "uint16": ("uint16", "int16"),
        "float32": ("float32", "float16", "float64", "int32", "uint32", "int64", "uint64"),
    }.items()
    for kind in kinds
}

#: A float as large as this, or no number at all, is no measured value: programs of microscopy, height maps and remote
#: sensing mark pixels without a value by NaN, infinity, 1e30 or the most negative float32.
NO_VALUE = 1e30

#: Whole numbers up to this one are all float32.
EXACT = 2**24

#: Rows worked on at a time, so that what lies between two steps stays small.
STRIP = 256


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What the numbers of a source mean: number = offset + scale * value.

    Attributes:
        dtype: of the numbers.
        low, high: the smallest and the largest number in the stack; NaN where nobody looked.
        offset, scale: see above; of uint8 and uint16 values the scale is 1.
    """

    dtype: np.dtype[Any]
    low: float = nan
    high: float = nan
    offset: float = 0.0
    scale: float = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether numbers and values are the same."""
        return self.dtype in FULL_SCALE and (self.offset, self.scale) == (0.0, 1.0)

    def restore(self, values: Array) -> Array:
        """Values of frames (H, W[, 3]) as numbers of the source; those beyond what its type holds are clipped."""
        if self.is_plain:
            return values
        numbers = np.empty(values.shape, self.dtype)
        for top in range(0, len(values), STRIP):
            numbers[top : top + STRIP] = self._restore(values[top : top + STRIP].astype(np.float64))
        return numbers

    def _restore(self, values: Array) -> Array:
        numbers = values * self.scale + self.offset
        if self.dtype.kind == "f":
            return numbers
        kind = np.iinfo(self.dtype)
        largest = np.nextafter(float(kind.max), 0) if float(kind.max) > kind.max else float(kind.max)
        clipped: Array = np.clip(np.rint(numbers), kind.min, largest)
        return clipped

    def shown(self, numbers: Array) -> Array:
        """Numbers of the source (H, W[, 3]) as they can be looked at: uint8, uint16 or finite float32, 0 to 1."""
        if self.is_plain and numbers.dtype.kind == "u":
            return numbers
        if self.is_plain:
            return np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
        return stretch(numbers, self.low, self.high)


def stretch(numbers: Array, low: float, high: float) -> Array:
    """Numbers from `low` to `high` as float32 from 0 to 1; those beyond are clipped, and what is no number is 0."""
    unit = np.empty(numbers.shape, np.float32)
    for top in range(0, len(numbers), STRIP):
        part = (numbers[top : top + STRIP].astype(np.float64) - low) / ((high - low) or 1.0)
        unit[top : top + STRIP] = np.clip(np.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0), 0, 1)
    return unit


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What numbers a frame holds: its smallest and its largest; NaN where nobody looked."""

    low: float = nan
    high: float = nan


def measure(numbers: Array) -> Measure:
    """Look at the numbers (H, W[, C]) of a frame, which are finite."""
    return Measure(low=float(numbers.min()), high=float(numbers.max())) if numbers.size else Measure()


def has_no_value(numbers: Array) -> Array:
    """Which numbers, of any shape, are no measured values; bool, see `NO_VALUE`."""
    if numbers.dtype.kind != "f":
        return np.zeros(numbers.shape, np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(~(np.abs(numbers) < NO_VALUE))


def find_opaque(dtype: np.dtype[Any]) -> float:
    """The number that an alpha channel of any type holds where it is opaque."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def as_working(numbers: Array) -> Array:
    """The numbers in the type that they are computed in, before `Samples` makes values of them; some share memory."""
    working = WORKING[numbers.dtype]
    if numbers.dtype == working:
        return numbers
    if working.kind == "u":
        return numbers.view(working)
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.astype(working)


def find_samples(dtype: np.dtype[Any], measures: Sequence[Measure]) -> Samples:
    """How the values of a stack are made of its numbers: those that are unsigned, or floats from 0 to 1, are values.

    Floats beyond are divided by a power of two, which loses nothing, once a negative smallest one is taken off.
    """
    low = min((each.low for each in measures if not isnan(each.low)), default=nan)
    high = max((each.high for each in measures if not isnan(each.high)), default=nan)
    offset, scale = min(low, 0.0) if isfinite(low) else 0.0, 1.0
    is_unit = dtype.kind == "f" and low >= 0 and high <= 1
    if WORKING[dtype].kind == "f" and not is_unit and high > offset:
        scale = 2.0 ** np.ceil(log2(high - offset))
    return Samples(dtype=dtype, low=low, high=high, offset=offset, scale=float(scale))


def make_values(frame: Array, samples: Samples) -> None:
    """Turn what `as_working` returned into values, in place."""
    if frame.dtype.kind == "u":
        if samples.offset:
            frame -= frame.dtype.type(int(samples.offset) % 2 ** (8 * frame.dtype.itemsize))
        return
    if samples.offset:
        frame -= np.float32(samples.offset)
    if samples.scale != 1:
        frame *= np.float32(1 / samples.scale)


def note_samples(samples: Samples) -> list[Note]:
    """What a user should know of the numbers of a stack: their kind."""
    if samples.dtype in FULL_SCALE:
        return []
    most = max(abs(samples.low), abs(samples.high))
    is_exact = samples.dtype == np.float16 or (samples.dtype.kind in "iu" and most <= EXACT)
    loss = "without loss" if is_exact else "with the 24 bits of float32"
    message = f"{samples.dtype} samples from {samples.low:g} to {samples.high:g} are computed {loss}"
    return [Note(code="sample-type", message=message)]


def widest(samples: Samples, numbers: Array) -> tuple[float, float]:
    """The smallest and the largest number of a stack, or else of this picture."""
    if isfinite(samples.low) and isfinite(samples.high):
        return samples.low, samples.high
    known = numbers[~has_no_value(numbers)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
