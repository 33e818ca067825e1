"""The pyramid that the network looks at: levels of one frame, each half the size of the one before.

The twin of `allfocus.train.network.features.build_octaves`, in OpenCV; a test holds the two together. A level has
pixels and, for each patch of them, two energies: of its own detail, and of that of all finer levels, so that the
coarsest one still knows where fine detail is in focus. Levels are kept in whole numbers of 16 bits where the
frames are of whole numbers, and become floats on their way to the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, full_scale, to_unit

#: Pixels along the side of the patches that the network works on.
PATCH = 4
#: Longest side of the coarsest level, which the network sees whole.
COARSEST_SIDE = 160
#: Energies of a level: of its own detail, and of that of all finer ones.
ENERGIES = 2
#: Laplacian energy, unit scale, of an 8-bit picture's rounding noise: below this there is nothing to see.
ENERGY_FLOOR = 1e-6
#: Rows worked on at once, so that what lies between two steps stays small: a multiple of `PATCH`.
STRIP = 128
#: Frames whose values span less than this share of their range are stretched to all of it on their way to the network.
DARK_SPAN = 0.25
#: Values looked at in each frame to find that span.
SAMPLES = 50_000


@dataclass(frozen=True, kw_only=True)
class ValueRange:
    """What the network takes for black and for white, on the unit scale of the frames."""

    black: float = 0.0
    white: float = 1.0

    @property
    def is_stretched(self) -> bool:
        """Whether the network is given other values than the frames hold."""
        return (self.black, self.white) != (0.0, 1.0)

    @property
    def span(self) -> float:
        """From black to white."""
        return self.white - self.black


@dataclass(frozen=True, kw_only=True)
class PyramidLevel:
    """One level of the pyramid of a stack, or a window of it, as the network is shown it.

    Attributes:
        pixels: (N, 3, h, w) float32, 1 is white.
        energy: (N, 2, h / PATCH, w / PATCH) float32, see `build_levels`.
    """

    pixels: FloatArray
    energy: FloatArray


def sample_values(frame: Array) -> FloatArray:
    """About `SAMPLES` values from all over a frame, unit scale."""
    return to_unit(frame.reshape(-1)[:: max(1, frame.size // SAMPLES)])


def measure_range(samples: Sequence[FloatArray]) -> ValueRange:
    """Black and white for a stack: 0 and 1, unless its values use little of their range or go beyond it.

    Scientific data often do: 12 bits in files of 16, or a dark field. The network was trained on photos, and detail
    of a fiftieth of the range would drown in what it takes for rounding noise.

    Args:
        samples: of each frame, see `sample_values`.
    """
    black, white = (float(value) for value in np.percentile(np.concatenate(samples), (0.1, 99.9)))
    is_ordinary = white - black >= DARK_SPAN and black >= 0 and white <= 1
    return ValueRange() if is_ordinary or white <= black else ValueRange(black=black, white=white)


def count_levels(height: int, width: int) -> int:
    """How many levels bring the longest side down to `COARSEST_SIDE`; at least 2."""
    levels = 2
    while max(height, width) > COARSEST_SIDE * 2 ** (levels - 1):
        levels += 1
    return levels


def padded_size(height: int, width: int, levels: int) -> tuple[int, int]:
    """The size that every level divides into whole patches: `height` and `width`, rounded up."""
    step = PATCH * 2 ** (levels - 1)
    return height + -height % step, width + -width % step


def build_levels(frame: Array, levels: int) -> Iterator[tuple[Array, FloatArray]]:
    """Yield the levels of a frame, fine to coarse: pixels and energy.

    Args:
        frame: (H, W) or (H, W, 3) of any depth.
        levels: how many.

    Yields:
        The frame itself for k = 0, then (H / 2^k, W / 2^k[, 3]) uint16 or float32, the last row and column repeated up
        to `padded_size`; and (2, H / 2^k / PATCH, W / 2^k / PATCH) float32, unit scale, means over each
        patch of the squared Laplacian, summed over three channels: in this level, and in all finer ones.
    """
    pixels, size = frame, padded_size(frame.shape[0], frame.shape[1], levels)
    finer = np.zeros((size[0] // PATCH, size[1] // PATCH), np.float32)
    for level in range(levels):
        here = patch_energy(pixels, size)
        yield pixels, np.stack([here, finer])
        if level < levels - 1:
            pixels, finer = halve(pixels, size), block_means(here + finer, 2)
            size = pixels.shape[0], pixels.shape[1]


def build_levels_in_parts(
    frame: Array, levels: int, pixels: int
) -> Iterator[tuple[int, list[tuple[Array, FloatArray]]]]:
    """`build_levels` of rows of so many pixels at a time, the same to the bit; yields the first row, and the levels.

    A level's energies see one row beyond their own, which in the coarsest level is within one step of `padded_size`.
    """
    step = PATCH * 2 ** (levels - 1)
    height, width = padded_size(frame.shape[0], frame.shape[1], levels)
    rows = max(step, pixels // width // step * step)
    for top in range(0, height, rows):
        above, bottom = min(top, step), min(top + rows, height)
        seen = frame[top - above : min(bottom + step, frame.shape[0])]
        part = pad(seen, min(bottom + step, height) - top + above, width)
        yield (
            top,
            [
                (
                    pixels[above >> level : (above + bottom - top) >> level],
                    energy[:, (above >> level) // PATCH : ((above + bottom - top) >> level) // PATCH],
                )
                for level, (pixels, energy) in enumerate(build_levels(part, levels))
            ],
        )


def pad(pixels: Array, height: int, width: int) -> Array:
    """Repeat the last row and column up to `height` and `width`."""
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    if not below and not right:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE))


def pad_rows(pixels: Array, top: int, bottom: int, width: int) -> Array:
    """Some rows of what `pad` makes, without the rest of it."""
    first = min(top, pixels.shape[0] - 1)
    return pad(pixels[first : max(first + 1, min(bottom, pixels.shape[0]))], bottom - top, width)


def halve(pixels: Array, size: tuple[int, int] | None = None) -> Array:
    """Means of 2 x 2 pixels; of 8 bits with 16, so that hardly anything is lost: (h, w[, 3]) -> (h / 2, w / 2[, 3]).

    Args:
        pixels: of any depth.
        size: height and width that they are padded to before; None: their own.
    """
    height, width = size or (pixels.shape[0], pixels.shape[1])
    deep = np.uint16 if pixels.dtype == np.uint8 else pixels.dtype
    half = np.empty((height // 2, width // 2, *pixels.shape[2:]), deep)
    for top in range(0, len(half), STRIP):
        bottom = min(top + STRIP, len(half))
        rows = pad_rows(pixels, 2 * top, 2 * bottom, width)
        if pixels.dtype == np.uint8:
            rows = np.multiply(rows, np.uint16(257), dtype=np.uint16)
        half[top:bottom] = block_means(rows, 2)
    return half


def block_means(plane: Array, side: int) -> Array:
    """Means over squares of `side` x `side`, which divides height and width."""
    size = (plane.shape[1] // side, plane.shape[0] // side)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def patch_energy(pixels: Array, size: tuple[int, int] | None = None) -> FloatArray:
    """Mean over each patch of the squared 4-neighbour Laplacian, summed over three channels, unit scale.

    Args:
        pixels: (h, w) or (h, w, 3) of any depth; gray counts three times.
        size: height and width that they are padded to before, multiples of `PATCH`; None: their own.

    Returns:
        (h / PATCH, w / PATCH).
    """
    height, width = size or (pixels.shape[0], pixels.shape[1])
    energy = np.empty((height // PATCH, width // PATCH), np.float32)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        above, below = min(top, 1), min(height - bottom, 1)
        detail = laplacian(pad_rows(pixels, top - above, bottom + below, width))[above : above + bottom - top]
        squares = block_means(cv2.multiply(detail, detail, dtype=cv2.CV_32F), PATCH)
        energy[top // PATCH : bottom // PATCH] = squares * 3 if squares.ndim == 2 else squares @ np.ones(3, np.float32)
    energy /= np.float32(full_scale(pixels.dtype) ** 2)
    return energy


def laplacian(pixels: Array) -> Array:
    """The 4-neighbour Laplacian, edges repeated, in the pixels' own scale: int16 of uint8, else float32."""
    if pixels.dtype == np.uint8:
        return np.asarray(cv2.Laplacian(pixels, cv2.CV_16S, ksize=1, borderType=cv2.BORDER_REPLICATE))
    floats = pixels.astype(np.float32, copy=False)
    return np.asarray(cv2.Laplacian(floats, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE))


def stretch_into(pixels: Array, values: ValueRange, shown: FloatArray) -> None:
    """Fill (3, h, w) float32 with (h, w) or (h, w, 3) of any depth, stretched so that black is 0 and white 1."""
    scale = np.float32(1 / (full_scale(pixels.dtype) * values.span))
    channels = cv2.split(pixels)
    for plane, channel in zip(shown, channels if len(channels) == 3 else [channels[0]] * 3, strict=True):
        plane[...] = channel
        plane *= scale
    if values.black:
        shown -= np.float32(values.black / values.span)
