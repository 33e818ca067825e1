"""From what is typed on a command line to files: folders, patterns, lists from stdin; natural order; twins."""

import glob
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from allfocus.errors import ReadError
from allfocus.formats.raw import has_raw
from allfocus.formats.sniff import look, looks_like_frames
from allfocus.run.install import install_hint

#: Stands for a list of names on stdin.
STDIN = "-"

#: Kinds of pictures that cameras store beside RAW.
CAMERAS_OWN = ("RAW", "JPEG", "HEIC")


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which img2 comes before img10 and upper case does not matter; ties go by the whole path."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces], str(path)


def list_frames(inputs: Sequence[Path | str]) -> list[Path]:
    """Files named in `inputs`, in natural order of their names.

    A folder stands for the pictures directly inside, told by content; hidden files are left out. A pattern that no
    shell has expanded (`stack/*.jpg`) stands for what matches it, and ``-`` for the names on stdin, one a line or
    ended by NUL. Whether named files exist is found out by `inspect_stack`, together with all else that is wrong.

    Raises:
        ReadError: a folder holds no pictures, nothing matches a pattern, stdin names nothing, or one file is named
            twice.
    """
    found: list[Path] = []
    for source in inputs:
        for path in names_on_stdin() if str(source) == STDIN else expand(Path(source)):
            found += pictures_in(path) if path.is_dir() else [path]
    times = Counter(path.resolve() for path in found)
    for path in found:
        if times[path.resolve()] > 1:
            raise ReadError(f"{path} is given {times[path.resolve()]} times; name every frame once")
    return sorted(found, key=natural_key)


def expand(path: Path) -> list[Path]:
    """What a pattern matches; a path that exists, or is no pattern, stands for itself."""
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (which takes hidden files too)
    if not found:
        raise ReadError(f"{path} matches no file")
    return found


def names_on_stdin() -> list[Path]:
    """Paths listed on stdin: one a line, or ended by NUL as `find -print0` does."""
    listed = sys.stdin.buffer.read()
    names = listed.split(b"\0") if b"\0" in listed else listed.splitlines()
    paths = [Path(os.fsdecode(name)) for name in names if name.strip()]
    if not paths:
        raise ReadError("stdin names no files; expected one name a line")
    return paths


def pictures_in(folder: Path) -> list[Path]:
    """Pictures and videos directly inside `folder`; raises `ReadError` when there are none."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]
    except OSError as error:
        raise ReadError(f"{folder} can't be listed: {error.strerror}") from error
    pictures = [path for path in inside if looks_like_frames(path)]
    if not pictures:
        raise ReadError(f"{folder} holds no pictures; expected files such as .jpg, .png, .tif or a camera's RAW")
    return pictures


def without_twins(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Leave out what a camera stored twice under one name: RAW beside JPEG, a short video beside a photo.

    RAW files are taken if they can be read and every shot has one. Beside TIFF or PNG they are not: no camera makes
    these, somebody developed them.

    Returns:
        The files to use, in their order, and notes on what was left out.
    """
    shots: defaultdict[Path, list[tuple[str | None, Path]]] = defaultdict(list)
    for file in files:
        shots[file.with_suffix("")].append((look(file)[0] if file.is_file() else None, file))
    clips = [file for shot in shots.values() if len(shot) > 1 for kind, file in shot if kind == "video"]
    pairs = [[(kind, file) for kind, file in shot if file not in clips] for shot in shots.values()]
    pairs = [pair for pair in pairs if {kind == "RAW" for kind, _ in pair} == {True, False}]
    takes_raw = has_raw() and all(any(kind == "RAW" for kind, _ in shot) for shot in shots.values())
    takes_raw = takes_raw and all(kind in CAMERAS_OWN for pair in pairs for kind, _ in pair)
    doubles = [file for pair in pairs for kind, file in pair if (kind == "RAW") != takes_raw]
    left_out = {*clips, *doubles}
    return [file for file in files if file not in left_out], notes_on(clips, doubles, takes_raw)


def notes_on(clips: Sequence[Path], doubles: Sequence[Path], takes_raw: bool) -> list[str]:
    """What was left out and why, a line each."""
    notes = []
    if clips:
        notes.append(f"{count(clips, 'video')} beside photos of the same name left out, such as {clips[0].name}")
    if doubles:
        which = "their RAW files are used" if takes_raw else "their RAW files are left out"
        hint = "" if has_raw() else f"; to use them: {install_hint('raw')}"
        notes.append(f"{count(doubles, 'shot')} stored twice, such as {doubles[0].stem}: {which}{hint}")
    return notes


def count(files: Sequence[Path], noun: str) -> str:
    """How many there are of something."""
    return f"{len(files)} {noun}{'' if len(files) == 1 else 's'}"
