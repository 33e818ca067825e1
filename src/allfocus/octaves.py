"""The pyramid that the network looks at: octaves of one frame, each half the size of the one before.

The twin of `allfocus.train.network.build_octaves`, in OpenCV; a test holds the two together. An octave has
four channels: red, green, blue, and the Laplacian energy of all finer octaves, so that the coarsest one
still knows where fine detail is in focus.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from allfocus.color import Array, FloatArray, to_unit

#: Pixels along the side of the patches that the network works on.
PATCH = 4
#: Longest side of the coarsest octave, where the whole picture is seen at once.
GLANCE_SIDE = 160
#: Channels of an octave.
CHANNELS = 4


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


def finest_octave(pixels: Array, height: int, width: int) -> FloatArray:
    """Frame or part of it -> the finest octave, its last row and column repeated up to `height` and `width`.

    Args:
        pixels: (h, w) or (h, w, 3) of any depth, h <= height, w <= width.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (4, height, width) float32, 1 is white; the fourth channel is zero: nothing is finer.
    """
    unit = to_unit(pixels)
    below, right = height - unit.shape[0], width - unit.shape[1]
    padded = cv2.copyMakeBorder(unit, 0, below, 0, right, cv2.BORDER_REPLICATE)
    octave = np.zeros((CHANNELS, height, width), np.float32)
    octave[:3] = padded if padded.ndim == 2 else padded.transpose(2, 0, 1)
    return octave


def coarser_octaves(frame: Array, octaves: int) -> Iterator[FloatArray]:
    """Yield the octaves after the finest, fine to coarse: (4, H / 2^k, W / 2^k) for k = 1 .. octaves - 1."""
    height, width = frame.shape[:2]
    octave = finest_octave(frame, *padded_size(height, width, octaves))
    for _ in range(octaves - 1):
        energy = sum(np.square(_laplacian(channel)) for channel in octave[:3])
        channels = [*octave[:3], octave[3] + energy]
        size = (octave.shape[2] // 2, octave.shape[1] // 2)
        # INTER_AREA at exactly one half is the mean of 2 x 2 pixels
        octave = np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_AREA) for channel in channels])
        yield octave


def _laplacian(channel: FloatArray) -> FloatArray:
    return np.asarray(cv2.Laplacian(channel, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE), np.float32)
