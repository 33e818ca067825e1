"""The pyramid that the network looks at: octaves of one frame, each half the size of the one before.

The twin of `allfocus.train.network.build_octaves`, in OpenCV; a test holds the two together. An octave has
four channels: red, green, blue, and the Laplacian energy of all finer octaves, so that the coarsest one
still knows where fine detail is in focus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.color import Array, FloatArray, to_unit

#: Pixels along the side of the patches that the network works on.
PATCH = 4
#: Longest side of the coarsest octave, where the whole picture is seen at once.
GLANCE_SIDE = 160
#: Channels of an octave.
CHANNELS = 4
#: Frames whose values span less than this share of their range are stretched to all of it, for the network's eyes.
DARK_SPAN = 0.25
#: Values looked at in each frame to find that span.
SAMPLES = 50_000


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What the network is shown as black and as white, on the unit scale of the frames."""

    black: float = 0.0
    white: float = 1.0

    @property
    def are_stretched(self) -> bool:
        """Whether the network sees other values than the frames hold."""
        return (self.black, self.white) != (0.0, 1.0)

    def stretch(self, unit: FloatArray) -> FloatArray:
        """Values on the unit scale as the network is shown them."""
        if not self.are_stretched:
            return unit
        return (unit - np.float32(self.black)) / np.float32(self.white - self.black)


def levels_of(frames: Sequence[Array]) -> Levels:
    """Black and white for a stack: 0 and 1, unless its values use little of their range or go beyond it.

    Scientific data often do: 12 bits in files of 16, or a dark field. The network was trained on photos, and detail
    of a fiftieth of the range would drown in what it takes for rounding noise.
    """
    samples = np.concatenate([to_unit(frame.reshape(-1)[:: max(1, frame.size // SAMPLES)]) for frame in frames])
    black, white = (float(value) for value in np.percentile(samples, (0.1, 99.9)))
    is_ordinary = white - black >= DARK_SPAN and black >= 0 and white <= 1
    return Levels() if is_ordinary or white <= black else Levels(black=black, white=white)


def count_octaves(height: int, width: int) -> int:
    """How many octaves bring the longest side down to `GLANCE_SIDE`; at least 2."""
    octaves = 2
    while max(height, width) > GLANCE_SIDE * 2 ** (octaves - 1):
        octaves += 1
    return octaves


def padded_size(height: int, width: int, octaves: int) -> tuple[int, int]:
    """The size that every octave divides into whole patches: `height` and `width`, rounded up."""
    step = PATCH * 2 ** (octaves - 1)
    return height + -height % step, width + -width % step


def finest_octave(pixels: Array, height: int, width: int, levels: Levels) -> FloatArray:
    """Frame or part of it -> the finest octave, its last row and column repeated up to `height` and `width`.

    Args:
        pixels: (h, w) or (h, w, 3) of any depth, h <= height, w <= width.
        height: rows of the result.
        width: columns of the result.
        levels: what is black and white, see `levels_of`.

    Returns:
        (4, height, width) float32, 1 is white; the fourth channel is zero: nothing is finer.
    """
    unit = levels.stretch(to_unit(pixels))
    below, right = height - unit.shape[0], width - unit.shape[1]
    padded = cv2.copyMakeBorder(unit, 0, below, 0, right, cv2.BORDER_REPLICATE)
    octave = np.zeros((CHANNELS, height, width), np.float32)
    octave[:3] = padded if padded.ndim == 2 else padded.transpose(2, 0, 1)
    return octave


def coarser_octaves(frame: Array, octaves: int, levels: Levels) -> Iterator[FloatArray]:
    """Yield the octaves after the finest, fine to coarse: (4, H / 2^k, W / 2^k) for k = 1 .. octaves - 1."""
    height, width = frame.shape[:2]
    octave = finest_octave(frame, *padded_size(height, width, octaves), levels)
    for _ in range(octaves - 1):
        energy = sum(np.square(_laplacian(channel)) for channel in octave[:3])
        channels = [*octave[:3], octave[3] + energy]
        size = (octave.shape[2] // 2, octave.shape[1] // 2)
        # INTER_AREA at exactly one half is the mean of 2 x 2 pixels
        octave = np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_AREA) for channel in channels])
        yield octave


def _laplacian(channel: FloatArray) -> FloatArray:
    return np.asarray(cv2.Laplacian(channel, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE), np.float32)
