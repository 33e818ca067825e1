"""Decision: which frame is in focus where, and how sure that is, for any window of the picture.

The network, the Laplacian rule, a decision loaded from a file and one that was painted over are all decisions; what
composes a picture from one knows no difference. A decision is made in tiles that cover the picture; a tile's choice
does not depend on the window that was asked for, so that a part of a picture is the same as in the whole.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.core.windows import Window, intersect, relative_to
from allfocus.errors import StackError
from allfocus.options import Composition


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Choice:
    """Which frames a window is made of.

    Attributes:
        window: rows and columns of the picture that were asked for, (h, w) pixels.
        around: rows and columns that `weights` cover: the window, and what composing needs around it.
        candidates: (n,) positions of the frames that the weights are of, in an order that does not depend on that of
            the stack.
        extras: (m,) positions of frames that have no weight, and may help against noise.
        weights: (n, h', w') float32 over `around`, not negative, summing to 1 over the candidates.
        index_map: (h, w) uint16, position of the frame with the largest weight.
        confidence: (h, w) float32 in [0, 1], how sure that is.
        depth: (h, w) float32, at which position of the stack the pixel is in focus, between two frames too; None
            unless it was asked for.
        depth_error: (h, w) float32, its standard error in frames; None as for that.
        out_of_focus: (h, w) bool, sharp in no frame; None where nothing is known about it.
        veiled: (h, w) bool, seen only through the blur of something nearer; None as for that.
        gains: (n, h', w') int16 over `around`, what the linear light of each candidate is multiplied by, as powers of
            `GAIN_STEP`; None: nothing, as zeros.
    """

    window: Window
    around: Window
    candidates: Array
    extras: Array
    weights: FloatArray
    index_map: Array
    confidence: FloatArray
    depth: FloatArray | None = None
    depth_error: FloatArray | None = None
    out_of_focus: Array | None = None
    veiled: Array | None = None
    gains: Array | None = None

    def __repr__(self) -> str:
        rows, columns = self.window
        frames = ", ".join(map(str, self.candidates))
        return f"<Choice rows {rows.start}:{rows.stop}, columns {columns.start}:{columns.stop}, of frames {frames}>"


#: Gains are whole powers of this, each too close to the next to be seen.
GAIN_STEP = 1.005
#: Fields of a choice that have a value for each pixel of its window.
MAPS = ("index_map", "confidence", "depth", "depth_error", "out_of_focus", "veiled")


class Decision(Protocol):
    """Which frame is in focus where.

    Attributes:
        size: height and width of the picture.
        count: how many frames it chooses among.
        noise: standard deviation of the frames' noise, unit scale.
        composition: how it has to be composed; None: as the options say.
        method: the name of what decided.
        notes: what a user should know about it.
    """

    @property
    def size(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def noise(self) -> float: ...  # noqa: D102
    @property
    def composition(self) -> Composition | None: ...  # noqa: D102
    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def notes(self) -> tuple[Note, ...]: ...  # noqa: D102

    def tiles(self) -> Sequence[Window]:
        """Windows that cover the picture, each of which is decided in one go."""
        ...

    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one of the `tiles`."""
        ...

    def at(self, window: Window) -> Choice:
        """The choice for any window of the picture; see `decide_window`."""
        ...


class TiledDecision(ABC):
    """What all decisions have in common: any window is put together from tiles.

    Attributes:
        size, count, noise, composition, method, notes: see `Decision`.
    """

    size: tuple[int, int]
    count: int
    noise: float = 0.0
    composition: Composition | None = None
    method: str = ""
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        height, width = self.size
        return f"<{type(self).__name__} {width}x{height} of {self.count} frames>"

    @abstractmethod
    def tiles(self) -> Sequence[Window]:
        """Windows that cover the picture."""

    @abstractmethod
    def decide_tile(self, tile: Window) -> Choice:
        """The choice for one of the `tiles`."""

    def at(self, window: Window) -> Choice:
        """The choice for any window of the picture, its weights without a margin.

        Args:
            window: rows and columns with a start and a stop within the picture.

        Raises:
            StackError: the window is empty or reaches beyond the picture.
        """
        return decide_window(self, window)

    def rest(self) -> None:  # noqa: B027 (most keep none)
        """Give back the memory that is kept for the next tile: none is asked for soon."""


def decide_window(decision: Decision, window: Window) -> Choice:
    """The choice for any window, put together from the tiles that it touches; see `TiledDecision.at`."""
    check_window(window, decision.size)
    parts = [crop(decision.decide_tile(tile), intersect(tile, window)) for tile in touching(decision, window)]
    return parts[0] if len(parts) == 1 else join(parts, window)


def touching(decision: Decision, window: Window) -> Iterator[Window]:
    """The tiles of a decision that share pixels with a window."""
    for tile in decision.tiles():
        if all(part.start < part.stop for part in intersect(tile, window)):
            yield tile


def check_window(window: Window, size: tuple[int, int]) -> None:
    """Raise `StackError` unless a window lies within a picture of this height and width."""
    for part, length in zip(window, size, strict=True):
        start, stop, step = part.start, part.stop, part.step
        if step not in (None, 1) or start is None or stop is None or not 0 <= start < stop <= length:
            raise StackError(f"window {window}: expected rows and columns with a start and a stop within {size}")


def crop(choice: Choice, window: Window) -> Choice:
    """A part of a choice, its weights without a margin."""
    maps: dict[str, Any] = {
        name: None if (plane := getattr(choice, name)) is None else plane[relative_to(window, choice.window)]
        for name in MAPS
    }
    here = (slice(None), *relative_to(window, choice.around))
    return Choice(
        window=window,
        around=window,
        candidates=choice.candidates,
        extras=choice.extras,
        weights=choice.weights[here],
        gains=None if choice.gains is None else choice.gains[here],
        **maps,
    )


def join(parts: Sequence[Choice], window: Window) -> Choice:
    """One choice of several that cover a window: all their candidates, each with the weight that its part gives it."""
    frames = list(dict.fromkeys(int(frame) for part in parts for frame in part.candidates))
    size = tuple(part.stop - part.start for part in window)
    weights = np.zeros((len(frames), *size), np.float32)
    gains = None if all(part.gains is None for part in parts) else np.zeros(weights.shape, np.int16)
    maps: dict[str, Any] = {
        name: None if (plane := getattr(parts[0], name)) is None else np.empty(size, plane.dtype) for name in MAPS
    }
    for part in parts:
        place = relative_to(part.window, window)
        rows = [frames.index(int(frame)) for frame in part.candidates]
        weights[(rows, *place)] = part.weights
        if gains is not None and part.gains is not None:
            gains[(rows, *place)] = part.gains
        for name, whole in maps.items():
            if whole is not None:
                whole[place] = getattr(part, name)
    extras = {int(k) for part in parts for k in part.extras} - set(frames)
    return Choice(
        window=window,
        around=window,
        candidates=np.array(frames, np.uint16),
        extras=np.array(sorted(extras), np.uint16),
        weights=weights,
        gains=gains,
        **maps,
    )
