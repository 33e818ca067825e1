"""Planes along the axes of a TIFF file: OME-TIFF with its companion files, ImageJ stacks, or just pages."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffPage, TiffPageSeries

from allfocus.core.color import FULL_SCALE, Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Planes, PlaneStack
from allfocus.formats.pixels import check_pixels, drop_opaque_alpha
from allfocus.formats.tiff_check import check_described, check_file, check_series
from allfocus.formats.tiff_pages import check_data, check_pages, inspect_page, list_pages, normalize, read_page
from allfocus.metadata import exif
from allfocus.metadata.ome_xml import name_axes, read_imagej_facts, read_ome_facts

#: Series of pages that tifffile found without any description of their axes.
PLAIN = ("generic", "uniform")

#: Axes by their letters: those along which the focus goes, nameless ones among them; positions on the stage; times,
#: along which focus goes too where there is no other axis for it.
FOCUS, POSITION, TIME = "ZIQ", "PR", "T"

#: No picture has more samples a pixel: red, green, blue and alpha.
MOST_SAMPLES = 4


def find_planes(path: Path) -> Planes:
    """The planes in a TIFF file.

    Raises:
        ReadError: it is cut short, or has axes that are not understood.
    """
    check_file(path)
    with TiffFile(path) as tiff:
        check_described(path, tiff)
        described = find_described(tiff, path.name)
        if len(tiff.pages) == 1 and tiff.pages.first.samplesperpixel > MOST_SAMPLES:
            return stack_samples(path, tiff.pages.first)
        if not described:
            return stack_pages(path, list_pages(tiff, path.name))
        others = check_series(path, described)
        sizes = find_axes(described, path.name)
        stacks = tuple(list_stacks(path, described, sizes))
        notes: tuple[Note, ...] = ()
        if any(TIME in list_focus_axes(series) and dict(list_leading(series)).get(TIME, 1) > 1 for series in described):
            message = f"{path.name} has times and no planes: its times are taken for the planes of a focal stack"
            notes = (Note(code="times-as-planes", message=message),)
        facts = read_facts(tiff, sizes)
        no_lengths = [Note(code="no-length", message=f"{path.name}: {said}") for said in facts.pop("no_lengths", ())]
        return Planes(axes=sizes, stacks=stacks, notes=(*notes, *no_lengths), others=others, **facts)


def read_facts(tiff: TiffFile, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Names and sizes, as the fields of `Planes`: from OME-XML or ImageJ's own notes."""
    facts: dict[str, Any] = {
        "pixel_size": None,
        "z_step": None,
        "channel_names": (),
        "position_names": (),
        "channel_colors": (),
        "time_step": None,
    }
    if tiff.is_ome and tiff.ome_metadata is not None:
        facts |= read_ome_facts(tiff.ome_metadata)
    elif tiff.is_imagej:
        tags = tiff.pages.first.tags
        resolution = [tags[code].value if code in tags else (0, 1) for code in (exif.X_RESOLUTION, exif.Y_RESOLUTION)]
        facts |= read_imagej_facts(tiff.imagej_metadata or {}, resolution)
    facts["channel_names"] = name_axes(facts["channel_names"], "channel", sizes["C"])
    facts["position_names"] = name_axes(facts["position_names"], "position", sizes["P"])
    return facts


def find_described(tiff: TiffFile, name: str) -> list[TiffPageSeries]:
    """Series whose axes the file names; none where it is just pages, or pictures written one after the other.

    Raises:
        ReadError: several series with axes; only OME files describe how they go together.
    """
    check_pages(tiff, name)
    described = [series for series in tiff.series if series.kind not in PLAIN and not series.keyframe.is_reduced]
    if len(described) < 2 or described[0].kind == "ome":
        return described
    if any(size > 1 for series in described for _, size in list_leading(series)):
        raise ReadError(f"{name} holds {len(described)} stacks; export each to a file of its own")
    return []


def stack_pages(path: Path, pages: list[TiffPage]) -> Planes:
    """One stack: the pages of a file without any description of axes."""
    frames = [inspect_page(page, path.name) for page in pages]
    for page in pages:
        check_data(page, path.stat().st_size, path.name)
    readers = [partial(read_one_page, path, int(page.index)) for page in pages]
    stack = PlaneStack(position=0, time=0, channel=0, frames=frames, readers=readers, noun="page")
    axes = {"P": 1, "T": 1, "C": 1, "Z": len(pages)}
    return Planes(axes=axes, stacks=(stack,), channel_names=("channel 1",), position_names=("position 1",))


def stack_samples(path: Path, page: TiffPage) -> Planes:
    """One stack: the samples of a page that has more than any picture has, each a plane."""
    count = page.samplesperpixel
    frame = FrameInfo(shape=(page.imagelength, page.imagewidth), dtype=np.dtype(page.dtype or np.uint8))
    check_pixels(page.imagewidth, page.imagelength, path.name)
    check_data(page, path.stat().st_size, path.name)
    if frame.dtype not in FULL_SCALE:
        raise ReadError(
            f"{path.name} has {frame.dtype} samples; expected 8 or 16 bit, or 32 bit float: convert it first"
        )
    readers = [partial(read_sample, path, k) for k in range(count)]
    stack = PlaneStack(position=0, time=0, channel=0, frames=[frame] * count, readers=readers, noun="sample")
    message = f"{path.name} has {count} samples a pixel: each is taken for a plane of a focal stack"
    return Planes(
        axes={"P": 1, "T": 1, "C": 1, "Z": count},
        stacks=(stack,),
        channel_names=("channel 1",),
        position_names=("position 1",),
        notes=(Note(code="samples-as-planes", message=message),),
    )


def read_sample(path: Path, position: int) -> Array:
    """Decode one sample of every pixel of a file's first page."""
    with explain_errors(path, "TIFF"), TiffFile(path) as tiff:
        page = tiff.pages.first
        samples = page.asarray()
        return np.ascontiguousarray(np.take(samples, position, axis=page.axes.index("S")))


def find_axes(described: list[TiffPageSeries], name: str) -> dict[str, int]:
    """How many positions, times, channels and planes: series of an OME file are positions.

    Raises:
        ReadError: there are other axes, or the series differ in theirs.
    """
    found = [count_axes(series, name) for series in described]
    if any(sizes != found[0] for sizes in found):
        raise ReadError(f"{name} holds {len(found)} images of different axes; export them to files of their own")
    return found[0] | {"P": found[0]["P"] * len(found)}


def count_axes(series: TiffPageSeries, name: str) -> dict[str, int]:
    """Positions, times, channels and planes of one series."""
    sizes = {"P": 1, "T": 1, "C": 1, "Z": 1}
    for axis, size in list_leading(series):
        if size == 1:
            continue
        known = "Z" if axis in list_focus_axes(series) else "P" if axis in POSITION else axis
        if known not in sizes:
            raise ReadError(f"{name} has an axis {axis} of {size}; expected positions, times, channels and planes only")
        sizes[known] *= size
    if prod(sizes.values()) != len(series) and not is_contiguous(series):
        raise ReadError(f"{name} holds {len(series)} pages for {prod(sizes.values())} planes; export it anew")
    return sizes


def list_focus_axes(series: TiffPageSeries) -> str:
    """Letters of the axes along which focus goes: programs often call the planes of a focal stack times."""
    has_planes = any(axis in FOCUS and size > 1 for axis, size in list_leading(series))
    return FOCUS if has_planes else FOCUS + TIME


def list_leading(series: TiffPageSeries) -> list[tuple[str, int]]:
    """Axes of a series other than those of one plane, with their sizes, slowest first."""
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    return [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YXS"]


def is_contiguous(series: TiffPageSeries) -> bool:
    """Whether one page stands for all planes, whose samples follow its own: large stacks by ImageJ."""
    return series.parent is not None and len(series.parent.pages) == 1 and series.dataoffset is not None


def list_stacks(path: Path, described: list[TiffPageSeries], sizes: Mapping[str, int]) -> Iterator[PlaneStack]:
    """One focal stack for each position, time and channel."""
    each = sizes["P"] // len(described)
    for position, time, channel in product(range(sizes["P"]), range(sizes["T"]), range(sizes["C"])):
        series = described[position // each]
        numbers = list_planes(series, {"P": position % each, "T": time, "C": channel})
        frame = inspect_page(series.keyframe, path.name)
        yield PlaneStack(
            position=position,
            time=time,
            channel=channel,
            frames=[frame] * len(numbers),
            readers=make_readers(path, series, numbers),
            noun="plane" if "Z" in series.get_axes(squeeze=False) else "page",
        )


def list_planes(series: TiffPageSeries, fixed: Mapping[str, int]) -> list[int]:
    """Numbers of the planes along Z, in this order, at one position, time and channel."""
    axes = list_leading(series)
    numbers = np.arange(prod(size for _, size in axes)).reshape([size for _, size in axes] or [1])
    for place in reversed(range(len(axes))):
        axis = "P" if axes[place][0] in POSITION else axes[place][0]
        if axis not in list_focus_axes(series):
            numbers = np.take(numbers, fixed.get(axis, 0), axis=place)
    return [int(number) for number in numbers.ravel()]


def make_readers(path: Path, series: TiffPageSeries, numbers: list[int]) -> list[partial[Array] | None]:
    """What decodes each of these planes; raises `ReadError` where one is cut short."""
    if not is_contiguous(series):
        return [make_plane_reader(series, number) for number in numbers]
    check_contiguous(path, series)
    offset, nbytes = int(series.dataoffset or 0), series.keyframe.nbytes
    return [partial(read_at, path, offset + number * nbytes) for number in numbers]


def make_plane_reader(series: TiffPageSeries, number: int) -> partial[Array] | None:
    """What decodes one plane, which may lie in a companion file; None where that is missing."""
    page = series[number]
    if page is None:
        return None
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
        return drop_opaque_alpha(read_page(path, tiff.pages[index].aspage()))


def read_at(path: Path, offset: int) -> Array:
    """Decode the samples at this place of a TIFF file, which are like those of its first page."""
    with explain_errors(path, "TIFF"), TiffFile(path) as tiff:
        page = tiff.pages.first
        dtype = np.dtype(page.dtype).newbyteorder(tiff.byteorder)
        samples = np.fromfile(path, dtype, page.size, offset=offset).astype(page.dtype, copy=False)
        return drop_opaque_alpha(normalize(samples.reshape(page.shape), page, path.name))
