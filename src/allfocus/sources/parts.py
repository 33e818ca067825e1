"""Frames larger than what is worked on at once: read a row of chunks at a time."""

import numpy as np

from allfocus.core.color import Array
from allfocus.core.samples import Measure, as_working, has_no_value
from allfocus.errors import StackError
from allfocus.formats.format import PlaneParts
from allfocus.run.context import Run
from allfocus.sources.listing import Listing


def read_parts(listing: Listing, parts: PlaneParts, frames: Array, run: Run) -> list[Measure]:
    """Read all frames in parts, each chunk of the file once; returns what numbers each frame holds.

    Raises:
        StackError: floats that are no values: what covers what is found in whole frames only.
    """
    count, height = frames.shape[:2]
    places = [
        (slice(first, min(first + parts.planes, count)), slice(top, min(top + parts.rows, height)))
        for top in range(0, height, parts.rows)
        for first in range(0, count, parts.planes)
    ]
    low, high = np.full(count, np.inf), np.full(count, -np.inf)

    def read(place: tuple[slice, slice]) -> None:
        planes, rows = place
        found = parts.read(planes, rows)
        if has_no_value(found).any():
            name = listing.names[planes.start]
            raise StackError(f"{name} holds NaN or infinite values; fused in parts it can't: allow more --max-memory")
        frames[planes, rows] = as_working(found)
        if found.dtype != np.uint8:
            for position, plane in zip(range(planes.start, planes.stop), found, strict=True):
                low[position], high[position] = min(low[position], plane.min()), max(high[position], plane.max())

    for _ in run.each("read", read, places):
        pass
    return [Measure(low=a, high=b) if a <= b else Measure() for a, b in zip(low.tolist(), high.tolist(), strict=True)]
