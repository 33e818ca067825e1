"""A decision that was painted over: under a stroke the chosen frame has the weight that the brush gives it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allfocus.core.color import FloatArray
from allfocus.core.windows import Window, relative_to
from allfocus.decision.decision import Choice, Decision, TiledDecision
from allfocus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One stroke of a round brush.

    Attributes:
        frame: position of the frame to take the pixels from, counted from 0 among the frames that are decided on.
        points: where the brush went, (x, y) in pixels of the picture; a single one is a dab.
        radius: of the brush in pixels.
        hardness: share of the radius, 0 to 1, within which the brush covers fully; it fades to nothing at the rim.

    Raises:
        ConfigError: no points, a radius that is not positive, or a hardness beyond 0 to 1.
    """

    frame: int
    points: tuple[tuple[float, float], ...]
    radius: float
    hardness: float = 0.5

    def __post_init__(self) -> None:
        if not self.points or not np.isfinite(np.array(self.points, float)).all():
            raise ConfigError("stroke without points; expected one or more finite (x, y)")
        if not 0 < self.radius < float("inf"):
            raise ConfigError(f"stroke of radius {self.radius}; expected a positive number of pixels")
        if not 0 <= self.hardness <= 1:
            raise ConfigError(f"stroke of hardness {self.hardness}; expected 0 to 1")

    def touches(self, window: Window) -> bool:
        """Whether the brush may have covered something of a window."""
        (left, top), (right, bottom) = np.min(self.points, axis=0), np.max(self.points, axis=0)
        rows, columns = window
        return bool(
            rows.start - self.radius <= bottom
            and top <= rows.stop + self.radius
            and columns.start - self.radius <= right
            and left <= columns.stop + self.radius
        )

    def cover(self, window: Window) -> FloatArray:
        """How much of each pixel of a window the brush covers, (h, w) in [0, 1]."""
        rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
        y, x = rows[:, None], columns[None]
        nearest = np.full((len(rows), len(columns)), np.inf, np.float32)
        for start, stop in zip(self.points, (*self.points[1:], self.points[-1]), strict=True):
            np.minimum(nearest, distance_to_segment(x, y, start, stop), out=nearest)
        fade = max(self.radius * (1 - self.hardness), 1.0)
        return np.asarray(np.clip((np.float32(self.radius) - nearest) / np.float32(fade), 0, 1), np.float32)


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

    Raises:
        ConfigError: a stroke takes its pixels from a frame that does not exist.
    """

    def __init__(self, base: Decision, strokes: Sequence[Stroke]) -> None:
        for stroke in strokes:
            if stroke.frame not in range(base.count):
                raise ConfigError(f"stroke from frame {stroke.frame}: expected 0 to {base.count - 1}")
        self._base, self.strokes = base, tuple(strokes)
        self.size, self.count, self.noise = base.size, base.count, base.noise
        self.composition, self.method, self.notes = base.composition, base.method, base.notes

    def tiles(self) -> Sequence[Window]:
        """The tiles of what is painted over."""
        return self._base.tiles()

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one tile, painted over."""
        choice = self._base.decide_tile(tile)
        for stroke in self.strokes:
            if stroke.touches(choice.around):
                choice = paint(choice, stroke)
        return choice


def paint(choice: Choice, stroke: Stroke) -> Choice:
    """A choice with one stroke over it: where the brush covers more than half, the pixel counts as that frame's."""
    covered = stroke.cover(choice.around)
    candidates, weights = choice.candidates, choice.weights * (1 - covered)
    if stroke.frame not in candidates:
        candidates = np.append(candidates, np.uint16(stroke.frame))
        weights = np.concatenate([weights, np.zeros((1, *covered.shape), np.float32)])
    weights[list(candidates).index(stroke.frame)] += covered
    own = covered[relative_to(choice.window, choice.around)]
    is_painted = own > 0.5
    unmarked: dict[str, Any] = {
        name: None if (mask := getattr(choice, name)) is None else mask & ~is_painted
        for name in ("out_of_focus", "veiled")
    }
    return replace(
        choice,
        candidates=candidates,
        extras=choice.extras[choice.extras != stroke.frame],
        weights=weights,
        index_map=np.where(is_painted, np.uint16(stroke.frame), choice.index_map),
        confidence=np.maximum(choice.confidence, own),
        depth=None if choice.depth is None else np.where(is_painted, np.float32(stroke.frame), choice.depth),
        certainty=None if choice.certainty is None else np.maximum(choice.certainty, own),
        **unmarked,
    )
