"""OME-TIFF: planes of channels, heights and times, described by OME-XML."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from allfocus.core.color import Array
from allfocus.formats.format import Capacity, Format
from allfocus.formats.ome_file import DEPTHS, OmeFile, Scale
from allfocus.formats.tiff_write import make_tiff
from allfocus.metadata import exif
from allfocus.metadata.carry import Metadata
from allfocus.metadata.ome_carry import carry_over
from allfocus.metadata.ome_xml import MICRONS

#: Bytes of samples from which a file is BigTIFF: room for directories and XML is left below 4 GiB.
LARGE = 2**32 - 2**26
#: Planes with a side of more pixels are written in tiles of so many a side, of which programs read what they show.
WIDE, TILE = 8192, 512


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

    def write_volume(self, part: Path, wanted: OmeFile) -> None:
        """Planes along their axes."""
        write_planes(part, wanted)


FORMATS = (OmeTiff(),)


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
        if len(scale.colors) == len(scale.channels):
            facts["Channel"]["Color"] = [to_signed(color) for color in scale.colors]
    if scale.time_step is not None:
        facts |= {"TimeIncrement": scale.time_step, "TimeIncrementUnit": "s"}
    sizes = (*(scale.pixel_size or (None, None)), scale.z_step)
    for axis, size in zip("YXZ", sizes, strict=True):
        if size is not None:
            facts |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": scale.unit}
    if scale.z_positions:
        count = len(scale.z_positions)
        facts["Plane"] = {"PositionZ": list(scale.z_positions), "PositionZUnit": [scale.unit] * count}
    return {"ome": True, "metadata": facts}


def to_signed(color: str) -> int:
    """A colour `RRGGBB`, opaque, as the signed number of RGBA that OME writes."""
    return int.from_bytes(bytes.fromhex(f"{color}FF"), signed=True)


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
                tile=(TILE, TILE) if max(planes.shape[wanted.axes.index("Y") :][:2]) > WIDE else None,
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
