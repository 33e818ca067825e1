"""OME-Zarr 0.5 as it is written: Zarr 3, sharded, with smaller levels, colours, labels and where it came from."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.formats.ome_file import OmeFile, Scale
from allfocus.formats.ome_zarr_levels import AXES, write_levels
from allfocus.formats.scenes import microns

VERSION = "0.5"
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
    levels, limits = write_levels(group, planes, axes)
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
    levels, limits = write_levels(group, planes, "tcyx", is_label=True)
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
