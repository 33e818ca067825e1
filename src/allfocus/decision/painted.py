"""A decision that was painted over: under a stroke the chosen frame has the weight that the brush gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, grow, intersect, relative_to
from allfocus.decision.decision import Choice, Decision, TiledDecision
from allfocus.decision.sheet import MARGIN, Sheet, Sheets, choose_frame, choose_frames
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
        return intersect(window, self._box)

    @cached_property
    def _box(self) -> Window:
        return box_around(self.points, self.radius)

    @cached_property
    def _segments(self) -> tuple[Array, Array]:
        """Where the lines of which the stroke is made start, and where they stop, (n, 2) each."""
        points = np.array(self.points, np.float64)
        return (points[:-1], points[1:]) if len(points) > 1 else (points, points)

    def cover(self, window: Window) -> FloatArray:
        """How much of each pixel of a window the brush covers, (h, w) in [0, 1]."""
        nearest = np.full([part.stop - part.start for part in window], np.inf, np.float32)
        y, x = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
        starts, stops = self._segments
        first, last = np.minimum(starts, stops) - self.radius, np.maximum(starts, stops) + self.radius
        corner = [part.start for part in reversed(window)]
        size = nearest.shape[::-1]
        lows = np.clip(np.floor(first) - corner, 0, size).astype(int).tolist()
        highs = np.clip(np.ceil(last) + 1 - corner, 0, size).astype(int).tolist()
        for start, stop, (left, top), (right, bottom) in zip(starts.tolist(), stops.tolist(), lows, highs, strict=True):
            if left < right and top < bottom:
                here = nearest[top:bottom, left:right]
                apart = squared_distance(x[None, left:right], y[top:bottom, None], start, stop)
                np.minimum(here, apart, out=here)
        fade = max(self.radius * (1 - self.hardness), 1.0)
        covered = np.subtract(np.float32(self.radius), np.sqrt(nearest, out=nearest), out=nearest)
        covered /= np.float32(fade)
        return np.asarray(np.clip(covered, 0, 1, out=covered), np.float32)


def box_around(points: Sequence[tuple[float, float]], radius: float) -> Window:
    """Rows and columns that lie no further from some points than `radius`."""
    across, down = zip(*points, strict=True)  # plain numbers: a stroke has few points, and many boxes are asked for
    rows, columns = (slice(floor(min(side) - radius), ceil(max(side) + radius) + 1) for side in (down, across))
    return rows, columns


def squared_distance(x: FloatArray, y: FloatArray, start: tuple[float, float], stop: tuple[float, float]) -> FloatArray:
    """Squared distance of points to a line from `start` to `stop`, all in pixels."""
    across, down = stop[0] - start[0], stop[1] - start[1]
    length = max(across**2 + down**2, 1e-12)
    x, y = x - start[0], y - start[1]
    along = x * (across / length) + y * (down / length)
    np.clip(along, 0, 1, out=along)
    right, below = x - along * across, y - along * down
    right *= right
    below *= below
    return np.asarray(np.add(right, below, out=right), np.float32)


class PaintedDecision(TiledDecision):
    """Another decision with strokes over it, the last on top.

    Args:
        base: what is painted over.
        strokes: from first to last.
        others: decisions about the same frames that strokes may take their pixels from, by their names.
        sheets: where painted tiles are kept for the next decision with more strokes over the same base; None: nowhere.

    Raises:
        ConfigError: a stroke takes its pixels from a frame or decision that does not exist.
    """

    def __init__(
        self,
        base: Decision,
        strokes: Sequence[Stroke],
        others: Mapping[str, Decision] | None = None,
        sheets: Sheets | None = None,
    ) -> None:
        self._base, self.strokes, self._others = base, tuple(strokes), dict(others or {})
        self._sheets = sheets or Sheets(0)
        known = [*STEPS, ORIGINAL, *self._others]
        for stroke in strokes:
            if stroke.frame is not None and stroke.frame not in range(base.count):
                raise ConfigError(f"stroke from frame {stroke.frame}: expected 0 to {base.count - 1}")
            if stroke.source and stroke.source not in known:
                raise ConfigError(f"stroke from {stroke.source!r}: expected a frame, or one of {', '.join(known)}")
        self.size, self.count, self.noise = base.size, base.count, base.noise
        self.composition, self.method, self.notes = base.composition, base.method, base.notes

    def tiles(self) -> Sequence[Window]:
        """The tiles of what is painted over."""
        return self._base.tiles()

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one tile, painted over."""
        return self.decide_within(tile, None)

    def decide_within(self, tile: Window, part: Window | None) -> Choice:
        """The choice for one tile, for whoever looks at a part of the picture alone; None: at all of the tile.

        What strokes bring to other parts has no weight there, and is left out: hundreds of them don't slow down the
        next one.
        """
        choice = self._base.decide_tile(tile)
        strokes = [stroke for stroke in self.strokes if stroke.visible and stroke.touches(choice.around)]
        if not strokes:
            return choice
        wanted = [(stroke, self._others.get(stroke.source)) for stroke in strokes]
        sheet, laid = self._sheets.take(tile, wanted) or (Sheet(choice), 0)
        for stroke in strokes[laid:]:
            place = intersect(grow(stroke.bounds(choice.around), MARGIN, *self.size), choice.around)
            covered = stroke.cover(place)
            if covered.any():
                sheet.lay(self._take(stroke, sheet, place), covered, stroke.gain)
        self._sheets.keep(tile, sheet, wanted)
        return sheet.choice(None if part is None else intersect(part, choice.around))

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

    def _take(self, stroke: Stroke, sheet: Sheet, place: Window) -> Choice:
        """What a stroke brings to a place."""
        if stroke.frame is not None:
            return choose_frame(place, stroke.frame)
        if stroke.source == ORIGINAL:
            return sheet.original(place)
        if stroke.source in STEPS:
            moved = sheet.picked(place).astype(np.int64) + STEPS[stroke.source]
            return choose_frames(place, np.clip(moved, 0, self.count - 1).astype(np.uint16))
        return self._others[stroke.source].at(place)


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
