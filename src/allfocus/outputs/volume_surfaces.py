"""Surfaces of a volume: one for each position and time, and for each channel that decided for itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from allfocus.core.color import FloatArray
from allfocus.core.notes import Note
from allfocus.core.samples import stretch
from allfocus.formats.write import Picture
from allfocus.outputs.heights import Units, as_eight_bits, make_units
from allfocus.outputs.surface import make_grid, make_surface
from allfocus.outputs.surface_files import encode_surface
from allfocus.outputs.wishes import Outputs
from allfocus.sources.volume import Volume
from allfocus.volumes import VolumeResult


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a volume a depth map is, counted from 0, and the file of its surface."""

    position: int
    time: int
    channel: int
    path: Path


def place_surfaces(volume: Volume, path: Path, channel_for_focus: int | None) -> list[Place]:
    """A file for each depth map: ``surface.stl``, or ``surface_p1_t2_c1.stl`` by the axes there are several of."""
    counts = {"p": volume.axes["P"], "t": volume.axes["T"], "c": volume.axes["C"] if channel_for_focus is None else 1}
    places = []
    for numbers in np.ndindex(*counts.values()):
        named = zip(counts.items(), numbers, strict=True)
        parts = [f"_{axis}{number + 1:0{len(str(count))}d}" for (axis, count), number in named if count > 1]
        target = path.with_name(f"{path.stem}{''.join(parts)}{path.suffix}")
        position, time, channel = numbers
        places.append(Place(position=position, time=time, channel=channel, path=target))
    return places


def find_volume_units(volume: Volume, outputs: Outputs) -> Units:
    """See `make_units`."""
    longer = max(volume.stacks[0].listing.frame.size)
    return make_units(volume.pixel_size, volume.z_step, outputs.surface_height / 100 * longer, volume.axes["Z"])


def make_volume_surfaces(result: VolumeResult, outputs: Outputs) -> Iterator[Picture]:
    """The surfaces that are wanted, each made when it is written; where no depth is known, a note alone.

    Args:
        result: with depth.
        outputs: what goes where.
    """
    if outputs.surface is None:
        return
    for place in place_surfaces(result.volume, outputs.surface, result.channel_for_focus):
        heights = find_heights(result, place, outputs)
        if make_grid(heights, *heights.shape, is_solid=outputs.surface_solid).cells.any():
            yield Picture(place.path, partial(fill_surface, result, place, outputs))
        else:
            message = f"{place.path.name} is not made: no depth is known"
            yield Picture(place.path, None, notes=(Note(code="surface-skipped", message=message),))


def find_heights(result: VolumeResult, place: Place, outputs: Outputs) -> FloatArray:
    """(H, W) planes above the farthest: the first, as heights count from it, unless that is said to be near."""
    depth = result.maps["depth"][place.position, place.time, place.channel]
    planes = depth / np.float32(result.volume.z_step or 1)
    up: FloatArray = result.volume.axes["Z"] - 1 - planes if outputs.near == "first" else planes
    return up


def fill_surface(result: VolumeResult, place: Place, outputs: Outputs, file: BinaryIO) -> None:
    """Write one surface, with the picture of the channel that decided on it."""
    focus = result.channel_for_focus
    image = result.images[place.position, place.time, place.channel if focus is None else focus]
    known = image[np.isfinite(image)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    surface = make_surface(
        find_heights(result, place, outputs),
        find_volume_units(result.volume, outputs),
        most=outputs.surface_triangles,
        is_solid=outputs.surface_solid,
    )
    file.write(encode_surface(place.path, surface, as_eight_bits(stretch(image, low, high))))
