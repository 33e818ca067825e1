"""Points of one frame compared with where motions map them in another: one pyramid level."""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from allfocus.alignment.contrast_pyramid import NOISE, Level
from allfocus.alignment.fixed_pattern import UNLIKE, fit_mask
from allfocus.alignment.motion import Matrix, compute_velocities, make_motion, normalise
from allfocus.core.color import Array, FloatArray

#: Points that are compared at each level, and those that motions are checked on.
MAX_POINTS, MAX_CHECKED = 12_000, 6000
#: Most steps at each level, most for each model at the finest levels, and the motion of the corners, in pixels of the
#: level, below which a step is the last.
STEPS, FINAL_STEPS, CONVERGED = 6, 3, 0.005
#: Of so many patches one checks what was fitted to the others, if that leaves so many points.
CHECKS, MIN_CHECKED = 5, 200
#: Patches along the diagonal in which residuals are measured, and the smallest eigenvalue that one needs for it.
RESIDUAL_PATCHES, MIN_DETAIL = 16, 1.0
#: Parts of a picture that motions are fitted to, or checked on.
Part = Literal["all", "fit", "check"]


class Comparison:
    """Points of one frame at one pyramid level, and where motions map them in another frame.

    Args:
        one: level of the first frame.
        other: level of the second frame, of the same scale.
        size: height and width of the frames.
        ignored: (h, w) bool of any size: what is not compared, of either frame; None: everything is.
        part: which parts of the picture: those that motions are fitted to, those that check them, or all.
        most: how many points at most; None: as many as is usual.
    """

    def __init__(
        self,
        one: Level,
        other: Level,
        size: tuple[int, int],
        ignored: Array | None = None,
        part: Part = "all",
        most: int | None = None,
    ) -> None:
        self._other, self._scale = other.planes, one.scale
        self._ignored = None if ignored is None else fit_mask(ignored, one.planes.shape[:2])
        self._middle = np.array([size[1] - 1, size[0] - 1], np.float32) / 2
        self._half = float(np.hypot(*size) / 2)
        usable = one.planes[..., 3] > NOISE
        if self._ignored is not None:
            usable &= ~self._ignored
        if part != "all":
            usable &= map_checks(usable.shape, self._scale, size) == (part == "check")
        rows, columns = choose_points(usable, most or (MAX_CHECKED if part == "check" else MAX_POINTS))
        self._here = self._to_normalised(np.stack([columns, rows], axis=1).astype(np.float32))
        self._values = one.planes[rows, columns]
        self.side = max(one.planes.shape)

    def _to_normalised(self, pixels: FloatArray) -> FloatArray:
        return to_normalised(pixels, self._scale, self._middle, self._half)

    def _to_pixels(self, points: FloatArray) -> FloatArray:
        return np.asarray((points * self._half + self._middle + 0.5) / self._scale - 0.5, np.float32)

    @property
    def places(self) -> FloatArray:
        """Where the points are in the first frame, in normalised coordinates: (n, 2), x first."""
        return self._here

    @property
    def count(self) -> int:
        """How many points are compared."""
        return len(self._here)

    def sample(self, motion: Matrix) -> tuple[FloatArray, FloatArray]:
        """Values of the other frame at the mapped points, (n, 4), and weights of the points by contrast, (n,)."""
        matrix = motion.astype(np.float32)
        there = self._here @ matrix[:, :2].T + matrix[:, 2]
        pixels = self._to_pixels(there[:, :2] / there[:, 2:])
        values = interpolate(self._other, pixels)
        limit = np.array(self._other.shape[1::-1], np.float32) - 2
        (x, y), (right, bottom) = pixels.T, limit
        inside = (x >= 1) & (y >= 1) & (x <= right) & (y <= bottom)
        if self._ignored is not None:
            columns, rows = np.rint(np.clip(pixels, 0, limit)).astype(int).T
            inside &= ~self._ignored[rows, columns]
        low, high = np.minimum(values[:, 3], self._values[:, 3]), np.maximum(values[:, 3], self._values[:, 3])
        low = np.maximum(low, 0)
        return values, inside * low / (low + 2 * NOISE) * low / (high + NOISE)

    def step(self, motion: Matrix, count: int) -> tuple[Matrix, float]:
        """One Gauss-Newton step in the first `count` generators: the new motion, and how far it moved, in pixels."""
        values, weights = self.sample(motion)
        difference = values[:, 0] - self._values[:, 0]
        weights = weights * weigh_robustly(difference, weights)
        gradients = (self._values[:, 1:3] + values[:, 1:3] @ motion[:2, :2].astype(np.float32)) / 2
        velocities = compute_velocities(self._here, count) * np.float32(self._half / self._scale)
        slopes = velocities[..., 0] * gradients[:, :1] + velocities[..., 1] * gradients[:, 1:]
        weighted = slopes * weights[:, None]
        normal = (weighted.T @ slopes).astype(np.float64)
        normal += np.eye(count) * 1e-6 * (np.trace(normal) + 1e-12)
        step = np.linalg.solve(normal, -(weighted.T @ difference).astype(np.float64))
        step = np.clip(step, -0.1, 0.1)
        return normalise(motion @ make_motion(step)), float(np.abs(step).max()) * self._half / self._scale

    def optimise(self, motion: Matrix, count: int, steps: int = STEPS) -> Matrix:
        """Take steps in the first `count` generators until they converge."""
        for _ in range(steps):
            motion, moved = self.step(motion, count)
            if moved < CONVERGED:
                break
        return motion

    def weights(self, motion: Matrix) -> FloatArray:
        """Weights of the points by their contrast in both frames, (n,)."""
        return self.sample(motion)[1]

    def loss(self, motion: Matrix, weights: FloatArray) -> float:
        """Weighted mean difference of the frames in units of their contrast; unrelated frames have about 1."""
        values, _ = self.sample(motion)
        return measure_loss(values[:, 0] - self._values[:, 0], weights)

    def judge(self, motion: Matrix, weights: FloatArray) -> tuple[float, float]:
        """How well a motion fits: its loss, and the residual.

        The residual is the mean displacement that is left, in pixels of the frame; NaN where no patch has enough
        detail. In each patch of a grid that has detail the translation that fits best is found (Lucas and Kanade,
        1981).
        """
        values, own = self.sample(motion)
        difference = values[:, 0] - self._values[:, 0]
        return measure_loss(difference, weights), self._measure_residual(values, difference, own)

    def _measure_residual(self, values: FloatArray, difference: FloatArray, weights: FloatArray) -> float:
        weights = weights * weigh_robustly(difference, weights)
        gradients = (self._values[:, 1:3] + values[:, 1:3]) / 2
        patches = number_patches(self._here) @ [1, RESIDUAL_PATCHES]
        terms = np.concatenate(
            [gradients[:, [0, 0, 1]] * gradients[:, [0, 1, 1]], gradients * difference[:, None]], axis=1
        )
        sums = np.stack([np.bincount(patches, weights * term, RESIDUAL_PATCHES**2) for term in terms.T], axis=1)
        normal = sums[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
        has_detail = np.linalg.eigvalsh(normal)[:, 0] > MIN_DETAIL
        if not has_detail.any():
            return float("nan")
        shifts = np.linalg.solve(normal[has_detail], sums[has_detail, 3:, None])[..., 0]
        return float(np.minimum(np.linalg.norm(shifts, axis=1), 3).mean() * self._scale)

    def unlike_share(self, motion: Matrix) -> float:
        """The share of the points with weight that differ by more than half of their contrast."""
        values, weights = self.sample(motion)
        unlike = np.abs(values[:, 0] - self._values[:, 0]) > UNLIKE
        return float((weights * unlike).sum() / (weights.sum() + 1e-9))

    def agreement(self, motion: Matrix) -> float:
        """Weighted correlation of the two frames, -1 to 1."""
        values, weights = self.sample(motion)
        one, other = self._values[:, 0], values[:, 0]
        power = (weights * one * one).sum() * (weights * other * other).sum()
        return float((weights * one * other).sum() / np.sqrt(power + 1e-9))


def to_normalised(pixels: FloatArray, scale: int, middle: Array, half: float) -> FloatArray:
    """Pixels (n, 2) of a level, x first, in normalised coordinates."""
    return np.asarray(((pixels + 0.5) * scale - 0.5 - middle) / half, np.float32)


@lru_cache(maxsize=4)
def map_checks(shape: tuple[int, int], scale: int, size: tuple[int, int]) -> Array:
    """Which pixels of a level lie in patches that check motions: (h, w) bool, one of `CHECKS`, spread out.

    Args:
        shape: height and width of the level.
        scale: side of its pixels, in pixels of the frame.
        size: height and width of the frame.
    """
    side = np.arange(max(shape), dtype=np.float32)
    middle = np.array([size[1] - 1, size[0] - 1], np.float32) / 2
    patches = number_patches(to_normalised(np.stack([side, side], axis=1), scale, middle, float(np.hypot(*size) / 2)))
    across, down = patches.T
    return np.asarray((across[None, : shape[1]] + 2 * down[: shape[0], None]) % CHECKS == 0)


def measure_loss(difference: FloatArray, weights: FloatArray) -> float:
    """Weighted mean of differences (n,), each 1 at most."""
    return float((weights * np.minimum(np.abs(difference), 1)).sum() / (weights.sum() + 1e-9)) + 1e-6


def number_patches(points: FloatArray) -> Array:
    """Columns and rows of the patches that points (n, 2) in normalised coordinates lie in, x first."""
    return np.asarray(np.floor((points + 1) * (RESIDUAL_PATCHES / 2)), int)


def choose_points(usable: Array, most: int = MAX_POINTS) -> tuple[Array, Array]:
    """Rows and columns of points to compare, drawn at random of those that are usable: a lattice would alias."""
    candidates = np.flatnonzero(usable)
    if len(candidates) > most:
        candidates = np.sort(candidates[np.random.default_rng(0).integers(0, len(candidates), most)])
    rows, columns = np.divmod(candidates, usable.shape[1])
    return rows, columns


def interpolate(planes: FloatArray, points: FloatArray) -> FloatArray:
    """Bicubic values (n, c) of planes (h, w, c) at points (n, 2), x first; edges are repeated."""
    side = 1 << 10  # OpenCV wants points in rows, none longer than 32767
    padded = np.zeros((-(-max(len(points), 1) // side) * side, 2), np.float32)
    padded[: len(points)] = points
    x, y = padded.T.reshape(2, -1, side)
    values = cv2.remap(planes, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32).reshape(-1, planes.shape[2])[: len(points)]


def weigh_robustly(difference: FloatArray, weights: FloatArray) -> FloatArray:
    """Robust weight of each point, 0 to 1, by its difference; the scale is that of the points with weight.

    Geman and McClure, 1985.
    """
    weighty = np.abs(difference[weights > 0.05])
    spread = 1.4826 * np.median(weighty) + 1e-3 if len(weighty) else 1.0
    return np.asarray(1 / (1 + (difference / (2 * spread)) ** 2) ** 2, np.float32)
