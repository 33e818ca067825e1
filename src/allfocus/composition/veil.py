"""Veils taken away: the light that nearer, blurred things lay over what is behind them, cell by cell of a picture.

A picture that is picked from frames shows a halo beside each near thing: every frame that is sharp behind it shows it
through that thing's blur. Here the layers round such edges are solved (`layers`), and the picture is composed of them.
It stays as it was picked wherever nothing veils it, and wherever the layers do not render the frames better than it does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.composition.defocus import Defocus
from allfocus.composition.layers import CLEAR, LayeredWindow, enlarge, find_layers
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.windows import Window, grow, intersect, relative_to, tiles
from allfocus.run.context import Run

#: Layers are solved in a picture so much smaller that no disc is wider than this radius in pixels.
WIDEST = 12.0
#: Side of a cell, in pixels of that smaller picture, and how far it sees around beyond two discs.
CELL, AROUND = 192, 8
#: Discs with a smaller radius in pixels of the frames make no halo that is worth the work.
VISIBLE = 2.0
#: In how many turns layers are solved.
TURNS = 3
#: From the first share of light on that is not the picked one's the picture is changed, from the second in full.
TOUCHED, IN_FULL = 0.02, 0.07
#: From the first share on by which layers render the frames better than what was picked they are used, from the second in full.
BETTER, MUCH_BETTER = 0.05, 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Veil:
    """The veil of a picture, taken away or not.

    Attributes:
        share: (H, W) float32 in [0, 1], which share of the light came from nearer, blurred things.
        colour: (H, W) or (H, W, 3), display-encoded in the depth of the frames: the colour of that light.
        removed: (H, W) bool, where it was taken away.
        faint: (H, W) bool, where so little light was left that what is behind is partly guessed.
    """

    share: FloatArray
    colour: Array
    removed: Array
    faint: Array


class VeilRemover:
    """Takes veils off a picture in place.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype, in the order of focus.
        defocus: how wide their discs are.
        run: workers and scratch files.
    """

    def __init__(self, frames: Sequence[Array], defocus: Defocus, run: Run) -> None:
        self._frames, self._defocus, self._run = frames, defocus, run
        self._size = frames[0].shape[:2]
        self._widest = defocus.step * float(np.ptp(defocus.positions))
        self._scale = max(1, int(np.ceil(self._widest / WIDEST)))
        self._reach = int(np.ceil(2 * self._widest)) + AROUND * self._scale

    def around(self, window: Window) -> Window:
        """The cells that a window touches, with all that they see around: what has to be composed first."""
        return self._seen(grow(window, 0, *self._size, step=CELL * self._scale))

    def remove(self, image: Array, index_map: Array, origin: Window, window: Window) -> Veil:
        """Take veils off a window.

        Args:
            image: as picked, of `origin`; changed in place within the window.
            index_map: from which frame each of its pixels was picked, also of `origin`.
            origin: rows and columns of the frames that these show: `around` the window, at the least.
            window: what is wanted.
        """
        picked, labels = image.copy(), index_map
        size = tuple(part.stop - part.start for part in origin)
        veil = Veil(
            share=np.zeros(size, np.float32),
            colour=np.zeros_like(image),
            removed=np.zeros(size, bool),
            faint=np.zeros(size, bool),
        )
        cells = [cell for cell in self._cells(window) if self._has_edges(labels[relative_to(self._seen(cell), origin)])]
        for _ in self._run.each("halos", lambda cell: self._remove_in(cell, picked, labels, image, veil, origin), cells):
            pass
        return veil

    def _cells(self, window: Window) -> Iterator[Window]:
        """The cells of a fixed grid that a window touches, so that its pixels are the same as in the whole."""
        for cell in tiles(*self._size, CELL * self._scale):
            if all(part.start < part.stop for part in intersect(cell, window)):
                yield cell

    def _seen(self, cell: Window) -> Window:
        return grow(cell, self._reach, *self._size, step=self._scale)

    def _has_edges(self, labels: Array) -> bool:
        """Whether a thing stands out from what is behind by a disc that can be seen."""
        small = cv2.medianBlur(labels[:: self._scale, :: self._scale].astype(np.uint16), 5)
        radii = self._defocus.step * self._defocus.positions[small]
        kernel = np.ones((3, 3), np.uint8)
        return bool((cv2.dilate(radii, kernel) - cv2.erode(radii, kernel)).max() > VISIBLE)

    def _remove_in(
        self, cell: Window, picked: Array, index_map: Array, image: Array, veil: Veil, origin: Window
    ) -> None:
        seen = self._seen(cell)
        labels = index_map[relative_to(seen, origin)].astype(np.intp)
        layers = find_layers(np.bincount(labels.ravel(), minlength=len(self._frames)), self._defocus)
        if len(layers) < 2:
            return
        frames = {k: to_light(self._run.cut(self._frames[k], seen)) for layer in layers for k in layer.frames}
        window, gain = self._solve(frames, labels, layers)
        inner, place = relative_to(cell, seen), relative_to(cell, origin)
        visible = [share[inner] for share in window.visible()]
        light = sum_up([share[..., None] * colour[inner] for share, colour in zip(visible, window.colours, strict=True)])
        gone = sum_up([share * (1 - left[inner]) for share, left in zip(visible, window.shares, strict=True)])
        taken = sum_up([share[..., None] * over[inner] for share, over in zip(visible, window.veils, strict=True)])
        own = np.take_along_axis(np.stack(visible), window.of[inner][None], axis=0)[0]
        touched = np.clip((np.maximum(gone, 1 - own) - TOUCHED) / (IN_FULL - TOUCHED), 0, 1)
        touched = cv2.GaussianBlur(cv2.dilate(touched, np.ones((3, 3), np.uint8)), (0, 0), 0.7) * gain[inner]
        before = to_unit(picked[place]).reshape(light.shape)
        after = from_unit(before + touched[..., None] * (linear_to_srgb(light) - before), image.dtype)
        changed = touched > 1e-3
        image[place][changed] = after.reshape(image[place].shape)[changed]
        veil.share[place] = gone
        colour = linear_to_srgb(np.clip(taken / np.maximum(gone, 1e-3)[..., None], 0, 1))
        veil.colour[place] = from_unit(colour, image.dtype).reshape(image[place].shape)
        veil.removed[place] = (touched > 0.5) & (gone > IN_FULL)
        veil.faint[place] = (touched > 0.5) & (gone > 1 - CLEAR)

    def _solve(
        self, frames: dict[int, FloatArray], labels: Array, layers: Sequence[object]
    ) -> tuple[LayeredWindow, FloatArray]:
        """The layers of a window, and how far to use them, (h, w) in [0, 1]."""
        scale = self._scale
        size = labels.shape[1] // scale, labels.shape[0] // scale
        small = frames if scale == 1 else {k: shrink(frame, size) for k, frame in frames.items()}
        few = labels if scale == 1 else labels[scale // 2 :: scale, scale // 2 :: scale][: size[1], : size[0]]
        window = LayeredWindow(small, few, layers, self._defocus.scaled(scale))
        window.render_as_picked()
        plain = window.misfit()
        window.solve(TURNS)
        gain = measure_gain(plain, window.misfit(), sigma=max(self._widest / scale / 4, 1))
        if scale == 1:
            return window, gain
        return window.enlarge(frames, labels, scale), enlarge(gain, labels.shape)


def measure_gain(plain: FloatArray, solved: FloatArray, sigma: float) -> FloatArray:
    """How far to trust solved layers, by how much better they render the frames, in [0, 1].

    Args:
        plain: misfit of what was picked, (h, w).
        solved: misfit of the layers.
        sigma: in pixels, over which misfits are averaged.
    """
    before, after = (cv2.GaussianBlur(plane, (0, 0), sigma) for plane in (plain, solved))
    share = 1 - after / np.maximum(before, 1e-4)
    return np.asarray(np.clip((share - BETTER) / (MUCH_BETTER - BETTER), 0, 1), np.float32)


def to_light(frame: Array) -> FloatArray:
    """(h, w, c) in linear light."""
    light = srgb_to_linear(np.clip(to_unit(frame), 0, 1))
    return light if light.ndim == 3 else light[..., None]


def shrink(frame: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(h, w, c), reduced to this width and height."""
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small.reshape(size[1], size[0], frame.shape[2]), np.float32)


def sum_up(planes: Sequence[FloatArray]) -> FloatArray:
    """The sum of planes."""
    return np.asarray(np.sum(planes, axis=0), np.float32)
