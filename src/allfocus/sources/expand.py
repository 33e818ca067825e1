"""From what is typed on a command line to files: folders, patterns, lists from stdin; natural order; twins."""

import glob
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.errors import ReadError
from allfocus.formats.format import Format
from allfocus.formats.registry import looks_like_frames, recognize
from allfocus.run.atomic import real_path
from allfocus.run.install import install_hint

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
            found += list_pictures(path) if path.is_dir() else [path]
    times = Counter(real_path(path) for path in found)
    for path in found:
        if times[real_path(path)] > 1:
            raise ReadError(f"{path} is given {times[real_path(path)]} times; name every frame once")
    return sorted(found, key=natural_key)


def expand(path: Path) -> list[Path]:
    """What a pattern matches; a path that exists, or is no pattern, stands for itself."""
    if path.exists() or not glob.has_magic(str(path)):
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


def describe_folders(folder: Path, inside: Sequence[Path]) -> str:
    """What to type for a folder that holds folders and no pictures."""
    names = ", ".join(path.name for path in inside[:MOST_NAMED])
    more = f" and {len(inside) - MOST_NAMED} more" if len(inside) > MOST_NAMED else ""
    return f"{folder} holds no pictures, but folders: {names}{more}; give one of them, such as {inside[0]}"


def list_pictures(folder: Path) -> list[Path]:
    """Pictures and videos directly inside `folder`; raises `ReadError` when there are none."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise ReadError(f"{folder} can't be listed: {error.strerror}") from error
    pictures = [path for path in inside if path.is_file() and looks_like_frames(path)]
    if not pictures:
        folders = sorted((path for path in inside if path.is_dir()), key=natural_key)
        if folders:
            raise ReadError(describe_folders(folder, folders))
        raise ReadError(f"{folder} holds no pictures; expected files such as .jpg, .png, .tif or a camera's RAW")
    return pictures


def drop_twins(files: Sequence[Path], has_raw: bool | None = None) -> tuple[list[Path], list[Note]]:
    """Leave out what a camera stored twice under one name: RAW beside JPEG, a short video beside a photo.

    RAW files are taken if they can be read and every shot has one. Beside TIFF or PNG they are not: no camera makes
    these, somebody developed them.

    Args:
        files: those that were named.
        has_raw: whether RAW files can be read; None: find out.

    Returns:
        The files to use, in their order, and notes on what was left out.
    """
    shots: defaultdict[Path, list[tuple[Format | None, Path]]] = defaultdict(list)
    for file in files:
        shots[file.with_suffix("")].append((recognize(file) if file.is_file() else None, file))
    mixed = [shot for shot in shots.values() if not all(is_video(found) for found, _ in shot)]
    clips = [file for shot in mixed for found, file in shot if is_video(found)]
    pairs = [[(found, file) for found, file in shot if file not in clips] for shot in shots.values()]
    pairs = [pair for pair in pairs if {is_raw(found) for found, _ in pair} == {True, False}]
    raws = [found for pair in pairs for found, _ in pair if found is not None and found.is_raw]
    if has_raw is None:
        has_raw = all(found.is_readable() for found in raws)
    takes_raw = has_raw and all(any(is_raw(found) for found, _ in shot) for shot in shots.values())
    takes_raw = takes_raw and all(found is not None and found.by_cameras for pair in pairs for found, _ in pair)
    doubles = [file for pair in pairs for found, file in pair if is_raw(found) != takes_raw]
    kept = [file for file in files if file not in {*clips, *doubles}]
    which = "their RAW files are used" if takes_raw else "their RAW files are left out"
    hint = "" if has_raw or not raws else f"; to use them: {install_hint(raws[0].extra)}"
    return kept, note_twins(kept, clips, doubles, which + hint)


def is_raw(found: Format | None) -> bool:
    """Whether a file is RAW."""
    return found is not None and found.is_raw


def is_video(found: Format | None) -> bool:
    """Whether a file is a video."""
    return found is not None and found.contains == "frames"


def note_twins(kept: Sequence[Path], clips: Sequence[Path], doubles: Sequence[Path], which: str) -> list[Note]:
    """What was left out beside the files that are used."""
    notes = []
    if clips:
        message = f"{count_noun(clips, 'video')} beside photos of the same name left out, such as {clips[0].name}"
        notes.append(Note(code="clip-left-out", message=message, frames=find_shots(kept, clips)))
    if doubles:
        message = f"{count_noun(doubles, 'shot')} stored twice, such as {doubles[0].stem}: {which}"
        notes.append(Note(code="raw-twin-dropped", message=message, frames=find_shots(kept, doubles)))
    return notes


def find_shots(kept: Sequence[Path], left_out: Sequence[Path]) -> tuple[int, ...]:
    """Positions of the files that are used of the same shots as those that are left out."""
    shots = {file.with_suffix("") for file in left_out}
    return tuple(position for position, file in enumerate(kept) if file.with_suffix("") in shots)


def count_noun(files: Sequence[Path], noun: str) -> str:
    """How many there are of something."""
    return f"{len(files)} {noun}{'' if len(files) == 1 else 's'}"
