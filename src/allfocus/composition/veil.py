"""Veils taken away: the light that nearer, blurred things lay over what is behind them, cell by cell of a picture.

A picture picked from frames shows a halo beside each near thing: every frame that is sharp behind it shows it
through that thing's blur. Here the layers round such edges are solved (`layers`), and the picture is composed of
them. It stays as it was picked where nothing veils it, and where the layers do not render the frames clearly better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import DTypeLike

from allfocus.composition.boxes import AROUND, find_boxes, find_edges
from allfocus.composition.defocus import Defocus
from allfocus.composition.layers import IN_FULL, LayeredWindow
from allfocus.composition.layout import find_layers
from allfocus.composition.narrow import find_crossings
from allfocus.composition.planes import CLEAR, enlarge, enlarge_labels
from allfocus.composition.rims import Solution, pick_behind_rims
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.windows import (
    Window,
    grow,
    intersect,
    overlaps,
    relative_to,
    scale_down,
    scale_up,
    shift,
    tiles,
)
from allfocus.run.context import Run

#: Layers are solved in a picture so much smaller that no disc is wider than this radius in pixels.
WIDEST = 10.0
#: Side of a cell, in pixels of that smaller picture.
CELL = 192
#: How far mattes in full size see around a cell, in pixels of the smaller picture.
NEAR = 8
#: Discs with a smaller radius in pixels of the frames make no halo that is worth the work; up to the second radius,
#: discs that are hardly wider than a step of focus are those of slopes, unless there are only two frames.
VISIBLE, OF_SLOPES, HARDLY = 2.0, 3.0, 1.75
#: In how many turns layers are solved.
TURNS = 3
#: After so many of them boxes in which less than this share of the picture would change are left as they are.
FIRST, PROMISING = 1, 1e-3
#: Changes by less than this share are none.
NOTHING = 1e-3
#: Layers are used if they render the frames better than what was picked by the first share; in full, by the second.
BETTER, MUCH_BETTER = 0.25, 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Veil:
    """The veil of a picture, taken away or not.

    Attributes:
        share: (H, W) float32 in [0, 1], which share of the light came from nearer, blurred things.
        colour: (H, W) or (H, W, 3), display-encoded in the depth of the frames: the colour of that light.
        removed: (H, W) bool, where it was taken away.
        faint: (H, W) bool, where so little light was left that what is behind is partly guessed.
        near_first: whether the first frame in the order of focus shows the nearest things sharply.
    """

    share: FloatArray
    colour: Array
    removed: Array
    faint: Array
    near_first: bool = True

    def crop(self, place: Window) -> "Veil":
        """A part of it, by rows and columns."""
        planes = {name: getattr(self, name)[place] for name in ("share", "colour", "removed", "faint")}
        return replace(self, **planes)

    def put(self, part: "Veil", place: Window) -> None:
        """Have that of a part instead, by rows and columns."""
        for name in ("share", "colour", "removed", "faint"):
            getattr(self, name)[place] = getattr(part, name)


class VeilRemover:
    """Takes veils off a picture in place.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype, in the order of focus.
        defocus: how wide their discs are.
        run: workers and scratch files.
    """

    def __init__(self, frames: Sequence[Array], defocus: Defocus, run: Run) -> None:
        self._frames, self._defocus, self._run = frames, defocus, run
        self._size: tuple[int, int] = frames[0].shape[:2]
        self._widest = defocus.step * float(np.ptp(defocus.positions))
        self._scale = max(1, int(np.ceil(self._widest / WIDEST)))
        slope = min(HARDLY * defocus.step, OF_SLOPES) if len(frames) > 2 else 0.0
        self._visible = max(VISIBLE, slope)
        self._reach = int(np.ceil(2 * self._widest)) + AROUND * self._scale

    def around(self, window: Window) -> Window:
        """The cells that a window touches, with all that they see around: what has to be composed first."""
        touched = list(self._cells(window))
        corners = touched[0], touched[-1]
        down, across = (slice(corners[0][axis].start, corners[1][axis].stop) for axis in (0, 1))
        return self._seen((down, across))

    def seeing(self, window: Window) -> list[Window]:
        """The cells that see some of a window: those to solve again once another frame was picked there."""
        around = grow(window, self._reach + self._scale, self._size[0], self._size[1])
        return [cell for cell in self._cells(around) if overlaps(self._seen(cell), window)]

    def remove(
        self, image: Array, index_map: Array, origin: Window, window: Window, spared: Array | None = None
    ) -> Veil:
        """Take veils off a window.

        Args:
            image: as picked, of `origin`; changed in place within the window.
            index_map: from which frame each of its pixels was picked, also of `origin`.
            origin: rows and columns of the frames that these show: `around` the window, at the least.
            window: what is wanted.
            spared: (h, w) bool of `origin`, where the picture has to stay as it is; None: nowhere.
        """
        veil = Veil(
            share=self._blank(image.shape[:2], np.float32),
            colour=self._blank(image.shape, image.dtype),
            removed=self._blank(image.shape[:2], bool),
            faint=self._blank(image.shape[:2], bool),
            near_first=self._defocus.near_first,
        )

        def work(box: Window) -> None:
            self._remove_in(box, image, index_map, veil, origin, spared)

        cells = list(self._cells(window))
        boxes = [box for found in self._run.map(lambda c: self._boxes(c, index_map, origin), cells) for box in found]
        for _ in self._run.each("halos", work, boxes):
            pass
        return veil

    def _blank(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        return self._run.zeros(shape, dtype)

    def _cells(self, window: Window) -> Iterator[Window]:
        """The cells of a fixed grid that a window touches, so that its pixels are the same as in the whole."""
        height, width = self._size
        side = CELL if self._scale < 3 else CELL // 2
        for cell in tiles(height, width, side * self._scale):
            if overlaps(cell, window):
                yield cell

    def _seen(self, cell: Window) -> Window:
        return self._grow(cell, self._reach)

    def _grow(self, cell: Window, by: int) -> Window:
        return grow(cell, by, self._size[0], self._size[1], self._scale)

    def _boxes(self, cell: Window, index_map: Array, origin: Window) -> list[Window]:
        """The parts of a cell in which things may stand out from what is behind, by a disc that can be seen."""
        seen, scale = self._seen(cell), self._scale
        labels = index_map[relative_to(seen, origin)][::scale, ::scale]
        small = cv2.medianBlur(labels.astype(np.uint16), 5)
        near = find_edges(self._defocus.step / scale * self._defocus.positions[small], self._visible / scale)
        inner = scale_down(relative_to(cell, seen), scale)
        return [
            intersect(shift(scale_up(box, scale), cell), cell) for box in find_boxes(near[inner], self._reach // scale)
        ]

    def _remove_in(
        self, box: Window, image: Array, index_map: Array, veil: Veil, origin: Window, spared: Array | None
    ) -> None:
        """Take veils off one part of a cell."""
        solved = self._solve(box, index_map, origin)
        if solved is None:
            return
        seen, scale = self._seen(box), self._scale
        found, gain = solved
        window = found.window
        inner = scale_down(relative_to(box, seen), scale)
        touched = cv2.dilate((window.touched() * gain)[inner], np.ones((5, 5), np.uint8)) > NOTHING
        for part in find_boxes(touched, NEAR):
            place = intersect(shift(scale_up(part, scale), box), box)
            large, better, within = (
                (window, gain, relative_to(place, seen))
                if scale == 1
                else self._enlarge(place, seen, found, gain, index_map, origin)
            )
            self._put(large, better[within], within, place, image, veil, origin, spared)

    def _put(
        self,
        window: LayeredWindow,
        gain: FloatArray,
        inner: Window,
        box: Window,
        image: Array,
        veil: Veil,
        origin: Window,
        spared: Array | None,
    ) -> None:
        """Compose a box of the picture of layers, which it lies in, as far as they are to be used."""
        place = relative_to(box, origin)
        light, taken, gone = window.compose(inner)
        touched = window.touched()[inner]
        touched = cv2.GaussianBlur(cv2.dilate(touched, np.ones((3, 3), np.uint8)), (0, 0), 0.7) * gain
        if spared is not None:
            touched[spared[place]] = 0
        picked = image[place]
        before = to_unit(picked).reshape(light.shape)
        after = from_unit(before + touched[..., None] * (linear_to_srgb(light) - before), image.dtype)
        changed = touched > NOTHING
        picked[changed] = after.reshape(picked.shape)[changed]
        colour = linear_to_srgb(np.clip(taken / np.maximum(gone, 1e-3)[..., None], 0, 1))
        veil.share[place] = gone
        veil.colour[place] = from_unit(colour, image.dtype).reshape(picked.shape)
        veil.removed[place] = (touched > 0.5) & (gone > IN_FULL)
        veil.faint[place] = (touched > 0.5) & (gone > 1 - CLEAR)

    def _solve(self, box: Window, index_map: Array, origin: Window) -> tuple[Solution, FloatArray] | None:
        """The layers round a box in the smaller picture, and how far to use them; None: there is one."""
        seen, scale = self._seen(box), self._scale
        size = -(-(seen[1].stop - seen[1].start) // scale), -(-(seen[0].stop - seen[0].start) // scale)
        labels = index_map[relative_to(seen, origin)].astype(np.uint16)
        few = labels if scale == 1 else np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
        counts = np.bincount(few.ravel(), minlength=len(self._frames))
        if len(find_layers(counts, self._defocus)) < 2:
            return None
        used, defocus = [int(k) for k in np.flatnonzero(counts)], self._defocus.scaled(scale)
        small = {k: to_light(reduce_to(self._run.cut(self._frames[k], seen), size)) for k in used}

        def solve(labels: Array, turns: int = TURNS) -> Solution:
            layers = find_layers(np.bincount(labels.ravel(), minlength=len(self._frames)), self._defocus)
            window = LayeredWindow(small, labels, layers, defocus)
            window.solve(turns)
            return Solution(window=window, labels=labels, picked_anew=labels != few)

        first = solve(few.astype(np.intp), FIRST)
        sigma = max(self._widest / scale / 4, 1)
        picked = render_picked(first, small, defocus)
        promised = first.window.touched() * measure_gain(*picked, first.window.loss(), sigma)
        if promised[scale_down(relative_to(box, seen), scale)].mean() < PROMISING:
            return None
        first.window.refine(TURNS - FIRST)
        found = pick_behind_rims(first, defocus, solve)
        if found is not first:
            picked = render_picked(found, small, defocus)
        gain = measure_gain(*picked, found.window.loss(), sigma)
        return found, np.maximum(gain, find_crossings(found.window.mattes, found.window.of))

    def _enlarge(
        self, box: Window, seen: Window, found: Solution, gain: FloatArray, index_map: Array, origin: Window
    ) -> tuple[LayeredWindow, FloatArray, Window]:
        """The layers round a part of what was solved, in full size; how far to use them, and where the part lies."""
        near = intersect(self._grow(box, NEAR * self._scale), seen)
        part = scale_down(relative_to(near, seen), self._scale)
        used = [frame for layer in found.window.layers for frame in layer.frames]
        own = index_map[relative_to(near, origin)].astype(np.intp)
        solved = found.labels[part], found.picked_anew[part]
        labels, anew = (enlarge_labels(plane, own.shape) for plane in solved)
        # some frames are only picked in full size
        exact = np.isin(own, used) & ~anew
        own = own if exact.all() else np.where(exact, own, labels)
        frames = {k: to_light(self._run.cut(self._frames[k], near)) for k in used}
        large = found.window.enlarge(frames, own, self._scale, part)
        return large, enlarge(gain[part], own.shape), relative_to(box, near)


def render_picked(found: Solution, frames: dict[int, FloatArray], defocus: Defocus) -> tuple[FloatArray, FloatArray]:
    """(h, w) misfits of what was picked, and of that if nothing covers anything."""
    window = LayeredWindow(frames, found.labels, found.window.layers, defocus)
    window.render_as_picked()
    return window.loss(), window.misfit_without_covering()


def measure_gain(plain: FloatArray, spread: FloatArray, solved: FloatArray, sigma: float) -> FloatArray:
    """How far to trust solved layers, by how much better they render the frames, in [0, 1].

    Args:
        plain: misfit of what was picked, (h, w).
        spread: misfit of what was picked, if nothing covers anything.
        solved: misfit of the layers.
        sigma: in pixels, over which misfits are averaged.
    """
    before, rival, after = (cv2.GaussianBlur(plane, (0, 0), sigma) for plane in (plain, spread, solved))
    before = np.minimum(before, rival)
    share = 1 - after / np.maximum(before, 1e-4)
    return np.asarray(np.clip((share - BETTER) / (MUCH_BETTER - BETTER), 0, 1), np.float32)


def to_light(frame: Array) -> FloatArray:
    """(h, w, c) in linear light."""
    light = srgb_to_linear(np.clip(to_unit(frame), 0, 1))
    return light if light.ndim == 3 else light[..., None]


def reduce_to(frame: Array, size: tuple[int, int]) -> Array:
    """A frame, reduced to this width and height."""
    return frame if frame.shape[1::-1] == size else np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
