"""OME-TIFF: planes of channels, heights and times, and OME-XML that says what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from allfocus.color import Array
from allfocus.errors import WriteError

OME_ENDINGS = (".ome.tif", ".ome.tiff")

#: Units of length that OME's schema of 2016-06 knows.
METRIC = ("Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "", "d", "c", "m", "µ", "n", "p", "f", "a", "z", "y")
OTHERS = ("Å", "thou", "li", "in", "ft", "yd", "mi", "ua", "ly", "pc", "pt", "pixel", "reference frame")
UNITS = frozenset((*(f"{prefix}m" for prefix in METRIC), *OTHERS))

#: Bytes of samples from which a file is BigTIFF: room for directories and XML is left below 4 GiB.
LARGE = 2**32 - 2**26


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What an OME-TIFF says of its planes.

    Attributes:
        channels: a name for each channel.
        pixel_size: height and width of a pixel, in `unit`.
        z_step: distance between planes along Z, in `unit`.
        z_positions: height of each plane of the file, in order, in `unit`.
        unit: of lengths, as OME writes it: µm, nm, mm, pixel...
        description: free text.
    """

    channels: Sequence[str] = ()
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    z_positions: Sequence[float] = ()
    unit: str = "µm"
    description: str = ""


def ome_options(axes: str, scale: Scale | None = None) -> dict[str, Any]:
    """What tifffile is told so that it writes OME-XML."""
    scale = scale or Scale()
    told: dict[str, Any] = {"axes": axes}
    if scale.description:
        told["Description"] = scale.description
    if scale.channels:
        told["Channel"] = {"Name": list(scale.channels)}
    sizes = (*(scale.pixel_size or (None, None)), scale.z_step)
    for axis, size in zip("YXZ", sizes, strict=True):
        if size is not None:
            told |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": scale.unit}
    if scale.z_positions:
        count = len(scale.z_positions)
        told["Plane"] = {"PositionZ": list(scale.z_positions), "PositionZUnit": [scale.unit] * count}
    return {"ome": True, "metadata": told}


def check_planes(path: Path, planes: Array, axes: str, scale: Scale) -> None:
    """Raise `WriteError` unless planes, axes and names go together."""
    what = f"{path}: planes of shape {planes.shape}"
    if planes.dtype not in (np.uint8, np.uint16, np.float32):
        raise WriteError(f"{path}: planes are {planes.dtype}; expected uint8, uint16 or float32")
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


def save_planes(file: Path, planes: Array, axes: str, scale: Scale) -> None:
    """Write planes that were checked to a file, which is left as it is when that fails."""
    tifffile.imwrite(
        file,
        planes,
        bigtiff=planes.nbytes > LARGE,
        photometric="rgb" if axes.endswith("S") else "minisblack",
        compression="zlib",
        predictor=planes.dtype != np.float32,
        software="allfocus",
        **ome_options(axes, scale),
    )
