"""How one frame has moved against another that is focused differently.

Two frames are compared from coarse to fine, at points with detail in both: brightness and contrast are taken out, what
one of them blurs counts less, and what no motion of the whole explains, such as parallax or things that move, is left
out. Each step is one of Gauss and Newton's on the product of motions, with the mean of both frames' gradients
(Benhimane and Malis, 10.1109/IROS.2004.1389474), weighted by how well a point fits (Geman and McClure, 1985).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from allfocus.align.contrast_pyramid import NOISE, Level, View
from allfocus.align.motion import FREEDOM, Matrix, motion_of, normalised, velocities
from allfocus.align.sift import guess_motion
from allfocus.core.color import Array, FloatArray
from allfocus.options import MotionModel

#: Points that are compared at each level.
POINTS = 12_000
#: Steps at each level, at most, and for each model at the finest one; and how far the corners move, in pixels of the
#: level, in a step that is the last.
STEPS, FINAL_STEPS, STILL = 6, 3, 0.005
#: Levels on which the models of more freedom than a similarity are looked for.
FREED_LEVELS = 3
#: Longest side of the level at which two frames must agree to be of one scene: blur matters little there.
AGREEING = 320
#: Agreement of frames of one scene; of others it is about 0.1.
AGREED = 0.4
#: Squares along the diagonal in which what is left is measured, and the detail that one needs for it.
SQUARES, CLEAR = 16, 1.0


class Comparison:
    """Points of one frame at one level, and where they are in another."""

    def __init__(self, one: Level, other: Level, size: tuple[int, int]) -> None:
        self._other, self._scale = other.planes, one.scale
        self._middle = np.array([size[1] - 1, size[0] - 1], np.float32) / 2
        self._half = float(np.hypot(*size) / 2)
        rows, columns = points_of(one.planes[..., 3])
        self._here = self._to_motion(np.stack([columns, rows], axis=1).astype(np.float32))
        self._values = one.planes[rows, columns]
        self.side = max(one.planes.shape)

    def _to_motion(self, pixels: FloatArray) -> FloatArray:
        return np.asarray(((pixels + 0.5) * self._scale - 0.5 - self._middle) / self._half, np.float32)

    def _to_pixels(self, points: FloatArray) -> FloatArray:
        return np.asarray((points * self._half + self._middle + 0.5) / self._scale - 0.5, np.float32)

    def look(self, motion: Matrix) -> tuple[FloatArray, FloatArray]:
        """What the other frame shows at the points, (n, 4), and how much each counts by its contrast, (n,)."""
        matrix = motion.astype(np.float32)
        there = self._here @ matrix[:, :2].T + matrix[:, 2]
        pixels = self._to_pixels(there[:, :2] / there[:, 2:])
        found = sampled(self._other, pixels)
        limit = np.array(self._other.shape[1::-1], np.float32) - 2
        inside = np.all((pixels >= 1) & (pixels <= limit), axis=1)
        low, high = np.minimum(found[:, 3], self._values[:, 3]), np.maximum(found[:, 3], self._values[:, 3])
        low = np.maximum(low, 0)
        return found, inside * low / (low + 2 * NOISE) * low / (high + NOISE)

    def improve(self, motion: Matrix, count: int) -> tuple[Matrix, float]:
        """Take one step with so many `GENERATORS`; returns the new motion and how far it moved, in pixels."""
        found, weights = self.look(motion)
        difference = found[:, 0] - self._values[:, 0]
        weights = weights * fitting(difference, weights)
        gradients = (self._values[:, 1:3] + found[:, 1:3] @ motion[:2, :2].astype(np.float32)) / 2
        speeds = velocities(self._here, count) * np.float32(self._half / self._scale)
        slopes = speeds[..., 0] * gradients[:, :1] + speeds[..., 1] * gradients[:, 1:]
        weighted = slopes * weights[:, None]
        normal = (weighted.T @ slopes).astype(np.float64)
        normal += np.eye(count) * 1e-6 * (np.trace(normal) + 1e-12)
        step = np.linalg.solve(normal, -(weighted.T @ difference).astype(np.float64))
        step = np.clip(step, -0.1, 0.1)
        return normalised(motion @ motion_of(step)), float(np.abs(step).max()) * self._half / self._scale

    def settle(self, motion: Matrix, count: int, steps: int = STEPS) -> Matrix:
        """Take steps until nothing moves any more."""
        for _ in range(steps):
            motion, moved = self.improve(motion, count)
            if moved < STILL:
                break
        return motion

    def weights(self, motion: Matrix) -> FloatArray:
        """How much each point counts, by its contrast in both frames."""
        return self.look(motion)[1]

    def loss(self, motion: Matrix, weights: FloatArray) -> float:
        """Mean difference between the frames where they count, in units of their contrast; 1 is no resemblance."""
        found, _ = self.look(motion)
        difference = np.minimum(np.abs(found[:, 0] - self._values[:, 0]), 1)
        return float((weights * difference).sum() / (weights.sum() + 1e-9)) + 1e-6

    def residual(self, motion: Matrix) -> float:
        """How far things still are from where the motion puts them: the mean over the picture, in pixels of the frame.

        Of each square of a grid that has detail, by the shift that would fit it best; NaN if none has.
        """
        found, weights = self.look(motion)
        difference = found[:, 0] - self._values[:, 0]
        weights = weights * fitting(difference, weights)
        gradients = (self._values[:, 1:3] + found[:, 1:3]) / 2
        squares = np.floor((self._here + 1) * (SQUARES / 2)).astype(int) @ [1, SQUARES]
        terms = np.concatenate(
            [gradients[:, [0, 0, 1]] * gradients[:, [0, 1, 1]], gradients * difference[:, None]], axis=1
        )
        sums = np.stack([np.bincount(squares, weights * term, SQUARES**2) for term in terms.T], axis=1)
        normal = sums[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
        clear = np.linalg.eigvalsh(normal)[:, 0] > CLEAR
        if not clear.any():
            return float("nan")
        shifts = np.linalg.solve(normal[clear], sums[clear, 3:, None])[..., 0]
        return float(np.minimum(np.linalg.norm(shifts, axis=1), 3).mean() * self._scale)

    def agreement(self, motion: Matrix) -> float:
        """Correlation of what the two frames show, -1 to 1."""
        found, weights = self.look(motion)
        one, other = self._values[:, 0], found[:, 0]
        power = (weights * one * one).sum() * (weights * other * other).sum()
        return float((weights * one * other).sum() / np.sqrt(power + 1e-9))


def points_of(contrast: FloatArray) -> tuple[Array, Array]:
    """Rows and columns of points to compare, drawn from all with any contrast: a lattice would favour some slopes."""
    places = np.flatnonzero(contrast > NOISE)
    if len(places) > POINTS:
        places = np.sort(places[np.random.default_rng(0).integers(0, len(places), POINTS)])
    rows, columns = np.divmod(places, contrast.shape[1])
    return rows, columns


def sampled(planes: FloatArray, points: FloatArray) -> FloatArray:
    """Values (n, c) of planes (h, w, c) at points (n, 2), x first, between pixels; edges are repeated."""
    side = 1 << 10  # OpenCV wants points in rows, none longer than 32767
    places = np.zeros((-(-max(len(points), 1) // side) * side, 2), np.float32)
    places[: len(points)] = points
    x, y = places.T.reshape(2, -1, side)
    found = cv2.remap(planes, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(-1, planes.shape[2])[: len(points)]


def fitting(difference: FloatArray, weights: FloatArray) -> FloatArray:
    """Weight of each point by how well it fits, as those do that count (Geman and McClure)."""
    counting = np.abs(difference[weights > 0.05])
    spread = 1.4826 * np.median(counting) + 1e-3 if len(counting) else 1.0
    return np.asarray(1 / (1 + (difference / (2 * spread)) ** 2) ** 2, np.float32)


@dataclass(frozen=True, kw_only=True)
class Move:
    """How one frame has moved against another.

    Attributes:
        motions: from the one to the other, as each model has it; `none` is the identity.
        losses: how much the frames differ after each of them, see `Comparison.loss`.
        points: how many were compared.
        agreement: correlation of what the frames show, at a size at which their blur does not matter, -1 to 1.
        residual: how far things still are from each other after the freest of them, mean in pixels; NaN if unknown.
    """

    motions: Mapping[MotionModel, Matrix]
    losses: Mapping[MotionModel, float]
    points: int
    agreement: float = 1.0
    residual: float = float("nan")


def register(one: View, other: View) -> Move:
    """Find the motion from one view to another, by every model."""
    compared = comparisons(one, other)
    motion, agreement = follow(compared, np.eye(3))
    if agreement < AGREED:
        again = follow(compared, guess_motion(one, other))
        motion, agreement = max(again, (motion, agreement), key=lambda found: found[1])
    finest = compared[-1]
    shift = np.eye(3)
    shift[:2, 2] = motion[:2, 2]
    motions: dict[MotionModel, Matrix] = {
        "none": np.eye(3),
        "translation": finest.settle(shift, FREEDOM["translation"], FINAL_STEPS),
        "similarity": motion,
        "affine": freed(compared, motion, "affine"),
        "homography": freed(compared, motion, "homography"),
    }
    residual = finest.residual(motions["homography"])
    return replace(judged(finest, motions), agreement=agreement, residual=residual)


def freed(compared: Sequence[Comparison], motion: Matrix, model: MotionModel) -> Matrix:
    """A similarity with the freedom of another model, on the finest levels again: what it could not do may be large."""
    for comparison in compared[-FREED_LEVELS:]:
        motion = comparison.settle(motion, FREEDOM[model], FINAL_STEPS)
    return motion


def comparisons(one: View, other: View) -> list[Comparison]:
    """At the levels that both views have, coarse to fine."""
    return [Comparison(here, there, one.size) for here, there in shared_levels(one, other)]


def finest_comparison(one: View, other: View) -> Comparison:
    """At the finest level that both views have."""
    return Comparison(*shared_levels(one, other)[-1], one.size)


def shared_levels(one: View, other: View) -> list[tuple[Level, Level]]:
    """The levels that both views have, coarse to fine."""
    others = {level.scale: level for level in other.levels}
    return [(level, others[level.scale]) for level in one.levels if level.scale in others]


def follow(compared: Sequence[Comparison], start: Matrix) -> tuple[Matrix, float]:
    """Follow a motion from coarse to fine as a similarity; returns it, and how well the frames agree.

    Where a coarser level has led away, for there is little to see in it, the start is taken up again.
    """
    motion, agreement = start, 0.0
    for position, comparison in enumerate(compared):
        if position and comparison.agreement(start) > comparison.agreement(motion):
            motion = start
        motion = comparison.settle(motion, FREEDOM["similarity" if position else "translation"])
        if position == 0 or comparison.side <= AGREEING:
            agreement = comparison.agreement(motion)
    return motion, agreement


def judged(comparison: Comparison, motions: Mapping[MotionModel, Matrix]) -> Move:
    """These motions with what each leaves, all weighed alike."""
    weights = comparison.weights(motions["similarity"])
    losses = {model: comparison.loss(motion, weights) for model, motion in motions.items()}
    return Move(motions=motions, losses=losses, points=len(weights))
