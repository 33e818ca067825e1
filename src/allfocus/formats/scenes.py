"""What every reader of a microscope's files says of them: scenes with axes, and how to get one plane.

A new format of this kind is one module: a `SceneFormat` that says what its files look like and lists their scenes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from math import isfinite, prod
from pathlib import Path
from typing import Literal

from allfocus.core.color import FULL_SCALE, Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo, size_of
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.filebytes import first_line
from allfocus.formats.format import Development, Format, Header, PlaneParts, Planes, PlaneStack
from allfocus.formats.pixels import check_pixels, drop_opaque_alpha, reduction
from allfocus.metadata.ome_xml import MICRONS, name_axes


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Place of a plane in its scene: time, channel and height, each counted from 0."""

    t: int
    c: int
    z: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A position on the stage: a scene of CZI, an image of LIF, a field of a well.

    Attributes:
        name: what the file calls it; may be empty.
        sizes: how many times (T), channels (C) and planes (Z) there are.
        frame: shape and depth of each plane.
        read: decodes one plane: samples (H, W) or (H, W, 3 or 4).
        has: whether the file holds a plane, found out without decoding it.
        parts: how the planes of a time and a channel are read in parts; None: as a whole only.
        channels: names of the channels; may be fewer than there are.
        colors: of the channels, as `RRGGBB`; may be empty.
        pixel_size: width and height of a pixel in µm; None where it is unknown.
        z_step: from plane to plane in µm; None where it is unknown.
        time_step: from time to time in seconds; None where it is unknown.
        problem: why it can't be read, where all of its planes are missing.
    """

    name: str = ""
    sizes: Mapping[str, int]
    frame: FrameInfo
    read: Callable[[Plane], Array]
    has: Callable[[Plane], bool] = lambda plane: True
    parts: Callable[[int, int], PlaneParts] | None = None
    channels: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    time_step: float | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """All scenes of a file.

    Attributes:
        scenes: in the order of the file.
        ome_xml: the file's OME-XML; None where it has none.
        notes: what a user should know of how the file was understood.
    """

    scenes: Sequence[Scene]
    ome_xml: str | None = None
    notes: tuple[Note, ...] = field(default=())


class SceneFormat(Format):
    """A format of microscopes.

    Attributes:
        packages: modules that reading needs, all in the extra `microscopy`.
    """

    contains: Literal["picture", "planes", "frames"] = "planes"
    extra = "microscopy"
    packages: tuple[str, ...] = ()

    def is_readable(self) -> bool:
        """Whether the packages that reading needs are installed."""
        return all(find_spec(name) is not None for name in self.packages)

    def scenes(self, path: Path) -> Scenes:
        """What the file holds; nothing is decoded."""
        raise NotImplementedError

    def planes(self, path: Path) -> Planes:
        """The focal stacks of all scenes."""
        return make_planes(path, self.name, self.scenes(path))

    def header(self, path: Path) -> Header:
        """What `read` will return: the file's only plane."""
        return Header(format=self, frame=self._only(path).frames[0])

    def read(self, path: Path, development: Development | None = None) -> Array:
        """The file's only plane."""
        reader = self._only(path).readers[0]
        if reader is None:
            raise ReadError(f"{path.name} lacks its only plane; copy or export it anew")
        return reader()

    def _only(self, path: Path) -> PlaneStack:
        """The stack of a file that holds a single plane: a frame among other files."""
        planes = self.planes(path)
        count = sum(len(stack.frames) for stack in planes.stacks)
        if count != 1:
            raise ReadError(f"{path.name} holds {count} planes; give it alone to fuse them")
        return planes.stacks[0]


def make_planes(path: Path, kind: str, found: Scenes) -> Planes:
    """The focal stacks of scenes: one for each scene, time and channel.

    Scenes of one plane beside others of several are left out, with a note: overviews, single pictures.

    Raises:
        ReadError: there is no scene, or samples that can't be fused.
    """
    scenes, notes = leave_flat_out(path, found.scenes)
    if not scenes:
        raise ReadError(f"{path.name} holds no pictures; expected planes of a focal stack")
    scenes, more = turn_times(path, scenes)
    names = name_axes([scene.name for scene in scenes], "position", len(scenes))
    if len(set(names)) < len(names):
        names = tuple(f"{name} ({number + 1})" for number, name in enumerate(names))
    first = scenes[0]
    for scene in scenes:
        check_frame(path.name, scene.frame)
    alike = {(*(scene.sizes[axis] for axis in "TCZ"), scene.frame.shape, scene.frame.dtype) for scene in scenes}
    return Planes(
        axes={"P": len(scenes), **{axis: max(scene.sizes[axis] for scene in scenes) for axis in "TCZ"}},
        stacks=tuple(
            make_stack(path, kind, scene, number, time, channel)
            for number, scene in enumerate(scenes)
            for time, channel in product(range(scene.sizes["T"]), range(scene.sizes["C"]))
        ),
        channel_names=name_axes(
            max((scene.channels for scene in scenes), key=len), "channel", max(scene.sizes["C"] for scene in scenes)
        ),
        channel_colors=first.colors,
        position_names=names,
        pixel_size=first.pixel_size,
        z_step=first.z_step,
        time_step=first.time_step,
        ome_xml=found.ome_xml,
        notes=(*found.notes, *notes, *more),
        differ="" if len(alike) == 1 else describe_differences(scenes, names),
    )


def leave_flat_out(path: Path, scenes: Sequence[Scene]) -> tuple[list[Scene], list[Note]]:
    """The scenes that are stacks, if any is; a note on others."""
    deep = [scene for scene in scenes if scene.sizes["Z"] > 1]
    if not deep or len(deep) == len(scenes):
        return list(scenes), []
    flat = [scene.name or f"scene {number + 1}" for number, scene in enumerate(scenes) if scene.sizes["Z"] < 2]
    more = f" and {len(flat) - 3} more" if len(flat) > 3 else ""
    message = f"{path.name}: {', '.join(flat[:3])}{more} left out, which hold one plane and no focal stack"
    return deep, [Note(code="flat-scenes-left-out", message=message)]


def turn_times(path: Path, scenes: list[Scene]) -> tuple[list[Scene], list[Note]]:
    """Times taken for planes where there are no planes, as in TIFF files: programs often call them so."""
    if any(scene.sizes["Z"] > 1 for scene in scenes) or all(scene.sizes["T"] < 2 for scene in scenes):
        return scenes, []
    message = f"{path.name} has times and no planes: its times are taken for the planes of a focal stack"
    return [turn(scene) for scene in scenes], [Note(code="times-as-planes", message=message)]


def turn(scene: Scene) -> Scene:
    """A scene whose times are its planes."""

    def place(plane: Plane) -> Plane:
        return Plane(t=plane.z, c=plane.c, z=0)

    return Scene(
        name=scene.name,
        sizes={"T": 1, "C": scene.sizes["C"], "Z": scene.sizes["T"]},
        frame=scene.frame,
        read=lambda plane: scene.read(place(plane)),
        has=lambda plane: scene.has(place(plane)),
        channels=scene.channels,
        colors=scene.colors,
        pixel_size=scene.pixel_size,
    )


def describe_differences(scenes: Sequence[Scene], names: Sequence[str]) -> str:
    """How two scenes differ, in words."""

    def shape(scene: Scene) -> str:
        sizes = scene.sizes
        return f"{size_of(scene.frame)}, {sizes['Z']} planes, {sizes['C']} channels, {sizes['T']} times"

    first = shape(scenes[0])
    other = next((k for k, scene in enumerate(scenes) if shape(scene) != first), len(scenes) - 1)
    return f"{names[0]} is {first}; {names[other]} is {shape(scenes[other])}"


def make_stack(path: Path, kind: str, scene: Scene, number: int, time: int, channel: int) -> PlaneStack:
    """One focal stack."""
    heights = [Plane(t=time, c=channel, z=z) for z in range(scene.sizes["Z"])]
    return PlaneStack(
        position=number,
        time=time,
        channel=channel,
        pixel_size=scene.pixel_size,
        z_step=scene.z_step,
        frames=[scene.frame] * len(heights),
        readers=[partial(read_plane, path, kind, scene, plane) if scene.has(plane) else None for plane in heights],
        parts=None if scene.parts is None else explain_parts(path, kind, scene.parts(time, channel)),
        problem=scene.problem,
    )


def explain_parts(path: Path, kind: str, parts: PlaneParts) -> PlaneParts:
    """The parts of planes, which raise `ReadError` where one is damaged."""

    def read(planes: slice, rows: slice) -> Array:
        try:
            return parts.read(planes, rows)
        except (AllFocusError, MemoryError):
            raise
        except Exception as error:
            at = f"rows {rows.start + 1} to {rows.stop} of planes {planes.start + 1} to {planes.stop}"
            raise ReadError(f"{path.name}: {at} can't be read as {kind}: {first_line(error)}; copy it anew") from error

    return replace(parts, read=read)


def read_plane(path: Path, kind: str, scene: Scene, plane: Plane) -> Array:
    """Decode one plane; raises `ReadError` where it is damaged, or not what its header says."""
    height, width = scene.frame.size
    check_pixels(width, height, path.name)
    at = f"plane {plane.z + 1}, channel {plane.c + 1}, time {plane.t + 1}"
    try:
        found = drop_opaque_alpha(scene.read(plane))
    except (AllFocusError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"{path.name}: {at} can't be read as {kind}: {first_line(error)}; copy it anew") from error
    if found.shape[:2] != scene.frame.size and (reduction() == 1 or found.size > prod(scene.frame.shape)):
        raise ReadError(f"{path.name}: {at} is {size_of(found)}; expected {size_of(scene.frame)}: export it anew")
    return found


def check_frame(name: str, frame: FrameInfo) -> None:
    """Raise `ReadError` for samples that can't be fused."""
    check_pixels(frame.shape[1], frame.shape[0], name)
    if frame.working.dtype not in FULL_SCALE:
        raise ReadError(f"{name} has {frame.dtype} samples; expected whole numbers or floats: convert it first")


def microns(value: object, unit: str | None = "µm") -> float | None:
    """A length in µm; None for one that is none, or in a unit that is not known."""
    scale = MICRONS.get((unit or "").strip()) or UNITS.get((unit or "").strip().lower())
    try:
        length = float(value) * scale if scale is not None else 0.0  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return length if isfinite(length) and length > 0 else None


#: Units of length by their full names, as OME-Zarr writes them, in µm.
UNITS = {
    "angstrom": 1e-4,
    "femtometer": 1e-9,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "decimeter": 1e5,
    "meter": 1e6,
    "kilometer": 1e9,
    "inch": 25400.0,
    "foot": 304800.0,
    "yard": 914400.0,
}
