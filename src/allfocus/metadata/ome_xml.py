"""Names and sizes of a microscope's planes: from OME-XML, and from ImageJ's own notes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any
from xml.etree import ElementTree

from allfocus.errors import printable

#: Length units in µm (OME-XML, ImageJ).
MICRONS = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
MICRONS |= {"inch": 25400.0, "in": 25400.0, "Å": 1e-4, "pm": 1e-6, "fm": 1e-9, "dm": 1e5, "km": 1e9}
MICRONS |= {"thou": 25.4, "ft": 304800.0, "yd": 914400.0}
#: Units of time in seconds (OME-XML).
SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86400.0}
#: What ImageJ calls the unit of pictures without a scale.
NO_UNIT = ("", "pixel", "pixels")


def read_facts(description: str, resolution: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Names and sizes from the description of a TIFF file's first page: ImageJ's notes or OME-XML; none from others.

    Raises:
        Exception: of any type, where it is damaged.
    """
    if description.startswith("ImageJ="):
        lines = (line.partition("=") for line in description.splitlines())
        return read_imagej_facts({key.strip(): value.strip() for key, _, value in lines}, resolution)
    return read_ome_facts(description) if description[:5] in ("<?xml", "<OME ") and "<OME" in description else {}


def make_imagej_notes(z_step: float | None, text: str) -> str:
    """ImageJ's notes on a picture whose sizes are in µm, with a text of our own."""
    spacing = [f"spacing={z_step:.9g}"] if z_step else []
    return "\n".join(["ImageJ=1.11a", "images=1", "unit=um", *spacing, f"description={' '.join(text.split())}", ""])


@dataclass(frozen=True, kw_only=True)
class OmePlan:
    """What OME-XML declares, before it is believed.

    Attributes:
        planes: of all images, by their sizes.
        given: planes, and labels of further axes, that are counted out one by one.
        spans: how many times all pages of a file are meant.
        files: names of the files that hold planes, each once.
    """

    planes: int
    given: int
    spans: int
    files: tuple[str, ...]


def plan_ome(xml: str) -> OmePlan:
    """Count what OME-XML declares; raises `ValueError` for numbers that are none."""
    planes = given = spans = 0
    files: dict[str, None] = {}
    for element in ElementTree.fromstring(xml).iter():
        name, attributes = local_name(element), element.attrib
        if name == "Pixels":
            planes += prod(abs(int(attributes.get(f"Size{axis}", 1))) for axis in "ZCT")
        elif name == "TiffData":
            count = int(attributes.get("PlaneCount", attributes.get("NumPlanes", 1 if "IFD" in attributes else 0)))
            given += abs(count) + 1
            spans += not count
        elif name == "UUID" and "FileName" in attributes:
            files[attributes["FileName"]] = None
        elif name.startswith("ModuloAlong") and "Start" in attributes:
            start, stop, step = (float(attributes.get(key, 1)) for key in ("Start", "End", "Step"))
            given += int(abs(stop - start) / max(abs(step), 1e-9))
    return OmePlan(planes=planes, given=given, spans=spans, files=tuple(files))


def name_axes(names: Sequence[str], noun: str, count: int) -> tuple[str, ...]:
    """A name for each of so many channels or positions: its own, or its noun and number."""
    numbered = tuple(f"{noun} {k + 1}" for k in range(count))
    return tuple(printable(a) or b for a, b in zip(names, numbered, strict=False)) + numbered[len(names) :]


def read_ome_facts(xml: str) -> dict[str, Any]:
    """Names and sizes from OME-XML (the schema of 2016-06); those of the first image stand for all."""
    images = [element for element in ElementTree.fromstring(xml) if local_name(element) == "Image"]
    pixels = next(element for element in images[0] if local_name(element) == "Pixels")
    channels = [element for element in pixels if local_name(element) == "Channel"]
    width, height, step = (read_length(pixels, f"PhysicalSize{axis}") for axis in "XYZ")
    return {
        "ome_xml": xml,
        "pixel_size": (width, height) if width and height else None,
        "z_step": step,
        "no_lengths": tuple(
            explain_no_length(axis.lower(), pixels.get(size), pixels.get(f"{size}Unit", "µm"))
            for axis in "XYZ"
            if (size := f"PhysicalSize{axis}") in pixels.attrib and read_length(pixels, size) is None
        ),
        "time_step": read_time(pixels),
        "channel_names": tuple(element.get("Name", "") for element in channels),
        "channel_colors": tuple(colors) if all(colors := [read_color(element) for element in channels]) else (),
        "position_names": tuple(image.get("Name", "") for image in images) if len(images) > 1 else (),
    }


def explain_no_length(axis: str, value: object, unit: str) -> str:
    """That the step along an axis makes no sense, as part of a line."""
    shown = f"{value:.6g}" if isinstance(value, float) else value
    return printable(f"the step along {axis} is {shown} {unit}, which is no length; it is left out")


def local_name(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def read_length(pixels: ElementTree.Element, name: str) -> float | None:
    """A length in µm, its unit being µm unless another attribute says otherwise; None where it is not there."""
    value, scale = pixels.get(name), MICRONS.get(pixels.get(f"{name}Unit", "µm").strip())
    return as_length(value, scale)


def as_length(value: object, scale: float | None) -> float | None:
    """A number times a scale; None where it is no number above 0, or there is no scale."""
    try:
        length = float(value) * scale if scale is not None else 0.0  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return length if isfinite(length) and length > 0 else None


def read_time(pixels: ElementTree.Element) -> float | None:
    """The time between pictures in seconds; None where it is not there, or in a unit that is not known."""
    return as_length(pixels.get("TimeIncrement"), SECONDS.get(pixels.get("TimeIncrementUnit", "s").strip()))


def read_color(channel: ElementTree.Element) -> str:
    """A colour as `RRGGBB` from OME's signed number of RGBA; empty where there is none."""
    number = channel.get("Color", "")
    if re.fullmatch("-?[0-9]{1,10}", number) is None:
        return ""
    return f"{int(number) & 0xFFFFFFFF:08X}"[:6]


def read_imagej_facts(notes: Mapping[str, Any], resolution: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Sizes from ImageJ's notes: its unit, the distance of planes, and the resolution tags.

    Args:
        notes: keys and values as ImageJ writes them.
        resolution: pixels for one unit, across and down, as fractions.
    """
    unit, step = re.sub(r"\\u00[bB]5", "µ", str(notes.get("unit", ""))).strip(), notes.get("spacing")
    scale = MICRONS.get(unit)
    if scale is None:
        sized = {"x": resolution[0][1] / resolution[0][0] if resolution[0][0] else None, "z": step}
        said = tuple(explain_no_length(axis, value, unit) for axis, value in sized.items() if value)
        return {} if unit in NO_UNIT else {"no_lengths": said}
    width, height = (as_length(count / pixels, scale) if pixels else None for pixels, count in resolution)
    return {
        "pixel_size": (width, height) if width and height else None,
        "z_step": as_length(step, scale) or as_length(step, -scale),
    }
