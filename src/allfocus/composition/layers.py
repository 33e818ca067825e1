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
from dataclasses import dataclass
from functools import lru_cache, partial

import cv2
import numpy as np

from allfocus.composition.defocus import Defocus, disc_blur
from allfocus.core.color import Array, FloatArray, linear_to_srgb
from allfocus.core.windows import Window

#: Frames whose discs differ by less, in pixels, make one layer; behind all others they may differ by more.
ALIKE, ALIKE_LAST = 1.5, 3.0
#: No window has more layers: the steps between them grow where it would.
MOST = 6
#: Below the first share of light left, what is behind a veil is continued from around; above the second it is trusted.
DARK, CLEAR = 0.15, 0.35
#: What a matte starts from counts as much as the square of a relative difference between a thing and what is behind it.
TRUST = 0.01
#: How far a matte may reach beyond where its layer was picked: a share of its disc in the farthest layer's frames.
REACH = 0.5
#: Mattes below and above are none and full.
NONE, FULL = 0.1, 0.9
#: Sigma in pixels over which evidence about a matte is summed.
PATCH = 0.6
#: Radii in pixels above this are rounded to 10 %.
COARSE = 2.5
#: Light, 1 is white, that differences are relative to at the least.
DIM = 0.03


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Things about equally far away.

    Attributes:
        frames: the frames that are sharp there.
        position: where the things lie, in steps of focus.
    """

    frames: tuple[int, ...]
    position: float


def find_layers(counts: Array, defocus: Defocus) -> list[Layer]:
    """The layers of a window, from near to far.

    Args:
        counts: (N,) how many pixels are picked from each frame.
        defocus: the radii of the discs.
    """
    used = [int(k) for k in np.flatnonzero(counts)]
    if not defocus.near_first:
        used.reverse()
    apart = max(ALIKE, defocus.radius(defocus.positions[used[0]], used[-1]) / MOST)
    groups = [_alike(used, used[-1:], counts, defocus, max(apart, ALIKE_LAST))]
    left = [k for k in used if k not in groups[0]]
    while left:
        groups.append(_alike(left, left, counts, defocus, apart))
        left = [k for k in left if k not in groups[-1]]
    layers = [
        Layer(frames=tuple(group), position=float(np.average(defocus.positions[group], weights=counts[group])))
        for group in groups
    ]
    return sorted(layers, key=lambda layer: layer.position, reverse=not defocus.near_first)


def _alike(left: Sequence[int], seeds: Sequence[int], counts: Array, defocus: Defocus, apart: float) -> list[int]:
    """The frames that are about as far as the one most pixels are from."""
    seed = max(seeds, key=lambda k: counts[k])
    return [k for k in left if defocus.step * abs(defocus.positions[k] - defocus.positions[seed]) < apart]


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
        self.mattes = [_soften((self.of == row).astype(np.float32), 0.7) for row in range(len(layers))]
        self.mattes[-1] = np.ones_like(self.mattes[-1])
        self.starts = [_soften(matte, 1.0) for matte in self.mattes]
        self.colours = list(self.own)
        self.veils: list[FloatArray] = []
        self.shares: list[FloatArray] = []
        self.behind: list[FloatArray] = []

    def solve(self, turns: int) -> None:
        """Take veils away and cut mattes out, in turn."""
        self._render(self.show)
        for _ in range(turns):
            self.mattes[:-1] = [self.cut_matte(row) for row in range(len(self.layers) - 1)]
            self._render(self.show)

    def render_as_picked(self) -> None:
        """Render the frames from the layers as they were picked, pixel by pixel, with nothing taken away."""
        self._render(lambda row: fill_from_around(self.own[row], (self.of == row).astype(np.float32)))

    def misfit(self) -> FloatArray:
        """How far what the layers' own frames show is from what they should, (h, w), display-encoded."""
        total = np.zeros(self.of.shape, np.float32)
        for row, seen in enumerate(self.own):
            light = self.colours[row]
            if row < len(self.layers) - 1:
                matte = self.mattes[row][..., None]
                light = matte * light + (1 - matte) * self.behind[row]
            made = self.veils[row] + self.shares[row][..., None] * light
            total += np.abs(linear_to_srgb(np.clip(made, 0, 1)) - linear_to_srgb(seen)).mean(axis=2)
        return total

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
            return made

        total = np.zeros(self.of.shape, np.float32)
        for row, seen in enumerate(self.own):
            made = np.where((self.of == row)[..., None], seen, self._choose(row, spread))
            total += np.abs(linear_to_srgb(np.clip(made, 0, 1)) - linear_to_srgb(seen)).mean(axis=2)
        return total

    def excess(self) -> FloatArray:
        """How much light would be less than none, or more than all, behind the veils, (h, w), linear."""
        total = np.zeros(self.of.shape, np.float32)
        for seen, veil, share in zip(self.own, self.veils, self.shares, strict=True):
            total += np.maximum(np.maximum(veil - seen, seen - veil - share[..., None]), 0).mean(axis=2)
        return total

    def cut_matte(self, row: int) -> FloatArray:
        """The matte of a layer, from how far its own frames are from what they show of farther layers."""
        thing, ground = self.colours[row], self.behind[row]
        seen = unveil(self.own[row], self.veils[row], self.shares[row])
        scale = 1 / (0.5 * (thing + ground).mean(axis=2, keepdims=True) + DIM)
        apart, off = (thing - ground) * scale, (seen - ground) * scale
        known = known_share(self.shares[row])
        power = _soften((apart * apart).sum(axis=2) * known, PATCH)
        part = _soften((apart * off).sum(axis=2) * known, PATCH)
        matte = ((part + TRUST * self.starts[row]) / (power + TRUST) - NONE) / (FULL - NONE)
        last = self.layers[-1]
        reach = REACH * self._defocus.step * abs(last.position - self.layers[row].position) + 3
        return np.asarray(np.clip(matte, 0, 1) * np.clip(reach - self.distance[row], 0, 1), np.float32)

    def show(self, row: int) -> FloatArray:
        """The colours of a layer, continued from where it is seen well."""
        known = known_share(self.shares[row])
        if row < len(self.layers) - 1:
            known = known * np.clip((cv2.erode(self.mattes[row], np.ones((3, 3), np.uint8)) - 0.6) / 0.3, 0, 1)
        return fill_from_around(unveil(self.own[row], self.veils[row], self.shares[row]), known)

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
        left, shares = np.ones_like(self.mattes[0]), []
        for matte in self.mattes:
            shares.append(left * matte)
            left = left * (1 - matte)
        return shares

    def _render(self, show: Callable[[int], FloatArray]) -> None:
        """From mattes: the colours of each layer, what lies over it and what behind it in its own frames."""
        count = len(self.layers)
        lights: list[FloatArray] = []
        blurred = lru_cache(None)(lambda row, radius: disc_blur(lights[row], radius))
        self.veils, self.shares = [], []
        for row, matte in enumerate(self.mattes):
            over = self._choose(row, partial(self._stack, range(row - 1, -1, -1), blurred))
            self.veils.append(over[..., :-1])
            self.shares.append(1 - over[..., -1])
            self.colours[row] = show(row)
            lights.append(np.dstack([self.colours[row] * matte[..., None], matte]))
        self.behind = [
            self._choose(row, partial(self._stack, range(count - 1, row, -1), blurred))[..., :-1]
            for row in range(count - 1)
        ]

    def _stack(self, rows: range, blurred: Callable[[int, float], FloatArray], frame: int) -> FloatArray:
        """Layers over each other, from far to near, as a frame shows them: (h, w, c + 1), light and coverage."""
        made = np.zeros((*self.of.shape, self.own[0].shape[2] + 1), np.float32)
        for row in rows:
            light = blurred(row, round_radius(self._defocus.radius(self.layers[row].position, frame)))
            made = made * (1 - light[..., -1:]) + light
        return made

    def _choose(self, row: int, of_frame: Callable[[int], FloatArray]) -> FloatArray:
        """Of what belongs to each frame of a layer, at each pixel that of the frame that it is picked from."""
        first, *others = self.layers[row].frames
        made = of_frame(first)
        for frame in others:
            here = self.frame_of[row] == frame
            if here.any():
                made = np.where(here[..., None], of_frame(frame), made)
        return made


def enlarge(plane: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """A plane (h, w) or (h, w, c) enlarged to this height and width."""
    large = cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large.reshape(*size[:2], *plane.shape[2:]), np.float32)


def round_radius(radius: float) -> float:
    """A radius in pixels to a quarter, or to 10 % where that is more: frames whose discs are alike share one."""
    if radius < COARSE:
        return round(radius * 4) / 4
    return float(COARSE * 1.1 ** round(np.log(radius / COARSE) / np.log(1.1)))


def unveil(seen: FloatArray, veil: FloatArray, share: FloatArray) -> FloatArray:
    """What is behind a veil, in linear light: B = (I - V) / T, within [0, 1]."""
    return np.asarray(np.clip((seen - veil) / np.maximum(share, DARK)[..., None], 0, 1), np.float32)


def known_share(share: FloatArray) -> FloatArray:
    """How far what is behind a veil is to be trusted, by the share of its light that is left."""
    return np.asarray(np.clip((share - DARK) / (CLEAR - DARK), 0, 1), np.float32)


def continue_labels(labels: Array, mask: Array) -> tuple[Array, FloatArray]:
    """Labels continued from a mask to everywhere by the nearest pixel, and the distance to that in pixels."""
    distance, nearest = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, labels.dtype)
    table[nearest[mask]] = labels[mask]
    return table[nearest], np.asarray(distance, np.float32)


def fill_from_around(values: FloatArray, known: FloatArray) -> FloatArray:
    """Values continued to where they are not known, as smooth as need be.

    By pull and push over a pyramid: Gortler et al., "The lumigraph", 1996, doi:10.1145/237170.237200.

    Args:
        values: (h, w, c).
        known: (h, w) in [0, 1].
    """
    if min(known.shape) < 4 or known.min() >= 1:
        return values
    small = np.asarray(cv2.pyrDown(np.dstack([values * known[..., None], known])), np.float32)
    weight = small[..., -1]
    means = np.asarray(small[..., :-1] / np.maximum(weight, 1e-6)[..., None], np.float32)
    means = fill_from_around(means, np.minimum(weight * 4, 1))
    large = cv2.pyrUp(means, dstsize=(known.shape[1], known.shape[0])).reshape(values.shape)
    return np.asarray(values * known[..., None] + large * (1 - known[..., None]), np.float32)


def _soften(plane: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)
