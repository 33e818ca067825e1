"""Several scenes in one folder: a pause between the shots, and pictures that don't look alike on either side."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, luma
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_image
from allfocus.formats.registry import find_format
from allfocus.sources.conform import PROXY
from allfocus.sources.facts import read_facts

#: A pause is at least so many seconds, and so many times the usual time between two shots.
PAUSE, LONGER = 20.0, 5.0

#: What differs in scale from detail that focus takes away, and from light that is the same everywhere, in pixels of a
#: small picture; and how far things may have moved in it.
COARSE, MARGIN = 8.0, 6

#: Pictures that correlate less show different scenes. Of 204 stacks the first and the last frame correlate by .36 and
#: more; of 600 pairs of frames of different scenes 98 % by less than .25.
ALIKE = 0.3


def split_scenes(files: Sequence[Path]) -> list[list[Path]]:
    """Files of one folder, in the order given, at each pause that separates pictures that don't look alike.

    At most two pictures a pause are decoded.
    """
    pauses = find_pauses([read_time(file) for file in files])
    edges = [0, *pauses, len(files)]
    runs = [list(files[start:stop]) for start, stop in zip(edges, edges[1:], strict=False)]
    scenes = runs[:1]
    for run in runs[1:]:
        if look_alike(scenes[-1][len(scenes[-1]) // 2], run[len(run) // 2]):
            scenes[-1] += run
        else:
            scenes.append(run)
    return scenes


def read_time(file: Path) -> float | None:
    """When a picture was taken, in seconds; None where it does not say so."""
    with suppress(AllFocusError, ValueError):
        date = read_facts(file, find_format(file))[1]
        return datetime.strptime(date[:19], "%Y:%m:%d %H:%M:%S").timestamp()
    return None


def find_pauses(times: Sequence[float | None]) -> list[int]:
    """Positions of the frames before which there was a pause; none where a time is unknown."""
    known = [time for time in times if time is not None]
    if len(known) < max(len(times), 4):
        return []
    steps = [abs(later - earlier) for earlier, later in zip(known, known[1:], strict=False)]
    return [k for k, step in enumerate(steps, start=1) if step >= max(PAUSE, LONGER * median(steps))]


def look_alike(one: Path, other: Path) -> bool:
    """Whether two files may show the same scene; those that can't be read may."""
    with suppress(AllFocusError):
        return measure_likeness(make_small(read_image(one)), make_small(read_image(other))) >= ALIKE
    return True


def make_small(picture: Array) -> FloatArray:
    """A small square picture of the luma that holds structures between detail and light."""
    small = cv2.resize(luma(picture), (PROXY, PROXY), interpolation=cv2.INTER_AREA)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), COARSE), np.float32)


def measure_likeness(one: FloatArray, other: FloatArray) -> float:
    """Correlation of the middle of one small picture with the other, where it fits best; 1 where one is empty."""
    inner = slice(MARGIN, -MARGIN)
    if min(float(one[inner, inner].std()), float(other[inner, inner].std())) < 1e-6:
        return 1.0
    ways = ((one, other), (other, one))
    found = [cv2.matchTemplate(a, np.ascontiguousarray(b[inner, inner]), cv2.TM_CCOEFF_NORMED) for a, b in ways]
    return float(max(scores.max() for scores in found))
