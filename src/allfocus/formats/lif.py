"""LIF, as Leica's microscopes write it: images with axes of their own, read by liffile frame by frame."""

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.scenes import Plane, Scene, SceneFormat, Scenes, microns

#: Axes along which every place is a position of its own: tiles of a mosaic, and wavelengths, which are channels.
TILES, WAVELENGTHS = "M", "λΛ"


class Lif(SceneFormat):
    """LIF files: several images, with channels, times, planes, tiles and wavelengths; RGB."""

    name = "LIF"
    extensions = (".lif",)
    packages = ("liffile",)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By the marks of its header."""
        return start.startswith(b"\x70\0\0\0") and start[8:9] == b"\x2a" and start[13:14] == b"<"

    def scenes(self, path: Path) -> Scenes:
        """The images that have rows and columns."""
        from liffile import LifFile

        with LifFile(path) as file:
            looked = [(number, image) for number, image in enumerate(file.images) if not image.is_flim]
            scenes = [scene for number, image in looked for scene in list_scenes(path, number, image)]
            left_out = [image.path for _, image in looked if not is_picture(image)]
        notes = []
        if left_out:
            message = f"{path.name}: {', '.join(left_out[:3])} left out, which have no rows and columns"
            notes = [Note(code="scenes-left-out", message=message)]
        if not scenes:
            held = f", but {', '.join(left_out[:3])}, scanned along other axes" if left_out else ""
            raise ReadError(f"{path.name} holds no pictures{held}; expected planes of a focal stack")
        return Scenes(scenes=scenes, notes=tuple(notes))


FORMATS = (Lif(),)


def is_picture(image: Any) -> bool:
    """Whether an image has rows and columns, in whatever order it was scanned."""
    return {"Y", "X"} <= set(image.dims)


def list_scenes(path: Path, number: int, image: Any) -> list[Scene]:
    """The scenes of an image: one, or one for each of its tiles."""
    if not is_picture(image):
        return []
    sizes = dict(image.sizes)
    tiles = sizes.get(TILES, 1)
    return [
        make_scene(path, number, image, sizes, {TILES: tile} if TILES in sizes else {}, tiles) for tile in range(tiles)
    ]


def make_scene(path: Path, number: int, image: Any, sizes: dict[str, int], fixed: dict[str, int], tiles: int) -> Scene:
    """One image, or one tile of it."""
    waves = [axis for axis in sizes if axis in WAVELENGTHS]
    others = [axis for axis, size in sizes.items() if axis not in "TCZYXS" + TILES + WAVELENGTHS and size > 1]
    if others:
        raise ReadError(
            f"{path.name}: {image.path} has an axis {others[0]} of {sizes[others[0]]}; expected times, channels, "
            "planes and wavelengths only: export it without"
        )
    inside = [sizes.get("C", 1), *(sizes[axis] for axis in waves)]
    shape = (sizes["Y"], sizes["X"], *([3] if sizes.get("S", 1) > 1 else []))
    place = image.path if tiles == 1 else f"{image.path} tile {fixed[TILES] + 1}"
    names, colors = name_channels(image, waves)
    step = {axis: find_step(image, axis) for axis in "XYZT"}
    return Scene(
        name=place,
        sizes={"T": sizes.get("T", 1), "C": prod(inside), "Z": sizes.get("Z", 1)},
        frame=FrameInfo(shape=shape, dtype=np.dtype(image.dtype)),
        read=partial(read_frame, path, number, inside, waves, fixed),
        channels=names,
        colors=colors,
        pixel_size=(a, b) if (a := microns(step["X"], "m")) and (b := microns(step["Y"], "m")) else None,
        z_step=microns(step["Z"], "m"),
        time_step=step["T"],
    )


def read_frame(
    path: Path, number: int, inside: Sequence[int], waves: Sequence[str], fixed: dict[str, int], plane: Plane
) -> Array:
    """Decode one plane."""
    from liffile import LifFile

    channel, *wavelengths = (int(index) for index in np.unravel_index(plane.c, inside))
    wanted = {"T": plane.t, "C": channel, "Z": plane.z, **dict(zip(waves, wavelengths, strict=True)), **fixed}
    with LifFile(path) as file:
        image: Any = file.images[number]
        wanted = {axis: index for axis, index in wanted.items() if axis in image.sizes}
        if image.frames.frame_dims[:2] == ("Y", "X"):
            samples: Array = image.frame(**wanted)
            return samples
        axes = image.dims
    samples = read_all(path, number, stamp_of(path))[tuple(wanted.get(axis, slice(None)) for axis in axes)]
    left = [axis for axis in axes if axis not in wanted]
    return np.ascontiguousarray(np.moveaxis(samples, [left.index("Y"), left.index("X")], [0, 1]))


def stamp_of(path: Path) -> tuple[int, int]:
    """By what a change of a file shows."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def read_all(path: Path, number: int, seen: object) -> Array:
    """All samples of an image that was scanned in another order than plane by plane."""
    from liffile import LifFile

    with LifFile(path) as file:
        samples: Array = file.images[number].asarray()
        return samples


def name_channels(image: Any, waves: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and colours of the channels, each with each wavelength."""
    tables = [channel.get("LUTName", "") for channel in list_channels(image)]
    names = [table or f"channel {k + 1}" for k, table in enumerate(tables)] or ["channel 1"]
    if len(set(names)) < len(names):
        names = [f"{name} {k + 1}" for k, name in enumerate(names)]
    lengths = [[f"{round(float(nm) * 1e9)} nm" for nm in image.coords.get(axis, ())] for axis in waves]
    known = [COLORS.get(table.lower(), "") for table in tables]
    joined = tuple(" ".join(parts) for parts in product(names, *lengths)) if all(lengths) else tuple(names)
    return joined, tuple(known) if all(known) and not waves else ()


#: Colours of Leica's tables.
COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF", "gray": "FFFFFF", "grey": "FFFFFF",
          "cyan": "00FFFF", "magenta": "FF00FF", "yellow": "FFFF00"}  # fmt: skip


def list_channels(image: Any) -> list[dict[str, str]]:
    """Attributes of the channels in the file's XML."""
    return [dict(element.attrib) for element in image.xml_element.iterfind(".//Channels/ChannelDescription")]


def find_step(image: Any, axis: str) -> float | None:
    """From one place along an axis to the next, in metres or seconds; None where it is unknown."""
    places = image.coords.get(axis)
    if places is None or len(places) < 2:
        return None
    step = abs(float(places[-1]) - float(places[0])) / (len(places) - 1)
    return step or None
