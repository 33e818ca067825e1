"""Files below a folder: which are pictures, and which hold stacks by themselves."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.filebytes import explain_errors
from allfocus.formats.read import read_header
from allfocus.formats.registry import looks_like_frames, recognize
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
    return path.is_file() and looks_like_frames(path)


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
    counts = {file: count_planes(file)[0] for file in others}
    alone += [(file,) for file in others if counts[file] > 1]
    rest += [file for file in others if counts[file] < 2]
    if alone or len(rest) == 1:  # what can't be read is no frame of others: it is to fail by its name
        broken = [file for file in rest if not is_readable(file)]
        alone += [(file,) for file in broken]
        rest = [file for file in rest if file not in broken]
    return alone, sorted(rest, key=natural_key)


def count_planes(file: Path) -> tuple[int, int]:
    """How many planes a file holds, and in how many stacks; a video has many, and what can't be read is one picture."""
    if file.is_dir():
        return MANY, MANY
    with suppress(AllFocusError, OSError, ValueError):
        found = recognize(file)
        if found is None or found.contains == "picture":
            return 1, 1
        if found.contains == "frames":
            return MANY, 1
        with explain_errors(file, found.name):
            stacks = found.planes(file).stacks
        return sum(len(stack.frames) for stack in stacks), len(stacks)
    return 1, 1


def is_readable(file: Path) -> bool:
    """Whether a file's header is that of a picture."""
    try:
        read_header(file)
    except AllFocusError:
        return False
    return True
