"""From what is typed on a command line to files: folders, patterns, lists from stdin; natural order."""

import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from allfocus.errors import ReadError
from allfocus.formats.filebytes import is_address
from allfocus.formats.registry import is_one, looks_like_frames
from allfocus.run.atomic import real_path

#: Stands for a list of names on stdin.
STDIN = "-"

#: How many names a message lists.
MOST_NAMED = 8


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which img2 comes before img10 and upper case does not matter; ties go by the whole path."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], str(path)


def list_frames(inputs: Sequence[Path | str]) -> list[Path]:
    """Files named in `inputs`, in natural order of their names.

    A folder stands for the pictures directly inside, found by content; hidden files are left out. A pattern that no
    shell has expanded (`stack/*.jpg`) stands for what matches it, and ``-`` for the names on stdin, one a line or
    ended by NUL. Whether named files exist is found out by `inspect_stack`, together with all else that is wrong.

    Raises:
        ReadError: a folder holds no pictures, nothing matches a pattern, stdin names nothing, or one file is named
            twice.
    """
    found: list[Path] = []
    for source in inputs:
        for path in read_stdin() if str(source) == STDIN else expand(Path(source)):
            found += [path] if is_one(path) or not path.is_dir() else list_pictures(path)
    times = Counter(real_path(path) for path in found)
    for path in found:
        if times[real_path(path)] > 1:
            raise ReadError(f"{path} is given {times[real_path(path)]} times; name every frame once")
    return sorted(found, key=natural_key)


def expand(path: Path) -> list[Path]:
    """What a pattern matches; a path that exists, or is no pattern, stands for itself."""
    if is_address(path) or path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (which takes hidden files too)
    if not found:
        raise ReadError(f"{path} matches no file")
    return found


def read_stdin() -> list[Path]:
    """Paths listed on stdin: one a line, or ended by NUL as `find -print0` does."""
    listed = b"" if sys.stdin is None else sys.stdin.buffer.read()
    names = listed.split(b"\0") if b"\0" in listed else listed.splitlines()
    paths = [Path(os.fsdecode(name)) for name in names if name.strip()]
    if not paths:
        raise ReadError("stdin names no files; expected one name a line")
    return paths


def list_names(paths: Sequence[Path]) -> str:
    """The names of files or folders, the first ones of many."""
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(path.name for path in paths[:MOST_NAMED]) + more


def describe_folders(folder: Path, inside: Sequence[Path]) -> str:
    """What to type for a folder that holds folders and no pictures."""
    return f"{folder} holds no pictures, but folders: {list_names(inside)}; give one of them, such as {inside[0]}"


def describe_others(folder: Path, inside: Sequence[Path]) -> str:
    """What is wrong with a folder that holds other files, or none."""
    held = f", but {list_names(inside)}" if inside else ""
    return f"{folder} holds no pictures{held}; expected files such as .jpg, .png, .tif or a camera's RAW"


def list_pictures(folder: Path) -> list[Path]:
    """Pictures and videos directly inside `folder`; raises `ReadError` when there are none."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise ReadError(f"{folder} can't be listed: {error.strerror}") from error
    pictures = [path for path in inside if looks_like_frames(path)]
    if not pictures:
        folders = sorted((path for path in inside if path.is_dir()), key=natural_key)
        if folders:
            raise ReadError(describe_folders(folder, folders))
        others = sorted((path for path in inside if path.is_file()), key=natural_key)
        raise ReadError(describe_others(folder, others))
    return pictures
