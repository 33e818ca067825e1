"""CZI, as Zeiss's microscopes write it: subblocks with places along axes, read by czifile's directory of them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.scenes import Plane, Scene, SceneFormat, Scenes, microns

#: Axes that are scenes, times, channels and heights; any other may have one place only.
SCENE, TIME, CHANNEL, HEIGHT = "STCZ"
#: Axes within a plane: rows, columns, samples, and the tiles of a mosaic.
WITHIN = "YX0M"
#: How samples are compressed.
PLAIN, JPEG, LZW, JPEG_XR, ZSTD, ZSTD_PACKED = 0, 1, 2, 4, 5, 6

#: Where a subblock lies along the axes other than rows and columns.
Place = tuple[int, int, int, int]


class Czi(SceneFormat):
    """CZI files: several scenes, channels, times and planes; mosaics; RGB."""

    name = "CZI"
    extensions = (".czi",)
    packages = ("czifile", "imagecodecs")

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its first segment's name."""
        return start.startswith(b"ZISRAWFILE")

    def scenes(self, path: Path) -> Scenes:
        """The scenes, from the directory of subblocks; the pyramid's smaller copies are left out."""
        from czifile import CziFile

        with CziFile(path, detectmosaic=False) as file:
            entries = [entry for entry in file.subblock_directory if entry.shape == entry.stored_shape]
            xml = file.metadata() if file.header.metadata_position else ""
        if not entries:
            raise ReadError(f"{path.name} holds no pictures; expected planes of a focal stack")
        check_axes(path.name, entries)
        facts = read_facts(xml)
        by_scene: defaultdict[int, list[Any]] = defaultdict(list)
        for entry in entries:
            by_scene[find_place(entry)[0]].append(entry)
        return Scenes(
            scenes=[make_scene(path, inside, facts, k) for k, (_, inside) in enumerate(sorted(by_scene.items()))]
        )


FORMATS = (Czi(),)


def check_axes(name: str, entries: Sequence[Any]) -> None:
    """Raise `ReadError` for axes along which no focal stack goes."""
    places = defaultdict(set)
    for entry in entries:
        for dimension in entry.dimension_entries:
            places[dimension.dimension].add(dimension.start)
    for axis, starts in places.items():
        if axis not in WITHIN + SCENE + TIME + CHANNEL + HEIGHT and len(starts) > 1:
            raise ReadError(
                f"{name} has an axis {axis} of {len(starts)}; expected scenes, times, channels and planes only: "
                f"split it by {axis} in ZEN"
            )


def find_place(entry: Any) -> Place:
    """Scene, time, channel and height of a subblock."""
    starts = {dimension.dimension: dimension.start for dimension in entry.dimension_entries}
    return tuple(starts.get(axis, 0) for axis in (SCENE, TIME, CHANNEL, HEIGHT))


def make_scene(path: Path, entries: Sequence[Any], facts: Mapping[str, Any], number: int) -> Scene:
    """One scene: its planes are as large as all its tiles together, each of which lies at its place in it."""
    tiles: defaultdict[Place, list[Any]] = defaultdict(list)
    for entry in entries:
        tiles[find_place(entry)].append(entry)
    axes = [sorted({place[axis] for place in tiles}) for axis in range(4)]
    boxes = [find_box(entry) for entry in entries]
    top, left = min(box[0] for box in boxes), min(box[1] for box in boxes)
    size = max(box[2] for box in boxes) - top, max(box[3] for box in boxes) - left
    types = {np.dtype(entry.dtype) for entry in entries}
    if len(types) > 1:
        raise ReadError(f"{path.name} mixes pixels of several types; export channels of one type at a time")
    dtype = types.pop()
    samples = dtype.shape[0] if dtype.shape else 1
    shape = size if samples == 1 else (*size, 3)
    times, channels, heights = (range(axis[0], axis[-1] + 1) for axis in axes[1:])

    def place(plane: Plane) -> Place:
        return axes[0][0], times[plane.t], channels[plane.c], heights[plane.z]

    names = facts["scenes"]
    return Scene(
        name=names[number] if number < len(names) else f"scene {number + 1}",
        sizes={"T": len(times), "C": len(channels), "Z": len(heights)},
        frame=FrameInfo(shape=shape, dtype=dtype.base),
        read=lambda plane: read_tiles(path, tiles[place(plane)], (top, left), (*size, samples)),
        has=lambda plane: place(plane) in tiles,
        channels=facts["channels"],
        colors=facts["colors"],
        pixel_size=facts["pixel_size"],
        z_step=facts["z_step"],
        time_step=facts["time_step"],
    )


def find_box(entry: Any) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a subblock."""
    sides = {dimension.dimension: (dimension.start, dimension.size) for dimension in entry.dimension_entries}
    (top, height), (left, width) = sides["Y"], sides["X"]
    return top, left, top + height, left + width


def read_tiles(path: Path, tiles: Sequence[Any], corner: tuple[int, int], shape: tuple[int, int, int]) -> Array:
    """Decode a plane of one or several tiles, of which later ones lie over earlier ones."""
    from czifile import CziFile

    if len(tiles) == 1 and tuple(tiles[0].shape[-3:]) == shape:
        with CziFile(path, detectmosaic=False) as file:
            found = decode(file, tiles[0], path.name)
        return found[..., 0] if shape[2] == 1 else found
    picture = np.zeros(shape, np.dtype(tiles[0].dtype).base)
    covered = np.zeros(shape[:2], bool)
    with CziFile(path, detectmosaic=False) as file:
        for tile in sorted(tiles, key=lambda tile: tile.mosaic_index or 0):
            top, left, bottom, right = find_box(tile)
            rows, columns = slice(top - corner[0], bottom - corner[0]), slice(left - corner[1], right - corner[1])
            picture[rows, columns] = decode(file, tile, path.name)
            covered[rows, columns] = True
    picture = picture[..., 0] if shape[2] == 1 else picture[..., :3]
    if covered.all():
        return picture
    # between tiles nothing was seen: the last channel says so
    opaque = np.iinfo(picture.dtype).max if picture.dtype.kind in "iu" else 1
    alpha = np.where(covered, opaque, 0).astype(picture.dtype)
    return np.dstack([picture, alpha])


def decode(file: Any, entry: Any, name: str) -> Array:
    """Samples of a subblock: (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA."""
    import imagecodecs

    decoders: dict[int, Callable[[Any], Any]] = {
        PLAIN: bytes,
        JPEG: imagecodecs.jpeg_decode,
        LZW: imagecodecs.lzw_decode,
        JPEG_XR: imagecodecs.jpegxr_decode,
        ZSTD: imagecodecs.zstd_decode,
        ZSTD_PACKED: partial(unpack_zstd, itemsize=np.dtype(entry.dtype).base.itemsize),
    }
    if entry.compression not in decoders:
        raise ReadError(f"{name} is compressed in a way ({entry.compression}) that is not read; export it anew")
    entry._fh = file._fh  # the file that the directory was read from is closed
    raw = decoders[entry.compression](entry.data_segment().data(raw=True))
    dtype, shape = np.dtype(entry.dtype).base, tuple(entry.shape[-3:])
    samples = raw if isinstance(raw, np.ndarray) else np.frombuffer(raw, dtype)
    if samples.size != np.prod(shape) or samples.dtype.itemsize != dtype.itemsize:
        raise ReadError(f"{name} is damaged: a plane holds {samples.size} samples; expected {np.prod(shape)}")
    samples = samples.astype(dtype, copy=False).reshape(shape)
    if shape[2] == 1 or entry.compression in (JPEG, JPEG_XR):
        return samples
    return np.ascontiguousarray(samples[..., [2, 1, 0, 3][: shape[2]]])  # stored as BGR


def unpack_zstd(packed: bytes, itemsize: int) -> bytes:
    """Samples that may have been stored as all their low bytes first, then all their high bytes."""
    import imagecodecs

    length = packed[0]
    is_split = length == 3 and packed[1] == 1 and packed[2] & 1
    raw = bytes(imagecodecs.zstd_decode(packed[length:]))
    if not is_split or itemsize != 2:
        return raw
    return np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(2, -1).T).tobytes()


def read_facts(xml: str) -> dict[str, Any]:
    """Names, colours and sizes from the file's own XML; what is damaged or missing is empty."""
    facts: dict[str, Any] = {
        "channels": (), "colors": (), "scenes": (), "pixel_size": None, "z_step": None, "time_step": None,
    }  # fmt: skip
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return facts
    # in metres, whatever unit they are shown in
    sizes = {
        item.get("Id"): microns(item.findtext("Value"), "m") for item in root.iterfind(".//Scaling/Items/Distance")
    }
    width, height = sizes.get("X"), sizes.get("Y")
    image = root.find(".//Information/Image")
    channels = [] if image is None else image.findall("Dimensions/Channels/Channel")
    shown = {
        item.get("Id"): item.findtext("Color") or "" for item in root.iterfind(".//DisplaySetting/Channels/Channel")
    }
    colors = [shown.get(item.get("Id")) or item.findtext("Color") or "" for item in channels]
    scenes = [] if image is None else image.findall("Dimensions/S/Scenes/Scene")
    return facts | {
        "channels": tuple(item.get("Name") or "" for item in channels),
        "colors": tuple(color[-6:] for color in colors) if all(len(color) in (7, 9) for color in colors) else (),
        "scenes": tuple(item.get("Name") or "" for item in scenes),
        "pixel_size": (width, height) if width and height else None,
        "z_step": sizes.get("Z") or microns(find_step(image, "Z")),
        "time_step": microns(find_step(image, "T")),  # in seconds: no more than a positive number
    }


def find_step(image: ElementTree.Element | None, axis: str) -> float | None:
    """From one place along an axis to the next: micrometres or seconds; None where that is unknown."""
    places = None if image is None else image.find(f"Dimensions/{axis}/Positions")
    if places is None:
        return None
    try:
        offsets = [float(word) for word in (places.findtext("List/Offsets") or "").split()]
        if len(offsets) > 1:
            return abs(offsets[-1] - offsets[0]) / (len(offsets) - 1)
        return abs(float(places.findtext("Interval/Increment") or 0)) or None
    except ValueError:
        return None
