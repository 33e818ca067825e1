"""Levels of OME-Zarr as they are written: each half the size of the one before, a row of shards at a time."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from allfocus.core.color import Array

#: Rows and columns of a chunk, and how many chunks a side make a shard: files of a few MB that readers take parts of.
CHUNK, IN_SHARD = 512, 8
#: Levels get smaller until they fit into so many pixels a side.
SMALLEST = 256
AXES = "tczyx"


def write_levels(
    group: Any, planes: Array, axes: str, *, is_label: bool = False
) -> tuple[int, list[tuple[np.dtype[Any], float, float]]]:
    """Write planes and their smaller copies; returns how many levels, and type, least and greatest number a channel.

    Where the largest level is there already, which regions were written to, it is read instead of the planes.
    """
    times, channels, heights, *largest = shape = count_axes(planes, axes)
    is_there = "0" in group
    arrays = [group["0"] if is_there else create(group, "0", planes.dtype, shape)]
    for number, size in enumerate(list_sizes(*largest)[1:], start=1):
        arrays.append(create(group, str(number), planes.dtype, (times, channels, heights, *size)))
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    for time, channel, height in product(range(times), range(channels), range(heights)):
        at: dict[str, Any] = {"t": time, "c": channel, "z": height}
        place = time, channel, height
        plane = Stored(arrays[0], place) if is_there else planes[tuple(at.get(axis, slice(None)) for axis in axes)]
        for strip in write_plane(arrays, place, plane, is_label=is_label):
            finite = strip[np.isfinite(strip)] if strip.dtype.kind == "f" else strip
            if finite.size:
                low[channel], high[channel] = min(low[channel], finite.min()), max(high[channel], finite.max())
    limits = [
        (planes.dtype, float(a), float(b)) if a <= b else (planes.dtype, 0.0, 0.0)
        for a, b in zip(low, high, strict=True)
    ]
    return len(arrays), limits


def count_axes(planes: Array, axes: str) -> tuple[int, ...]:
    """The shape of planes along all of `AXES`."""
    sizes = dict(zip(axes, planes.shape, strict=True))
    return tuple(sizes.get(axis, 1) for axis in AXES)


class Stored:
    """A plane that is in the file already.

    Args:
        array: of the largest level.
        place: of the plane: time, channel, height.
    """

    def __init__(self, array: Any, place: tuple[int, int, int]) -> None:
        self._array, self._place, self.shape = array, place, array.shape[-2:]

    def __getitem__(self, rows: slice) -> Array:
        found: Array = np.asarray(self._array[(*self._place, rows)])
        return found


def write_plane(
    arrays: Sequence[Any], place: tuple[int, int, int], plane: Array | Stored, *, is_label: bool
) -> Iterator[Array]:
    """Write a plane to all levels, a row of shards at a time; yields the strips of the largest."""
    rows = arrays[0].shards[-2]
    halves = [Strips(array.shards[-2]) for array in arrays]
    for top in range(0, plane.shape[0], rows):
        strip = np.asarray(plane[top : top + rows])
        yield strip
        is_last = top + rows >= plane.shape[0]
        for array, waiting in zip(arrays, halves, strict=True):
            whole = waiting.add(strip, is_last)
            if whole is None:
                break
            if array is not arrays[0] or not isinstance(plane, Stored):
                array[(*place, slice(waiting.done - len(whole), waiting.done))] = whole
            strip = whole[::2, ::2] if is_label else halve(whole)


class Strips:
    """Gathers strips of a plane until they are as high as a shard.

    Args:
        rows: of a shard, an even number unless it is all of the plane.

    Attributes:
        done: rows that have been handed out.
    """

    def __init__(self, rows: int) -> None:
        self._rows, self.done = rows, 0
        self._parts: list[Array] = []

    def add(self, strip: Array, is_last: bool) -> Array | None:
        """One more strip; returns those gathered once they fill a shard, or are the last ones."""
        self._parts.append(strip)
        if not is_last and sum(map(len, self._parts)) < self._rows:
            return None
        whole, self._parts = np.concatenate(self._parts) if len(self._parts) > 1 else self._parts[0], []
        self.done += len(whole)
        return whole


def list_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of the levels, the largest first."""
    sizes = [(height, width)]
    while max(sizes[-1]) > SMALLEST:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def create(group: Any, name: str, dtype: Any, shape: tuple[int, ...], in_shard: int = IN_SHARD) -> Any:
    """An empty array, sharded; what an interrupted attempt left in its place goes."""
    chunk = tuple(min(CHUNK, size) for size in shape[-2:])
    shard = tuple(side * min(in_shard, -(-size // side)) for side, size in zip(chunk, shape[-2:], strict=True))
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(1, 1, 1, *chunk),
        shards=(1, 1, 1, *shard),
        dimension_names=list(AXES),
        fill_value=0,
        config={"write_empty_chunks": True},  # what is missing later is lost
        overwrite=True,
    )


def halve(plane: Array) -> Array:
    """Half as many rows and columns: means of two by two pixels; an odd last row or column stands for itself."""
    odd = plane.shape[0] % 2, plane.shape[1] % 2
    if any(odd):
        plane = np.pad(plane, [(0, side) for side in odd], mode="edge")
    wide = plane.dtype if plane.dtype.kind == "f" else np.int64
    total = plane[0::2, 0::2].astype(wide)
    for part in (plane[1::2, 0::2], plane[0::2, 1::2], plane[1::2, 1::2]):
        total += part
    found: Array = (total / 4 if plane.dtype.kind == "f" else (total + 2) // 4).astype(plane.dtype)
    return found
