"""OME-Zarr 0.1 to 0.5: images, plates and collections, in folders, zip files or on the net, read chunk by chunk."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.filebytes import is_address
from allfocus.formats.format import Capacity, Content
from allfocus.formats.ome_file import DEPTHS, OmeFile, Scale
from allfocus.formats.ome_zarr_images import as_list, describe, list_images
from allfocus.formats.ome_zarr_planes import PlaneReader, SmallerLevels
from allfocus.formats.ome_zarr_store import Source, open_source
from allfocus.formats.ome_zarr_write import write_volume
from allfocus.formats.scenes import Scene, SceneFormat, Scenes, microns
from allfocus.metadata import exif
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import Metadata, parse
from allfocus.metadata.exif import Block
from allfocus.metadata.ome_xml import explain_no_length

#: What tells a Zarr folder from others.
MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
#: Axes of versions that don't name them.
AXES = "tczyx"
#: Units of time in seconds.
SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
SECONDS |= {"nanosecond": 1e-9, "s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
#: Names and colours of channels that are the samples of colour pictures.
RGB_NAMES = (("red", "green", "blue"), ("r", "g", "b"))
RGB_COLORS = ("FF0000", "00FF00", "0000FF")


class OmeZarr(SceneFormat):
    """OME-Zarr: multiscale images, plates with wells and fields, and what bioformats2raw makes of several series."""

    name = "OME-Zarr"
    extensions = (".ome.zarr", ".zarr")
    packages = ("zarr", "fsspec")
    capacity = Capacity(depths=DEPTHS, volumes=True, labels=True)
    is_folder = True

    def sniff(self, start: bytes, path: Path) -> bool:
        """By the files of a Zarr group in a folder, by its name, or by that of a zip file."""
        if is_address(path):
            return True
        if start:
            return start.startswith(b"PK\x03\x04") and path.name.lower().endswith((".zarr.zip", ".ozx"))
        return path.suffix.lower() == ".zarr" or any((path / mark).is_file() for mark in MARKS)

    def scenes(self, path: Path) -> Scenes:
        """The images, without their smaller copies and labels."""
        source = open_source(path)
        notes: dict[Note, None] = {}
        images = list_images(source)
        found = [read_or_explain(source, name, place, notes) for name, place in images]
        whole = next((scene for scene in found if isinstance(scene, Scene)), None)
        if whole is None:
            raise next(each for each in found if isinstance(each, ReadError))
        scenes = [
            each if isinstance(each, Scene) else stand_in(whole, name, each)
            for (name, _), each in zip(images, found, strict=True)
        ]
        return Scenes(scenes=scenes, ome_xml=source.text("OME/METADATA.ome.xml"), notes=tuple(notes))

    def images(self, path: Path) -> dict[str, Path]:
        """The images, each of which is an OME-Zarr of its own."""
        if is_address(path) or not path.is_dir():
            return {}
        return {name or place: path / place for name, place in list_images(open_source(path))}

    def blocks(self, path: Path) -> Blocks:
        """What allfocus noted of itself, and the sizes."""
        source = open_source(path)
        made = source.attributes("").get("allfocus", {})
        text = [(key.capitalize(), str(made[key])) for key in ("software", "description") if key in made]
        return Blocks(text=text)

    def encode(self, image: Array, metadata: Metadata) -> Content:
        """The files of one picture."""
        return self.encode_labelled(image, metadata, {})

    def encode_labelled(self, image: Array, metadata: Metadata, labels: Mapping[str, Array]) -> Content:
        """The files of one picture and of its label images."""
        from zarr.storage import MemoryStore

        size = metadata.pixel_size and metadata.pixel_size[::-1]
        said = parse(metadata.exif)
        wanted = OmeFile(
            path=Path("picture.ome.zarr"),
            planes=[image],
            axes="YX" if image.ndim == 2 else "YXS",
            scales=[Scale(pixel_size=size, z_step=metadata.z_step, description=read_text(said, exif.DESCRIPTION))],
            software=read_text(said, exif.SOFTWARE) or "allfocus",
            labels={name: [plane[None, None]] for name, plane in labels.items()},
        )
        files: dict[str, Any] = {}
        write_volume(MemoryStore(files), wanted)
        return {name: bytes(content.to_bytes()) for name, content in files.items()}

    def write_volume(self, part: Path, wanted: OmeFile) -> None:
        """Planes along their axes."""
        from zarr.storage import LocalStore

        write_volume(LocalStore(part), wanted)


def read_text(block: Block | None, tag: int) -> str:
    """A text of an EXIF block; empty where there is none."""
    entry = None if block is None else block.directory(exif.IMAGE).get(tag)
    return "" if entry is None else entry.value.decode("utf-8", "replace").strip("\0 ")


FORMATS = (OmeZarr(),)


# --- images ---------------------------------------------------------------------------------------


def read_or_explain(source: Source, name: str, place: str, notes: dict[Note, None]) -> Scene | ReadError:
    """One image, or why it can't be read."""
    try:
        return read_scene(source, name, place, notes)
    except ReadError as error:
        return error


def stand_in(whole: Scene, name: str, error: ReadError) -> Scene:
    """An image that can't be read: all planes of one that can are missing."""
    return replace(whole, name=name, has=lambda plane: False, parts=None, problem=str(error))


def read_scene(source: Source, name: str, place: str, notes: dict[Note, None]) -> Scene:
    """One image: its largest level, plane by plane.

    Raises:
        ReadError: it is damaged, or has axes that are not understood.
    """
    found = describe(source, place)
    multiscales = as_list(found.get("multiscales"))
    if not multiscales or not as_list(multiscales[0].get("datasets")):
        raise ReadError(f"{source.called(place)} is missing, or describes no image; copy it anew")
    image = multiscales[0]
    dataset = image["datasets"][0]
    array = source.array(f"{place}/{dataset.get('path')}".strip("/"))
    axes = name_axes(source.called(place), image, array.ndim)
    letters = "".join(letter for letter, _ in axes)
    sizes = dict(zip(letters, array.shape, strict=True))
    scale = dict(zip(letters, find_scale(image, dataset, array.ndim), strict=True))
    units = dict(axes)
    lengths = {axis: measure(source.called(place), axis, scale, units, notes) for axis in "xyz"}
    names, colors = read_channels(found)
    is_rgb = is_color(names, colors, sizes.get("c", 1), array.dtype)
    step = scale.get("t") if units.get("t") in SECONDS else None
    reader = PlaneReader(source, array, letters, is_rgb=is_rgb)
    others = [
        (f"{place}/{one.get('path')}".strip("/"), dict(zip(letters, find_scale(image, one, array.ndim), strict=True)))
        for one in as_list(image.get("datasets"))[1:]
        if isinstance(one, dict)
    ]
    return Scene(
        name=name or (str(image.get("name") or "") if place else ""),
        sizes={"T": sizes.get("t", 1), "C": 1 if is_rgb else sizes.get("c", 1), "Z": sizes.get("z", 1)},
        frame=FrameInfo(
            shape=(sizes["y"], sizes["x"], *([3] if is_rgb else [])), dtype=np.dtype(array.dtype).newbyteorder("=")
        ),
        read=SmallerLevels(reader, scale, others).read,
        parts=reader.parts,
        channels=() if is_rgb else names,
        colors=() if is_rgb else colors,
        pixel_size=(a, b) if (a := lengths["x"]) and (b := lengths["y"]) else None,
        z_step=lengths["z"],
        time_step=step * SECONDS[units["t"]] if step is not None and step > 0 and step < float("inf") else None,
    )


def name_axes(name: str, image: Mapping[str, Any], count: int) -> list[tuple[str, str]]:
    """A letter of `tczyx` and the unit of each axis.

    Raises:
        ReadError: rows or columns are missing, or an axis is not understood.
    """
    given = as_list(image.get("axes")) or list(AXES[-count:])
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in given]
    if len(axes) != count:
        raise ReadError(f"{name} names {len(axes)} axes for arrays of {count}; export it anew")
    letters = [str(axis.get("name", "")).lower() for axis in axes]
    kinds = {"time": "t", "channel": "c"}
    letters = [
        letter if letter in AXES else kinds.get(str(axis.get("type")), letter)
        for axis, letter in zip(axes, letters, strict=True)
    ]
    for letter in letters:
        if letter not in AXES or letters.count(letter) > 1:
            listed = ", ".join(letters)
            raise ReadError(f"{name} has axes {listed}; expected each of t, c, z, y and x once at most: export it anew")
    if not {"y", "x"} <= set(letters):
        raise ReadError(f"{name} has axes {', '.join(letters)}; expected y and x among them: it holds no pictures")
    return [(letter, str(axis.get("unit") or "")) for axis, letter in zip(axes, letters, strict=True)]


def find_scale(image: Mapping[str, Any], dataset: Mapping[str, Any], count: int) -> list[float]:
    """The size of a step along each axis, in its unit; 0 where it is unknown."""
    scale = [0.0] * count
    is_known = False
    for transform in (
        *as_list(dataset.get("coordinateTransformations")),
        *as_list(image.get("coordinateTransformations")),
    ):
        factors = transform.get("scale") if isinstance(transform, dict) and transform.get("type") == "scale" else None
        if isinstance(factors, list) and len(factors) == count and all(isinstance(one, int | float) for one in factors):
            scale = [a * b for a, b in zip(scale if is_known else [1.0] * count, factors, strict=True)]
            is_known = True
    return scale


def measure(
    name: str, axis: str, scale: Mapping[str, float], units: Mapping[str, str], notes: dict[Note, None]
) -> float | None:
    """The step along an axis of space in µm; None, with a note, where its number or unit makes no sense."""
    if not scale.get(axis) or (not units.get(axis) and scale[axis] == 1):
        return None
    found = microns(scale[axis], units[axis]) if units[axis] else None
    if found is None:
        message = f"{name}: {explain_no_length(axis, float(scale[axis]), units[axis] or 'without a unit')}"
        notes[Note(code="no-length", message=message)] = None
    return found


def read_channels(found: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and colours of the channels, as far as they are known."""
    omero = found.get("omero")
    channels = as_list(omero.get("channels")) if isinstance(omero, dict) else []
    channels = [channel if isinstance(channel, dict) else {} for channel in channels]
    names = tuple(str(channel.get("label") or channel.get("name") or "") for channel in channels)
    colors = tuple(str(channel.get("color") or "").lstrip("#").upper()[:6] for channel in channels)
    return names, colors if all(re.fullmatch("[0-9A-F]{6}", color) for color in colors) else ()


def is_color(names: Sequence[str], colors: Sequence[str], count: int, dtype: Any) -> bool:
    """Whether three channels are the samples of colour pictures: called red, green and blue, and coloured so."""
    lower = tuple(name.lower() for name in names)
    return count == 3 and dtype.kind in "uf" and lower in RGB_NAMES and tuple(colors) in (RGB_COLORS, ())
