"""OME-TIFF: planes of channels, heights and times, described by OME-XML."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.formats.format import Capacity, Format
from allfocus.formats.tiff_write import make_tiff
from allfocus.metadata import exif
from allfocus.metadata.carry import Metadata
from allfocus.metadata.ome_carry import carry_over
from allfocus.metadata.ome_xml import MICRONS

#: Units of length that OME's schema of 2016-06 knows.
METRIC = ("Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "", "d", "c", "m", "µ", "n", "p", "f", "a", "z", "y")
OTHERS = ("Å", "thou", "li", "in", "ft", "yd", "mi", "ua", "ly", "pc", "pt", "pixel", "reference frame")
UNITS = frozenset((*(f"{prefix}m" for prefix in METRIC), *OTHERS))

#: Bytes of samples from which a file is BigTIFF: room for directories and XML is left below 4 GiB.
LARGE = 2**32 - 2**26


#: Types of samples in OME's schema, among those that are written.
DEPTHS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float64, np.float32)


class OmeTiff(Format):
    """OME-TIFF (the schema of 2016-06): a TIFF file on reading; on writing it gets OME-XML."""

    name = "OME-TIFF"
    extensions = (".ome.tif", ".ome.tiff")
    capacity = Capacity(depths=DEPTHS, volumes=True, iptc=True)

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """A TIFF file of one picture; OME-XML takes the place of EXIF's description."""
        size = metadata.pixel_size and metadata.pixel_size[::-1]
        options = make_ome_options("YX" if image.ndim == 2 else "YXS", Scale(pixel_size=size, z_step=metadata.z_step))
        in_inches = replace(metadata, pixel_size=None, z_step=None)
        return make_tiff(image, in_inches, options, kept=(exif.DESCRIPTION,))


FORMATS = (OmeTiff(),)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Names, sizes and positions of the planes in an OME-TIFF.

    Attributes:
        channels: a name for each channel.
        pixel_size: height and width of a pixel, in `unit`.
        z_step: distance between planes along Z, in `unit`.
        z_positions: height of each plane of the file, in order, in `unit`.
        unit: of lengths, as OME writes it: µm, nm, mm, pixel...
        description: free text.
        name: of the image; needed only where a file holds several.
    """

    channels: Sequence[str] = ()
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    z_positions: Sequence[float] = ()
    unit: str = "µm"
    description: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class OmeFile:
    """An OME-TIFF to be written.

    Attributes:
        path: ends in .ome.tif or .ome.tiff.
        planes: for each of its images, such as positions on a stage, numbers of a type of `DEPTHS`, a plane for each
            channel, height and time.
        axes: a letter for each axis of `planes`: T times, C channels, Z heights, then YX, or YXS for RGB.
        scales: for each of its images; by default nothing is known of them.
        source: OME-XML of what the images were made of, see `ome_carry`.
        software: what made them; with a version it is a result, which is no frame of a later run.
    """

    path: Path
    planes: Sequence[Array]
    axes: str
    scales: Sequence[Scale] = field(default=(Scale(),))
    source: str | None = None
    software: str = "allfocus"


def make_ome_options(axes: str, scale: Scale | None = None) -> dict[str, Any]:
    """Options by which tifffile writes OME-XML."""
    scale = scale or Scale()
    facts: dict[str, Any] = {"axes": axes} if axes else {}
    if scale.name:
        facts["Name"] = scale.name
    if scale.description:
        facts["Description"] = scale.description
    if scale.channels:
        facts["Channel"] = {"Name": list(scale.channels)}
    sizes = (*(scale.pixel_size or (None, None)), scale.z_step)
    for axis, size in zip("YXZ", sizes, strict=True):
        if size is not None:
            facts |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": scale.unit}
    if scale.z_positions:
        count = len(scale.z_positions)
        facts["Plane"] = {"PositionZ": list(scale.z_positions), "PositionZUnit": [scale.unit] * count}
    return {"ome": True, "metadata": facts}


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


def write_planes(file: Path, wanted: OmeFile, large: int = LARGE) -> None:
    """Write planes that were checked to a file; one that fails may be half written.

    Args:
        file: where they go.
        wanted: what they are.
        large: bytes of samples above which the file is BigTIFF.
    """
    description: bytes | None = make_xml(wanted).encode()
    with tifffile.TiffWriter(file, bigtiff=needs_bigtiff(wanted.planes, large)) as tiff:
        for planes, scale in zip(wanted.planes, wanted.scales, strict=True):
            tiff.write(
                planes,
                **make_resolution(scale),
                photometric="rgb" if wanted.axes.endswith("S") else "minisblack",
                compression="zlib",
                predictor=planes.dtype.kind != "f",
                software=wanted.software,
                description=description,
                metadata=None,
            )
            description = None


def needs_bigtiff(planes: Sequence[Array], large: int = LARGE) -> bool:
    """Whether samples, and what is written about them, may reach beyond the 4 GiB that offsets of TIFF can name."""
    return sum(each.nbytes for each in planes) > large


def make_resolution(scale: Scale) -> dict[str, Any]:
    """Options by which tifffile writes the size of a pixel for programs that don't know OME."""
    micrometres = MICRONS.get(scale.unit)
    if scale.pixel_size is None or micrometres is None:
        return {}
    down, across = (MICRONS["cm"] / (side * micrometres) for side in scale.pixel_size)
    return {"resolution": (across, down), "resolutionunit": "CENTIMETER"}


def make_xml(wanted: OmeFile) -> str:
    """OME-XML of a file."""
    xml = tifffile.OmeXml(Creator="allfocus")
    for planes, scale in zip(wanted.planes, wanted.scales, strict=True):
        frame = planes.shape[wanted.axes.index("Y") :]
        stored = (planes.size // int(np.prod(frame)), 1, 1, frame[0], frame[1], *frame[2:], 1)[:6]
        xml.addimage(planes.dtype, planes.shape, stored, axes=wanted.axes, **make_ome_options("", scale)["metadata"])
    text = xml.tostring(declaration=True)
    return text if wanted.source is None else carry_over(text, wanted.source)
