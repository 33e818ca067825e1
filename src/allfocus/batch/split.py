"""The files of one folder told apart as a batch was asked to: by a pattern, by pauses, by what they show."""

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from allfocus.batch.wishes import Grouping, compile_group
from allfocus.core.color import FloatArray
from allfocus.core.likeness import ALIKE, make_small, measure_likeness
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_image
from allfocus.formats.registry import find_format
from allfocus.metadata import exif
from allfocus.metadata.carry import parse
from allfocus.sources.facts import read_facts
from allfocus.sources.name_groups import group_names
from allfocus.sources.stacks import FoundStack, group_files, name_ends

#: A pause between bursts is at least so many seconds, and so many times the usual time between two shots.
PAUSE, LONGER = 2.0, 5.0
#: EXIF's fractions of a second of the time when the picture was taken.
SUBSECONDS = 0x9291


def split_folder(files: Sequence[Path], wishes: Grouping) -> list[FoundStack]:
    """The stacks that frames of one folder make.

    Args:
        files: frames, in natural order, see `leave_out`.
        wishes: what tells them apart.
    """
    if wishes.gap is not None or wishes.by == "time":
        return [named(run) for run in split_times(files, wishes.gap)]
    if wishes.by == "content":
        return [named(run) for run in split_contents(files)]
    if wishes.by == "folder":
        return [named(files)]
    if wishes.by == "names":
        groups = group_names([file.name for file in files])
        return [FoundStack(name=each.pattern, paths=tuple(files[k] for k in each.positions)) for each in groups]
    return group_files(files)


def named(files: Sequence[Path]) -> FoundStack:
    """A stack called by its first and last file."""
    return FoundStack(name=name_ends(files), paths=tuple(files), told_by="scenes")


def split_pattern(
    files: Sequence[Path], root: Path, pattern: str
) -> tuple[list[tuple[FoundStack, dict[str, str]]], list[Path]]:
    """Stacks of the files that agree in the groups of a pattern, each with its named groups, and the files it misses.

    Args:
        files: in natural order, of one folder, or of several where the pattern has a slash in it.
        root: what the matched paths are below.
        pattern: a regular expression; without groups, all that it matches counts.
    """
    compiled = compile_group(pattern)
    assert compiled is not None
    found: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
    fields: dict[tuple[str, ...], dict[str, str]] = {}
    missed = []
    for file in files:
        text = file.relative_to(root).as_posix() if "/" in pattern else file.name
        match = compiled.search(text)
        if match is None:
            missed.append(file)
            continue
        key = tuple(part or "" for part in match.groups()) or (match[0],)
        found[key].append(file)
        fields.setdefault(key, {name: value or "" for name, value in match.groupdict().items()})
    stacks = [
        (FoundStack(name="_".join(filter(None, key)), paths=tuple(inside)), fields[key])
        for key, inside in found.items()
    ]
    return stacks, missed


# --- by time -------------------------------------------------------------------------------------


def split_times(files: Sequence[Path], gap: float | None) -> list[list[Path]]:
    """Files in the order in which they were taken, at each pause; in one run where nobody knows when that was.

    Args:
        files: of one folder.
        gap: seconds of a pause; None: what stands out from the times between shots.
    """
    times = [read_moment(file) for file in files]
    if any(time is None for time in times):
        times = [file.stat().st_mtime for file in files]
    order = sorted(range(len(files)), key=lambda k: (times[k], k))
    ordered = [files[k] for k in order]
    steps = [times[after] - times[before] for before, after in pairwise(order)]  # type: ignore[operator]
    least = gap if gap is not None else max(PAUSE, LONGER * median(steps)) if steps else 0.0
    edges = [0, *(k for k, step in enumerate(steps, start=1) if step >= least), len(files)]
    return [ordered[start:stop] for start, stop in pairwise(edges)]


def read_moment(file: Path) -> float | None:
    """When a picture was taken by its EXIF, in seconds, with the fraction that bursts are told by; None: unknown."""
    with suppress(ValueError):
        seconds = datetime.strptime(read_facts(file).date[:19], "%Y:%m:%d %H:%M:%S").timestamp()
        return seconds + read_fraction(file)
    return None


def read_fraction(file: Path) -> float:
    """The fraction of the second in which a picture was taken; 0 where it does not say so."""
    with suppress(AllFocusError, ValueError, TypeError):
        blocks = find_format(file).blocks(file)
        block = blocks.tags or parse(blocks.exif)
        entry = None if block is None else block.directory(exif.EXIF).get(SUBSECONDS)
        digits = "" if entry is None else entry.value.decode("ascii", "replace").strip("\0 ")
        return float(f"0.{digits}") if re.fullmatch(r"\d{1,9}", digits) else 0.0
    return 0.0


# --- by content ----------------------------------------------------------------------------------


def split_contents(files: Sequence[Path]) -> list[list[Path]]:
    """Files in the order given, wherever two neighbours don't show the same scene; one that can't be read may."""
    runs, before = [[files[0]]], read_small(files[0])
    for file in files[1:]:
        small = read_small(file)
        if before is not None and small is not None and measure_likeness(before, small) < ALIKE:
            runs.append([])
        runs[-1].append(file)
        before = before if small is None else small
    return runs


def read_small(file: Path) -> FloatArray | None:
    """What is compared of a picture; None where it can't be read."""
    with suppress(AllFocusError):
        return make_small(read_image(file))
    return None
