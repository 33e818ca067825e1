"""OME-Zarr 0.5 as it is written: Zarr 3, sharded, with smaller levels, colours, labels and where it came from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.formats.ome_file import OmeFile, Scale
from allfocus.formats.scenes import microns

VERSION = "0.5"
#: Rows and columns of a chunk, and how many chunks a side make a shard: files of a few MB that readers take parts of.
CHUNK, IN_SHARD = 512, 8
#: Levels get smaller until they fit into so many pixels a side.
SMALLEST = 256
AXES = "tczyx"
KINDS = {"t": "time", "c": "channel"}
#: Colours of channels that have none of their own, in turn.
COLORS = ("00FF00", "FF00FF", "00FFFF", "FF0000", "FFFF00", "0000FF")
RGB = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
#: Names of positions that are fields of wells.
FIELD = re.compile(r"([A-Za-z0-9]+)/([A-Za-z0-9]+)/([A-Za-z0-9]+)")


def write_volume(store: Any, wanted: OmeFile) -> None:
    """Write planes that were checked to a store of Zarr; one that fails may be half written.

    Several positions become a plate where their names are those of fields (`B/3/0`), else numbered images, as
    bioformats2raw lays them out.
    """
    import zarr

    made = {"software": wanted.software, "description": wanted.scales[0].description}
    root = zarr.open_group(store, mode="a", zarr_format=3)
    root.attrs["allfocus"] = made
    if len(wanted.planes) == 1:
        write_image(root, wanted, 0)
        return
    fields = [FIELD.fullmatch(scale.name) for scale in wanted.scales]
    if all(fields):
        places = [scale.name for scale in wanted.scales]
        describe_plate(root, places)
    else:
        places = [str(number) for number in range(len(wanted.planes))]
        root.attrs["ome"] = {"version": VERSION, "bioformats2raw.layout": 3}
        root.create_group("OME", attributes={"ome": {"version": VERSION, "series": places}})
    for number, place in enumerate(places):
        write_image(root.create_group(place), wanted, number)


def describe_plate(root: Any, places: Sequence[str]) -> None:
    """Attributes of a plate and its wells, whose fields lie at these places: row, column, field."""
    rows, columns, _ = (
        list(dict.fromkeys(parts)) for parts in zip(*(place.split("/") for place in places), strict=True)
    )
    wells: dict[str, list[str]] = {}
    for place in places:
        well, _, field = place.rpartition("/")
        wells.setdefault(well, []).append(field)
    plate = {
        "rows": [{"name": row} for row in rows],
        "columns": [{"name": column} for column in columns],
        "wells": [
            {"path": well, "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
            for well in wells
            for row, _, column in [well.partition("/")]
        ],
        "field_count": max(len(found) for found in wells.values()),
    }
    root.attrs["ome"] = {"version": VERSION, "plate": plate}
    for well, fields in wells.items():
        images = [{"path": field} for field in fields]
        root.create_group(well, attributes={"ome": {"version": VERSION, "well": {"images": images}}})


def write_image(group: Any, wanted: OmeFile, number: int) -> None:
    """One position: its levels, how it is shown, and its labels."""
    scale, (planes, axes) = wanted.scales[number], arrange(wanted, number)
    levels, limits = write_levels(group, planes, axes, scale)
    channels = (
        [(name, color) for name, color in RGB] if "s" in wanted.axes.lower() else name_channels(scale, len(limits))
    )
    made = {"software": wanted.software, "description": scale.description}
    described: dict[str, Any] = {"version": VERSION, "multiscales": [describe_levels(levels, scale)]}
    described["omero"] = {"channels": [show(*pair, each) for pair, each in zip(channels, limits, strict=True)]}
    group.attrs.update({"ome": described, "allfocus": made})
    if wanted.labels:
        names = list(wanted.labels)
        inside = group.require_group("labels")
        inside.attrs["ome"] = {"version": VERSION, "labels": names}
        for name in names:
            write_label(inside.require_group(name), name, wanted.labels[name][number], scale)


def arrange(wanted: OmeFile, number: int) -> tuple[Array, str]:
    """The planes of one position, and their axes in the letters of OME-Zarr: samples of colours become channels."""
    planes, axes = wanted.planes[number], wanted.axes.lower()
    if "s" in axes and "c" in axes and planes.shape[axes.index("c")] > 1:
        raise WriteError(f"{wanted.path}: OME-Zarr holds no RGB pictures in several channels; write .ome.tif")
    if "s" in axes:
        planes = planes[:, 0] if axes[1:2] == "c" else planes
        axes = axes.replace("c", "").replace("s", "c")
    return planes, axes


def write_label(group: Any, name: str, planes: Array, scale: Scale) -> None:
    """A label image (T, C, H, W): the numbers of planes."""
    levels, limits = write_levels(group, planes, "tcyx", scale, is_label=True)
    described = {"version": VERSION, "multiscales": [describe_levels(levels, scale) | {"name": name}]}
    most = int(max(high for _, _, high in limits))
    shown = [{"label-value": value, "rgba": pick_color(value, most)} for value in range(most + 1)]
    group.attrs["ome"] = described | {"image-label": {"colors": shown, "source": {"image": "../../"}}}


def pick_color(value: int, most: int) -> list[int]:
    """Red, green, blue and alpha of a label: from blue for the first plane to yellow for the last."""
    share = value / max(1, most)
    return [round(255 * share), round(255 * share), round(255 * (1 - share)), 255]


def name_channels(scale: Scale, count: int) -> list[tuple[str, str]]:
    """Name and colour of each channel."""
    names = [*scale.channels, *(f"channel {k + 1}" for k in range(len(scale.channels), count))]
    colors = list(scale.colors) if len(scale.colors) == count else [COLORS[k % len(COLORS)] for k in range(count)]
    return list(zip(names, colors if count > 1 or scale.colors else ["FFFFFF"], strict=True))


def show(name: str, color: str, limits: tuple[np.dtype[Any], float, float]) -> dict[str, Any]:
    """How a channel is shown, as OMERO writes it."""
    dtype, low, high = limits
    full = (0.0, 1.0) if dtype.kind == "f" else (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    window = {"min": min(full[0], low), "max": max(full[1], high), "start": low, "end": max(high, low)}
    return {"label": name, "color": color, "active": True, "window": window}


# --- levels --------------------------------------------------------------------------------------


def write_levels(
    group: Any, planes: Array, axes: str, scale: Scale, *, is_label: bool = False
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


def describe_levels(count: int, scale: Scale) -> dict[str, Any]:
    """The levels of an image with their sizes: micrometres and seconds, where they are known."""
    height, width = scale.pixel_size or (None, None)
    lengths = {
        "z": microns(scale.z_step, scale.unit),
        "y": microns(height, scale.unit),
        "x": microns(width, scale.unit),
    }
    axes = [{"name": axis, "type": KINDS.get(axis, "space")} for axis in AXES]
    for axis in axes:
        if lengths.get(axis["name"]):
            axis["unit"] = "micrometer"
        if axis["name"] == "t" and scale.time_step:
            axis["unit"] = "second"
    own = [scale.time_step or 1.0, 1.0, *(lengths[axis] or 1.0 for axis in "zyx")]
    described: dict[str, Any] = {"axes": axes, "datasets": [describe_level(level, own) for level in range(count)]}
    return described | ({"name": scale.name} if scale.name else {})


def describe_level(level: int, own: Sequence[float]) -> dict[str, Any]:
    """One level: how much larger its pixels are, and where the middle of its first one lies."""
    factor = 2**level
    steps = [*own[:3], *(side * factor for side in own[3:])]
    transforms: list[Mapping[str, Any]] = [{"type": "scale", "scale": steps}]
    if level:
        shift = [0.0, 0.0, 0.0, *(side * (factor - 1) / 2 for side in own[3:])]
        transforms.append({"type": "translation", "translation": shift})
    return {"path": str(level), "coordinateTransformations": transforms}
