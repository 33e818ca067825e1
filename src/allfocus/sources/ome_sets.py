"""Sets of OME-TIFF files: which files are planes of one picture, by the OME-XML in them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

from tifffile import TiffFile

from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.metadata.ome_xml import local_name, name_axes

#: Endings of OME-XML in a file of its own.
COMPANION = ".companion.ome"

#: More planes than this are none that lie in files of their own.
MOST_PLANES = 1_000_000

#: Position, time and channel, counted from 0.
Place = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class OmeSet:
    """Files that hold the planes of one picture, or of several positions.

    Attributes:
        main: a file that holds the OME-XML.
        planes: of each file by its name: position, time and channel of its planes, and the height of the first.
        channels: a name for each channel.
        positions: a name for each position.
        is_embedded: whether that file is a picture; if not, it is OME-XML alone, and the main file one of the pictures.
    """

    main: Path
    planes: dict[str, tuple[frozenset[Place], int]]
    channels: tuple[str, ...]
    positions: tuple[str, ...]
    is_embedded: bool = True

    @property
    def missing(self) -> list[str]:
        """Names of files that are not in the folder."""
        return [name for name in self.planes if is_inside(name) and not (self.main.parent / name).exists()]

    def label(self, place: Place) -> str:
        """What tells planes at one position, time and channel from others."""
        places = sorted({one for found, _ in self.planes.values() for one in found})
        position, time, channel = place
        words = (self.positions[position], f"time {time + 1}", self.channels[channel])
        return ", ".join(word for k, word in enumerate(words) if len({one[k] for one in places}) > 1)


def find_ome_set(path: Path) -> OmeSet | None:
    """The set that an OME-TIFF file belongs to; None for one that holds all its planes itself, and for other files."""
    with suppress(ReadError), explain_errors(path, "OME-TIFF"):
        xml, main, is_embedded = read_ome_xml(path)
        found = None if xml is None else replace(parse_set(xml, main), is_embedded=is_embedded)
        return found if found is not None and len(found.planes) > 1 and path.name in found.planes else None
    return None


def read_ome_xml(path: Path) -> tuple[str | None, Path, bool]:
    """The OME-XML of a TIFF file, its own or that of the file it names; the picture it is in, and whether it is in one.

    Raises:
        ReadError: the file that it names is missing.
    """
    if not path.is_file():
        return None, path, False
    with TiffFile(path) as tiff:
        xml = tiff.ome_metadata if tiff.is_ome else None
    named = None if xml is None else find_binary_only(xml)
    if named is None:
        return xml, path, True
    other = path.with_name(named)
    if not other.is_file():
        raise ReadError(f"{path.name} says that {named} describes it, which is missing; keep both in one folder")
    if named.lower().endswith(COMPANION):
        return other.read_text(encoding="utf-8"), path, False
    with TiffFile(other) as tiff:
        return tiff.ome_metadata, other, True


def find_binary_only(xml: str) -> str | None:
    """The name of the file that holds the rest of a short OME-XML; None where it is complete."""
    for element in ElementTree.fromstring(xml):
        if local_name(element) == "BinaryOnly":
            return Path(element.get("MetadataFile", "")).name or None
    return None


def parse_set(xml: str, main: Path) -> OmeSet:
    """The files that OME-XML names (schema of 2016-06), in its order."""
    images = [element for element in ElementTree.fromstring(xml) if local_name(element) == "Image"]
    places: dict[str, set[Place]] = {}
    heights: dict[str, int] = {}
    channels: tuple[str, ...] = ()
    for position, image in enumerate(images):
        pixels = next(element for element in image if local_name(element) == "Pixels")
        names = [element.get("Name", "") for element in pixels if local_name(element) == "Channel"]
        channels = max(channels, name_axes(names, "channel", int(pixels.get("SizeC", 1))), key=len)
        for name, height, time, channel in islice(list_planes(pixels, main.name), MOST_PLANES):
            places.setdefault(name, set()).add((position, time, channel))
            heights.setdefault(name, height)
    planes = {name: (frozenset(found), heights[name]) for name, found in places.items()}
    names = [image.get("Name", "") for image in images]
    return OmeSet(
        main=main, planes=planes, channels=channels, positions=name_axes(names, "position", max(len(images), 1))
    )


def list_planes(pixels: ElementTree.Element, own: str) -> Iterator[tuple[str, int, int, int]]:
    """For each plane the file that holds it, and its height, time and channel, counted from 0."""
    sizes = {axis: int(pixels.get(f"Size{axis}", 1)) for axis in "ZCT"}
    order = [axis for axis in pixels.get("DimensionOrder", "XYZCT") if axis in sizes]
    for data in (element for element in pixels if local_name(element) == "TiffData"):
        named = [element.get("FileName", "") for element in data if local_name(element) == "UUID"]
        name = named[0] if named and named[0] else own
        at = {axis: int(data.get(f"First{axis}", 0)) for axis in order}
        whole = 1 if "IFD" in data.attrib else prod(sizes.values())
        for _ in range(int(data.get("PlaneCount", whole))):
            yield name, at["Z"], at["T"], at["C"]
            for axis in order:  # on to the next plane, the fastest axis first
                at[axis] += 1
                if at[axis] < sizes[axis]:
                    break
                at[axis] = 0


def is_inside(name: str) -> bool:
    """Whether a file that is named by another lies in that one's folder, or below; others are never opened."""
    windows = PureWindowsPath(name)
    return not (windows.is_absolute() or windows.drive or windows.root or ".." in windows.parts)


def check_complete(found: OmeSet) -> None:
    """Raise `ReadError` where files of a set are missing, with their names."""
    missing = found.missing
    if missing:
        named = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        raise ReadError(
            f"{found.main.name} is one of {len(found.planes)} files of a set, of which {len(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: {named}; keep all files of the picture in one folder"
        )
