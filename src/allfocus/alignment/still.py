"""A quick proof that two frames lie over each other as they are, which spares most of the registration."""

from collections.abc import Sequence

import numpy as np

from allfocus.alignment.comparison import Comparison
from allfocus.alignment.contrast_pyramid import RegistrationPyramid, pair_levels
from allfocus.alignment.motion import DEGREES_OF_FREEDOM, Matrix
from allfocus.alignment.pair import (
    AGREEMENT_SIDE,
    PairMotion,
    evaluate_motions,
)
from allfocus.options import MotionModel

#: Points that motions are fitted to, and as many that they are checked on; fewer prove nothing.
POINTS, MIN_POINTS = 3000, 500
#: What they must weigh together: a frame without detail proves nothing.
MIN_WEIGHT = 20.0
#: Steps of each fit: from where frames lie over each other they lead to the nearest better place, if there is one.
STEPS = 2
#: Frames lie over each other if at a size at which blur matters little they differ at so small a share of the points,
#: of neighbours and of frames further apart: dust that stays put may hide a scene that moves, but not everywhere.
UNLIKE_NEAR, UNLIKE_FAR = 0.04, 0.1
#: And if no motion leaves a difference that is smaller by more than this, half of what a model must gain to be
#: believed; at the smaller size by so many times that, and of a similarity alone: there are few points, and only large
#: motions are looked for.
GAIN, FREE_GAIN, COARSELY = 0.005, 0.02, 4
MODELS: Sequence[tuple[MotionModel, float]] = (
    ("similarity", GAIN),
    ("homography", FREE_GAIN),
)


def check_still(one: RegistrationPyramid, other: RegistrationPyramid, is_far: bool = False) -> PairMotion | None:
    """The motion between two frames of which it is clear that neither has moved; None if that is not clear.

    Args:
        one: the first frame.
        other: the second frame.
        is_far: whether they are not neighbours, so that blur may differ more.
    """
    pairs = pair_levels(one, other)
    small = [pair for pair in pairs if pair[0].side <= AGREEMENT_SIDE][-1:] or pairs[:1]
    coarse = Comparison(*small[0], one.size, None, "all", POINTS)
    if coarse.unlike_share(np.eye(3)) > (UNLIKE_FAR if is_far else UNLIKE_NEAR):
        return None
    looks = ((small[0], MODELS[:1], COARSELY), (pairs[-1], MODELS, 2 if is_far else 1))
    for level, models, tolerance in looks:
        fit, check = (Comparison(*level, one.size, None, part, POINTS) for part in ("fit", "check"))
        if check.count < MIN_POINTS or not is_best_still(fit, check, models, tolerance):
            return None
    motions: dict[MotionModel, Matrix] = {model: np.eye(3) for model in DEGREES_OF_FREEDOM}
    judged = evaluate_motions(check, {"similarity": np.eye(3)})
    return PairMotion(
        motions=motions,
        losses=dict.fromkeys(motions, judged.losses["similarity"]),
        points=judged.points,
        agreement=coarse.agreement(np.eye(3)),
        residuals=dict.fromkeys(motions, judged.residuals["similarity"]),
    )


def is_best_still(
    fit: Comparison, check: Comparison, models: Sequence[tuple[MotionModel, float]], tolerance: float
) -> bool:
    """Whether no motion fitted to the one part of a picture makes the other more alike, up to so many times `GAIN`."""
    weights = check.weights(np.eye(3))
    if weights.sum() < MIN_WEIGHT:
        return False
    still = check.loss(np.eye(3), weights)
    return all(
        still / check.loss(fit.optimise(np.eye(3), DEGREES_OF_FREEDOM[model], STEPS), weights) - 1 <= tolerance * gain
        for model, gain in models
    )
