"""Planes along axes with their names and sizes, as they are to be written to OME-TIFF or OME-Zarr."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import WriteError

#: Units of length that OME's schema of 2016-06 knows.
METRIC = ("Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "", "d", "c", "m", "µ", "n", "p", "f", "a", "z", "y")
OTHERS = ("Å", "thou", "li", "in", "ft", "yd", "mi", "ua", "ly", "pc", "pt", "pixel", "reference frame")
UNITS = frozenset((*(f"{prefix}m" for prefix in METRIC), *OTHERS))

#: Types of samples in OME's schema, among those that are written.
DEPTHS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float64, np.float32)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Names, sizes and positions of the planes in an OME-TIFF or OME-Zarr.

    Attributes:
        channels: a name for each channel.
        pixel_size: height and width of a pixel, in `unit`.
        z_step: distance between planes along Z, in `unit`.
        z_positions: height of each plane of the file, in order, in `unit`.
        unit: of lengths, as OME writes it: µm, nm, mm, pixel...
        colors: of the channels, as `RRGGBB`.
        time_step: between times, in seconds.
        description: free text.
        name: of the image; needed only where a file holds several.
    """

    channels: Sequence[str] = ()
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    z_positions: Sequence[float] = ()
    unit: str = "µm"
    colors: Sequence[str] = ()
    time_step: float | None = None
    description: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class OmeFile:
    """An OME-TIFF or OME-Zarr to be written.

    Attributes:
        path: ends in .ome.tif, .ome.tiff or .ome.zarr.
        planes: for each of its images, such as positions on a stage, numbers of a type of `DEPTHS`, a plane for each
            channel, height and time.
        axes: a letter for each axis of `planes`: T times, C channels, Z heights, then YX, or YXS for RGB.
        scales: for each of its images; by default nothing is known of them.
        source: OME-XML of what the images were made of, see `ome_carry`.
        labels: for each image, whole numbers for each of its pixels along the axes TCYX, C being 1 where all channels
            share them; by the name of the label image. Left out where the format has none.
        software: what made them; with a version it is a result, which is no frame of a later run.
    """

    path: Path
    planes: Sequence[Array]
    axes: str
    scales: Sequence[Scale] = field(default=(Scale(),))
    source: str | None = None
    labels: Mapping[str, Sequence[Array]] = field(default_factory=dict)
    software: str = "allfocus"


def check_planes(path: Path, planes: Array, axes: str, scale: Scale) -> None:
    """Raise `WriteError` unless planes, axes and names go together."""
    what = f"{path}: planes of shape {planes.shape}"
    if planes.dtype not in DEPTHS:
        raise WriteError(f"{path}: planes are {planes.dtype}; expected uint8, uint16, float32 or another type of OME")
    if len(axes) != planes.ndim or len(set(axes)) != len(axes) or not set(axes) <= set("TCZYXS"):
        raise WriteError(f"{what} with axes {axes!r}; expected a letter of TCZYXS for each")
    if not axes.removesuffix("S").endswith("YX") or ("S" in axes and (axes[-1], planes.shape[-1]) != ("S", 3)):
        raise WriteError(f"{what} with axes {axes!r}; expected them to end in YX, or in YXS for RGB")
    if scale.unit not in UNITS:
        raise WriteError(f"{path}: {scale.unit!r} is no unit of OME; expected µm, nm, mm, pixel or the like")
    sizes = dict(zip(axes, planes.shape, strict=True))
    if scale.channels and len(scale.channels) != sizes.get("C", 1):
        raise WriteError(f"{path}: {len(scale.channels)} channel names for {sizes.get('C', 1)} channels")
    count = int(np.prod([size for axis, size in sizes.items() if axis in "TCZ"], dtype=int))
    if scale.z_positions and len(scale.z_positions) != count:
        raise WriteError(f"{path}: {len(scale.z_positions)} positions for {count} planes")
