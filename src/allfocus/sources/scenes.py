"""Several scenes in one folder: a pause between the shots, and pictures that don't look alike on either side."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from allfocus.core.likeness import are_alike
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_image
from allfocus.sources.facts import read_facts

#: A pause is at least so many seconds, and so many times the usual time between two shots.
PAUSE, LONGER = 20.0, 5.0


def split_scenes(files: Sequence[Path]) -> list[list[Path]]:
    """Files of one folder, in the order given, at each pause that separates pictures that don't look alike.

    At most two pictures a pause are decoded.
    """
    pauses = find_pauses([read_time(file) for file in files])
    edges = [0, *pauses, len(files)]
    runs = [list(files[start:stop]) for start, stop in pairwise(edges)]
    scenes = runs[:1]
    for run in runs[1:]:
        if look_alike(scenes[-1][len(scenes[-1]) // 2], run[len(run) // 2]):
            scenes[-1] += run
        else:
            scenes.append(run)
    return scenes


def read_time(file: Path) -> float | None:
    """When a picture was taken, in seconds; None where it does not say so."""
    with suppress(ValueError):
        date = read_facts(file).date
        return datetime.strptime(date[:19], "%Y:%m:%d %H:%M:%S").timestamp()
    return None


def find_pauses(times: Sequence[float | None]) -> list[int]:
    """Positions of the frames before which there was a pause; none where a time is unknown."""
    known = [time for time in times if time is not None]
    if len(known) < max(len(times), 4):
        return []
    steps = [abs(later - earlier) for earlier, later in pairwise(known)]
    return [k for k, step in enumerate(steps, start=1) if step >= max(PAUSE, LONGER * median(steps))]


def look_alike(one: Path, other: Path) -> bool:
    """Whether two files may show the same scene; those that can't be read may."""
    with suppress(AllFocusError):
        return are_alike(read_image(one), read_image(other))
    return True
