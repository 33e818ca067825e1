"""Planes of an array of OME-Zarr: by chunks, of smaller copies where these will do; lost chunks told from dark ones."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import isfinite
from threading import Lock
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.format import PlaneParts
from allfocus.formats.ome_zarr_store import Source
from allfocus.formats.pixels import reduction
from allfocus.formats.scenes import Plane

#: Bytes of a chunk of several planes that are kept while its other planes are read.
KEPT = 1 << 28
#: A chunk that is missing counts as lost where more than this share of what lies beside it shows something.
LOST = 0.5


class PlaneReader:
    """Reads planes of one array; of chunks that hold several planes the last ones are kept.

    Args:
        source: what the array lies in.
        array: of Zarr.
        letters: of its axes.
        is_rgb: whether channels are samples.
    """

    def __init__(self, source: Source, array: Any, letters: str, *, is_rgb: bool) -> None:
        self.source, self.array, self.letters, self.is_rgb = source, array, letters, is_rgb
        self._lock = Lock()
        self._slab: tuple[tuple[int, int, int], Array] | None = None

    def __call__(self, plane: Plane) -> Array:
        """Samples (H, W) or (H, W, 3) of one plane."""
        depth = self._depth()
        if depth == 1:
            alone: Array = self._arrange(self._read(plane, slice(plane.z, plane.z + 1)))[0]
            return alone
        with self._lock:
            key = plane.t, plane.c, plane.z // depth
            if self._slab is None or self._slab[0] != key:
                first = plane.z // depth * depth
                self._slab = key, self._arrange(self._read(plane, slice(first, first + depth)))
            found: Array = np.ascontiguousarray(self._slab[1][plane.z % depth])
            return found

    def parts(self, time: int, channel: int) -> PlaneParts:
        """How the planes of a time and a channel are read in parts."""
        sides = dict(zip(self.letters, self.array.chunks, strict=True))
        return PlaneParts(
            read=partial(self._read_part, time, channel), planes=int(sides.get("z", 1)), rows=int(sides["y"])
        )

    def _read_part(self, time: int, channel: int, planes: slice, rows: slice) -> Array:
        """Samples (n, h, W) or (n, h, W, 3) of some planes in some rows."""
        return self._arrange(self._read(Plane(t=time, c=channel, z=planes.start), planes, rows))

    def _depth(self) -> int:
        """How many planes to read at once."""
        if "z" not in self.letters:
            return 1
        depth = int(self.array.chunks[self.letters.index("z")])
        sizes = dict(zip(self.letters, self.array.shape, strict=True))
        nbytes = sizes["y"] * sizes["x"] * self.array.dtype.itemsize * (3 if self.is_rgb else 1)
        return depth if depth * nbytes <= KEPT else 1

    def _read(self, plane: Plane, heights: slice, rows: slice = slice(None)) -> Array:
        """Samples of some planes, all rows or some, along the axes of the array that are not fixed."""
        channel = slice(None) if self.is_rgb else plane.c
        wanted: dict[str, Any] = {"t": plane.t, "c": channel, "z": heights, "y": rows}
        index = tuple(wanted.get(letter, slice(None)) for letter in self.letters)
        with self.source.watch() as missing:
            samples: Array = np.asarray(self.array[index])
        for key in missing:
            if self._is_lost(key):
                raise ReadError(f"{self.source.name}: {self._locate(key)} lacks {key}, a chunk or shard; copy it anew")
        return samples

    def _locate(self, key: str) -> str:
        """The first plane of a chunk or shard: what is missing may have been asked for by another thread."""
        at = {
            letter: number * size + 1
            for letter, number, size in zip(self.letters, self._number(key), self._grid, strict=True)
        }
        return f"plane {at.get('z', 1)}, channel {at.get('c', 1)}, time {at.get('t', 1)}"

    @property
    def _grid(self) -> tuple[int, ...]:
        """The shape of what is stored together: a shard, or a chunk."""
        return tuple(self.array.shards or self.array.chunks)

    def _number(self, key: str) -> list[int]:
        """The number of a chunk or shard along each axis."""
        return [int(number) for number in re.findall("[0-9]+", key)[-len(self._grid) :]]

    def _is_lost(self, key: str) -> bool:
        """Whether a chunk that is missing is lost: one that holds only the fill value need not be stored.

        Most of what lies beside a lost one, above or below it or else left, right, before or behind, is not that value.
        """
        own = self._number(key)
        for letter in "zyxct":
            if letter not in self.letters:
                continue
            place = self.letters.index(letter)
            beside = [[*own[:place], own[place] + step, *own[place + 1 :]] for step in (-1, 1)]
            found = [share for other in beside if (share := self._shown(other)) is not None]
            if found:
                return max(found) > LOST
        return False

    def _shown(self, cell: Sequence[int]) -> float | None:
        """The share of a chunk's samples that are not the fill value; None where it lies beyond the array."""
        index = tuple(
            slice(number * size, min((number + 1) * size, count))
            for number, size, count in zip(cell, self._grid, self.array.shape, strict=True)
        )
        if any(part.start < 0 or part.start >= part.stop for part in index):
            return None
        return float(np.mean(np.asarray(self.array[index]) != self.array.fill_value))

    def _arrange(self, samples: Array) -> Array:
        """Samples that were read as (Z, H, W) or (Z, H, W, 3)."""
        letters = [letter for letter in self.letters if letter in ("czyx" if self.is_rgb else "zyx")]
        if "z" not in letters:
            samples, letters = samples[None], ["z", *letters]
        order = [letters.index(letter) for letter in ("zyxc" if self.is_rgb else "zyx")]
        found = np.ascontiguousarray(samples.transpose(order))
        native: Array = found.astype(found.dtype.newbyteorder("="), copy=False)
        return native


class SmallerLevels:
    """Reads planes from the smaller copies in the file where a reduced size is enough, see `reduced_by`.

    Used is a level that the file says how much smaller it is of, and that has as many pixels as that makes.

    Args:
        finest: the largest level.
        scale: its step along each axis.
        others: the place of each other level in the file, and its steps.
    """

    def __init__(
        self, finest: PlaneReader, scale: Mapping[str, float], others: Sequence[tuple[str, Mapping[str, float]]]
    ) -> None:
        self._finest, self._readers = finest, dict[str, PlaneReader | None]()
        factors = [(place, find_factor(scale, steps)) for place, steps in others]
        self._smaller = sorted(((factor, place) for place, factor in factors if factor > 1), reverse=True)

    def read(self, plane: Plane) -> Array:
        """Samples of one plane: all of them, or fewer, but no less than is enough."""
        for factor, place in self._smaller if reduction() > 1 else ():
            if factor <= reduction():
                reader = self._open(place, factor)
                if reader is not None:
                    return reader(plane)
        return self._finest(plane)

    def _open(self, place: str, factor: float) -> PlaneReader | None:
        """The reader of a level; None where it is not what it should be."""
        if place not in self._readers:
            self._readers[place] = None
            with suppress(AllFocusError):
                array, own = self._finest.source.array(place), self._finest
                expected = [
                    size / factor if letter in "yx" else size
                    for letter, size in zip(own.letters, own.array.shape, strict=True)
                ]
                fits = array.ndim == len(expected) and array.dtype == own.array.dtype
                if fits and all(abs(a - b) <= 1 for a, b in zip(array.shape, expected, strict=True)):
                    self._readers[place] = PlaneReader(own.source, array, own.letters, is_rgb=own.is_rgb)
        return self._readers[place]


def find_factor(scale: Mapping[str, float], steps: Mapping[str, float]) -> float:
    """How many times larger the pixels of a level are; 0 where that is unknown, or not the same along x and y."""
    if not all(scale.get(axis) and steps.get(axis) for axis in "yx"):
        return 0.0
    down, across = (steps[axis] / scale[axis] for axis in "yx")
    return down if isfinite(down) and abs(down - across) < 1e-3 * down else 0.0
