"""The compositor: choices in, tile by tile, the picture and its maps out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from allfocus.alignment.brightness import build_table
from allfocus.composition.blend import REACH_IN_NOISE, SQUARE, blend_alike
from allfocus.core.color import Array, FloatArray, full_scale, linear_to_srgb, srgb_to_linear
from allfocus.core.windows import Window, intersect, relative_to
from allfocus.decision.decision import GAIN_STEP, MAPS, Choice, Decision
from allfocus.decision.noise import NOISY
from allfocus.options import Composition
from allfocus.run.context import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """What is composed: pictures and maps of one window; where no tile was added yet their values mean nothing.

    Attributes:
        images: the picture of the stack that was decided on, and one of each other channel.
        maps: by the names of `decision.MAPS`, (h, w) each; those that the decision knows.
    """

    images: list[Array]
    maps: dict[str, Array]

    def crop(self, place: Window) -> "Canvas":
        """A part of it, by rows and columns."""
        return Canvas(
            images=[image[place] for image in self.images],
            maps={name: plane[place] for name, plane in self.maps.items()},
        )


class Compositor:
    """Composes tiles, in any order and side by side, into the pictures of a window.

    Args:
        frames: N arrays of the stack that was decided on.
        channels: N arrays of each other channel: the same decision makes a picture of each.
        decision: which frame where.
        how: how weights become a picture, see `blend`; the decision may insist on its own.
        run: where the frames may lie.
        window: rows and columns of the picture to compose; None: all of them.

    Attributes:
        window: rows and columns of the picture that are composed.
    """

    def __init__(
        self,
        frames: Sequence[Array],
        channels: Sequence[Sequence[Array]],
        decision: Decision,
        how: Composition,
        run: Run,
        window: Window | None = None,
    ) -> None:
        self._stacks, self._run = [frames, *channels], run
        self._noise, self._how = decision.noise, decision.composition or how
        self.window = window or (slice(0, decision.size[0]), slice(0, decision.size[1]))
        size = tuple(part.stop - part.start for part in self.window)
        self._images = [np.empty((*size, *stack[0].shape[2:]), stack[0].dtype) for stack in self._stacks]
        self._maps: dict[str, Array] = {}
        self._size = size

    def add(self, choice: Choice) -> Window:
        """Compose what a tile shares with the window; returns that, in rows and columns of the picture."""
        shared = intersect(choice.window, self.window)
        here = relative_to(shared, self.window)
        for image, part in zip(self._images, self._blend(choice, shared), strict=True):
            image[here] = part
        for name in MAPS:
            plane: FloatArray | None = getattr(choice, name)
            if plane is not None:
                self._map(name, plane.dtype)[here] = plane[relative_to(shared, choice.window)]
        return shared

    def canvas(self) -> Canvas:
        """What was composed."""
        return Canvas(images=self._images, maps=self._maps)

    def _map(self, name: str, kind: np.dtype[np.generic]) -> Array:
        if name not in self._maps:
            self._maps.setdefault(name, np.empty(self._size, kind))  # tiles side by side: the first one's stays
        return self._maps[name]

    def _blend(self, choice: Choice, shared: Window) -> list[Array]:
        """The pixels of a part of a tile: composed in whole squares of it, so that parts fit without a seam."""
        wanted = align_to_squares(shared, choice.window)
        # in noise, frames that can't win still count where they are the same
        extras = choice.extras if self._noise >= NOISY and self._how != "hard" else ()
        seen = grow_within(wanted, REACH_IN_NOISE, choice.around)
        there = (slice(None), *relative_to(seen, choice.around))
        frames = [[self._run.cut(stack[k], seen) for k in (*choice.candidates, *extras)] for stack in self._stacks]
        for row, gains in enumerate(() if choice.gains is None else choice.gains[there]):
            for own in frames:
                own[row] = brighten(own[row], gains)
        weights = choice.weights[there]
        shares = np.concatenate([weights, np.zeros((len(extras), *weights.shape[1:]), np.float32)])
        made = blend_alike(frames, shares, self._how, self._noise, relative_to(wanted, seen))
        return [image[relative_to(shared, wanted)] for image in made]


def brighten(pixels: Array, gains: Array) -> Array:
    """Pixels whose linear light is multiplied by gains, (H, W) powers of `GAIN_STEP`."""
    rows, columns = (np.flatnonzero(gains.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return pixels
    here = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # most strokes are far smaller than a tile
    made = pixels.copy()
    made[here] = multiply_light(pixels[here], gains[here])
    return made


def multiply_light(pixels: Array, gains: Array) -> Array:
    """Pixels whose linear light is multiplied by gains, all of them."""
    least, most = int(gains.min()), int(gains.max())
    by_channel = gains if pixels.ndim == 2 else gains[..., None]
    if pixels.dtype == np.float32:
        factors = np.float32(GAIN_STEP) ** by_channel.astype(np.float32)
        return np.where(by_channel == 0, pixels, linear_to_srgb(srgb_to_linear(pixels) * factors))
    powers = np.flatnonzero(np.bincount((gains - least).ravel(), minlength=1)) + least
    tables = np.stack([table_of(int(power), pixels.dtype) for power in powers])
    starts = np.zeros(most - least + 1, np.intp)
    starts[powers - least] = np.arange(len(powers)) * tables.shape[1]
    return np.asarray(np.take(tables, starts[by_channel - least] + pixels))


@lru_cache(300)  # all that strokes can have
def table_of(power: int, kind: np.dtype[Any]) -> Array:
    """What integers of a kind become where their linear light is multiplied by a power of `GAIN_STEP`."""
    if power == 0:
        return np.arange(int(full_scale(kind)) + 1, dtype=kind)
    return build_table(GAIN_STEP**-power, 0.0, kind, kind)


def grow_within(part: Window, by: int, tile: Window) -> Window:
    """A part of a tile with a margin on all sides, as far as the tile goes."""
    down, across = (
        slice(max(whole.start, own.start - by), min(whole.stop, own.stop + by))
        for own, whole in zip(part, tile, strict=True)
    )
    return down, across


def align_to_squares(part: Window, tile: Window) -> Window:
    """A part of a tile, grown to whole squares of `SQUARE` counted from the start of the tile."""
    down, across = (
        slice(
            own.start - (own.start - whole.start) % SQUARE,
            min(whole.stop, own.stop + -(own.stop - whole.start) % SQUARE),
        )
        for own, whole in zip(part, tile, strict=True)
    )
    return down, across
