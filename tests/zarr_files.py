"""Small OME-Zarr hierarchies of both versions, as other programs write them."""

from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from pictures import focal_frames

UNITS = {"t": "second", "z": "micrometer", "y": "nanometer", "x": "micrometer"}
STEPS = {"t": 5.0, "c": 1.0, "z": 0.5, "y": 200.0, "x": 0.1}
CHANNELS = [("DAPI", "0000FF"), ("GFP", "00FF00")]


def planes_tczyx(times: int = 2, channels: int = 2, planes: int = 4, seed: int = 0) -> Array:
    """Focal stacks of noise, sharp somewhere else in each plane, uint16."""
    return np.stack(
        [
            [focal_frames(40, 56, planes, gray=True, dtype="uint16", seed=seed + t + 10 * c) for c in range(channels)]
            for t in range(times)
        ]
    )


def write_image(
    group: Any,
    data: Array,
    version: str = "0.4",
    axes: str = "tczyx",
    units: dict[str, str] | None = None,
    name: str = "",
    **storage: Any,
) -> None:
    """One multiscale image of a single level."""
    storage.setdefault("chunks", (*(1,) * (data.ndim - 2), 16, 32))
    group.create_array("0", data=data, **storage)
    units = UNITS if units is None else units
    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": axis, "type": kinds.get(axis, "space"), **({"unit": units[axis]} if axis in units else {})}
        for axis in axes
    ]
    scale = [STEPS.get(axis, 1.0) for axis in axes]
    image: dict[str, Any] = {
        "name": name,
        "axes": described,
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
    }
    about: dict[str, Any] = {"multiscales": [image]}
    if "c" in axes:
        about["omero"] = {"channels": [{"label": label, "color": color} for label, color in CHANNELS]}
    describe(group, about, version)


def describe(group: Any, about: dict[str, Any], version: str) -> None:
    """Attributes where the version has them."""
    if version >= "0.5":
        group.attrs["ome"] = {"version": version, **about}
        return
    for part in (*about.get("multiscales", ()), about.get("plate"), about.get("well")):
        if part is not None:
            part["version"] = version
    group.attrs.update(about)


def make_group(place: Path | str, version: str = "0.4") -> Any:
    """An empty group of the version of Zarr that goes with this one of OME-Zarr."""
    import zarr

    return zarr.open_group(place, mode="w", zarr_format=3 if version >= "0.5" else 2)


def write_plate(place: Path, data: Array, version: str = "0.4") -> None:
    """Wells A/1 and B/2 with two fields each; `data` has them along its first axis."""
    root = make_group(place, version)
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}, {"path": "B/2", "rowIndex": 1, "columnIndex": 1}]
    plate = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}], "wells": wells}
    describe(root, {"plate": plate}, version)
    for number, well in enumerate(("A/1", "B/2")):
        group = root.create_group(well)
        describe(group, {"well": {"images": [{"path": "0"}, {"path": "1"}]}}, version)
        for field in range(2):
            write_image(group.create_group(str(field)), data[2 * number + field], version)
