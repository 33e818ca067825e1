"""Files below a folder: which are pictures, and which hold stacks by themselves."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.read import read_header
from allfocus.formats.registry import find_format, looks_like_frames, recognize
from allfocus.run.atomic import real_path
from allfocus.sources.expand import natural_key
from allfocus.sources.stacks import find_volume, split_sets

#: Folders that are one picture: Zarr's.
PICTURE_FOLDERS = (".zarr",)
#: Planes of which the number does not matter.
MANY = 1000


def walk(root: Path, skip: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder below a root that holds pictures, with these, both in natural order; what is hidden is left out.

    Raises:
        ReadError: a folder can't be listed.
    """
    left, seen = [root], {real_path(path) for path in skip}
    while left:
        folder = left.pop()
        if real_path(folder) in seen:
            continue
        seen.add(real_path(folder))
        try:
            inside = sorted((path for path in folder.iterdir() if path.name[0] != "."), key=natural_key)
        except OSError as error:
            raise ReadError(f"{folder} can't be listed: {error.strerror}") from error
        files = [path for path in inside if is_one_picture(path)]
        if files:
            yield folder, files
        left += [path for path in reversed(inside) if path.is_dir() and path not in files]


def is_one_picture(path: Path) -> bool:
    """Whether a path is a picture, a video, or a folder that is one."""
    if path.is_dir():
        return path.name.lower().endswith(PICTURE_FOLDERS)
    return looks_like_frames(path)


def split_alone(files: Sequence[Path]) -> tuple[list[tuple[Path, ...]], list[Path]]:
    """Files that hold stacks by themselves, with those that belong to them, and the frames of others."""
    if find_volume(files) is not None:
        return [tuple(files)], []
    alone, rest = list[tuple[Path, ...]](), list[Path]()
    sets, others = split_sets(files)
    for found, members in sets:
        if found.is_embedded and not found.missing:
            alone.append(tuple(members))
        else:
            rest += members
    counts = {file: look_inside([file]).planes for file in others}
    alone += [(file,) for file in others if counts[file] > 1]
    rest += [file for file in others if counts[file] < 2]
    if alone or len(rest) == 1:  # what can't be read is no frame of others: it is to fail by its name
        broken = [file for file in rest if not is_readable(file)]
        alone += [(file,) for file in broken]
        rest = [file for file in rest if file not in broken]
    return alone, sorted(rest, key=natural_key)


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a file of a tree holds.

    Attributes:
        planes: how many.
        stacks: in how many stacks.
        positions: where there are several, the name of each, and its place if it can be opened by itself.
    """

    planes: int = 1
    stacks: int = 1
    positions: tuple[tuple[str, Path | None], ...] = ()


def look_inside(paths: Sequence[Path]) -> Inside:
    """What a file, or a set of files that one describes, holds; a video has many planes, and what can't be read one."""
    with suppress(AllFocusError, OSError, ValueError):
        whole = find_volume(paths) if len(paths) > 1 else None
        file = paths[0] if whole is None else whole.main
        found = recognize(file)
        if found is None or found.contains == "picture":
            return Inside()
        if found.contains == "frames":
            return Inside(planes=MANY)
        with explain_errors(file, found.name):
            images = found.images(file)
            if images:
                deep = {name: place for name, place in images.items() if is_deep(place)} or images
                return Inside(planes=MANY, stacks=MANY, positions=tuple(deep.items()) if len(images) > 1 else ())
            planes = found.planes(file)
        names = planes.position_names if planes.axes["P"] > 1 else ()
        return Inside(
            planes=sum(len(stack.frames) for stack in planes.stacks),
            stacks=len(planes.stacks),
            positions=tuple((name, None) for name in names),
        )
    return Inside(planes=MANY, stacks=MANY) if paths[0].is_dir() else Inside()


def is_deep(place: Path) -> bool:
    """Whether an image holds more than one plane; one that can't be read is to fail by its name."""
    try:
        stacks = find_format(place).planes(place).stacks
    except Exception:
        return True
    return len(stacks[0].frames) > 1


def is_readable(file: Path) -> bool:
    """Whether a file's header is that of a picture."""
    try:
        read_header(file)
    except AllFocusError:
        return False
    return True
