"""Where between two frames the focus lies: from how detail rises and falls along the stack, and how sure that is.

Near its peak the energy of blurred detail falls like a Gaussian of the distance from focus, so that its logarithm is a
parabola, whose top is the depth: Nayar and Nakagawa, "Shape from Focus", 1994, doi:10.1109/34.308479, who lay it
through three frames. Here it is fitted to all frames that are not far out of focus, each as sure as noise lets it be,
in several levels of the pyramid. What levels and neighbouring patches say is averaged by how sure they are, as far as
it agrees with the frame that the network picked: across an edge nothing is averaged. What the network holds possible
is one more measurement. Where there is no detail beyond noise, nothing is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.pyramid import PATCH
from allfocus.core.windows import Window, grow, relative_to, scale_down
from allfocus.decision.noise import NOISY
from allfocus.decision.stack_pyramid import StackPyramid

#: Levels of the pyramid whose detail is measured.
LEVELS = 4
#: How far, in patches of its level, what is measured at a place depends on what is around it; a multiple of 2.
REACH = 8
#: How many of them are averaged around a cell.
AROUND = 4
#: The Gaussian window that energies and depths are averaged in, in patches.
SIGMA, SIDE = 1.0, (5, 5)
#: Frames with less than this share of the peak's detail say nothing about it.
GATE = 0.2
#: How far, in units of its logarithm, detail departs from a parabola, noise apart.
MISFIT = 0.03
#: Energies of white noise in a patch that are independent.
SAMPLES = 100.0
#: The least energy of noise, of rounding, and the factor by which `measure_noise` falls short, squared.
LEAST_ENERGY, SHORT = 2e-6, 1.2
#: Detail counts from so many times the noise on: in the finest level, or in noise in one of the three finest.
BEYOND_NOISE = 2.5
#: Black in some frame: less light than this, white is 1, and so many times the noise more. What is dim there, with less
#: than this share of the energy of the most detail around or so many times the noise, is light from things around, or
#: noise, which is less in black than elsewhere.
BLACK, BLACK_IN_NOISE, DIM, FAINT = 1.5 / 255, 2.0, 0.1, 10.0
#: Depth is unknown where its variance is more than this share of that of pure chance, or the error more than so many
#: frames.
CHANCE, MOST_ERROR = 0.3, 1.0
#: Variance of where within a frame's reach something lies.
WITHIN_A_FRAME = 1 / 12
#: What the depth of a patch may be off though its frames are sure: in frames; as a share of the width and of the
#: curvature of the parabola, which real peaks are not; and of the slope from patch to patch.
LEAST, WIDE, CURVED, STEEPEST, SLOPED = 0.02, 0.08, 0.1, 6.0, 0.7
#: Depths count in full up to this far from the picked frame, and not at all from there on: in units of the parabola's
#: width and in frames.
NEAR, FAR, NEAR_FRAMES, FAR_FRAMES, WIDEST = 0.5, 1.2, 1.0, 2.0, 2.5
#: Variance of an average: that share of the spread of what is averaged and of what its weights state, and the least
#: error. Fitted to rendered surfaces, see docs/experiments.md.
SPREAD, STATED, FINEST = 0.085, 0.03, 0.01
#: Squared gaps between network and parabolas count from so many variances of the network on; and their share in the
#: variance of the result.
AGREED, DOUBT = 4.0, 0.5

#: Depths and their variances.
Measure = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Where patches of a level are in focus.

    Attributes:
        depth: (h, w), in frames.
        precision: (h, w), 1 / variance.
        width: (h, w), in frames, how far from the peak detail is down to 61 %, or `WIDEST`.
    """

    depth: FloatArray
    precision: FloatArray
    width: FloatArray


class DepthMeter:
    """Measures the depth of cells.

    Args:
        pyramid: of the stack; the depth counts its frames in the order in which they were given.
        noise: standard deviation of the frames' noise, unit scale.
    """

    def __init__(self, pyramid: StackPyramid, noise: float) -> None:
        # dim values of 16 bits are measured as bright ones are; of 8 bits, rounding would be taken for detail
        span = 1.0 if pyramid.frames[0].dtype == np.uint8 else pyramid.values.span
        self._pyramid, self._noise, self._scale = pyramid, noise / span, np.float32(1 / span**2)

    def measure(
        self, cell: Window, chances: FloatArray, positions: Array, index_map: Array
    ) -> tuple[FloatArray, FloatArray]:
        """The depth of a cell, and its standard error: (h, w) each, in frames; NaN where nothing decides.

        Args:
            cell: rows and columns of the picture.
            chances: (n, h, w) of some frames, summing to 1.
            positions: (n,) of these frames in the stack.
            index_map: (h, w), position of the one that is picked.
        """
        levels = [self._find_peaks(level, cell) for level in range(min(LEVELS, self._pyramid.levels))]
        depth, variance = measure_by_chances(chances, positions, index_map)
        for frame in np.unique(index_map):
            here = index_map == frame
            depth[here], variance[here] = agree(
                (depth[here], variance[here]), self._average(levels, cell, int(frame), here)
            )
        frames = len(self._pyramid.frames)
        least = WITHIN_A_FRAME + CHANCE * (frames**2 - 1) / 12
        unknown = ~self._has_detail(cell) | self._is_lit_from_around(cell) | (variance > min(MOST_ERROR**2, least))
        depth[unknown] = variance[unknown] = np.nan
        return np.clip(depth, 0, frames - 1), np.sqrt(variance)

    def _has_detail(self, cell: Window) -> Array:
        """(h, w) bool, whether any frame shows detail beyond noise at the pixels of a cell."""
        found = np.zeros([part.stop - part.start for part in cell], np.float32)
        for level in range(min(3 if self._noise >= NOISY else 1, self._pyramid.levels)):
            window = self._window(level, cell, 1)
            most = self._energies(level, window).max(axis=0)
            share = most / np.float32(BEYOND_NOISE * self._noise_energy(level) + LEAST_ENERGY)
            np.maximum(found, fit_into(share, window, cell, PATCH << level), out=found)
        return found > 1

    def _is_lit_from_around(self, cell: Window) -> Array:
        """(h, w) bool, where detail is light of things around that are out of focus.

        What shows in a place sends its light there in every frame, more or less spread. Where a frame is black nothing
        shows: other frames' light comes from around. Points of light on black spread so far that they vanish, but they
        have as much detail as others around.
        """
        window = self._window(0, cell, REACH)
        most = self._energies(0, window).max(axis=0)
        around = cv2.dilate(most, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
        share = self._pyramid.measure_darkest(window) / np.float32(BLACK + BLACK_IN_NOISE * self._noise)
        share[most > np.maximum(DIM * around, FAINT * self._noise_energy(0) + LEAST_ENERGY)] = 2
        return fit_into(np.asarray(share, np.float32), window, cell, PATCH) < 1

    def _energies(self, level: int, patches: Window) -> FloatArray:
        """(N, h, w), the energy of a level's own detail in some patches, on the scale of the noise."""
        return np.asarray(self._pyramid.energies(level, patches) * self._scale, np.float32)

    def _noise_energy(self, level: int) -> float:
        """What white noise adds to the energies of a level: halving takes three quarters of its variance."""
        return float(60 * SHORT * self._noise**2 / 4**level)

    def _window(self, level: int, cell: Window, patches: int) -> Window:
        """Patches of a level: those of a cell, and so many around it."""
        side = PATCH << level
        rows, columns = grow(cell, patches * side, self._pyramid.height, self._pyramid.width, side)
        return scale_down((rows, columns), side)

    def _find_peaks(self, level: int, cell: Window) -> Peaks:
        """The peaks of a level, of a cell and `AROUND` patches more."""
        seen, wanted = self._window(level, cell, REACH), self._window(level, cell, AROUND)
        found = find_peaks(self._energies(level, seen), self._noise_energy(level))
        here = relative_to(wanted, seen)
        return Peaks(depth=found.depth[here], precision=found.precision[here], width=found.width[here])

    def _average(self, levels: Sequence[Peaks], cell: Window, frame: int, here: Array) -> tuple[FloatArray, FloatArray]:
        """What all levels say about some pixels of a cell in which one frame is picked: depths and variances."""
        windows = [self._window(level, cell, AROUND) for level in range(len(levels))]
        sums = sum_up(levels[-1], frame)
        for level in reversed(range(len(levels) - 1)):
            sums = fit_into(sums, windows[level + 1], windows[level], 2) + sum_up(levels[level], frame)
        inside = fit_into(sums, windows[0], cell, PATCH)
        weight, once, twice = inside[here].T
        weight = np.maximum(weight, np.float32(1e-6))
        offset = once / weight
        return frame + offset, calibrate(1 / weight, np.maximum(twice / weight - offset**2, 0))


def measure_by_chances(chances: FloatArray, positions: Array, best: Array) -> tuple[FloatArray, FloatArray]:
    """The mean position of the frames next to the best one, by their chances, and the variance of all.

    Frames further away are left out of the mean: between a hair and the wall behind it there is nothing.

    Args:
        chances: (n, h, w), summing to 1 over the frames.
        positions: (n,) place of each frame in the stack, counted from 0.
        best: (h, w) place of the frame that is picked.
    """
    centre = best.astype(np.float32)
    total, once, twice = (np.zeros(best.shape, np.float32) for _ in range(3))
    for chance, position in zip(chances, positions, strict=True):
        offset = np.float32(position) - centre
        share = chance * (np.abs(offset) <= 1)
        total += share
        once += share * offset
        twice += chance * np.square(offset)
    mean = once / total
    return centre + mean, np.asarray(twice - np.square(mean) + np.float32(WITHIN_A_FRAME), np.float32)


def find_peaks(energies: FloatArray, noise: float) -> Peaks:
    """The peaks of the energies of detail along the stack, by a parabola through their logarithms.

    Args:
        energies: (N, h, w), see `build_levels`.
        noise: the part of them that is noise.
    """
    detail = [np.maximum(smooth(np.ascontiguousarray(energy)) - np.float32(noise), 0) for energy in energies]
    most, top = detail[0].copy(), np.zeros(detail[0].shape, np.float32)
    for position, plane in enumerate(detail[1:], start=1):
        top[plane > most] = position
        np.maximum(most, plane, out=most)
    floor = np.float32(noise + LEAST_ENERGY)
    sums = np.zeros((8, *most.shape), np.float32)
    for position, plane in enumerate(detail):
        offset, share = np.float32(position) - top, plane / np.maximum(most, np.float32(1e-12))
        counts = np.clip((share - GATE) / (1 - GATE), 0, 1)
        counts = np.where(np.abs(offset) < 1.5, np.maximum(counts, 0.02), counts)
        by_noise = (2 * floor**2 + 4 * floor * plane) / SAMPLES / np.square(np.maximum(plane, np.float32(1e-12)))
        weight = counts / (MISFIT**2 + by_noise)
        height = np.log(np.maximum(share, np.float32(1e-4)))
        for power in range(5):
            sums[power] += weight
            if power < 3:
                sums[5 + power] += weight * height
            weight = weight * offset
    return solve_parabola(sums, top, len(energies))


def solve_parabola(sums: FloatArray, top: FloatArray, frames: int) -> Peaks:
    """Peaks by weighted least squares, from sums over frames of weights times powers of offsets, and times heights."""
    s0, s1, s2, s3, s4, t0, t1, t2 = sums.astype(np.float64)
    c00, c01, c02 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    c11, c12, c22 = s0 * s4 - s2 * s2, s1 * s2 - s0 * s3, s0 * s2 - s1 * s1
    determinant = np.maximum(s0 * c00 + s1 * c01 + s2 * c02, 1e-12)
    slope = (c01 * t0 + c11 * t1 + c12 * t2) / determinant
    curve = np.minimum((c02 * t0 + c12 * t1 + c22 * t2) / determinant, -1e-4)
    offset = -slope / (2 * curve)
    by_slope, by_curve = -1 / (2 * curve), slope / (2 * curve * curve)
    variance = (by_slope**2 * c11 + 2 * by_slope * by_curve * c12 + by_curve**2 * c22) / determinant
    depth = np.clip(top + np.clip(offset, -1, 1), 0, frames - 1).astype(np.float32)
    across, down = (cv2.Sobel(depth, cv2.CV_32F, *axes, scale=1 / 8) for axes in ((1, 0), (0, 1)))
    width = np.sqrt(-0.5 / curve)
    variance = (
        variance
        + LEAST**2
        + np.square(WIDE * np.minimum(width, WIDEST))
        + np.square(CURVED * np.minimum(-curve, STEEPEST))
        + SLOPED**2 * (across**2 + down**2)
    )
    known = np.isfinite(variance) & (variance > 0)
    precision = np.where(known, 1 / np.where(known, variance, 1), 0).astype(np.float32)
    return Peaks(depth=depth, precision=precision, width=np.minimum(width, WIDEST).astype(np.float32))


def sum_up(peaks: Peaks, frame: int) -> FloatArray:
    """(h, w, 3), smoothed: the precision of peaks near a frame, and that times the offset from it once and twice."""
    near, far = np.maximum(NEAR * peaks.width, NEAR_FRAMES), np.maximum(FAR * peaks.width, FAR_FRAMES)
    offset = peaks.depth - np.float32(frame)
    weight = peaks.precision * np.clip((far - np.abs(offset)) / (far - near), 0, 1)
    return smooth(np.dstack([weight, weight * offset, weight * offset**2]))


def fit_into(sums: FloatArray, window: Window, wanted: Window, times: int) -> FloatArray:
    """Planes of a window, enlarged so many times, bilinear, and cut to what is wanted of the finer grid."""
    size = (sums.shape[1] * times, sums.shape[0] * times)
    larger = cv2.resize(sums, size, interpolation=cv2.INTER_LINEAR)
    rows, columns = (slice(part.start * times, part.stop * times) for part in window)
    return np.asarray(larger[relative_to(wanted, (rows, columns))], np.float32)


def smooth(plane: FloatArray) -> FloatArray:
    """Averaged over the window of neighbours."""
    return np.asarray(cv2.GaussianBlur(plane, SIDE, SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float32)


def calibrate(stated: FloatArray, spread: FloatArray) -> FloatArray:
    """The variance of an average, from that which its weights state and the spread of what is averaged."""
    return np.asarray(SPREAD * spread + STATED * stated + FINEST**2, np.float32)


def agree(chosen: Measure, fitted: Measure) -> Measure:
    """One depth of what the network says and what the parabolas say, by their variances.

    Where they are further apart than the network's variance allows, the parabolas are doubted, and the whole.
    """
    gap = np.maximum(0, np.square(fitted[0] - chosen[0]) - AGREED * chosen[1])
    doubted = fitted[1] + gap
    share = chosen[1] / (chosen[1] + doubted)
    return chosen[0] + share * (fitted[0] - chosen[0]), share * doubted + DOUBT * gap
