"""A tile's choice while strokes are laid over it, one after the other; the last few are kept for the next stroke."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, intersect, relative_to
from allfocus.decision.decision import MAPS, Choice, list_sources
from allfocus.decision.depth import WITHIN_A_FRAME
from allfocus.decision.recent import RECENT

#: What lies on a sheet: each stroke, and the decision that it takes its pixels from, if it is another.
Laid = Sequence[tuple[Any, Any]]


def choose_frames(window: Window, index_map: Array) -> Choice:
    """The choice that takes each pixel from the frame that `index_map` names, and is certain of it."""
    candidates = np.unique(index_map)
    certain = np.ones(index_map.shape, np.float32)
    return Choice(
        window=window,
        around=window,
        candidates=candidates,
        extras=np.empty(0, np.uint16),
        weights=np.stack([(index_map == frame).astype(np.float32) for frame in candidates]),
        index_map=index_map,
        confidence=certain,
        depth=index_map.astype(np.float32),
        depth_error=np.full(index_map.shape, WITHIN_A_FRAME**0.5, np.float32),
        out_of_focus=np.zeros(index_map.shape, bool),
        veiled=np.zeros(index_map.shape, bool),
    )


class Sheet:
    """A tile's choice while strokes are laid over it; where the brush covers more than half, the maps change too."""

    def __init__(self, choice: Choice) -> None:
        self._base = choice
        self._planes = dict(zip(list_sources(choice), choice.weights.copy(), strict=True))
        self._own = len(self._planes)
        self._maps = {name: None if (plane := getattr(choice, name)) is None else plane.copy() for name in MAPS}

    def picked(self, place: Window) -> Array:
        """(h, w), the frame with the largest weight at a place."""
        here = relative_to(place, self._base.around)
        best = np.argmax(np.stack([plane[here] for plane in self._planes.values()]), axis=0)
        return np.asarray(np.array([frame for frame, _ in self._planes], np.uint16)[best])

    def original(self, place: Window) -> Choice:
        """What was at a place before anything was painted; its maps only where the tile has some."""
        base, shared = self._base, intersect(place, self._base.window)
        is_empty = any(part.stop <= part.start for part in shared)
        window = tuple(slice(part.start, max(part.start, part.stop)) for part in shared)
        here = (slice(0, 0), slice(0, 0)) if is_empty else relative_to(shared, base.window)
        maps: dict[str, Any] = {name: None if (plane := getattr(base, name)) is None else plane[here] for name in MAPS}
        weights = base.weights[(slice(None), *relative_to(place, base.around))]
        return replace(base, window=(window[0], window[1]), around=place, weights=weights, **maps)

    def lay(self, source: Choice, covered: FloatArray, gain: float) -> None:
        """Lay one stroke over: `covered` says how much of each pixel of `source.around` the brush covers."""
        here = relative_to(source.around, self._base.around)
        for plane in self._planes.values():
            plane[here] *= 1 - covered
        for (frame, own), weights in zip(list_sources(source), source.weights, strict=True):
            key = frame, float(np.float32(own * gain))
            if key not in self._planes:
                self._planes[key] = np.zeros(self._base.weights.shape[1:], np.float32)
            self._planes[key][here] += covered * weights
        shared = intersect(source.window, self._base.window)
        if all(part.start < part.stop for part in shared):
            self._lay_maps(source, covered[relative_to(shared, source.around)], shared)

    def _lay_maps(self, source: Choice, covered: FloatArray, shared: Window) -> None:
        is_painted = covered > 0.5
        there, here = relative_to(shared, source.window), relative_to(shared, self._base.window)
        for name, plane in self._maps.items():
            if plane is None:
                continue
            brought = getattr(source, name)
            if brought is None:  # the source knows less than the base
                unknown = np.nan if name == "depth_error" else 0
                brought = source.index_map if name == "depth" else np.full(source.index_map.shape, unknown, plane.dtype)
            np.copyto(plane[here], brought[there].astype(plane.dtype), where=is_painted)

    def choice(self, seen: Window | None = None) -> Choice:
        """The choice with all strokes; what was brought and is covered again, or is not in `seen`, is left out."""
        here = (slice(None), slice(None)) if seen is None else relative_to(seen, self._base.around)
        rows = [
            (key, plane)
            for row, (key, plane) in enumerate(self._planes.items())
            if row < self._own or plane[here].any()
        ]
        used = {frame for (frame, _), _ in rows}
        gains = np.array([gain for (_, gain), _ in rows], np.float32)
        base = self._base
        maps: dict[str, Any] = {name: None if plane is None else plane.copy() for name, plane in self._maps.items()}
        return replace(
            base,
            candidates=np.array([frame for (frame, _), _ in rows], np.uint16),
            extras=np.array([frame for frame in base.extras if int(frame) not in used], np.uint16),
            weights=np.stack([plane for _, plane in rows]),
            gains=None if (gains == 1).all() else gains,
            **maps,
        )


class Sheets:
    """The last few tiles as they are painted: one more stroke is laid over them, instead of all strokes anew.

    A sheet belongs to whoever takes it until it is kept again, so that threads side by side never share one.

    Args:
        count: how many are kept.
    """

    def __init__(self, count: int = RECENT) -> None:
        self._count, self._lock = count, Lock()
        self._kept: OrderedDict[tuple[int, int], tuple[Sheet, Laid]] = OrderedDict()

    def take(self, tile: Window, wanted: Laid) -> tuple[Sheet, int] | None:
        """A tile's sheet, and how many of the wanted strokes lie on it; None unless these are the first of them."""
        with self._lock:
            found = self._kept.pop((tile[0].start, tile[1].start), None)
        if found is None or len(found[1]) > len(wanted):
            return None
        are_first = all(old[1] is new[1] and old[0] == new[0] for old, new in zip(found[1], wanted, strict=False))
        return (found[0], len(found[1])) if are_first else None

    def keep(self, tile: Window, sheet: Sheet, laid: Laid) -> None:
        """Keep the sheet of a tile, and what lies on it."""
        with self._lock:
            self._kept[tile[0].start, tile[1].start] = sheet, laid
            while len(self._kept) > self._count:
                self._kept.popitem(last=False)
