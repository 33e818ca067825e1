"""ND2, as Nikon's microscopes write it: frames with places along loops, read by nd2 one by one."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.scenes import Plane, Scene, SceneFormat, Scenes, microns

#: How a file begins: of today, and of before 2011, which is a JPEG 2000.
STARTS = (b"\xda\xce\xbe\x0a", b"\0\0\0\x0cjP  \r\n\x87\n")


class Nd2(SceneFormat):
    """ND2 files: several positions, channels, times and planes; RGB."""

    name = "ND2"
    extensions = (".nd2",)
    packages = ("nd2",)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its first bytes; those of before 2011 by their ending too, since they are JPEG 2000."""
        return start.startswith(STARTS[0]) or (start.startswith(STARTS[1]) and path.suffix.lower() == ".nd2")

    def scenes(self, path: Path) -> Scenes:
        """One for each position on the stage."""
        from nd2 import ND2File

        with ND2File(path) as file:
            sizes = dict(file.sizes)
            other = next((axis for axis, size in sizes.items() if axis not in "PTZCYXS" and size > 1), None)
            if other is not None:
                raise ReadError(
                    f"{path.name} has an axis {other} of {sizes[other]}; expected P, T, Z and C only: split it"
                )
            shape = (sizes["Y"], sizes["X"], *([3] if sizes.get("S", 1) > 1 else []))
            frame, facts = FrameInfo(shape=shape, dtype=np.dtype(file.dtype)), read_facts(file)
            places = {
                tuple(place.get(axis, 0) for axis in "PTZ"): number for number, place in enumerate(file.loop_indices)
            }
        names = facts.pop("names")
        return Scenes(
            scenes=[
                Scene(
                    name=names[k] if k < len(names) else "",
                    sizes={axis: sizes.get(axis, 1) for axis in "TCZ"},
                    frame=frame,
                    read=partial(read_frame, path, k, places, sizes.get("C", 1)),
                    has=partial(has_frame, k, places),
                    **facts,
                )
                for k in range(sizes.get("P", 1))
            ]
        )


FORMATS = (Nd2(),)


def find_number(position: int, places: Mapping[tuple[int, ...], int], plane: Plane) -> int | None:
    """Number of the frame that holds a plane, all its channels; None where the file has none."""
    return places.get((position, plane.t, plane.z)) if places else 0


def has_frame(position: int, places: Mapping[tuple[int, ...], int], plane: Plane) -> bool:
    """Whether the file names a frame for a plane."""
    return find_number(position, places, plane) is not None


def read_frame(path: Path, position: int, places: Mapping[tuple[int, ...], int], channels: int, plane: Plane) -> Array:
    """Decode one plane."""
    from nd2 import ND2File

    number = find_number(position, places, plane) or 0
    with ND2File(path) as file:
        # of a frame that was never written nd2 makes a black one
        offsets = getattr(getattr(file, "_rdr", None), "_frame_offsets", None)
        if isinstance(offsets, Mapping) and number not in offsets:
            raise ReadError(f"{path.name} lacks plane {plane.z + 1}, time {plane.t + 1}; save it anew")
        samples: Array = file.read_frame(number)
        # a copy: what nd2 hands out lies in the mapped file, which is closed here
        return np.array(samples[plane.c] if channels > 1 else samples)


def read_facts(file: Any) -> dict[str, Any]:
    """Names, colours and sizes, as the fields of `Scene`; what is missing or damaged is empty."""
    try:
        described = [channel.channel for channel in file.metadata.channels or ()]
    except Exception:  # of every type: it is no more than a description
        described = []
    size = file.voxel_size()
    loops = {loop.type: loop.parameters for loop in file.experiment}
    points = getattr(loops.get("XYPosLoop"), "points", ())
    period = getattr(loops.get("TimeLoop"), "periodMs", None)
    width, height = microns(size.x), microns(size.y)
    return {
        "names": [point.name or "" for point in points],
        "channels": tuple(channel.name for channel in described),
        "colors": tuple("{:02X}{:02X}{:02X}".format(*channel.color[:3]) for channel in described),
        "pixel_size": (width, height) if width and height and width != 1 else None,
        "z_step": microns(size.z) if "ZStackLoop" in loops else None,
        "time_step": period / 1000 if period else None,
    }
