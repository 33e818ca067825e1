"""Files of microscopes and the demo stack as layers of napari; planes are decoded as they are looked at."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from allfocus.core.color import Array
from allfocus.demo import STACK
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_image
from allfocus.sources.expand import list_frames
from allfocus.sources.listing import Listing
from allfocus.sources.volume import Volume, VolumeStack, holds_planes, inspect_volume

#: What napari takes for a layer: data, what its constructor is given, and its kind.
LayerData = tuple[Any, dict[str, Any], str]


def find_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """What reads a file, as napari asks for it; None for one that holds no focal stacks, or for several."""
    if not isinstance(path, str):
        if len(path) != 1:
            return None
        path = path[0]
    try:
        return read_volume if holds_planes(Path(path)) else None
    except AllFocusError:
        return None  # another reader may know it


def read_volume(path: str | list[str]) -> list[LayerData]:
    """A layer for each channel, with axes P, T, Z, Y and X as far as there are several; scale in µm.

    Positions that differ in size become layers of their own.

    Raises:
        AllFocusError: as `inspect_volume` does.
    """
    volume = inspect_volume(path if isinstance(path, str) else path[0])
    for stack in volume.stacks:
        stack.require()
    if volume.differ:
        return [make_layer(volume, [stack], stack.label) for stack in volume.stacks]
    layers = []
    for channel, name in enumerate(volume.channel_names):
        stacks = [stack for stack in volume.stacks if stack.channel == channel]
        layers.append(make_layer(volume, stacks, name if volume.axes["C"] > 1 else ""))
    return layers


def make_layer(volume: Volume, stacks: list[VolumeStack], label: str) -> LayerData:
    """One layer of stacks that are alike, in the order of position and time."""
    listing = stacks[0].listing
    sizes = {"p": len({one.position for one in stacks}), "t": len({one.time for one in stacks})}
    data = da.stack([make_planes(stack.listing) for stack in stacks])
    leading = [axis for axis in "pt" if sizes[axis] > 1]
    data = data.reshape(*(sizes[axis] for axis in leading), *data.shape[1:])
    down, across = listing.pixel_size[::-1] if listing.pixel_size else (1.0, 1.0)
    scale = [*[1.0] * len(leading), listing.z_step or 1.0, down, across]
    units = [
        *["pixel"] * len(leading),
        "µm" if listing.z_step else "pixel",
        *["µm" if listing.pixel_size else "pixel"] * 2,
    ]
    about = {
        "name": f"{volume.path.name} {label}".rstrip(),
        "scale": scale,
        "units": units,
        "axis_labels": [*leading, "z", "y", "x"],
        "rgb": len(listing.frame.shape) == 3,
    }
    color = volume.channel_colors[stacks[0].channel : stacks[0].channel + 1]
    if volume.axes["C"] > 1 and not about["rgb"]:
        about |= {"blending": "additive"} | ({"colormap": f"#{color[0]}"} if color and color[0] else {})
    return data, about, "image"


def make_planes(listing: Listing) -> Any:
    """(Z, Y, X) or (Z, Y, X, 3), each plane decoded when it is needed."""
    frame = listing.frame
    make = partial(da.from_delayed, shape=frame.shape, dtype=frame.dtype)
    return da.stack([make(delayed(reader)()) for reader in listing.readers])


def read_demo() -> list[LayerData]:
    """The focal stack that ships with the package, in colour."""
    frames: list[Array] = [read_image(path) for path in list_frames([STACK]) if path.stem != "truth"]
    return [(np.stack(frames), {"name": "allfocus demo", "axis_labels": ["z", "y", "x"], "rgb": True}, "image")]
