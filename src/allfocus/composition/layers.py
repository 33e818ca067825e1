"""Layers: what lies before what in a window of a stack, how each thing covers its pixels, and what is behind it.

The light of a frame is that of its layers, from near to far, each blurred by its own disc in linear light and each
before what lies behind it (Hasinoff, Kutulakos, "A layer-based restoration framework for variable-aperture
photography", 2007, doi:10.1109/ICCV.2007.4408898):

    I_k = sum over l of [ h_lk * (a_l c_l) ] prod over m nearer than l of (1 - h_mk * a_m)

with the matte a_l, the colour c_l and the disc h_lk of layer l in frame k. Beside a near thing the frame that is
sharp behind it is I = V + T B: the light V of the near thing lies over B like a veil, and lets the share T of B
through. Given mattes and colours, V and T follow, and B = (I - V) / T. Given B, what a near frame shows behind its
thing is known, and the matte follows from how far the frame is from that. The two are solved in turn.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import cv2
import numpy as np

from allfocus.composition.defocus import Defocus, blur_layer, disc_blur, round_radius
from allfocus.composition.layout import Layer
from allfocus.composition.narrow import find_narrow, sharpen_behind
from allfocus.composition.planes import (
    add_up,
    compare,
    continue_labels,
    enlarge,
    fill_from_around,
    find_core,
    known_share,
    pack,
    share_out,
    soften,
    spread,
    unveil,
)
from allfocus.core.color import Array, FloatArray, linear_to_srgb
from allfocus.core.windows import Window

#: What a matte starts from counts as much as the square of a relative difference between a thing and what is behind it.
TRUST = 0.01
#: How far a matte may reach beyond where its layer was picked: a share of its disc in the farthest layer's frames.
REACH = 0.5
#: How far beyond its edge a layer may have been picked: a share of its disc there, and so many pixels.
BESIDE, BESIDE_ALL = 0.5, 2.0
#: Mattes below and above are none and full.
NONE, FULL = 0.15, 0.9
#: Sigma in pixels over which evidence about a matte is summed.
PATCH = 0.6
#: From the first share of light on that is not the picked layer's the picture is changed; from the second, in full.
TOUCHED, IN_FULL = 0.02, 0.07
#: What impossible light counts as, beside a misfit.
IMPOSSIBLE = 2.0
#: Light, 1 is white, that differences are relative to at the least.
DIM = 0.03


class LayeredWindow:
    """The layers of one window of a stack.

    Args:
        frames: by position, (h, w, c) in linear light: all that the layers name.
        labels: (h, w), from which frame each pixel was picked.
        layers: from near to far.
        defocus: the radii of the discs, in pixels of these frames.

    Attributes:
        of: (h, w), row of the layer that each pixel was picked from.
        mattes: (h, w) of each layer, also where it is hidden; that of the last one is full.
        colours: (h, w, c) of each layer, continued beyond what is seen of it.
        veils: (h, w, c) of each layer: the light of nearer ones in its own frames, V.
        shares: (h, w) of each layer: the share of its light that its own frames show, T.
        behind: (h, w, c) of each layer: what its own frames show of the farther ones; None for the last one.
    """

    def __init__(self, frames: dict[int, FloatArray], labels: Array, layers: Sequence[Layer], defocus: Defocus) -> None:
        self.layers, self._defocus = layers, defocus
        rows = np.zeros(1 + max(max(layer.frames) for layer in layers), np.intp)
        for row, layer in enumerate(layers):
            rows[list(layer.frames)] = row
        self.of = rows[labels]
        continued = [continue_labels(labels, self.of == row) for row in range(len(layers))]
        self.frame_of = [each for each, _ in continued]
        self.distance = [far for _, far in continued]
        self.own = [self._choose(row, frames.__getitem__) for row in range(len(layers))]
        self._encoded: list[FloatArray] = []
        self._touched: FloatArray | None = None
        self.mattes = [soften((self.of == row).astype(np.float32), 0.7) for row in range(len(layers))]
        self.mattes[-1] = np.ones_like(self.mattes[-1])
        self.starts = [soften(matte, 1.0) for matte in self.mattes]
        self.colours = list(self.own)
        self.veils: list[FloatArray] = []
        self.shares: list[FloatArray] = []
        self.behind: list[FloatArray] = []

    def solve(self, turns: int, beside: float = BESIDE_ALL) -> None:
        """Take veils away and cut mattes out, in turn; `beside`, in pixels, see `BESIDE`."""
        self._render(partial(self._show_cores, beside))
        self.refine(turns)

    def refine(self, turns: int) -> None:
        """More turns of what was solved."""
        self._touched = None
        for _ in range(turns):
            self.mattes[:-1] = [self.cut_matte(row) for row in range(len(self.layers) - 1)]
            self._render(self.show)

    def render_as_picked(self) -> None:
        """Render the frames from the layers as they were picked, pixel by pixel, with nothing taken away."""
        self._render(lambda row: fill_from_around(self.own[row], (self.of == row).astype(np.float32)))

    def misfit(self) -> FloatArray:
        """How far what the layers' own frames show is from what they should, (h, w), display-encoded."""
        total = np.zeros(self.of.shape, np.float32)
        for row, seen in enumerate(self._encode()):
            light = self.colours[row]
            if row < len(self.layers) - 1:
                light = self.behind[row] + spread(self.mattes[row], light) * (light - self.behind[row])
            made = self.veils[row] + spread(self.shares[row], light) * light
            total += compare(made, seen)
        return total

    def loss(self) -> FloatArray:
        """The misfit, and what light would be impossible, (h, w): the smaller, the better the layers explain."""
        return self.misfit() + IMPOSSIBLE * self.excess()

    def misfit_to(self, other: "LayeredWindow") -> FloatArray:
        """How far the frames that another window's layers own are from what these layers make of them, as `misfit`."""
        lights = [pack(colour, matte) for colour, matte in zip(self.colours, self.mattes, strict=True)]
        blurred = lru_cache(None)(lambda row, radius: blur_layer(lights[row], radius))
        stacked = lru_cache(None)(partial(self._stack, range(len(self.layers) - 1, -1, -1), blurred))
        total = np.zeros(self.of.shape, np.float32)
        for row, seen in enumerate(other._encode()):
            total += compare(other._choose(row, stacked)[..., :-1], seen)
        return total

    def _encode(self) -> list[FloatArray]:
        """What is seen of each layer in its own frames, display-encoded."""
        self._encoded = self._encoded or [linear_to_srgb(seen) for seen in self.own]
        return self._encoded

    def misfit_without_covering(self) -> FloatArray:
        """As `misfit`, if nothing covered anything: each pixel of a frame blurred by the disc of its own layer alone.

        Pictures whose parts were blurred by a mask are such, and so is what only slopes.
        """
        picture = np.asarray(sum((self.of == row)[..., None] * seen for row, seen in enumerate(self.own)), np.float32)
        blurred = lru_cache(None)(lambda radius: disc_blur(picture, radius))

        def spread(frame: int) -> FloatArray:
            radii = [round_radius(self._defocus.radius(layer.position, frame)) for layer in self.layers]
            made = blurred(radii[0])
            for row, radius in enumerate(radii[1:], start=1):
                made = np.where((self.of == row)[..., None], blurred(radius), made)
            return np.asarray(made, np.float32)

        total = np.zeros(self.of.shape, np.float32)
        for row, seen in enumerate(self.own):
            made = np.where((self.of == row)[..., None], seen, self._choose(row, spread))
            total += np.abs(linear_to_srgb(np.clip(made, 0, 1)) - linear_to_srgb(seen)).mean(axis=2)
        return total

    def excess(self) -> FloatArray:
        """How much light would be less than none, or more than all, behind the veils, (h, w), linear."""
        total = np.zeros(self.of.shape, np.float32)
        for seen, veil, share in zip(self.own, self.veils, self.shares, strict=True):
            less = veil - seen
            total += add_up(np.maximum(np.maximum(less, -less - spread(share, seen)), 0)) / seen.shape[2]
        return total

    def cut_matte(self, row: int) -> FloatArray:
        """The matte of a layer, from how far its own frames are from what they show of farther layers."""
        thing, ground = self.colours[row], self.behind[row]
        seen = unveil(self.own[row], self.veils[row], self.shares[row])
        # differences are relative to the mean of both
        relative = known_share(self.shares[row]) / np.square(add_up(thing + ground) * (0.5 / seen.shape[2]) + DIM)
        apart = thing - ground
        power = soften(add_up(apart * apart) * relative, PATCH)
        part = soften(add_up(apart * (seen - ground)) * relative, PATCH)
        matte = ((part + TRUST * self.starts[row]) / (power + TRUST) - NONE) / (FULL - NONE)
        reach = REACH * self._widest(row) + 3
        return np.asarray(np.clip(matte, 0, 1) * np.clip(reach - self.distance[row], 0, 1), np.float32)

    def show(self, row: int) -> FloatArray:
        """The colours of a layer, continued from where it is seen well."""
        known = known_share(self.shares[row])
        if row < len(self.layers) - 1:
            known = known * np.clip((cv2.erode(self.mattes[row], np.ones((3, 3), np.uint8)) - 0.6) / 0.3, 0, 1)
        return fill_from_around(unveil(self.own[row], self.veils[row], self.shares[row]), known)

    def _show_cores(self, beside: float, row: int) -> FloatArray:
        """The colours of a layer, continued from its cores: frames that show a thing are picked beyond its edge too."""
        known = known_share(self.shares[row])
        if row < len(self.layers) - 1:
            known = known * find_core(self.of == row, BESIDE * self._widest(row) + beside)
        return fill_from_around(unveil(self.own[row], self.veils[row], self.shares[row]), known)

    def _widest(self, row: int) -> float:
        """Radius in pixels of a layer's disc in the farthest layer's frames."""
        return self._defocus.step * abs(self.layers[-1].position - self.layers[row].position)

    def enlarge(self, frames: dict[int, FloatArray], labels: Array, scale: int, part: Window) -> "LayeredWindow":
        """The layers of a part of the window, in frames that are `scale` times larger: only mattes are cut anew.

        Veils and what is behind are blurred, so that they lose nothing by being enlarged.
        """
        large = LayeredWindow(frames, labels, self.layers, self._defocus.scaled(1 / scale))

        def enlarged(planes: Sequence[FloatArray]) -> list[FloatArray]:
            return [enlarge(plane[part], labels.shape) for plane in planes]

        large.veils, large.shares, large.behind = enlarged(self.veils), enlarged(self.shares), enlarged(self.behind)
        large.mattes = enlarged(self.mattes)
        large.starts = large.mattes.copy()
        for _ in range(2):
            large.colours = [large.show(row) for row in range(len(self.layers))]
            large.mattes[:-1] = [large.cut_matte(row) for row in range(len(self.layers) - 1)]
        large.colours = [large.show(row) for row in range(len(self.layers))]
        return large

    def visible(self) -> list[FloatArray]:
        """Which share of each pixel each layer has in the picture that is sharp everywhere; they sum to 1."""
        return share_out(self.mattes)

    def touched(self) -> FloatArray:
        """How far what is picked shows other light than that of its layer, (h, w) in [0, 1]."""
        if self._touched is None:
            visible = self.visible()
            clear: FloatArray = np.zeros(self.of.shape, np.float32)
            for share, matte in zip(self.shares, visible, strict=True):
                clear = np.asarray(clear + share * matte, np.float32)
            own = np.take_along_axis(np.stack(visible), self.of[None], axis=0)[0]
            other = 1 - np.minimum(clear, own)
            self._touched = np.asarray(np.clip((other - TOUCHED) / (IN_FULL - TOUCHED), 0, 1), np.float32)
        return self._touched

    def compose(self, part: Window) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The picture of a part that is sharp everywhere; what was taken away, (h, w, c), and which share of light."""
        visible = [share[part] for share in self.visible()]
        light, taken = (
            np.asarray(sum(spread(own, plane[part]) * plane[part] for own, plane in zip(visible, planes, strict=True)))
            for planes in (self.colours, self.veils)
        )
        left = sum(own * share[part] for own, share in zip(visible, self.shares, strict=True))
        for row in range(len(self.layers) - 1):
            narrow = find_narrow(self.mattes[: row + 1]) * known_share(self.shares[row]) * (self.of == row)
            if narrow[part].any():
                seen = unveil(self.own[row][part], self.veils[row][part], self.shares[row][part])
                mattes, colours = ([plane[part] for plane in planes[row:]] for planes in (self.mattes, self.colours))
                made = sharpen_behind(seen, self.behind[row][part], mattes, colours)
                light += spread(narrow[part], light) * (made - light)
        return light, taken, np.asarray(1 - left, np.float32)

    def _render(self, show: Callable[[int], FloatArray]) -> None:
        """From mattes: the colours of each layer, what lies over it and what behind it in its own frames."""
        count = len(self.layers)
        lights: list[FloatArray] = []
        blurred = lru_cache(None)(lambda row, radius: blur_layer(lights[row], radius))
        self.veils, self.shares = [], []
        for row, matte in enumerate(self.mattes):
            over = self._choose(row, partial(self._stack, range(row - 1, -1, -1), blurred))
            self.veils.append(over[..., :-1])
            self.shares.append(1 - over[..., -1])
            self.colours[row] = show(row)
            lights.append(pack(self.colours[row], matte))
        self.behind = [
            self._choose(row, partial(self._stack, range(count - 1, row, -1), blurred))[..., :-1]
            for row in range(count - 1)
        ]

    def _stack(
        self, rows: range, blurred: Callable[[int, float], tuple[FloatArray, FloatArray]], frame: int
    ) -> FloatArray:
        """Layers over each other, from far to near, as a frame shows them: (h, w, c + 1), light and coverage."""
        made: FloatArray | None = None
        for row in rows:
            light, through = blurred(row, round_radius(self._defocus.radius(self.layers[row].position, frame)))
            if made is None:
                made = light.copy()
            else:
                made *= through
                made += light
        return np.zeros((*self.of.shape, self.own[0].shape[2] + 1), np.float32) if made is None else made

    def _choose(self, row: int, of_frame: Callable[[int], FloatArray]) -> FloatArray:
        """Of what belongs to each frame of a layer, at each pixel that of the frame that it is picked from."""
        first, *others = self.layers[row].frames
        kept = of_frame(first)
        made = kept
        for frame in others:
            here = self.frame_of[row] == frame
            if here.any():
                mixed = cv2.copyTo(of_frame(frame), here.view(np.uint8), made.copy() if made is kept else made)
                made = np.asarray(mixed, np.float32).reshape(kept.shape)
        return made
