"""Registration of two frames that are focused at different distances.

Direct, coarse to fine, at points with detail in both frames: brightness and contrast are normalised, points that one
frame blurs count less, and outliers to a global motion, such as parallax or moving objects, are down-weighted. Each
step is a Gauss-Newton step on the Lie group of motions with the mean of both frames' gradients (efficient second-order
minimisation: Benhimane and Malis, 10.1109/IROS.2004.1389474), reweighted robustly (Geman and McClure, 1985).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from allfocus.alignment.comparison import FINAL_STEPS, MIN_CHECKED, Comparison, Part
from allfocus.alignment.contrast_pyramid import RegistrationPyramid, pair_levels
from allfocus.alignment.fixed_pattern import MIN_EXPLAINED, MIN_FIXED, MIN_MOVED, MIN_UNLIKE, Overlay, widen
from allfocus.alignment.motion import DEGREES_OF_FREEDOM, Matrix
from allfocus.alignment.sift import guess_motion
from allfocus.core.color import Array
from allfocus.options import MotionModel

#: Levels, from the finest, at which models of more freedom than a similarity are estimated.
FREE_LEVELS = 3
#: Longest side of the level at which the frames' correlation is measured: blur matters little there.
AGREEMENT_SIDE = 320
#: Correlation of frames of one scene at least; of different scenes it is about 0.1.
MIN_AGREEMENT = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class PairMotion:
    """How one frame has moved against another.

    Attributes:
        motions: from the one to the other in normalised coordinates, by each model; `none` is the identity.
        losses: mean difference of the frames after each of them, see `Comparison.loss`.
        points: how many points were compared, in parts of the picture that the motions were not fitted to.
        agreement: correlation of the frames at a size at which their blur does not matter, -1 to 1.
        residuals: what each of them leaves, mean in pixels, see `Comparison.residual`; NaN if unknown.
        fixed: (h, w) bool: what stays put while the scene moves, see `fixed_pattern`; None: nothing was found.
    """

    motions: Mapping[MotionModel, Matrix]
    losses: Mapping[MotionModel, float]
    points: int
    agreement: float = 1.0
    residuals: Mapping[MotionModel, float] = field(default_factory=dict)
    fixed: Array | None = None


def register_pair(one: RegistrationPyramid, other: RegistrationPyramid, ignored: Array | None = None) -> PairMotion:
    """Estimate the motion from one frame to another, by every model.

    Args:
        one: the first frame.
        other: the second frame.
        ignored: (h, w) bool of any size: what is known to stay put, and not compared; None: that is found out.
    """
    levels = compare_levels(one, other, ignored)
    motion, agreement = estimate_anywhere(one, other, levels, ignored)
    fixed = find_fixed(one, other, levels[-1], motion) if ignored is None else None
    known = ignored if fixed is None else widen(fixed.pattern)
    if fixed is not None:
        levels = compare_levels(one, other, known)
        motion, agreement = estimate_similarity(levels, fixed.motion)
    finest = levels[-1]
    check = compare_finest_level(one, other, known, "check")
    shift = np.eye(3)
    shift[:2, 2] = motion[:2, 2]
    motions: dict[MotionModel, Matrix] = {
        "none": np.eye(3),
        "translation": finest.optimise(shift, DEGREES_OF_FREEDOM["translation"], FINAL_STEPS),
        "similarity": motion,
        "affine": extend_similarity(levels, motion, "affine"),
        "homography": extend_similarity(levels, motion, "homography"),
    }
    return replace(
        evaluate_motions(check if check.count >= MIN_CHECKED else finest, motions),
        agreement=agreement,
        fixed=None if fixed is None else fixed.pattern,
    )


def estimate_anywhere(
    one: RegistrationPyramid, other: RegistrationPyramid, levels: Sequence[Comparison], ignored: Array | None = None
) -> tuple[Matrix, float]:
    """A similarity between two frames, from features if they are far apart; and the correlation of the frames."""
    found = estimate_similarity(levels, np.eye(3))
    if found[1] >= MIN_AGREEMENT:
        return found
    return max(estimate_similarity(levels, guess_motion(one, other, ignored)), found, key=lambda each: each[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed:
    """A fixed pattern, see `fixed_pattern`.

    Attributes:
        pattern: (h, w) bool: where it is, at the finest level that both frames have.
        motion: of the scene, as a similarity.
    """

    pattern: Array
    motion: Matrix


def find_fixed(
    one: RegistrationPyramid, other: RegistrationPyramid, finest: Comparison, motion: Matrix
) -> Fixed | None:
    """What stays put between two frames while the scene moves; None if nothing does, or the scene does not move.

    The motion that was found may be that of the fixed pattern, or between the two: where it leaves much unlike, another
    is looked for in what changes from frame to frame, and taken if it explains a larger part of the picture.
    """
    if finest.unlike_share(motion) < MIN_FIXED:
        return None
    overlay = Overlay(*pair_levels(one, other)[-1])
    areas = overlay.measure(motion)
    if areas.unlike_share > MIN_UNLIKE:
        changing = overlay.alike
        levels = compare_levels(one, other, changing)
        second, agreement = estimate_anywhere(one, other, levels, changing)
        found = overlay.measure(second)
        if agreement >= MIN_AGREEMENT and found.moved_share > max(areas.moved_share, found.fixed_share, MIN_MOVED):
            motion, areas = second, found
    believed = max(areas.fixed_share, MIN_EXPLAINED * areas.unlike_share)
    if areas.fixed_share < MIN_FIXED or areas.moved_share < believed:
        return None
    return Fixed(pattern=areas.fixed, motion=motion)


def estimate_similarity(levels: Sequence[Comparison], start: Matrix) -> tuple[Matrix, float]:
    """Follow a motion from coarse to fine as a similarity; returns it, and the correlation of the frames, -1 to 1.

    Where a coarse level with little detail has led astray, the next one begins at `start` again.
    """
    motion, agreement = start, 0.0
    for position, level in enumerate(levels):
        if position and level.agreement(start) > level.agreement(motion):
            motion = start
        motion = level.optimise(motion, DEGREES_OF_FREEDOM["similarity" if position else "translation"])
        if position == 0 or level.side <= AGREEMENT_SIDE:
            agreement = level.agreement(motion)
    return motion, agreement


def extend_similarity(levels: Sequence[Comparison], motion: Matrix, model: MotionModel) -> Matrix:
    """Optimise a similarity with the freedom of another model, on the finest levels: the difference may be large."""
    for level in levels[-FREE_LEVELS:]:
        motion = level.optimise(motion, DEGREES_OF_FREEDOM[model], FINAL_STEPS)
    return motion


def evaluate_motions(level: Comparison, motions: Mapping[MotionModel, Matrix]) -> PairMotion:
    """These motions with the loss of each, all with the same weights."""
    weights = level.weights(motions["similarity"])
    judged = {model: level.judge(motion, weights) for model, motion in motions.items()}
    return PairMotion(
        motions=motions,
        losses={model: loss for model, (loss, _) in judged.items()},
        points=len(weights),
        residuals={model: residual for model, (_, residual) in judged.items()},
    )


def compare_levels(
    one: RegistrationPyramid, other: RegistrationPyramid, ignored: Array | None = None
) -> list[Comparison]:
    """Comparisons at the levels that both pyramids have, coarse to fine; without what is ignored, or checks motions."""
    *coarse, finest = pair_levels(one, other)
    return [
        *(Comparison(here, there, one.size, ignored, most=one.points) for here, there in coarse),
        Comparison(*finest, one.size, ignored, "fit", one.points),
    ]


def compare_finest_level(
    one: RegistrationPyramid, other: RegistrationPyramid, ignored: Array | None = None, part: Part = "all"
) -> Comparison:
    """The comparison at the finest level that both pyramids have, without what is ignored."""
    return Comparison(*pair_levels(one, other)[-1], one.size, ignored, part, one.points)
