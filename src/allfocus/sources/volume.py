"""What microscopes deliver: OME-TIFF and ImageJ stacks with axes, a focal stack for each position, time and channel."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffPage, TiffPageSeries

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo, check_alike
from allfocus.errors import ReadError, StackError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.pixels import drop_opaque_alpha
from allfocus.formats.tiff import check_data, check_pages, inspect_page, list_pages, normalize, read_page
from allfocus.metadata import exif
from allfocus.metadata.ome_xml import imagej_facts, name_axes, ome_facts
from allfocus.sources.listing import Listing, Reader

#: Series of pages that tifffile found without any description of their axes.
PLAIN = ("generic", "uniform")

#: Axes by their letters: those along which the focus goes, nameless ones among them; positions on the stage; times,
#: along which focus goes too where there is no other axis for it.
FOCUS, POSITION, TIME = "ZIQ", "PR", "T"


@dataclass(frozen=True, kw_only=True)
class VolumeStack:
    """One focal stack of a volume.

    Attributes:
        position, time, channel: counted from 0.
        label: what tells it from the others, such as `position 2, time 1, DAPI`; empty where it is the only one.
        listing: its planes, in the order of Z.
    """

    position: int
    time: int
    channel: int
    label: str
    listing: Listing


@dataclass(frozen=True, kw_only=True)
class Volume:
    """What a TIFF file says of its axes.

    Attributes:
        path: the file.
        axes: how many positions (P), times (T), channels (C) and planes (Z) there are.
        channel_names: one for each channel.
        position_names: one for each position.
        pixel_size: width and height of a pixel in `unit`; None where the file does not say.
        z_step: from plane to plane, in `unit`; None where the file does not say.
        unit: always µm.
        ome_xml: the file's OME-XML; None where it has none.
        stacks: one for each position, time and channel, in this order.
    """

    path: Path
    axes: Mapping[str, int]
    channel_names: tuple[str, ...]
    position_names: tuple[str, ...]
    pixel_size: tuple[float, float] | None
    z_step: float | None
    stacks: tuple[VolumeStack, ...]
    unit: str = "µm"
    ome_xml: str | None = None

    def __str__(self) -> str:
        """What there is several of, for a person."""
        nouns = {"P": "positions", "T": "times", "C": "channels", "Z": "planes"}
        counts = [f"{count} {nouns[axis]}" for axis, count in self.axes.items() if count > 1]
        return ", ".join(counts) or "one plane"


def inspect_volume(path: Path | str) -> Volume:
    """Look at the focal stacks in one TIFF file: OME-TIFF, with its companion files, ImageJ, or just pages.

    Raises:
        ReadError: it is no TIFF file, is cut short, or has axes that are not understood.
        StackError: its stacks have fewer than two planes.
    """
    path = Path(path)
    with explain_errors(path, "TIFF"), TiffFile(path) as tiff:
        described = described_series(tiff, path.name)
        if not described:
            return volume_of_pages(path, list_pages(tiff, path.name))
        sizes = axes_of(described, path.name)
        facts = read_facts(tiff, sizes)
        stacks = tuple(stacks_of(path, described, sizes, facts["channel_names"], facts["position_names"]))
        return Volume(path=path, axes=sizes, stacks=stacks, **facts)


def read_facts(tiff: TiffFile, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Names and sizes, as the fields of `Volume`: from OME-XML or ImageJ's own notes."""
    facts: dict[str, Any] = {"pixel_size": None, "z_step": None, "channel_names": (), "position_names": ()}
    if tiff.is_ome and tiff.ome_metadata is not None:
        facts |= ome_facts(tiff.ome_metadata)
    elif tiff.is_imagej:
        tags = tiff.pages.first.tags
        resolution = [tags[code].value if code in tags else (0, 1) for code in (exif.X_RESOLUTION, exif.Y_RESOLUTION)]
        facts |= imagej_facts(tiff.imagej_metadata or {}, resolution)
    facts["channel_names"] = name_axes(facts["channel_names"], "channel", sizes["C"])
    facts["position_names"] = name_axes(facts["position_names"], "position", sizes["P"])
    return facts


def described_series(tiff: TiffFile, name: str) -> list[TiffPageSeries]:
    """Series whose axes the file names; none where it is just pages, or pictures written one after the other.

    Raises:
        ReadError: several series with axes, which only OME files say how to put together.
    """
    check_pages(tiff, name)
    described = [series for series in tiff.series if series.kind not in PLAIN and not series.keyframe.is_reduced]
    if len(described) < 2 or described[0].kind == "ome":
        return described
    if any(size > 1 for series in described for _, size in leading(series)):
        raise ReadError(f"{name} holds {len(described)} stacks; export each to a file of its own")
    return []


def volume_of_pages(path: Path, pages: list[TiffPage]) -> Volume:
    """A volume of one stack: the pages of a file that says nothing of axes."""
    name = path.name
    names = [name] if len(pages) == 1 else [f"{name} page {k + 1}" for k in range(len(pages))]
    frames = [inspect_page(page, name) for page in pages]
    for page in pages:
        check_data(page, path.stat().st_size, name)
    readers: list[Reader] = [partial(read_one_page, path, int(page.index)) for page in pages]
    check_alike(frames, names)
    listing = listing_of(path, names, frames[0], readers)
    axes = {"P": 1, "T": 1, "C": 1, "Z": len(pages)}
    stack = VolumeStack(position=0, time=0, channel=0, label="", listing=listing)
    nothing: dict[str, Any] = {"pixel_size": None, "z_step": None, "channel_names": ("channel 1",)}
    return Volume(path=path, axes=axes, position_names=("position 1",), stacks=(stack,), **nothing)


def listing_of(path: Path, names: list[str], frame: FrameInfo, readers: list[Reader]) -> Listing:
    """The listing of planes in one file."""
    return Listing(paths=[path], names=names, frame=frame, readers=readers, kinds=["TIFF"] * len(names))


def axes_of(described: list[TiffPageSeries], name: str) -> dict[str, int]:
    """How many positions, times, channels and planes: series of an OME file are positions.

    Raises:
        ReadError: there are other axes, or the series differ in theirs.
    """
    found = [sizes_of(series, name) for series in described]
    if any(sizes != found[0] for sizes in found):
        raise ReadError(f"{name} holds {len(found)} images of different axes; export them to files of their own")
    return found[0] | {"P": found[0]["P"] * len(found)}


def sizes_of(series: TiffPageSeries, name: str) -> dict[str, int]:
    """Positions, times, channels and planes of one series."""
    sizes = {"P": 1, "T": 1, "C": 1, "Z": 1}
    for axis, size in leading(series):
        if size == 1:
            continue
        known = "Z" if axis in focus_axes(series) else "P" if axis in POSITION else axis
        if known not in sizes:
            raise ReadError(f"{name} has an axis {axis} of {size}; expected positions, times, channels and planes only")
        sizes[known] *= size
    if prod(sizes.values()) != len(series) and not is_contiguous(series):
        raise ReadError(f"{name} holds {len(series)} pages for {prod(sizes.values())} planes; export it anew")
    return sizes


def focus_axes(series: TiffPageSeries) -> str:
    """Letters of the axes along which focus goes: programs often call the planes of a focal stack times."""
    has_planes = any(axis in FOCUS and size > 1 for axis, size in leading(series))
    return FOCUS if has_planes else FOCUS + TIME


def leading(series: TiffPageSeries) -> list[tuple[str, int]]:
    """Axes of a series other than those of one plane, with their sizes, slowest first."""
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    return [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YXS"]


def is_contiguous(series: TiffPageSeries) -> bool:
    """Whether one page stands for all planes, whose samples follow its own: large stacks by ImageJ."""
    return series.parent is not None and len(series.parent.pages) == 1 and series.dataoffset is not None


def stacks_of(
    path: Path,
    described: list[TiffPageSeries],
    sizes: Mapping[str, int],
    channel_names: tuple[str, ...],
    position_names: tuple[str, ...],
) -> Iterator[VolumeStack]:
    """One focal stack for each position, time and channel."""
    each = sizes["P"] // len(described)
    for position, time, channel in product(range(sizes["P"]), range(sizes["T"]), range(sizes["C"])):
        series = described[position // each]
        tells = [("P", position_names[position]), ("T", f"time {time + 1}"), ("C", channel_names[channel])]
        label = ", ".join(words for axis, words in tells if sizes[axis] > 1)
        numbers = planes_of(series, {"P": position % each, "T": time, "C": channel})
        listing = list_planes(path, series, numbers, label)
        if TIME in focus_axes(series) and any(axis == TIME and size > 1 for axis, size in leading(series)):
            message = f"{path.name} has times and no planes: its times are taken for the planes of a focal stack"
            listing = replace(listing, notes=(*listing.notes, Note(code="times-as-planes", message=message)))
        yield VolumeStack(position=position, time=time, channel=channel, label=label, listing=listing)


def planes_of(series: TiffPageSeries, fixed: Mapping[str, int]) -> list[int]:
    """Numbers of the planes along Z, in this order, at one position, time and channel."""
    axes = leading(series)
    numbers = np.arange(prod(size for _, size in axes)).reshape([size for _, size in axes] or [1])
    for place in reversed(range(len(axes))):
        axis = "P" if axes[place][0] in POSITION else axes[place][0]
        if axis not in focus_axes(series):
            numbers = np.take(numbers, fixed.get(axis, 0), axis=place)
    return [int(number) for number in numbers.ravel()]


def list_planes(path: Path, series: TiffPageSeries, numbers: list[int], label: str) -> Listing:
    """The listing of these planes of a series; raises `ReadError` where one is missing or cut short."""
    called = f"{path.name} {label}".rstrip()
    noun = "plane" if "Z" in series.get_axes(squeeze=False) else "page"
    names = [f"{called} {noun} {k + 1}" for k in range(len(numbers))]
    frame = inspect_page(series.keyframe, path.name)
    if label and len(numbers) < 2:
        raise StackError(f"{called} has 1 plane; fusing needs at least 2, focused differently")
    check_alike([frame] * len(numbers), names)
    if is_contiguous(series):
        check_contiguous(path, series)
        offset, nbytes = int(series.dataoffset or 0), series.keyframe.nbytes
        readers: list[Reader] = [partial(read_at, path, offset + number * nbytes) for number in numbers]
        return listing_of(path, names, frame, readers)
    return listing_of(
        path, names, frame, [plane_reader(series, k, name) for k, name in zip(numbers, names, strict=True)]
    )


def plane_reader(series: TiffPageSeries, number: int, name: str) -> Reader:
    """What decodes one plane, which may lie in a companion file."""
    page = series[number]
    if page is None:
        raise ReadError(f"{name} is missing; keep all files of the picture in one folder")
    path = Path(page.parent.filehandle.path)
    check_data(page, path.stat().st_size, path.name)
    return partial(read_one_page, path, int(page.index))


def check_contiguous(path: Path, series: TiffPageSeries) -> None:
    """Raise `ReadError` unless all planes behind the one page lie within the file."""
    size = path.stat().st_size
    if (series.dataoffset or 0) + prod(series.get_shape(squeeze=False)) * series.dtype.itemsize > size:
        raise ReadError(f"{path.name} is cut short: the file ends at {size} bytes, before its samples do")


def read_one_page(path: Path, index: int) -> Array:
    """Decode one page of a TIFF file, by its place among all pages."""
    with explain_errors(path, "TIFF"), TiffFile(path) as tiff:
        return drop_opaque_alpha(read_page(path, tiff.pages[index].aspage()), path.name)


def read_at(path: Path, offset: int) -> Array:
    """Decode the samples at this place of a TIFF file, which are like those of its first page."""
    with explain_errors(path, "TIFF"), TiffFile(path) as tiff:
        page = tiff.pages.first
        dtype = np.dtype(page.dtype).newbyteorder(tiff.byteorder)
        samples = np.fromfile(path, dtype, page.size, offset=offset).astype(page.dtype, copy=False)
        return drop_opaque_alpha(normalize(samples.reshape(page.shape), page, path.name), path.name)
