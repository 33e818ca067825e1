"""What microscopes deliver: files with axes, a focal stack for each position, time and channel."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import check_alike, size_of
from allfocus.errors import MissingExtraError, ReadError, StackError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.format import Planes, PlaneStack
from allfocus.formats.pixels import limit_pixels, most_pixels
from allfocus.formats.registry import find_format, is_one, recognize
from allfocus.run.install import install_hint
from allfocus.sources.arrays import are_strips
from allfocus.sources.listing import Listing, Reader, Stamp, stamp, watch, watch_parts
from allfocus.sources.ome_sets import check_complete, find_ome_set


@dataclass(frozen=True, kw_only=True)
class VolumeStack:
    """One focal stack of a volume.

    Attributes:
        position, time, channel: counted from 0.
        label: what is different from the others, such as `position 2, time 1, DAPI`; empty where it is the only one.
        listing: its planes, in the order of Z; of those that are missing none can be read.
        problem: why it can't be fused, found out without decoding; empty where it can.
    """

    position: int
    time: int
    channel: int
    label: str
    listing: Listing
    problem: str = ""

    def require(self) -> Listing:
        """Its planes; raises `ReadError` where some are missing."""
        if self.problem:
            raise ReadError(self.problem)
        return self.listing


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Volume:
    """The axes of a file of planes, and a focal stack for each position, time and channel.

    Attributes:
        path: the file.
        axes: how many positions (P), times (T), channels (C) and planes (Z) there are.
        channel_names: one for each channel.
        position_names: one for each position.
        pixel_size: width and height of a pixel in `unit`; None where it is unknown.
        z_step: from plane to plane, in `unit`; None where it is unknown.
        unit: always µm.
        ome_xml: the file's OME-XML; None where it has none.
        stacks: one for each position, time and channel, in this order.
        notes: what was done to make a volume of these files.
        others: files beside it that hold some of the planes.
        kind: the name of its format.
        channel_colors: of the channels, as `RRGGBB`; empty where they are unknown.
        time_step: from time to time in seconds; None where it is unknown.
        differ: how positions differ, so that only one of them can be fused; empty: they don't.
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
    notes: tuple[Note, ...] = ()
    others: tuple[Path, ...] = ()
    kind: str = ""
    channel_colors: tuple[str, ...] = ()
    time_step: float | None = None
    differ: str = ""

    @property
    def files(self) -> list[Path]:
        """All files that the planes come from: none of them may be written to."""
        return [self.path, *self.others]

    def __repr__(self) -> str:
        return f"<Volume {self.path.name}: {self}>"

    def __str__(self) -> str:
        """What there is several of, for a person."""
        nouns = {"P": "positions", "T": "times", "C": "channels", "Z": "planes"}
        counts = [f"{count} {nouns[axis]}" for axis, count in self.axes.items() if count > 1]
        return ", ".join(counts) or "one plane"


def inspect_volume(path: Path | str, *, together: bool = False) -> Volume:
    """Look at the focal stacks in one file of planes: OME-TIFF, with its companion files, OME-Zarr, CZI, ...

    Stacks that lack planes have a `problem`: others can be fused by themselves.

    Args:
        path: the file.
        together: whether all its planes are to be taken for one stack, whatever its axes are called.

    Raises:
        ReadError: it holds no planes, is cut short, or has axes that are not understood.
        StackError: its stacks have fewer than two planes.
    """
    path = Path(path)
    found = find_format(path)
    if not found.is_readable():
        raise MissingExtraError(f"{path.name} is {found.name}, which needs an extra: {install_hint(found.extra)}")
    members = find_ome_set(path)
    if members is not None:
        check_complete(members)
    seen = stamp(path)
    with explain_errors(path, found.name):
        planes = found.planes(path)
    if together:
        planes = join_stacks(planes)
    elif len(planes.stacks) == 1:
        check_lying(path.name, planes.stacks[0])
    return Volume(
        path=path,
        axes=planes.axes,
        channel_names=planes.channel_names,
        position_names=planes.position_names,
        pixel_size=planes.pixel_size,
        z_step=planes.z_step,
        stacks=tuple(make_stack(path, planes, stack, found.name, seen) for stack in planes.stacks),
        ome_xml=planes.ome_xml,
        others=planes.others,
        kind=found.name,
        channel_colors=planes.channel_colors,
        time_step=planes.time_step,
        differ=planes.differ,
    )


def require_whole(volume: Volume) -> None:
    """Make sure that one picture can hold all stacks of a volume.

    Raises:
        ReadError: planes are missing.
        StackError: positions differ in size.
    """
    for stack in volume.stacks:
        stack.require()
    if volume.differ:
        label = volume.stacks[0].label
        raise StackError(
            f"{volume.path.name} holds {volume.axes['P']} scenes that differ: {volume.differ}. "
            f"Fuse each by itself: choose one, such as --stack '{label}'; allfocus info lists them"
        )


def pick_position(volume: Volume, position: int) -> Volume:
    """One position of a volume, counted from 0, as a volume of its own.

    Raises:
        StackError: there is no such position.
    """
    stacks = [stack for stack in volume.stacks if stack.position == position]
    if not stacks:
        raise StackError(f"{volume.path.name} has {volume.axes['P']} positions; expected one from 1 to that many")
    listing = stacks[0].listing
    channels = 1 + max(stack.channel for stack in stacks)
    return replace(
        volume,
        axes={"P": 1, "T": 1 + max(stack.time for stack in stacks), "C": channels, "Z": len(listing)},
        channel_names=volume.channel_names[:channels],
        channel_colors=volume.channel_colors[:channels],
        position_names=(volume.position_names[position],),
        pixel_size=listing.pixel_size or volume.pixel_size,
        z_step=listing.z_step or volume.z_step,
        stacks=tuple(replace(stack, position=0) for stack in stacks),
        differ="",
    )


def holds_planes(path: Path) -> bool:
    """Whether a file is in a format that `inspect_volume` can look at; raises `ReadError` where it can't be opened."""
    found = recognize(path) if is_one(path) else None
    return found is not None and found.contains == "planes"


def check_lying(name: str, stack: PlaneStack) -> None:
    """Raise `ReadError` for pages that are strips: rows of planes that were saved along the last axis."""
    count, frame = len(stack.frames), stack.frames[0]
    if frame.ndim == 2 and count > 1 and are_strips(count, *frame.size):
        raise ReadError(
            f"{name} holds {count} pages of {size_of(frame)}, which seem to be rows of {frame.size[1]} planes of "
            f"{frame.size[0]}x{count}: save np.moveaxis(array, -1, 0); if not, --stack together fuses the pages"
        )


def join_stacks(planes: Planes) -> Planes:
    """All planes as one stack, in the order in which the file's axes count them."""
    joined = PlaneStack(
        position=0,
        time=0,
        channel=0,
        frames=[frame for stack in planes.stacks for frame in stack.frames],
        readers=[reader for stack in planes.stacks for reader in stack.readers],
    )
    axes = {"P": 1, "T": 1, "C": 1, "Z": len(joined.frames)}
    return replace(planes, axes=axes, stacks=(joined,), channel_names=("channel 1",), position_names=("position 1",))


def make_stack(path: Path, planes: Planes, stack: PlaneStack, kind: str, seen: Stamp | None) -> VolumeStack:
    """One focal stack; raises `StackError` for fewer than two planes, or planes that can't be fused together."""
    label = make_label(planes, stack)
    called = f"{path.name} {label}".rstrip()
    names = [f"{called} {stack.noun} {k + 1}" for k in range(len(stack.frames))]
    if label and len(names) < 2:
        raise StackError(
            f"{called} has 1 plane; fusing needs at least 2, focused differently; "
            f"if {path.name} holds the planes of one focal stack, --stack together takes them so"
        )
    if len(names) < 2:
        what = f"{path} holds one {kind} picture of {size_of(stack.frames[0])}"
        raise StackError(f"1 frame given; fusing needs at least 2 frames focused differently ({what})")
    check_alike(stack.frames, names)
    problem = ""
    if None in stack.readers:
        missing = names[list(stack.readers).index(None)]
        problem = stack.problem or f"{missing} is missing; copy or export all of it anew"
        problem += advise(planes)
    readers = [partial(read_within, most_pixels(), reader or partial(refuse, problem)) for reader in stack.readers]
    listing = Listing(
        paths=[path],
        names=names,
        frame=stack.frames[0],
        readers=[watch(reader, path, seen) for reader in readers],
        kinds=[kind] * len(names),
        notes=planes.notes,
        others=planes.others,
        pixel_size=stack.pixel_size or planes.pixel_size,
        z_step=stack.z_step or planes.z_step,
        parts=None if stack.parts is None else watch_parts(stack.parts, path, seen),
    )
    return VolumeStack(
        position=stack.position, time=stack.time, channel=stack.channel, label=label, listing=listing, problem=problem
    )


def advise(planes: Planes) -> str:
    """Which stack can be fused where others lack planes, as the end of a line; empty where there is none."""
    whole = next((stack for stack in planes.stacks if None not in stack.readers), None)
    return "" if whole is None else f", or fuse one that is whole, such as --stack '{make_label(planes, whole)}'"


def refuse(problem: str) -> Array:
    """Stands for what decodes a plane that is missing; raises `ReadError`."""
    raise ReadError(problem)


def read_within(limit: int, reader: Reader) -> Array:
    """Decode a plane of at most so many pixels."""
    with limit_pixels(limit):
        return reader()


def make_label(planes: Planes, stack: PlaneStack) -> str:
    """What is different from the other stacks of the file; empty where it is the only one."""
    words = {
        "P": planes.position_names[stack.position],
        "T": f"time {stack.time + 1}",
        "C": planes.channel_names[stack.channel],
    }
    return ", ".join(word for axis, word in words.items() if planes.axes[axis] > 1)
