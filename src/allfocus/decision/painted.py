"""A decision that was painted over: under a stroke the chosen frame has the weight that the brush gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, intersect, relative_to
from allfocus.decision.decision import MAPS, Choice, Decision, TiledDecision, list_sources
from allfocus.decision.depth import WITHIN_A_FRAME
from allfocus.errors import ConfigError

#: Sources of a stroke that are neither a frame nor another decision: the frame before or after the one that the picture
#: is of at that place, and what was there before anything was painted.
NEARER, FARTHER, ORIGINAL = "nearer", "farther", "original"
#: How many frames further along the stack each of these is.
STEPS = {NEARER: -1, FARTHER: 1}


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One stroke of a round brush.

    Attributes:
        frame: position of the frame to take the pixels from, counted from 0 among the frames that are decided on; None:
            `source` says what to take.
        points: where the brush went, (x, y) in pixels of the picture; a single one is a dab.
        radius: of the brush in pixels.
        hardness: share of the radius, 0 to 1, within which the brush covers fully; it fades to nothing at the rim.
        source: `nearer` or `farther`: the frame next to the one that is there; `original`: what was there before
            anything was painted (an eraser); or the name of another decision. Empty where a frame is given.
        gain: what the source's linear light is multiplied by, so that it is as bright as what is around the stroke.
        visible: whether it counts.

    Raises:
        ConfigError: neither a frame nor a source or both, no points, a radius or gain that is not positive, or a
            hardness beyond 0 to 1.
    """

    frame: int | None = None
    points: tuple[tuple[float, float], ...]
    radius: float
    hardness: float = 0.5
    source: str = ""
    gain: float = 1.0
    visible: bool = True

    def __post_init__(self) -> None:
        if (self.frame is None) == (not self.source):
            raise ConfigError("stroke from nowhere; expected either a frame or a source")
        if not self.points or not np.isfinite(np.array(self.points, float)).all():
            raise ConfigError("stroke without points; expected one or more finite (x, y)")
        if not 0 < self.radius < float("inf"):
            raise ConfigError(f"stroke of radius {self.radius}; expected a positive number of pixels")
        if not 0 <= self.hardness <= 1:
            raise ConfigError(f"stroke of hardness {self.hardness}; expected 0 to 1")
        if not 0 < self.gain < float("inf"):
            raise ConfigError(f"stroke of gain {self.gain}; expected a positive number")

    def touches(self, window: Window) -> bool:
        """Whether the brush may have covered something of a window."""
        return all(part.start < part.stop for part in self.bounds(window))

    def bounds(self, window: Window) -> Window:
        """The part of a window that the brush may have covered; empty, with no rows or columns, if there is none."""
        return intersect(window, box_around(self.points, self.radius))

    def cover(self, window: Window) -> FloatArray:
        """How much of each pixel of a window the brush covers, (h, w) in [0, 1]."""
        nearest = np.full([part.stop - part.start for part in window], np.inf, np.float32)
        for start, stop in zip(self.points, (*self.points[1:], self.points[-1]), strict=True):
            place = intersect(window, box_around((start, stop), self.radius))
            if all(part.start < part.stop for part in place):
                y, x = (np.arange(part.start, part.stop, dtype=np.float32) for part in place)
                here = nearest[relative_to(place, window)]
                np.minimum(here, distance_to_segment(x[None], y[:, None], start, stop), out=here)
        fade = max(self.radius * (1 - self.hardness), 1.0)
        return np.asarray(np.clip((np.float32(self.radius) - nearest) / np.float32(fade), 0, 1), np.float32)


def box_around(points: Sequence[tuple[float, float]], radius: float) -> Window:
    """Rows and columns that lie no further from some points than `radius`."""
    (left, top), (right, bottom) = np.min(points, axis=0) - radius, np.max(points, axis=0) + radius
    return slice(int(np.floor(top)), int(np.ceil(bottom)) + 1), slice(int(np.floor(left)), int(np.ceil(right)) + 1)


def distance_to_segment(
    x: FloatArray, y: FloatArray, start: tuple[float, float], stop: tuple[float, float]
) -> FloatArray:
    """Distance of points to a line from `start` to `stop`, all in pixels."""
    across, down = stop[0] - start[0], stop[1] - start[1]
    length = max(across**2 + down**2, 1e-12)
    along = np.clip(((x - start[0]) * across + (y - start[1]) * down) / length, 0, 1)
    return np.asarray(np.hypot(x - start[0] - along * across, y - start[1] - along * down), np.float32)


class PaintedDecision(TiledDecision):
    """Another decision with strokes over it, the last on top.

    Args:
        base: what is painted over.
        strokes: from first to last.
        others: decisions about the same frames that strokes may take their pixels from, by their names.

    Raises:
        ConfigError: a stroke takes its pixels from a frame or decision that does not exist.
    """

    def __init__(self, base: Decision, strokes: Sequence[Stroke], others: Mapping[str, Decision] | None = None) -> None:
        self._base, self.strokes, self._others = base, tuple(strokes), dict(others or {})
        for stroke in strokes:
            if stroke.frame is not None and stroke.frame not in range(base.count):
                raise ConfigError(f"stroke from frame {stroke.frame}: expected 0 to {base.count - 1}")
            known = [*STEPS, ORIGINAL, *self._others]
            if stroke.source and stroke.source not in known:
                raise ConfigError(f"stroke from {stroke.source!r}: expected a frame, or one of {', '.join(known)}")
        self.size, self.count, self.noise = base.size, base.count, base.noise
        self.composition, self.method, self.notes = base.composition, base.method, base.notes

    def tiles(self) -> Sequence[Window]:
        """The tiles of what is painted over."""
        return self._base.tiles()

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one tile, painted over."""
        choice = self._base.decide_tile(tile)
        strokes = [stroke for stroke in self.strokes if stroke.visible and stroke.touches(choice.around)]
        if not strokes:
            return choice
        sheet = Sheet(choice)
        for stroke in strokes:
            place = stroke.bounds(choice.around)
            covered = stroke.cover(place)
            if covered.any():
                sheet.lay(self._take(stroke, sheet, place), covered, stroke.gain)
        return sheet.choice()

    def rest(self) -> None:
        """Give back what the base keeps."""
        if isinstance(self._base, TiledDecision):
            self._base.rest()

    def painted(self, window: Window) -> Array:
        """(h, w) bool, which pixels of a window are as somebody painted them."""
        mask = np.zeros([part.stop - part.start for part in window], np.bool_)
        for stroke in self.strokes:
            if stroke.visible and stroke.touches(window):
                place = stroke.bounds(window)
                here = mask[relative_to(place, window)]
                here[stroke.cover(place) > 0] = stroke.source != ORIGINAL
        return mask

    def _take(self, stroke: Stroke, sheet: "Sheet", place: Window) -> Choice:
        """What a stroke brings to a place."""
        if stroke.frame is not None:
            size = [part.stop - part.start for part in place]
            return choose_frames(place, np.full(size, stroke.frame, np.uint16))
        if stroke.source == ORIGINAL:
            return sheet.original(place)
        if stroke.source in STEPS:
            moved = sheet.picked(place).astype(np.int64) + STEPS[stroke.source]
            return choose_frames(place, np.clip(moved, 0, self.count - 1).astype(np.uint16))
        return self._others[stroke.source].at(place)


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

    def choice(self) -> Choice:
        """The choice with all strokes; what was brought and is covered again is left out."""
        rows = [(key, plane) for row, (key, plane) in enumerate(self._planes.items()) if row < self._own or plane.any()]
        used = {frame for (frame, _), _ in rows}
        gains = np.array([gain for (_, gain), _ in rows], np.float32)
        base, maps = self._base, dict[str, Any](self._maps)
        return replace(
            base,
            candidates=np.array([frame for (frame, _), _ in rows], np.uint16),
            extras=np.array([frame for frame in base.extras if int(frame) not in used], np.uint16),
            weights=np.stack([plane for _, plane in rows]),
            gains=None if (gains == 1).all() else gains,
            **maps,
        )


class LabelledDecision(PaintedDecision):
    """Another decision, with a frame given by hand for single pixels.

    Args:
        base: what is painted over.
        frames: (H, W), the frame to take a pixel from, counted from 0 among the frames that are decided on; below 0:
            as `base` says.

    Raises:
        ConfigError: a map of another size, or with a frame that does not exist.
    """

    def __init__(self, base: Decision, frames: Array) -> None:
        super().__init__(base, ())
        if frames.shape != base.size:
            raise ConfigError(f"frames of {frames.shape}: expected a map of {base.size}")
        if frames.max() >= base.count:
            raise ConfigError(f"pixel from frame {frames.max()}: expected at most {base.count - 1}")
        self._frames = frames

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one tile, with the pixels that were given."""
        choice = self._base.decide_tile(tile)
        frames = self._frames[choice.around]
        if (frames < 0).all():
            return choice
        sheet = Sheet(choice)
        given = choose_frames(choice.around, np.maximum(frames, 0).astype(np.uint16))
        sheet.lay(given, (frames >= 0).astype(np.float32), 1.0)
        return sheet.choice()

    def painted(self, window: Window) -> Array:
        """(h, w) bool, which pixels of a window are as somebody gave them."""
        return np.asarray(self._frames[window] >= 0)
