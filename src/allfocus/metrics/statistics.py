"""How sure figures are: confidence intervals of means, and tests of methods on the same scenes."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from allfocus.core.color import Array

#: Resamples of the bootstrap, and the seed that all intervals are drawn with.
RESAMPLES, SEED = 5000, 0
#: Part of the resampled means on either side of an interval.
TAIL = 0.025
#: Of more differences the distribution of the test is taken for normal.
MOST_EXACT = 200


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval; `nan` where there are too few scenes."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> Interval:
    """Mean of the numbers among `values`, one a scene, and its 95 % interval by the percentile bootstrap over scenes.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. The draws depend on nothing but how many
    values there are, so that the same figures give the same interval, and methods are compared on the same draws.
    """
    known = np.array([value for value in values if not math.isnan(value)], np.float64)
    if not len(known):
        return Interval(math.nan, math.nan, math.nan)
    mean = math.fsum(known) / len(known)
    if len(known) < 2 or not np.isfinite(known).all():
        return Interval(mean, math.nan, math.nan)
    low, high = np.quantile(draw_shares(len(known)) @ known, [TAIL, 1 - TAIL])
    return Interval(mean, float(low), float(high))


@cache
def draw_shares(count: int) -> Array:
    """How often each of `count` scenes is drawn in each resample, as shares: (RESAMPLES, count)."""
    return np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES) / count


def signed_rank_test(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that differences, one a scene, are symmetric about 0.

    Wilcoxon 1945, doi:10.2307/3001968. Differences of 0 are left out; equal ones share their mean rank. Of up to
    `MOST_EXACT` differences the distribution is exact, ties included: every sign is as likely as the other.

    Returns:
        p; 1 where all differences are 0, `nan` where there is none.
    """
    known = np.array([value for value in differences if not math.isnan(value)], np.float64)
    if not len(known):
        return math.nan
    known = known[known != 0]
    if not len(known):
        return 1.0
    doubled = double_ranks(np.abs(known))
    positive, total = int(doubled[known > 0].sum()), int(doubled.sum())
    if len(known) > MOST_EXACT:
        spread = math.sqrt(float((doubled.astype(np.float64) ** 2).sum()) / 4)
        return math.erfc((abs(positive - total / 2)) / spread / math.sqrt(2))
    chances = np.zeros(total + 1)
    chances[0] = 1
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    tail = min(positive, total - positive)
    return min(1.0, 2 * float(chances[: tail + 1].sum()))


def double_ranks(values: Array) -> Array:
    """Twice the rank of each value, from 2; equal values share the mean of theirs, so that all are whole numbers."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1


def adjust(chances: Sequence[float]) -> list[float]:
    """Values of p of several tests, made larger for their number by Holm's step-down rule (Holm 1979); `nan` stays."""
    order = sorted((k for k, p in enumerate(chances) if not math.isnan(p)), key=lambda k: chances[k])
    adjusted, largest = list(chances), 0.0
    for place, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * chances[k]))
        adjusted[k] = largest
    return adjusted
