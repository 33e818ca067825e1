"""What is in files and folders: axes, sizes, units, channels, and stacks that could be fused; nothing is decoded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from allfocus.core.stack import FrameInfo, channels_of
from allfocus.errors import AllFocusError, MissingExtraError, ReadError, printable
from allfocus.formats.filebytes import address_of, explain_errors
from allfocus.formats.format import Planes
from allfocus.formats.read import read_header, read_metadata
from allfocus.formats.registry import find_format
from allfocus.run.install import install_hint
from allfocus.sources.expand import expand, list_frames
from allfocus.sources.inspect import inspect_alone
from allfocus.sources.leftovers import leave_out
from allfocus.sources.name_groups import find_missing
from allfocus.sources.stacks import FoundStack, group_files
from allfocus.sources.volume import holds_planes, make_label


@dataclass(frozen=True, kw_only=True)
class StackRow:
    """One focal stack.

    Attributes:
        name: what `--stack` knows it by; that of the file where it is the only one.
        number: the same, counted from 1.
        planes: how many planes or frames it has.
        missing: how many the file lacks of them, or of files by their numbers beside them.
        size: width and height; None where it is unknown.
        channels: `gray` or `RGB`; empty where that is unknown.
        samples: type of a sample, such as `uint16`.
        pixel_size: width and height of a pixel in µm; None where it is unknown.
        z_step: from plane to plane in µm; None where it is unknown.
    """

    name: str
    number: int = 1
    planes: int
    missing: int = 0
    size: tuple[int, int] | None = None
    channels: str = ""
    samples: str = ""
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """All of it as texts, a cell for each of the `TITLES`; empty where something is unknown."""
        size = "" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        pixel = "" if self.pixel_size is None else " x ".join(f"{side:.6g}" for side in self.pixel_size)
        step = "" if self.z_step is None else f"{self.z_step:.6g}"
        lacks = f"{self.missing} missing" if self.missing else ""
        return (printable(self.name), str(self.planes), size, self.channels, self.samples, pixel, step, lacks)

    def as_json(self) -> dict[str, Any]:
        """All of it, in values that JSON knows; units are part of the names."""
        return {
            "name": self.name,
            "number": self.number,
            "planes": self.planes,
            "missing": self.missing,
            "size": self.size,
            "channels": self.channels,
            "samples": self.samples,
            "pixel_size_um": self.pixel_size,
            "z_step_um": self.z_step,
        }


#: Titles of a table of stacks, see `StackRow.cells`.
TITLES = ("stack", "planes", "size", "channels", "samples", "pixel in µm", "z step in µm", "")
#: How a line calls the axes.
NOUNS = {"P": "positions", "T": "times", "C": "channels", "Z": "planes"}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in one file or folder.

    Attributes:
        path: of it.
        format: its format, or those of its files.
        axes: how many positions (P), times (T), channels (C) and planes (Z); empty where the files have no axes.
        channel_names, position_names: one for each.
        time_step: from time to time in seconds; None where it is unknown.
        stacks: what could be fused.
        pictures: single ones, which make no stack.
        notes: what a user should know.
        problem: why it can't be looked into; empty where it can.
    """

    path: str
    format: str = ""
    axes: Mapping[str, int]
    channel_names: Sequence[str] = ()
    position_names: Sequence[str] = ()
    time_step: float | None = None
    stacks: Sequence[StackRow] = ()
    pictures: Sequence[StackRow] = ()
    notes: Sequence[str] = ()
    problem: str = ""

    @property
    def headline(self) -> str:
        """All but the stacks, in a line."""
        axes = [f"{count} {NOUNS[axis]}" for axis, count in self.axes.items() if count > 1]
        every = [] if self.time_step is None else [f"every {self.time_step:.6g} s"]
        found = [
            f"{len(rows)} {noun}{'s' if len(rows) != 1 else ''}"
            for noun, rows in (("stack", self.stacks), ("single picture", self.pictures))
            if rows or (noun == "stack" and not self.pictures)
        ]
        return ": ".join([printable(self.path), ", ".join([self.format, *axes, *every, *found])])

    @property
    def rows(self) -> list[StackRow]:
        """Stacks and single pictures, as they are numbered."""
        return sorted([*self.stacks, *self.pictures], key=lambda row: row.number)

    def as_json(self) -> dict[str, Any]:
        """All of it, in values that JSON knows; units are part of the names."""
        return {
            "path": self.path,
            "format": self.format,
            "axes": dict(self.axes),
            "channels": list(self.channel_names),
            "positions": list(self.position_names),
            "time_step_s": self.time_step,
            "stacks": [row.as_json() for row in self.stacks],
            "pictures": [row.as_json() for row in self.pictures],
            "notes": list(self.notes),
            "problem": self.problem or None,
        }


def look_into(inputs: Sequence[Path]) -> list[Contents]:
    """What is in each of some files, folders or addresses; one that can't be read has a `problem`."""
    return [found for path in inputs for found in look_into_one(path)]


def look_into_one(path: Path) -> list[Contents]:
    """What one path names: a file of planes, a folder of them, or the stacks that pictures make."""
    called = address_of(path)
    try:
        files = list_frames(expand(path))
        if len(files) == 1 and holds_planes(files[0]):
            return [look_into_planes(files[0])]
        kept, notes = leave_out(files)
        deep = [file for file in kept if file.is_dir() or (file.suffix.lower() not in PLAIN and holds_planes(file))]
        flat = [file for file in kept if file not in deep]
        found = [look_into_planes(file) for file in deep]
        if flat:
            found.append(look_into_pictures(called, flat, [str(note) for note in notes]))
        return found
    except AllFocusError as error:
        return [Contents(path=called, axes={}, problem=str(error))]


#: Endings of files of planes that are mostly frames of one stack.
PLAIN = (".tif", ".tiff")


def look_into_planes(path: Path) -> Contents:
    """The axes and stacks of a file of planes."""
    try:
        found = find_format(path)
        if not found.is_readable():
            raise MissingExtraError(f"{path.name} is {found.name}; to read it: {install_hint(found.extra)}")
        with explain_errors(path, found.name):
            planes = found.planes(path)
    except AllFocusError as error:
        return Contents(path=address_of(path), axes={}, problem=str(error))
    stacks, pictures = sort_rows(
        describe(
            make_label(planes, stack) or path.name,
            len(stack.frames),
            stack.frames[0],
            sum(reader is None for reader in stack.readers),
            stack.pixel_size or planes.pixel_size,
            stack.z_step or planes.z_step,
        )
        for stack in planes.stacks
    )
    return Contents(
        path=address_of(path),
        format=found.name,
        axes=planes.axes,
        channel_names=planes.channel_names,
        position_names=planes.position_names,
        time_step=planes.time_step,
        stacks=stacks,
        pictures=pictures,
        notes=[*(str(note) for note in planes.notes), *note_differences(planes)],
    )


def sort_rows(rows: Iterable[StackRow]) -> tuple[list[StackRow], list[StackRow]]:
    """Stacks and single pictures, each with its number among both."""
    numbered = [replace(row, number=number) for number, row in enumerate(rows, start=1)]
    return [row for row in numbered if row.planes > 1], [row for row in numbered if row.planes < 2]


def note_differences(planes: Planes) -> list[str]:
    """That a file's positions differ, where they do."""
    return [f"scenes differ: {planes.differ}"] if planes.differ else []


def look_into_pictures(called: str, files: Sequence[Path], notes: Sequence[str]) -> Contents:
    """The stacks that pictures make, by the header of the first of each; a video is one."""
    if len(files) == 1 and (alone := inspect_alone(files[0])) is not None:
        rows = [describe(files[0].name, len(alone), alone.frame)]
        return Contents(path=called, format=alone.kinds[0], axes={}, stacks=rows, notes=notes)
    kinds = dict.fromkeys(find_format(file).name for file in files)
    stacks, pictures = sort_rows(look_into_stack(stack) for stack in group_files(files))
    return Contents(path=called, format=", ".join(kinds), axes={}, stacks=stacks, pictures=pictures, notes=notes)


def look_into_stack(stack: FoundStack) -> StackRow:
    """One stack of pictures."""
    first = stack.paths[0]
    try:
        frame: FrameInfo | None = read_header(first).frame
    except ReadError:
        frame = None
    metadata = read_metadata(first)
    missing = find_missing([path.name for path in stack.paths])
    return describe(stack.name, len(stack.paths), frame, len(missing), metadata.pixel_size, metadata.z_step)


def describe(
    name: str,
    planes: int,
    frame: FrameInfo | None,
    missing: int = 0,
    pixel_size: tuple[float, float] | None = None,
    z_step: float | None = None,
) -> StackRow:
    """One row."""
    return StackRow(
        name=name,
        planes=planes,
        missing=missing,
        size=None if frame is None else (frame.shape[1], frame.shape[0]),
        channels="" if frame is None else channels_of(frame),
        samples="" if frame is None else frame.dtype.name,
        pixel_size=pixel_size,
        z_step=z_step,
    )
