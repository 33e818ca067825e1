"""The stacks below some folders: one a folder, several in a flat one, or in files that hold stacks of their own."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from allfocus.batch.files import Inside, is_one_picture, look_inside, split_alone, walk
from allfocus.batch.labels import clean, make_label, strip
from allfocus.batch.split import split_folder, split_pattern
from allfocus.batch.wishes import Grouping
from allfocus.core.names import find_name
from allfocus.errors import OptionError, ReadError
from allfocus.run.atomic import explain_missing, real_path
from allfocus.sources.expand import expand
from allfocus.sources.leftovers import leave_out
from allfocus.sources.stacks import TOGETHER, FoundStack, are_planes, group_planes


@dataclass(frozen=True, kw_only=True)
class TreeStack:
    """One stack below a root.

    Attributes:
        root: the folder or file that was given.
        folder: the folder that it lies in, below the root; of a stack that is all of its folder, the one above.
        label: what it is called there.
        paths: its files; one for a file that holds a stack, or several.
        kind: `frames`: a file each; `file`: all in one, or in a set that one file describes.
        told_by: what tells it from others.
        fields: named groups of the pattern it was found by.
        holds_volume: whether its file holds several positions, times or channels.
        position: which position of its file it is, counted from 0; None: all of the file.
    """

    root: Path
    folder: Path
    label: str
    paths: tuple[Path, ...]
    kind: Literal["frames", "file"] = "frames"
    told_by: str = "folders"
    fields: dict[str, str] = field(default_factory=dict)
    holds_volume: bool = False
    position: int | None = None


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file that is in no stack, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What was found below some roots."""

    stacks: tuple[TreeStack, ...]
    left_over: tuple[Leftover, ...]


def find_tree(
    roots: Sequence[Path], wishes: Grouping, *, skip: Sequence[Path] = (), asked: str | int | None = None
) -> Tree:
    """Find every stack below some folders; files that are given themselves are looked at as well.

    Args:
        roots: folders, files and patterns.
        wishes: what tells the stacks of one folder apart.
        skip: folders that are not looked into, such as that of the outputs.
        asked: which stack of a folder to take, by its name or number; `together`: each folder is one stack.

    Raises:
        ReadError: a root does not exist or can't be listed, or there is no stack below any.
        OptionError: a root is a folder that is not looked into.
    """
    stacks, left_over = list[TreeStack](), list[Leftover]()
    for root in dict.fromkeys(path for given in roots for path in expand(given)):
        if not root.exists():
            raise ReadError(f"{root} {explain_missing(root)}; expected a folder with focal stacks below it")
        if real_path(root) in map(real_path, skip):
            raise OptionError(f"{root} is given for the stacks and for the outputs; give the outputs another folder")
        finder = Finder(root, wishes, asked)
        finder.look(skip)
        stacks += finder.stacks
        left_over += finder.left_over
    if not stacks:
        named = ", ".join(map(str, roots))
        counted = f" ({len(left_over)} files are left over, such as {left_over[0].path})" if left_over else ""
        raise ReadError(f"{named}: no focal stacks below; expected folders with at least 2 frames each{counted}")
    return Tree(stacks=tuple(stacks), left_over=tuple(left_over))


class Finder:
    """Looks below one root and gathers what it finds."""

    def __init__(self, root: Path, wishes: Grouping, asked: str | int | None) -> None:
        self.root, self._wishes, self._asked = root, wishes, asked
        self._top = root if root.is_dir() else root.parent
        self.stacks: list[TreeStack] = []
        self.left_over: list[Leftover] = []

    def look(self, skip: Sequence[Path]) -> None:
        """Find all stacks below the root."""
        folders = {self._top: [self.root]} if is_one_picture(self.root) else dict(walk(self.root, skip))
        if self._wishes.group is not None and "/" in self._wishes.group:
            self._take_pattern([file for files in folders.values() for file in files], self._top)
            return
        above: defaultdict[Path, list[Path]] = defaultdict(list)
        for folder in folders:
            above[folder.parent].append(folder)
        done: set[Path] = set()
        for folder, files in folders.items():
            beside = above[folder.parent]
            if folder in done:
                continue
            if self._wishes.by == "auto" and self._wishes.group is None and len(beside) > 1 and are_planes(beside):
                done.update(beside)
                self._take_planes(folder.parent, [file for each in beside for file in folders[each]])
            else:
                self._take_folder(folder, files)

    def _take_folder(self, folder: Path, files: Sequence[Path]) -> None:
        """The stacks among the files of one folder."""
        kept = self._leave_out(files)
        alone, photos = split_alone(kept)
        for paths in alone:
            self._take_file(folder, paths)
        if not photos:
            return
        if self._wishes.group is not None:
            self._take_pattern(photos, folder)
            return
        found = self._choose(split_folder(photos, self._wishes), folder, photos)
        usable = [stack for stack in found if self._is_stack(stack.paths)]
        is_whole = len(found) == 1 and not alone
        for stack in usable:
            if is_whole and folder != self._top:
                self._add(folder.parent, folder.name, stack.paths, "frames", "folders")
            elif is_whole:
                self._add(folder, real_path(folder).name or "stack", stack.paths, "frames", "folders")
            else:
                self._add(folder, make_label(stack), stack.paths, "frames", stack.told_by)

    def _take_file(self, folder: Path, paths: Sequence[Path]) -> None:
        """The stacks of a file, or of a set of files: one for each position, which workers share."""
        label = strip(paths[0].name)
        inside = Inside() if self._asked is not None else look_inside(paths)
        for number, (name, place) in enumerate(inside.positions):
            *above, own = [clean(part) for part in name.split("/")]
            self._add(
                folder.joinpath(label, *above),
                own,
                [place] if place is not None else paths,
                "file",
                "positions",
                is_volume=inside.stacks > len(inside.positions),
                position=number if place is None else None,
            )
        if not inside.positions:
            is_volume = len(paths) > 1 or inside.stacks > 1
            self._add(folder, label, paths, "file", "files", is_volume=is_volume)

    def _take_planes(self, folder: Path, files: Sequence[Path]) -> None:
        """The stacks in folders that hold a plane each."""
        for stack in group_planes(self._leave_out(files)):
            if self._is_stack(stack.paths):
                self._add(folder, make_label(stack), stack.paths, "frames", "names")

    def _take_pattern(self, files: Sequence[Path], folder: Path) -> None:
        """The stacks that the pattern of the user makes."""
        assert self._wishes.group is not None
        kept = self._leave_out(files) if "/" in self._wishes.group else list(files)
        stacks, missed = split_pattern(kept, self._top, self._wishes.group)
        self.left_over += [Leftover(path=path, reason="its name does not match --group") for path in missed]
        for stack, fields in stacks:
            if self._is_stack(stack.paths):
                self._add(folder, clean(stack.name), stack.paths, "frames", "pattern", fields)

    def _choose(self, found: list[FoundStack], folder: Path, photos: Sequence[Path]) -> list[FoundStack]:
        """The stacks that are asked for; the others are left over."""
        if self._asked is None:
            return found
        if self._asked == TOGETHER:
            return [FoundStack(name=folder.name, paths=tuple(photos))]
        position = find_name([stack.name for stack in found], str(self._asked))
        chosen = [] if position is None else [found[position]]
        others = [path for stack in found if stack not in chosen for path in stack.paths]
        self.left_over += [Leftover(path=path, reason=f"not of stack {self._asked}") for path in others]
        return chosen

    def _leave_out(self, files: Sequence[Path]) -> list[Path]:
        """The files that are frames; the others are left over."""
        kept, notes = leave_out(files)
        used, reason = set(kept), "; ".join(map(str, notes))
        self.left_over += [Leftover(path=path, reason=reason) for path in files if path not in used]
        return kept

    def _is_stack(self, paths: Sequence[Path]) -> bool:
        """Whether there are enough files; a single one is left over."""
        if len(paths) > 1:
            return True
        self.left_over += [Leftover(path=path, reason="one frame; a stack has at least 2") for path in paths]
        return False

    def _add(
        self,
        folder: Path,
        label: str,
        paths: Sequence[Path],
        kind: Literal["frames", "file"],
        told_by: str,
        fields: dict[str, str] | None = None,
        *,
        is_volume: bool = False,
        position: int | None = None,
    ) -> None:
        self.stacks.append(
            TreeStack(
                root=self.root,
                folder=folder.relative_to(self._top) if folder != self._top else Path(),
                label=label,
                paths=tuple(paths),
                kind=kind,
                told_by=told_by,
                fields=fields or {},
                holds_volume=is_volume,
                position=position,
            )
        )
