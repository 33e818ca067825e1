"""The pyramid of a whole stack: one pass over all frames, of which any window of any level can be cut.

Of each frame the coarse levels are kept; the two finest, nine tenths of the data, are cut from the frame again where
they are needed. Energies are kept of all levels: two numbers for a patch.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.focus_order import find_focus_order
from allfocus.core.pyramid import (
    ENERGIES,
    PATCH,
    PyramidLevel,
    ValueRange,
    build_levels,
    build_levels_in_parts,
    count_levels,
    halve,
    measure_range,
    pad,
    padded_size,
    sample_values,
    stretch_into,
)
from allfocus.core.stack import FrameInfo
from allfocus.core.windows import Window
from allfocus.run.context import Run

#: Levels from here on are kept, 0 being the frames themselves.
KEPT = 2
#: The level whose pixels are the means of patches of the finest one; where there is no such level it is made.
PATCH_LEVEL = 2
#: How many regions' pixels the levels are built of at once, where frames are worked on in parts.
REGIONS_AT_ONCE = 8
#: Rows of a frame that its short checksum is made of: one in so many.
ROWS_APART = 16


class StackPyramid:
    """All levels of all frames.

    Args:
        frames: N arrays (H, W) or (H, W, 3) of one dtype.
        run: workers and scratch files; the stage is called `pyramid`.
        values: what to take for black and white; None: see `measure_range`.
        by_focus: whether to put the frames into the order of focus, as far as they tell, from either end.

    Attributes:
        frames: the frames, in an order that depends on their pixels alone. Sums of floats depend on their order in the
            last bit; the picture must not depend on the order of the frames.
        order: (N,) uint16, the positions at which they were given.
        values: what the network takes for black and white.
        levels: how many there are.
        height, width: of the finest level, padding included.
    """

    def __init__(
        self, frames: Sequence[Array], run: Run, values: ValueRange | None = None, by_focus: bool = False
    ) -> None:
        self._run = run
        rows, columns = frames[0].shape[:2]
        self.levels = count_levels(rows, columns)
        self.height, self.width = padded_size(rows, columns, self.levels)
        self._pixels, self._energy = self._allocate(len(frames), frames[0])
        sums, samples = zip(*run.each("pyramid", lambda k: self._add(k, frames[k]), range(len(frames))), strict=True)
        self.values = measure_range(samples) if values is None else values
        self.order = order_by_content(frames, sums, self._run.scratch.release)
        if by_focus:
            # from the order of content on, so that the order given plays no part; all detail, as the coarsest level
            # keeps it
            detail = [self._energy[-1][position].sum(axis=0) for position in self.order]
            self.order = self.order[find_focus_order(detail)]
        self.frames = [frames[position] for position in self.order]

    def _allocate(self, count: int, frame: Array) -> tuple[list[Array | None], list[Array]]:
        """Room for what is kept of so many frames like this one."""
        depth = np.float32 if frame.dtype == np.float32 else np.uint16
        sizes = [(self.height >> k, self.width >> k) for k in range(self.levels)]
        pixels = [
            self._run.empty((count, *size, *frame.shape[2:]), depth) if k >= KEPT else None
            for k, size in enumerate(sizes)
        ]
        # no level is finer than the finest: its second energy is zero
        energy = [
            self._run.empty((count, ENERGIES if k else 1, h // PATCH, w // PATCH), np.float32)
            for k, (h, w) in enumerate(sizes)
        ]
        return pixels, energy

    def _add(self, position: int, frame: Array) -> tuple[int, FloatArray]:
        """Keep the levels of one frame; returns its checksum and samples of its values."""
        for top, levels in self._build(frame):
            for level, (kept, energies, (pixels, energy)) in enumerate(
                zip(self._pixels, self._energy, levels, strict=True)
            ):
                first = (top >> level) // PATCH
                energies[position, :, first : first + energy.shape[1]] = energy[: energies.shape[1]]
                if kept is not None:
                    kept[position, top >> level : (top >> level) + len(pixels)] = pixels
            self._run.scratch.release()
        return checksum(frame, ROWS_APART), sample_values(frame)

    def _build(self, frame: Array) -> Iterable[tuple[int, Iterable[tuple[Array, FloatArray]]]]:
        """The levels of one frame, whole or some rows at a time, with the first of them."""
        if self._run.region is None:
            return [(0, build_levels(frame, self.levels))]
        return build_levels_in_parts(frame, self.levels, REGIONS_AT_ONCE * self._run.region**2)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames, without padding."""
        return self.frames[0].shape[0], self.frames[0].shape[1]

    def whole(self, level: int) -> Window:
        """All rows and columns of a level."""
        return slice(0, self.height >> level), slice(0, self.width >> level)

    def cut_frame(self, frame: int, window: Window) -> Array:
        """A copy of a part of one frame, counted in the order of `frames`."""
        return self._run.cut(self.frames[frame], window)

    def cut(self, level: int, window: Window, chosen: Array) -> PyramidLevel:
        """A window of a level: of the chosen frames, counted in the order of `frames`.

        Args:
            level: 0 is the finest.
            window: its rows and columns, whole patches, in the padded picture.
            chosen: (n,) which frames.
        """
        return PyramidLevel(
            pixels=self.cut_pixels(level, window, chosen), energy=self._cut_energy(level, window, chosen)
        )

    def cut_pixels(self, level: int, window: Window, chosen: Array) -> FloatArray:
        """The pixels of a `cut` alone."""
        pixels = np.empty((len(chosen), 3, *(part.stop - part.start for part in window)), np.float32)
        for target, frame in self._run.in_turn(zip(pixels, chosen, strict=True)):
            stretch_into(self._cut_level(level, window, frame), self.values, target)
        return pixels

    def energies(self, level: int, patches: Window) -> FloatArray:
        """(N, h, w), the energy of a level's own detail in some patches, unit scale, in the order of the stack."""
        return np.asarray(self._energy[level][(slice(None), 0, *patches)])

    def _cut_energy(self, level: int, window: Window, chosen: Array) -> FloatArray:
        patches = tuple(slice(part.start // PATCH, part.stop // PATCH) for part in window)
        energy = np.zeros((len(chosen), ENERGIES, *(part.stop - part.start for part in patches)), np.float32)
        for target, frame in self._run.in_turn(zip(energy, chosen, strict=True)):
            kept = self._energy[level][(self.order[frame], slice(None), *patches)]
            np.multiply(kept, np.float32(1 / self.values.span**2), out=target[: len(kept)])
        return energy

    def measure_detail(self, level: int, window: Window, chosen: Array) -> float:
        """The mean energy of a level's own detail in a window of the finest level, of the sharpest frame at each patch.

        Args:
            level: 0 is the finest.
            window: of that one, whole patches of the level.
            chosen: (n,) which frames, counted in the order of `frames`.
        """
        rows, columns = (slice((p.start >> level) // PATCH, (p.stop >> level) // PATCH) for p in window)
        kept = self._energy[level]
        sharpest = reduce(np.maximum, (kept[self.order[frame], 0, rows, columns] for frame in chosen))
        return float(sharpest.mean()) if sharpest.size else 0.0

    def measure_darkest(self, patches: Window) -> FloatArray:
        """(h, w), the mean of some patches of the finest level where they are darkest: in that frame, black 0, white 1.

        Of colours the brightest channel counts.
        """
        darkest: FloatArray | None = None
        for frame in range(len(self.frames)):
            means = self.cut_pixels(PATCH_LEVEL, patches, np.array([frame]))[0].max(axis=0)
            darkest = means if darkest is None else np.minimum(darkest, means)
        assert darkest is not None
        return darkest

    def _cut_level(self, level: int, window: Window, frame: int) -> Array:
        kept = self._pixels[level] if level < self.levels else None
        if kept is not None:
            return kept[(self.order[frame], *window)]
        if level:
            rows, columns = (slice(2 * part.start, 2 * part.stop) for part in window)
            return halve(self._cut_level(level - 1, (rows, columns), frame))
        rows, columns = window
        return pad(self.frames[frame][window], rows.stop - rows.start, columns.stop - columns.start)


def count_kept_bytes(frame: FrameInfo) -> int:
    """What a pyramid keeps of one frame like this."""
    levels = count_levels(*frame.size)
    height, width = padded_size(*frame.size, levels)
    depth = 4 if frame.dtype == np.float32 else 2
    channels = frame.shape[2] if frame.ndim == 3 else 1
    pixels = sum((height >> k) * (width >> k) for k in range(KEPT, levels))
    patches = sum((height >> k) * (width >> k) * (ENERGIES if k else 1) for k in range(levels)) // PATCH**2
    return pixels * channels * depth + patches * 4


def order_by_content(
    frames: Sequence[Array], sums: Sequence[int], looked_at: Callable[[], None] = lambda: None
) -> Array:
    """Positions of the frames in an order that depends on their pixels alone, (N,) uint16.

    Frames that tie hold the same pixels (but for one chance in 4 billion).

    Args:
        frames: N arrays.
        sums: a checksum of each; where two agree, all rows of the frames are summed.
        looked_at: called after each frame of which all rows were read.
    """
    keys = []
    for short, frame in zip(sums, frames, strict=True):
        is_unique = sums.count(short) == 1
        keys.append((short, 0 if is_unique else checksum(frame, 1)))
        if not is_unique:
            looked_at()
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.uint16)


def checksum(frame: Array, apart: int) -> int:
    """CRC-32 of one row in so many."""
    return zlib.crc32(np.ascontiguousarray(frame[::apart]).view(np.uint8).data)
