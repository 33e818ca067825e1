"""What has to be known of all frames before the first decision: their order, their levels, their coarse octaves.

Every frame is gone through once. Of its octaves the coarse ones are kept; the two finest, nine tenths of the data,
are cut from the frame again where they are looked at. Energies are kept of all: one number for a patch.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.focus_order import focus_order
from allfocus.core.pyramid import (
    ENERGIES,
    PATCH,
    Levels,
    Octave,
    count_octaves,
    halved,
    levels_of,
    octaves_of,
    padded,
    padded_size,
    samples_of,
    show,
)
from allfocus.core.stack import FrameInfo
from allfocus.core.windows import Place
from allfocus.run.progress import Progress
from allfocus.run.scratch import Spool
from allfocus.run.workers import in_parallel

#: Octaves from here on are kept, 0 being the frames themselves.
KEPT = 2
#: Rows of a frame that are summed up to tell it from others: one in so many.
ROWS_APART = 16


class Survey:
    """All octaves of a stack, of which any window can be had.

    Attributes:
        frames: N arrays (H, W) or (H, W, 3) of one dtype, in an order that depends on their pixels alone. Sums of
            floats depend on their order in the last bit; the picture must not depend on that of the frames. With
            `by_focus` it is the order of focus, as far as the frames tell, from either end.
        order: (N,) uint16, the positions at which they were given.
        levels: what the network is shown as black and white.
        octaves: how many there are.
        height, width: of the finest octave, padding included.
    """

    def __init__(
        self, frames: Sequence[Array], spool: Spool, workers: int, progress: Progress, by_focus: bool = False
    ) -> None:
        self._spool = spool
        rows, columns = frames[0].shape[:2]
        self.octaves = count_octaves(rows, columns)
        self.height, self.width = padded_size(rows, columns, self.octaves)
        depth = np.float32 if frames[0].dtype == np.float32 else np.uint16
        count, colours = len(frames), frames[0].shape[2:]
        sizes = [(self.height >> k, self.width >> k) for k in range(self.octaves)]
        self._pixels = [
            spool.empty((count, *size, *colours), depth) if k >= KEPT else None for k, size in enumerate(sizes)
        ]
        # no octave is finer than the finest: its second energy is zero
        self._energy = [
            spool.empty((count, ENERGIES if k else 1, h // PATCH, w // PATCH), np.float32)
            for k, (h, w) in enumerate(sizes)
        ]

        def go_through(position: int) -> tuple[int, FloatArray]:
            frame = frames[position]
            for kept, energies, (pixels, energy) in zip(
                self._pixels, self._energy, octaves_of(frame, self.octaves), strict=True
            ):
                energies[position] = energy[: energies.shape[1]]
                if kept is not None:
                    kept[position] = pixels
            found = checksum(frame, ROWS_APART), samples_of(frame)
            spool.release()
            return found

        found: list[tuple[int, FloatArray]] = []
        for seen in in_parallel(go_through, range(count), workers):
            progress("survey", len(found), count)
            found.append(seen)
        progress("survey", count, count)
        sums, samples = zip(*found, strict=True)
        self.levels: Levels = levels_of(samples)
        self.order = content_order(frames, sums)
        if by_focus:
            # from the order of content on, so that the order given plays no part; all detail, as the coarsest octave
            # keeps it
            detail = [self._energy[-1][position].sum(axis=0) for position in self.order]
            self.order = self.order[focus_order(detail)]
        self.frames = [frames[position] for position in self.order]

    def whole(self, octave: int) -> Place:
        """All rows and columns of an octave."""
        return slice(0, self.height >> octave), slice(0, self.width >> octave)

    def cut(self, frame: int, place: Place) -> Array:
        """A copy of a part of one frame, counted in the order of `frames`."""
        part: Array = self.frames[frame][place].copy()
        self._spool.release()
        return part

    def window(self, octave: int, place: Place, chosen: Array) -> Octave:
        """A window of an octave: of the chosen frames, counted in the order of `frames`.

        Args:
            octave: 0 is the finest.
            place: its rows and columns, whole patches, in the padded picture.
            chosen: (n,) which frames.
        """
        return Octave(pixels=self.pixels(octave, place, chosen), energy=self._window_energy(octave, place, chosen))

    def pixels(self, octave: int, place: Place, chosen: Array) -> FloatArray:
        """The pixels of a `window` alone."""
        shown = np.empty((len(chosen), 3, *(part.stop - part.start for part in place)), np.float32)
        for target, frame in zip(shown, chosen, strict=True):
            show(self._cut(octave, place, frame), self.levels, target)
            self._spool.release()  # or the pages of all frames would be there at once
        return shown

    def _window_energy(self, octave: int, place: Place, chosen: Array) -> FloatArray:
        patches = tuple(slice(part.start // PATCH, part.stop // PATCH) for part in place)
        energy = np.zeros((len(chosen), ENERGIES, *(part.stop - part.start for part in patches)), np.float32)
        for target, frame in zip(energy, chosen, strict=True):
            kept = self._energy[octave][(self.order[frame], slice(None), *patches)]
            np.multiply(kept, np.float32(1 / self.levels.span**2), out=target[: len(kept)])
            self._spool.release()
        return energy

    def _cut(self, octave: int, place: Place, frame: int) -> Array:
        kept = self._pixels[octave]
        if kept is not None:
            return kept[(self.order[frame], *place)]
        if octave:
            rows, columns = (slice(2 * part.start, 2 * part.stop) for part in place)
            return halved(self._cut(octave - 1, (rows, columns), frame))
        rows, columns = place
        return padded(self.frames[frame][place], rows.stop - rows.start, columns.stop - columns.start)


def bytes_kept(frame: FrameInfo) -> int:
    """What a survey keeps of one frame like this."""
    octaves = count_octaves(*frame.size)
    height, width = padded_size(*frame.size, octaves)
    depth = 4 if frame.dtype == np.float32 else 2
    channels = frame.shape[2] if frame.ndim == 3 else 1
    pixels = sum((height >> k) * (width >> k) for k in range(KEPT, octaves))
    patches = sum((height >> k) * (width >> k) * (ENERGIES if k else 1) for k in range(octaves)) // PATCH**2
    return pixels * channels * depth + patches * 4


def content_order(frames: Sequence[Array], sums: Sequence[int]) -> Array:
    """Positions of the frames in an order that depends on their pixels alone, (N,) uint16.

    Frames that tie hold the same pixels (but for one chance in 4 billion).

    Args:
        frames: N arrays.
        sums: a checksum of each; where two agree, the frames are looked at in full.
    """
    told_apart = len(set(sums)) == len(sums)
    keys = [(short, 0 if told_apart else checksum(frame, 1)) for short, frame in zip(sums, frames, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.uint16)


def checksum(frame: Array, apart: int) -> int:
    """Of one row in so many."""
    return zlib.crc32(np.ascontiguousarray(frame[::apart]).view(np.uint8).data)
