"""Which files make a stack: files of several folders, channels, positions, times or scenes are told apart.

The one rule, for every door, in this order: files in several folders are a stack a folder; OME-TIFF files are told
apart by their XML; others by their names, see `name_groups`; what is left by scenes, see `scenes`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Literal

from allfocus.core.likeness import group_scenes
from allfocus.core.names import find_name
from allfocus.errors import OptionError, StackError
from allfocus.sources.expand import natural_key
from allfocus.sources.leftovers import leave_out
from allfocus.sources.listing import Listing, read_frame
from allfocus.sources.name_groups import NameGroup, group_names
from allfocus.sources.names import parse_name
from allfocus.sources.ome_sets import OmeSet, find_ome_set
from allfocus.sources.scenes import split_scenes

#: What takes all files for one stack, in place of the name of one.
TOGETHER = "together"

#: How many stacks a message lists.
MOST_NAMED = 8

#: Endings of names of OME-TIFF files.
OME_ENDINGS = (".ome.tif", ".ome.tiff")


@dataclass(frozen=True, kw_only=True)
class FoundStack:
    """Files that make one stack.

    Attributes:
        name: what it is called: a folder, a pattern that its files match, its channel, or its first and last file.
        paths: its files, in their order.
        typed: a folder or pattern that stands for them; empty where there is none.
        told_by: what tells it from the others.
        planes: what the names of its files count, if that is none of focus: `channel`, `position` or `time`.
        is_choice_open: whether it is the only one though one of several was asked for, see `choose_scene`.
    """

    name: str
    paths: tuple[Path, ...]
    typed: str = ""
    told_by: Literal["folders", "OME-XML", "names", "scenes"] = "names"
    planes: str = ""
    is_choice_open: bool = False


def find_stacks(paths: Sequence[Path]) -> list[FoundStack]:
    """The stacks that files make, in their order; what is no frame is left out first, see `leave_out`.

    Args:
        paths: pictures in one or several folders, each folder in natural order.
    """
    return group_files(leave_out(paths)[0])


def group_files(files: Sequence[Path]) -> list[FoundStack]:
    """`find_stacks` of files that are frames."""
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in files:
        folders[file.parent].append(file)
    if sum(len(inside) > 1 for inside in folders.values()) < 2:
        return group_folder(files)  # one folder, or a frame in each
    if are_planes(list(folders)):
        return group_planes(files)
    return [stack for folder, inside in folders.items() for stack in name_folder(folder, group_folder(inside))]


def name_folder(folder: Path, stacks: Sequence[FoundStack]) -> list[FoundStack]:
    """The stacks of one folder of several, named by it."""
    if len(stacks) == 1:
        return [replace(stacks[0], name=str(folder), typed=str(folder), told_by="folders")]
    return [replace(stack, name=f"{folder}: {stack.name}") for stack in stacks]


def are_planes(folders: Sequence[Path]) -> bool:
    """Whether folders hold a plane each of the same stacks: their names only number the planes, as in ZStep_1."""
    names = [parse_name(folder.name) for folder in folders]
    columns = list(zip(*(name.values for name in names), strict=False))
    varying = [column for column in columns if len({value.text for value in column}) > 1]
    is_alike = len({(folder.parent, name.text) for folder, name in zip(folders, names, strict=True)}) == 1
    return is_alike and [column[0].axis for column in varying] == ["focus"]


def group_planes(files: Sequence[Path]) -> list[FoundStack]:
    """The stacks in folders that hold a plane each."""
    ordered = sorted(files, key=lambda file: natural_key(Path(f"{file.parent.name}_{file.name}")))
    groups = group_names([f"{file.parent.name}/{file.name}" for file in ordered])
    return [make_stack(group, ordered, ordered[0].parent.parent) for group in groups]


def group_folder(files: Sequence[Path]) -> list[FoundStack]:
    """The stacks in one folder."""
    sets, rest = split_sets(files)
    stacks = [stack for found, members in sets for stack in group_set(members, found, is_alone=len(sets) == 1)]
    return [*stacks, *group_others(rest)] if rest else stacks


def group_others(files: Sequence[Path]) -> list[FoundStack]:
    """The stacks in one folder, of files that no OME-XML describes."""
    groups = group_names([file.name for file in files])
    if len(groups) == 1 and len(files) > 1:
        scenes = split_scenes(files)
        if len(scenes) > 1:
            return [FoundStack(name=name_ends(scene), paths=tuple(scene), told_by="scenes") for scene in scenes]
    return [make_stack(group, files, files[0].parent) for group in groups]


def make_stack(group: NameGroup, files: Sequence[Path], folder: Path) -> FoundStack:
    """The stack of a group of names in a folder."""
    typed = str(Path(escape(str(folder))) / group.pattern) if "*" in group.pattern else ""
    paths = tuple(files[k] for k in group.positions)
    return FoundStack(name=group.pattern, paths=paths, typed=typed, planes=group.planes)


def name_ends(files: Sequence[Path]) -> str:
    """The first and the last of some files."""
    return files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"


# --- OME-TIFF ------------------------------------------------------------------------------------


def split_sets(files: Sequence[Path]) -> tuple[list[tuple[OmeSet, list[Path]]], list[Path]]:
    """Sets of OME-TIFF files with those of their files that are given, and the files that belong to none.

    Of files whose names are not those of OME-TIFF only the first is looked into.
    """
    sets, rest, done = list[tuple[OmeSet, list[Path]]](), list[Path](), set[Path]()
    for file in files:
        if file in done:
            continue
        is_likely = file.name.lower().endswith(OME_ENDINGS) or (file == files[0] and is_tiff(file))
        found = find_ome_set(file) if is_likely and len(files) > 1 else None
        if found is None:
            rest.append(file)
        else:
            members = [other for other in files if other.name in found.planes]
            sets.append((found, members))
            done.update(members)
    return sets, rest


def is_tiff(file: Path) -> bool:
    """Whether a file's name is that of a TIFF file."""
    return file.suffix.lower() in (".tif", ".tiff")


def find_volume(files: Sequence[Path]) -> OmeSet | None:
    """The set of OME-TIFF files of which these are all that there are, if one of them describes it."""
    found = find_whole(files)
    return found if found is not None and found.is_embedded else None


def find_whole(files: Sequence[Path]) -> OmeSet | None:
    """The set of OME-TIFF files of which these are all that there are; None for others, and for a part of a set."""
    sets, rest = split_sets(files)
    if len(sets) != 1 or rest or len({file.parent for file in files}) > 1:
        return None
    ((found, _),) = sets
    given = {file.name for file in files}
    return found if set(found.planes) - set(found.missing) <= given else None


def group_set(files: Sequence[Path], found: OmeSet, *, is_alone: bool) -> list[FoundStack]:
    """The stacks that some files of a set make: one for each position, time and channel, along their height.

    Where it `is_alone` there are no other sets, so that they need not be named by it.
    """
    by_set = "" if is_alone else f"{found.main.name} "
    groups: defaultdict[frozenset[tuple[int, int, int]], list[Path]] = defaultdict(list)
    for file in sorted(files, key=lambda file: found.planes[file.name][1]):
        groups[found.planes[file.name][0]].append(file)
    ordered = sorted(groups.items(), key=lambda group: sorted(group[0]))
    return [
        FoundStack(
            name=by_set + " and ".join(found.label(place) for place in sorted(places)) or name_ends(paths),
            paths=tuple(paths),
            told_by="OME-XML",
        )
        for places, paths in ordered
    ]


# --- choosing ------------------------------------------------------------------------------------


def choose_stack(files: Sequence[Path], asked: str | int | None = None) -> FoundStack:
    """The one stack that files make, or that of several which is asked for.

    Args:
        files: frames, see `leave_out`.
        asked: name or number, counted from 1, of a stack; `together`: all files are one, whatever tells them apart.

    Raises:
        StackError: there are several, and none was asked for.
        OptionError: there is none of this name or number.
    """
    if asked == TOGETHER:
        return FoundStack(name=name_ends(files), paths=tuple(files))
    stacks = group_files(files)
    if asked is None:
        if len(stacks) > 1:
            raise StackError(explain_several(stacks))
        return stacks[0]
    if len(stacks) == 1:
        return replace(stacks[0], is_choice_open=True)
    return stacks[find_stack([stack.name for stack in stacks], asked)]


def choose_scene(listing: Listing, asked: str | int, name: str = "") -> Listing:
    """The frames of one of the scenes that a stack shows by its content: all frames are decoded for it.

    Args:
        listing: the only stack that files make.
        asked: name or number, counted from 1, of a scene; the only stack is its own only scene.
        name: what the stack is called.

    Raises:
        OptionError: there is none of this name or number.
    """
    if str(asked) == name:
        return listing
    scenes = group_scenes(read_frame(listing, position) for position in range(len(listing)))
    if len(scenes) < 2:
        find_stack([name or listing.paths[0].name], asked)
        return listing
    return listing.pick(scenes[find_stack([f"{listing.names[k[0]]} to {listing.names[k[-1]]}" for k in scenes], asked)])


def find_stack(names: Sequence[str], asked: str | int) -> int:
    """Position of the stack of this name or number, counted from 1; raises `OptionError` where there is none."""
    position = find_name(names, str(asked))
    if position is not None:
        return position
    listed = ", ".join(names[:MOST_NAMED])
    raise OptionError(f"stack {asked}: expected a number from 1 to {len(names)}, {TOGETHER}, or one of {listed}")


def explain_several(stacks: Sequence[FoundStack]) -> str:
    """Which stacks there are, and how to choose one."""
    listed = [f"{k}: {stack.name} ({count_files(stack)})" for k, stack in enumerate(stacks[:MOST_NAMED], start=1)]
    more = f" and {len(stacks) - MOST_NAMED} more" if len(stacks) > MOST_NAMED else ""
    told_by = " and ".join(dict.fromkeys(stack.told_by for stack in stacks))
    typed = next((f" or type '{stack.typed}'" for stack in stacks if stack.typed), "")
    return (
        f"these are {len(stacks)} stacks, told apart by their {told_by}: {'; '.join(listed)}{more}. "
        f"Fuse each by itself: choose one with --stack 1{typed}; --stack {TOGETHER} takes all files for one stack"
    )


def count_files(stack: FoundStack) -> str:
    """How many files a stack has."""
    return "1 file" if len(stack.paths) == 1 else f"{len(stack.paths)} files"
