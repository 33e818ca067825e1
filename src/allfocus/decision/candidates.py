"""Which frames may be the best one somewhere in a window: only those are refined there."""

from dataclasses import dataclass

import numpy as np

from allfocus.core.color import Array, FloatArray


@dataclass(frozen=True, kw_only=True)
class CandidateRule:
    """When a frame is a candidate.

    Attributes:
        least: the chance that counts, somewhere in the window.
        most: how many candidates there can be; twice as many where that leaves too much without a good one.
        close: a frame is a good one where it has this share of the best chance.
        uncovered: how much of a window may be left without a good one.
        extras: how many of the next best frames may help against noise.
    """

    least: float = 0.2
    most: int = 8
    close: float = 0.5
    uncovered: float = 0.02
    extras: int = 16


def find_candidates(chances: FloatArray, rule: CandidateRule) -> tuple[Array, Array]:
    """Which frames may win somewhere, two at least; and the next best ones.

    First as few as it takes to have a good one nearly everywhere: of long stacks neighbours share their chances, and
    none has much. Then all that have some chance of their own, as far as `rule.most` allows.

    Args:
        chances: (N, h, w), summing to 1 over the frames.
        rule: when a frame is one.

    Returns:
        (n,) candidates and (m,) extras, each in ascending order.
    """
    flat = chances.reshape(len(chances), -1)
    best, good = flat.max(axis=1), flat >= rule.close * flat.max(axis=0)
    chosen: list[int] = []
    while len(chosen) < 2 * rule.most and good.shape[1] > rule.uncovered * flat.shape[1]:
        chosen.append(int(good.sum(axis=1).argmax()))
        good = good[:, ~good[chosen[-1]]]
    ranked = [int(frame) for frame in np.argsort(-best, kind="stable") if frame not in chosen]
    wanted = max(2, min(rule.most, len(chosen) + sum(bool(best[frame] >= rule.least) for frame in ranked)))
    split = max(0, wanted - len(chosen))
    return np.sort([*chosen, *ranked[:split]]), np.sort(np.array(ranked[split : split + rule.extras], int))
