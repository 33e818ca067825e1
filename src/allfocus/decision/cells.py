"""Cells of the picture that fade into each other, so that decisions don't show where they meet.

A cell is answered for its own candidates, and what the network says about a frame depends on the others. So each cell
is answered a little beyond its edges, and there the chances of one cell turn into those of the next.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import product
from threading import Lock

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.weights import largest, softmax_weights
from allfocus.core.windows import Window, grow, intersect, relative_to, tiles

#: How far, in pixels, cells and blocks reach into the next one. A multiple of the steps that windows are grown in.
FADE = 16
#: The smallest chance that is told from none; and the chance from which on a frame that only a neighbour knows matters.
LEAST_CHANCE, MATTERS = 6e-6, 0.01

#: The first row and column of a cell.
Key = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class CellLogits:
    """What the network says about one cell: the logits with a margin around it.

    Attributes:
        frames: (n,) the candidates, counted in the order of the pyramid.
        extras: frames that are not, and may be the same there but for noise.
        logits: (n, h, w) of the cell with its margin.
        missing: (h, w) of both, the chance that the best frame is none of the candidates.
        quality: (2, h, w) of the cell alone, log-odds that a place is sharp in no frame, and that it is veiled; None
            where the network does not know.
        around: rows and columns of the picture that the logits belong to.
        cell: rows and columns of the picture that the cell covers.
    """

    frames: Array
    extras: Array
    logits: FloatArray
    missing: FloatArray
    quality: FloatArray | None
    around: Window
    cell: Window

    @property
    def inner(self) -> Window:
        """The cell within `logits`."""
        return relative_to(self.cell, self.around)


class FadingCells:
    """Answers to cells that fade into each other.

    Each cell is answered once, if each is asked for once. What it says about its neighbours waits for them; asked for
    in the order of `windows`, that is about one row.

    Args:
        answer: answers a cell and, in the picture, `FADE` pixels around it or more.
        size: height and width of the picture.
        side: of the cells.
        margin: pixels around each cell whose logits are wanted too.

    Attributes:
        windows: all cells.
    """

    def __init__(self, answer: Callable[[Window], CellLogits], size: tuple[int, int], side: int, margin: int) -> None:
        self._answer, self._size, self._margin = answer, size, margin
        cells = list(tiles(*size, side))
        # along the shorter side of the picture first
        self.windows = cells if size[0] > size[1] else sorted(cells, key=lambda cell: key_of(cell)[::-1])
        self._rows, self._columns = (
            {start: slice(start, min(start + side, length)) for start in range(0, length, side)} for length in size
        )
        #: Parts that wait at most: of three rows of cells, and of those that are worked on.
        self._most = 9 * (3 * min(len(self._rows), len(self._columns)) + 16)
        self._lock = Lock()
        self._at_work: dict[Key, Future[None]] = {}
        self._waiting: dict[tuple[Key, Key], CellLogits] = {}
        self._done: set[Key] = set()

    def __call__(self, cell: Window) -> CellLogits:
        """What a cell and those around it say about it."""
        near = self._near(cell)
        if len(near) == 1:
            return self._answer(cell)
        with self._lock:
            self._done.discard(key_of(cell))
        for other in near:  # first what nobody works on
            self._start(other, cell)
        parts = [self._take(other, cell) for other in near]
        with self._lock:
            self._done.add(key_of(cell))
            if len(self._done) == len(self.windows):  # the next round begins
                self._done.clear()
                self._waiting.clear()
        return mix(parts, grow(cell, self._margin, *self._size), self._size)

    def _near(self, cell: Window) -> list[Window]:
        """The cell itself, first, and those that say something about it or its margin."""
        seen = grow(cell, self._margin + FADE, *self._size)
        rows, columns = (
            [own for own in parts.values() if own.start < part.stop and own.stop > part.start]
            for parts, part in zip((self._rows, self._columns), seen, strict=True)
        )
        return sorted(product(rows, columns), key=lambda other: other != cell)

    def _start(self, source: Window, target: Window) -> Future[None] | None:
        """Answer a cell for another one, unless that is done; another thread's work on it is returned, to wait for."""
        key = key_of(source)
        with self._lock:
            if (key, key_of(target)) in self._waiting:
                return None
            if key in self._at_work:
                return self._at_work[key]
            work = self._at_work[key] = Future()
        try:
            self._keep(source, self._answer(source), target)
            work.set_result(None)
        except BaseException as error:
            with self._lock:
                self._at_work.pop(key, None)
            work.set_exception(error)
            raise
        return None

    def _keep(self, source: Window, answer: CellLogits, target: Window) -> None:
        """Keep what a cell says about itself and its neighbours, if they were not asked for yet, or are just now."""
        parts = {}
        for other in self._near(source):
            reach = grow(source, FADE, *self._size)
            part = keep(answer, intersect(reach, grow(other, self._margin, *self._size)))
            parts[key_of(source), key_of(other)] = part if other == source else replace(part, quality=None)
        with self._lock:
            self._waiting |= {
                pair: part for pair, part in parts.items() if pair[1] not in self._done or pair[1] == key_of(target)
            }
            for pair in list(self._waiting)[: -self._most]:  # of cells that nobody asks for
                del self._waiting[pair]
            del self._at_work[key_of(source)]

    def _take(self, source: Window, target: Window) -> CellLogits:
        """What a cell says about another one, kept for it; answered again if somebody else took it."""
        while True:
            with self._lock:
                part = self._waiting.pop((key_of(source), key_of(target)), None)
            if part is not None:
                return part
            work = self._start(source, target)
            if work is not None:
                work.result()


def count_waiting_bytes(size: tuple[int, int], side: int, frames: int = 4) -> int:
    """What cells that wait for their neighbours take in a picture of this size, with so many candidates each: a row."""
    cells = -(-min(size) // side)
    return cells * (side + 2 * FADE) ** 2 * (2 * frames + 4 + 8)


def key_of(cell: Window) -> Key:
    """The first row and column of a cell."""
    return cell[0].start, cell[1].start


def keep(answer: CellLogits, window: Window) -> CellLogits:
    """What is kept of an answer: a window of it, relative to the largest logit, in 16 bits."""
    part = crop(answer, window)
    return replace(part, logits=to_half(part.logits - largest(part.logits)), missing=part.missing.copy())


def crop(answer: CellLogits, window: Window) -> CellLogits:
    """A window of an answer."""
    here = relative_to(window, answer.around)
    return replace(answer, logits=answer.logits[(slice(None), *here)], missing=answer.missing[here], around=window)


def to_half(planes: FloatArray) -> Array:
    """(N, h, w) in 16 bits; ten times as fast as NumPy."""
    if not planes.size:
        return planes.astype(np.float16)
    halves = cv2.convertFp16(planes.reshape(len(planes), -1))
    return np.asarray(halves).view(np.float16).reshape(planes.shape)


def from_half(planes: Array) -> FloatArray:
    """The reverse of `to_half`, of planes that may be a window of others."""
    if not planes.size:
        return planes.astype(np.float32)
    flat = np.ascontiguousarray(planes).view(np.int16).reshape(len(planes), -1)
    return np.asarray(cv2.convertFp16(flat), np.float32).reshape(planes.shape)


def mix(parts: Sequence[CellLogits], around: Window, size: tuple[int, int]) -> CellLogits:
    """One answer of what several cells say about a window, each by its share; the first is the cell that it is about.

    Args:
        parts: what each says about its part of the window.
        around: the window.
        size: of the picture.
    """
    own = parts[0]
    alone = crop(own, inset(own.cell, FADE, size))
    found = [alone, *(mix_strip(parts, strip, size) for strip in split_rim(around, alone.around))]
    frames = np.unique(np.concatenate([part.frames for part in found]))
    shape = [part.stop - part.start for part in around]
    logits, missing = np.full((len(frames), *shape), np.log(LEAST_CHANCE), np.float32), np.empty(shape, np.float32)
    for part in found:
        here = relative_to(part.around, around)
        planes = part.logits if part.logits.dtype == np.float32 else from_half(part.logits)
        for row, plane in zip(np.searchsorted(frames, part.frames), planes, strict=True):
            logits[(row, *here)] = plane
        missing[here] = part.missing
    extras = np.setdiff1d(own.extras, frames)
    return replace(own, frames=frames, extras=extras, logits=logits, missing=missing, around=around)


def mix_strip(parts: Sequence[CellLogits], strip: Window, size: tuple[int, int]) -> CellLogits:
    """`mix` in a window where several cells have a say, all at once: their chances, and of those logarithms."""
    shape = [part.stop - part.start for part in strip]
    chances: dict[int, FloatArray] = {int(frame): np.zeros(shape, np.float32) for frame in parts[0].frames}
    missing = np.zeros(shape, np.float32)
    for part in parts:
        window = intersect(part.around, strip)
        if any(side.start >= side.stop for side in window):
            continue
        share, here = find_share(part.cell, window, size), relative_to(window, strip)
        near = crop(part, window)
        missing[here] += share * near.missing
        for frame, plane in zip(part.frames, softmax_weights(from_half(near.logits), sharpness=1), strict=True):
            plane *= share
            if int(frame) in chances or plane.max() > MATTERS:
                chances.setdefault(int(frame), np.zeros(shape, np.float32))[here] += plane
    frames = sorted(chances)
    logits = np.log(np.maximum(np.stack([chances[k] for k in frames]), np.float32(LEAST_CHANCE)))
    return replace(parts[0], frames=np.array(frames), logits=logits, missing=missing, around=strip)


def inset(cell: Window, by: int, size: tuple[int, int]) -> Window:
    """A cell without what is so close to other cells; nothing of narrow ones, at the ends of a picture."""

    def inside(part: slice, length: int) -> slice:
        start = min(part.start + by, part.stop) if part.start else 0
        return slice(start, max(start, part.stop - by) if part.stop < length else length)

    return inside(cell[0], size[0]), inside(cell[1], size[1])


def split_rim(window: Window, inner: Window) -> list[Window]:
    """What a window has around another one: above, below, left and right of it."""
    (rows, columns), (down, across) = window, inner
    found = [
        (slice(rows.start, down.start), columns),
        (slice(down.stop, rows.stop), columns),
        (down, slice(columns.start, across.start)),
        (down, slice(across.stop, columns.stop)),
    ]
    return [strip for strip in found if all(part.start < part.stop for part in strip)]


def find_share(own: Window, window: Window, whole: Sequence[int] | Window) -> FloatArray:
    """(h, w) over a window, the share of a part of a picture: all of it inside, falling to none `FADE` pixels beyond.

    Shares of parts that lie side by side sum up to 1.

    Args:
        own: rows and columns of the part.
        window: where the share is wanted.
        whole: what all parts cover together; they don't fall towards its edges.
    """
    ramps = []
    for part, place, length in zip(own, window, whole, strict=True):
        limits = length if isinstance(length, slice) else slice(0, length)
        middle = np.arange(place.start, place.stop, dtype=np.float32) + np.float32(0.5)
        before = (middle - part.start) / (2 * FADE) + 0.5 if part.start > limits.start else np.ones_like(middle)
        after = (part.stop - middle) / (2 * FADE) + 0.5 if part.stop < limits.stop else np.ones_like(middle)
        ramps.append(np.clip(before, 0, 1) * np.clip(after, 0, 1))
    return np.asarray(np.outer(*ramps), np.float32)
