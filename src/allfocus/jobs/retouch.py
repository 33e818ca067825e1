"""Retouch: strokes over a decision, laid over the picture that is at hand, only where something changes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock

import cv2
import numpy as np

from allfocus.composition.blend import REACH_IN_NOISE
from allfocus.composition.compositor import Canvas, Compositor, align_to_squares
from allfocus.core.color import Array, srgb_to_linear, to_unit
from allfocus.core.windows import Window, grow, intersect, relative_to
from allfocus.decision.decision import GAIN_STEP, Choice, Decision, TiledDecision, touching
from allfocus.decision.noise import NOISY
from allfocus.decision.painted import ORIGINAL, STEPS, PaintedDecision, Stroke
from allfocus.decision.recent import RECENT, Recent, RecentChoices
from allfocus.decision.sheet import MARGIN, Sheets
from allfocus.jobs.depths import Depths
from allfocus.jobs.events import JobRequest, Kept
from allfocus.jobs.halos import Halos
from allfocus.jobs.strokes import decide_layer, layer_options, paint_over, place_strokes, used_layers
from allfocus.options import FusionOptions, is_same_for
from allfocus.result import FusionResult, make_result
from allfocus.run.allocator import return_freed_memory
from allfocus.run.workers import in_parallel, one_thread_each

#: The most strokes that are told apart when they change at once; the most windows that are composed by one thread.
FEW = 8
#: How far, in pixels, composing carries what was painted.
SPREAD = 16 + MARGIN
#: Gains beyond this, or its inverse, are no difference of brightness but of what is seen.
MOST_GAIN = 2.0
#: Pixels at the edge of a stroke that are looked at, at most; the linear light that tells of brightness; the fewest
#: values of it that are enough.
SAMPLES, DARKEST, BRIGHTEST, FEWEST = 200_000, 0.002, 0.9, 20
#: Side in pixels of the square whose half a stroke's edge reaches beyond what the brush covers.
RIM = 9


class Retouch:
    """A picture that is painted on: strokes in, and only what they change is composed anew.

    Args:
        kept: what a job kept; its canvas is painted on.

    Attributes:
        request: what the picture now is the answer to: a job with this request writes the same bytes.
        registered: the frames.
        canvas: the picture and its maps.
        depths: its depth, as far as it was asked for; see `measure_depth`.
    """

    def __init__(self, kept: Kept) -> None:
        self.request, self.registered, self.canvas = kept.request, kept.registered, kept.canvas
        self._choices = RecentChoices()
        self._base, self._decision = kept.decision, Recent(kept.decision, self._choices)
        self._halos, self._veil = Halos(kept), kept.veil
        self.depths = Depths(kept)
        self._others: dict[FusionOptions, Decision] = {}
        self._sheets, self._making, self._warming = Sheets(), Lock(), Lock()

    def change(self, strokes: Sequence[Stroke], layers: Mapping[str, FusionOptions] | None = None) -> list[Window]:
        """Have these strokes over the picture instead of those that are there; see `settle`.

        Returns:
            The windows of the picture that may have changed.

        Raises:
            ConfigError: a stroke takes its pixels from something that does not exist; nothing changes.
        """
        layers = self.request.layers if layers is None else layers
        request = replace(self.request, strokes=tuple(strokes), layers=dict(layers))
        painted = self._paint(request)
        changed = place_strokes(self.registered, differing(self.request.strokes, request.strokes))
        windows = gather([self._reach(stroke) for stroke in changed], painted.tiles())
        workers = self.registered.run.workers if len(windows) > FEW else 1  # threads keep memory of their own
        made = list(in_parallel(lambda window: self._compose(painted, window), windows, workers))
        with self._halos.locked():
            self.request = request
            for canvas, window in zip(made, windows, strict=True):
                self._put(canvas, window, self._where(changed, window))
        self._halos.touch(windows)
        self.depths.touch(windows)
        return windows

    def measure_depth(self, tiles: Sequence[Window] | None = None) -> None:
        """Measure the depth of some tiles of `depths.unknown`, or of all; from any thread, while others paint."""
        tiles = self.depths.unknown() if tiles is None else tiles
        if tiles:
            self.depths.measure(tiles, lambda decision: self._paint(self.request, decision))

    def warm(self, x: float, y: float, radius: float, source: str = "") -> None:
        """Have at hand what a stroke at a place would need, so that it is shown sooner; from any thread, one at a time.

        Args:
            x: of the brush, as the points of strokes.
            y: as for that.
            radius: of the brush in pixels.
            source: the layer that the pixels would be taken from, if it is one.

        Raises:
            ConfigError: there is no such layer, or no such brush.
        """
        [placed] = place_strokes(self.registered, [Stroke(source=ORIGINAL, points=((x, y),), radius=radius)])
        window = self._reach(placed)
        if is_empty(window) or not self._warming.acquire(blocking=False):
            return
        try:
            names = [] if source in ("", ORIGINAL, *STEPS) else [source]
            with one_thread_each():
                for decision in [self._decision, *(self._other(self.request, name) for name in names)]:
                    for tile in islice(touching(decision, window), RECENT):
                        decision.decide_tile(tile)
        finally:
            self._warming.release()

    @property
    def is_settled(self) -> bool:
        """Whether the picture is what a job with the same request makes."""
        return self._halos.are_settled

    def settle_next(self) -> Window | None:
        """Remove the halos anew in one cell that sees what was painted; None where all is settled.

        From any thread, while others paint. Once all is settled the picture is what a job with the same request makes.
        """
        return self._halos.solve_next(lambda: self._paint(self.request), self._compose)

    def settle(self) -> None:
        """Wait until the picture is what a job with the same request makes."""
        while self.settle_next() is not None:
            pass

    def rest(self) -> None:
        """Give back the memory that was taken for strokes, and is free: none comes soon."""
        for decision in [self._base, *self._others.copy().values()]:
            if isinstance(decision, TiledDecision):
                decision.rest()
        return_freed_memory()

    def match(self, stroke: Stroke) -> Stroke:
        """The stroke with the gain that makes its source as bright as the picture along the stroke's edge."""
        plain = replace(stroke, gain=1.0, visible=True)
        [placed] = place_strokes(self.registered, [plain])
        window = self._reach(placed)
        if stroke.source == ORIGINAL or is_empty(window):
            return plain
        covered = placed.cover(window)
        near = cv2.dilate((covered > 0).astype(np.uint8), np.ones((RIM, RIM), np.uint8)) > 0
        rim = np.nonzero(near & (covered < 0.5))
        few = slice(None, None, 1 + len(rim[0]) // SAMPLES)
        rim = rim[0][few], rim[1][few]
        frame = placed.frame
        brought = self.bring(placed.source, window) if frame is None else self.registered.frames[frame][window]
        gain = find_gain(self.canvas.images[0][window][rim], brought[rim])
        return replace(plain, gain=gain)

    def result(self, *, depth: bool = False) -> FusionResult:
        """The picture and its maps as they are now, settled; with its depth, where that is wanted and can be had."""
        self.settle()
        canvas = self.canvas
        if depth and self.depths.can_be_measured:
            self.measure_depth()
            canvas = replace(canvas, maps=canvas.maps | self.depths.planes)
        return make_result(self.registered, self._paint(self.request), canvas, None, veil=self._veil)

    def _paint(self, request: JobRequest, decision: Decision | None = None) -> Decision:
        """A decision, by default that of the picture, with the strokes of a request over it."""
        known = {name: self._other(request, name, depth=decision is not None) for name in used_layers(request)}
        sheets = self._sheets if decision is None else None
        return paint_over(self.registered, decision or self._decision, request, known, sheets)

    def _other(self, request: JobRequest, name: str, *, depth: bool = False) -> Decision:
        """The decision of a layer of a request, which is made once; it knows depth only where that is shown."""
        options = layer_options(request, name)
        options = replace(options, depth=options.depth and (depth or request.options.depth))
        if is_same_for("decide", options, self.request.options):
            return self._decision
        with self._making:
            if options not in self._others:
                layer = decide_layer(self.registered, self._base, options, self.request.options)
                self._others[options] = Recent(layer, self._choices)
            return self._others[options]

    def _reach(self, stroke: Stroke) -> Window:
        """The part of the picture that a stroke may change; it may be empty."""
        height, width = self.registered.size
        bounds = stroke.bounds((slice(-SPREAD, height + SPREAD), slice(-SPREAD, width + SPREAD)))
        return grow(bounds, SPREAD, height, width)

    def bring(self, source: str, window: Window) -> Array:
        """What strokes from a source that is no frame would bring to all of a window, were they the first.

        Raises:
            ConfigError: there is no such source.
        """
        rows, columns = window
        middle = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
        reach = float(rows.stop - rows.start + columns.stop - columns.start)
        flood = Stroke(source=source, points=(middle,), radius=reach, hardness=1.0)
        others = {} if source in (*STEPS, ORIGINAL) else {source: self._other(self.request, source)}
        return self._compose(PaintedDecision(self._decision, [flood], others), window).images[0]

    def _compose(self, painted: Decision, window: Window) -> Canvas:
        """One window of the picture, composed anew."""
        registered, how = self.registered, self.request.options.compose
        compositor = Compositor(registered.frames, [], painted, how, registered.run, window)
        with one_thread_each():
            for tile in touching(painted, window):
                compositor.add(self._decide(painted, tile, window))
        return compositor.canvas()

    def _decide(self, painted: Decision, tile: Window, window: Window) -> Choice:
        """The choice for a tile, of which a window is composed."""
        if not isinstance(painted, PaintedDecision) or painted.noise >= NOISY:  # in noise, what has no weight counts
            return painted.decide_tile(tile)
        height, width = self.registered.size
        squares = align_to_squares(intersect(window, tile), tile)
        return painted.decide_within(tile, grow(squares, REACH_IN_NOISE, height, width))

    def _where(self, changed: Sequence[Stroke], window: Window) -> Array | None:
        """(h, w) bool, where a window is shown anew at once; None: everywhere, as there are no halos to come back."""
        if not self._halos.are_removed or len(changed) > FEW:
            return None
        covered = np.zeros([part.stop - part.start for part in window], np.uint8)
        for stroke in changed:
            place = stroke.bounds(window)
            if not is_empty(place):
                covered[relative_to(place, window)] |= stroke.cover(place) > 0
        return cv2.dilate(covered, np.ones((2 * SPREAD + 1,) * 2, np.uint8)) > 0

    def _put(self, made: Canvas, window: Window, where: Array | None) -> None:
        if where is None:
            self.canvas.images[0][window] = made.images[0]
        else:
            self.canvas.images[0][window][where] = made.images[0][where]
        for name, plane in self.canvas.maps.items():
            plane[window] = made.maps[name]


def is_empty(window: Window) -> bool:
    """Whether a window has no rows or no columns."""
    return any(part.start >= part.stop for part in window)


def differing(old: Sequence[Stroke], new: Sequence[Stroke]) -> list[Stroke]:
    """The visible strokes that only one of two lists holds; all of both where the others change their order."""
    if tuple(new[: len(old)]) == tuple(old):
        return [stroke for stroke in new[len(old) :] if stroke.visible]
    old, new = ([stroke for stroke in strokes if stroke.visible] for strokes in (old, new))
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    kept = [[stroke for stroke in strokes if stroke not in gone and stroke not in come] for strokes in (old, new)]
    return [*gone.elements(), *come.elements()] if kept[0] == kept[1] else [*old, *new]


def gather(windows: Sequence[Window], tiles: Sequence[Window]) -> list[Window]:
    """For each tile that some windows touch, the squares of it around all that they share with it.

    Whole squares: which frames count in one depends on their weights anywhere in it.
    """
    found = []
    boxes = np.array([[part.start, part.stop] for window in windows for part in window]).reshape(-1, 2, 2)
    for tile in tiles:
        starts = np.maximum(boxes[..., 0], [part.start for part in tile])
        stops = np.minimum(boxes[..., 1], [part.stop for part in tile])
        shared = (starts < stops).all(axis=1)
        if shared.any():
            first, last = starts[shared].min(axis=0), stops[shared].max(axis=0)
            down, across = (slice(int(start), int(stop)) for start, stop in zip(first, last, strict=True))
            found.append(align_to_squares((down, across), tile))
    return found


def find_gain(there: Array, brought: Array) -> float:
    """By what to multiply the linear light of pixels, (n[, 3]), to make them as bright as others; 1 if unclear."""
    light, other = (srgb_to_linear(to_unit(pixels)) for pixels in (there, brought))
    known = (light > DARKEST) & (other > DARKEST) & (np.maximum(light, other) < BRIGHTEST)
    if known.sum() < FEWEST:
        return 1.0
    gain = float(light[known].sum(dtype=np.float64) / other[known].sum(dtype=np.float64))
    if not 1 / MOST_GAIN < gain < MOST_GAIN:
        return 1.0
    return float(np.float32(GAIN_STEP ** round(np.log(gain) / np.log(GAIN_STEP))))
