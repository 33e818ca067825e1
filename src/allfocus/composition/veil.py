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

from allfocus.composition.defocus import Defocus
from allfocus.composition.layers import CLEAR, LayeredWindow, enlarge, find_layers
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.windows import Window, grow, intersect, relative_to, scale_down, tiles
from allfocus.run.context import Run

#: Layers are solved in a picture so much smaller that no disc is wider than this radius in pixels.
WIDEST = 10.0
#: Side of a cell, in pixels of that smaller picture, and how far it sees around beyond two discs.
CELL, AROUND = 192, 8
#: How far mattes in full size see around a cell, in pixels of the smaller picture.
NEAR = 8
#: Discs with a smaller radius in pixels of the frames make no halo that is worth the work.
VISIBLE = 2.0
#: In how many turns layers are solved.
TURNS = 3
#: From the first share of light on that is not the picked frame's the picture is changed; from the second, in full.
TOUCHED, IN_FULL = 0.02, 0.07
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
        self._reach = int(np.ceil(2 * self._widest)) + AROUND * self._scale

    def around(self, window: Window) -> Window:
        """The cells that a window touches, with all that they see around: what has to be composed first."""
        touched = list(self._cells(window))
        corners = touched[0], touched[-1]
        down, across = (slice(corners[0][axis].start, corners[1][axis].stop) for axis in (0, 1))
        return self._seen((down, across))

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

        def work(cell: Window) -> None:
            self._remove_in(cell, image, index_map, veil, origin, spared)

        cells = [c for c in self._cells(window) if self._has_edges(index_map[relative_to(self._seen(c), origin)])]
        for _ in self._run.each("halos", work, cells):
            pass
        return veil

    def _blank(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        made = self._run.empty(shape, dtype)
        made[...] = 0
        return made

    def _cells(self, window: Window) -> Iterator[Window]:
        """The cells of a fixed grid that a window touches, so that its pixels are the same as in the whole."""
        height, width = self._size
        side = CELL if self._scale < 3 else CELL // 2
        for cell in tiles(height, width, side * self._scale):
            if all(part.start < part.stop for part in intersect(cell, window)):
                yield cell

    def _seen(self, cell: Window) -> Window:
        return self._grow(cell, self._reach)

    def _grow(self, cell: Window, by: int) -> Window:
        return grow(cell, by, self._size[0], self._size[1], self._scale)

    def _has_edges(self, labels: Array) -> bool:
        """Whether a thing stands out from what is behind by a disc that can be seen."""
        small = cv2.medianBlur(labels[:: self._scale, :: self._scale].astype(np.uint16), 5)
        radii = self._defocus.step * self._defocus.positions[small]
        kernel = np.ones((3, 3), np.uint8)
        return bool((cv2.dilate(radii, kernel) - cv2.erode(radii, kernel)).max() > VISIBLE)

    def _remove_in(
        self, cell: Window, image: Array, index_map: Array, veil: Veil, origin: Window, spared: Array | None
    ) -> None:
        """Take veils off one cell."""
        solved = self._solve(cell, index_map, origin)
        if solved is None:
            return
        window, gain, inner = solved
        place = relative_to(cell, origin)
        visible = [share[inner] for share in window.visible()]

        def mix(planes: Sequence[FloatArray]) -> FloatArray:
            parts = (
                share.reshape(share.shape + (1,) * (plane.ndim - 2)) * plane[inner]
                for share, plane in zip(visible, planes, strict=True)
            )
            return np.asarray(sum(parts), np.float32)

        light, taken, gone = mix(window.colours), mix(window.veils), 1 - mix(window.shares)
        own = np.take_along_axis(np.stack(visible), window.of[inner][None], axis=0)[0]
        touched = np.clip((np.maximum(gone, 1 - own) - TOUCHED) / (IN_FULL - TOUCHED), 0, 1)
        touched = cv2.GaussianBlur(cv2.dilate(touched, np.ones((3, 3), np.uint8)), (0, 0), 0.7) * gain
        if spared is not None:
            touched[spared[place]] = 0
        picked = image[place]
        before = to_unit(picked).reshape(light.shape)
        after = from_unit(before + touched[..., None] * (linear_to_srgb(light) - before), image.dtype)
        changed = touched > 1e-3
        picked[changed] = after.reshape(picked.shape)[changed]
        colour = linear_to_srgb(np.clip(taken / np.maximum(gone, 1e-3)[..., None], 0, 1))
        veil.share[place] = gone
        veil.colour[place] = from_unit(colour, image.dtype).reshape(picked.shape)
        veil.removed[place] = (touched > 0.5) & (gone > IN_FULL)
        veil.faint[place] = (touched > 0.5) & (gone > 1 - CLEAR)

    def _solve(self, cell: Window, index_map: Array, origin: Window) -> tuple[LayeredWindow, FloatArray, Window] | None:
        """The layers round a cell, how far to use them in the cell, and where it lies in them; None: there is one."""
        seen, scale = self._seen(cell), self._scale
        size = -(-(seen[1].stop - seen[1].start) // scale), -(-(seen[0].stop - seen[0].start) // scale)
        labels = index_map[relative_to(seen, origin)].astype(np.intp)
        few = (
            labels
            if scale == 1
            else cv2.resize(labels.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST).astype(np.intp)
        )
        layers = find_layers(np.bincount(few.ravel(), minlength=len(self._frames)), self._defocus)
        if len(layers) < 2:
            return None
        used = [frame for layer in layers for frame in layer.frames]
        small = {k: to_light(shrink(self._run.cut(self._frames[k], seen), size)) for k in used}
        window = LayeredWindow(small, few, layers, self._defocus.scaled(scale))
        window.render_as_picked()
        plain = window.misfit() + 2 * window.excess()
        spread = window.misfit_without_covering()
        window.solve(TURNS)
        better = measure_gain(plain, spread, window.misfit() + 2 * window.excess(), max(self._widest / scale / 4, 1))
        if scale == 1:
            inner = relative_to(cell, seen)
            return window, better[inner], inner
        near = intersect(self._grow(cell, NEAR * scale), seen)
        part = scale_down(relative_to(near, seen), scale)
        own = index_map[relative_to(near, origin)].astype(np.intp)
        exact = np.isin(own, used)
        own = own if exact.all() else np.where(exact, own, layers[-1].frames[0])
        frames = {k: to_light(self._run.cut(self._frames[k], near)) for k in used}
        inner = relative_to(cell, near)
        return window.enlarge(frames, own, scale, part), enlarge(better[part], own.shape)[inner], inner


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


def shrink(frame: Array, size: tuple[int, int]) -> Array:
    """A frame, reduced to this width and height."""
    return frame if frame.shape[1::-1] == size else np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
