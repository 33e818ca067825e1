"""A tile's choice while strokes are laid over it, one after the other; the last few are kept for the next stroke."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, intersect, relative_to
from allfocus.decision.decision import GAIN_STEP, MAPS, Choice
from allfocus.decision.depth import WITHIN_A_FRAME
from allfocus.decision.recent import RECENT

#: What lies on a sheet: each stroke, and the decision that it takes its pixels from, if it is another.
Laid = Sequence[tuple[Any, Any]]
#: How far beyond a stroke, in pixels, its source is made as bright: composing looks as far around a pixel.
MARGIN = 8


def choose_frames(window: Window, index_map: Array) -> Choice:
    """The choice that takes each pixel from the frame that `index_map` names, and is certain of it."""
    candidates = np.unique(index_map)
    weights = np.stack([(index_map == frame).astype(np.float32) for frame in candidates])
    return be_certain(window, candidates, weights, index_map)


def choose_frame(window: Window, frame: int) -> Choice:
    """The choice that takes all pixels from one frame, and is certain of it."""
    size = [part.stop - part.start for part in window]
    candidates = np.array([frame], np.uint16)
    return be_certain(window, candidates, np.ones((1, *size), np.float32), np.full(size, frame, np.uint16))


def be_certain(window: Window, candidates: Array, weights: FloatArray, index_map: Array) -> Choice:
    """The choice with weights that somebody gave by hand."""
    return Choice(
        window=window,
        around=window,
        candidates=candidates,
        extras=np.empty(0, np.uint16),
        weights=weights,
        index_map=index_map,
        confidence=np.ones(index_map.shape, np.float32),
        depth=index_map.astype(np.float32),
        depth_error=np.full(index_map.shape, WITHIN_A_FRAME**0.5, np.float32),
        out_of_focus=np.zeros(index_map.shape, bool),
        veiled=np.zeros(index_map.shape, bool),
    )


class Sheet:
    """A tile's choice while strokes are laid over it; where the brush covers more than half, the maps change too.

    It holds one plane of weights, and one of gains, for each frame, however many strokes there are.
    """

    def __init__(self, choice: Choice) -> None:
        self._base = choice
        frames = [int(frame) for frame in choice.candidates]
        self._planes = dict(zip(frames, choice.weights.copy(), strict=True))
        self._gains = {} if choice.gains is None else dict(zip(frames, choice.gains.copy(), strict=True))
        self._own = len(self._planes)
        self._maps = {name: None if (plane := getattr(choice, name)) is None else plane.copy() for name in MAPS}

    def picked(self, place: Window) -> Array:
        """(h, w), the frame with the largest weight at a place."""
        here = relative_to(place, self._base.around)
        best = np.argmax(np.stack([plane[here] for plane in self._planes.values()]), axis=0)
        return np.asarray(np.array(list(self._planes), np.uint16)[best])

    def original(self, place: Window) -> Choice:
        """What was at a place before anything was painted; its maps only where the tile has some."""
        base, shared = self._base, intersect(place, self._base.window)
        is_empty = any(part.stop <= part.start for part in shared)
        window = tuple(slice(part.start, max(part.start, part.stop)) for part in shared)
        here = (slice(0, 0), slice(0, 0)) if is_empty else relative_to(shared, base.window)
        maps: dict[str, Any] = {name: None if (plane := getattr(base, name)) is None else plane[here] for name in MAPS}
        there = (slice(None), *relative_to(place, base.around))
        gains = None if base.gains is None else base.gains[there]
        weights = base.weights[there]
        return replace(base, window=(window[0], window[1]), around=place, weights=weights, gains=gains, **maps)

    def lay(self, source: Choice, covered: FloatArray, gain: float) -> None:
        """Lay one stroke over: `covered` says how much of each pixel of `source.around` the brush covers."""
        here = relative_to(source.around, self._base.around)
        left = 1 - covered
        for plane in self._planes.values():
            plane[here] *= left
        steps = round(float(np.log(gain) / np.log(GAIN_STEP)))
        for row, (frame, weights) in enumerate(zip(source.candidates, source.weights, strict=True)):
            added = covered * weights
            plane = self._plane(self._planes, int(frame), np.float32)
            own = steps if source.gains is None else steps + source.gains[row].astype(np.float32)
            if int(frame) in self._gains or np.any(own):
                mix_gains(self._plane(self._gains, int(frame), np.int16)[here], plane[here], added, own, covered)
            plane[here] += added
        shared = intersect(source.window, self._base.window)
        if all(part.start < part.stop for part in shared):
            self._lay_maps(source, covered[relative_to(shared, source.around)], shared)

    def _plane(self, planes: dict[int, Array], frame: int, kind: DTypeLike) -> Array:
        if frame not in planes:
            planes[frame] = np.zeros(self._base.weights.shape[1:], kind)
        return planes[frame]

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
        planes = {
            frame: plane
            for row, (frame, plane) in enumerate(self._planes.items())
            if row < self._own or plane[here].any()
        }
        gains = {frame: self._gains[frame] for frame in planes if frame in self._gains}
        none, base = np.zeros(self._base.weights.shape[1:], np.int16), self._base
        maps: dict[str, Any] = {name: None if plane is None else plane.copy() for name, plane in self._maps.items()}
        return replace(
            base,
            candidates=np.array(list(planes), np.uint16),
            extras=np.array([frame for frame in base.extras if int(frame) not in planes], np.uint16),
            weights=np.stack(list(planes.values())),
            gains=np.stack([gains.get(frame, none) for frame in planes]) if gains else None,
            **maps,
        )


def mix_gains(gains: Array, weights: FloatArray, added: FloatArray, own: FloatArray | int, covered: FloatArray) -> None:
    """Change the gains of a frame where a stroke adds some of it: to the mean, by what is there and what is added.

    Beyond the stroke, where there is nothing of the frame yet, its gain reaches as far as composing will look.
    """
    left = weights + added
    share = np.divide(added, left, out=np.zeros_like(left), where=left > 0)
    near = cv2.dilate((covered > 0).astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8)) > 0
    share[near & (left <= 0)] = 1
    gains[...] = np.rint(gains + share * (own - gains.astype(np.float32)))


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
