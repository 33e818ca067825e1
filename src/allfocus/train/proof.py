"""Whether training helped: gains over the Laplacian rule and over the weights it started from, with their tests.

A gain is claimed only where the confidence interval of the mean lies above `LEAST` and the paired test says so too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from allfocus.metrics.statistics import Interval, bootstrap, signed_rank_test
from allfocus.train.config import Recipe
from allfocus.train.data import CropSampler
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.puzzles.pixel_groups import Groups
from allfocus.train.validate import SCORES, moved, score_batch, validation_groups

#: Groups to measure on; with fewer than six no difference is more than chance.
GROUPS = 16
#: Seeds of these are as far from those of other measurements, so that no puzzle was looked at on the way.
APART = 2**32

#: Gains of fewer dB are not worth another model; squares of one stack are alike, and make small ones look sure.
LEAST = 0.05

#: A difference is called one where chance gives a larger one less often than so.
SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True)
class Gain:
    """By how many dB of PSNR a trained network is above something else.

    Attributes:
        place: what both were measured on.
        over: what it is compared with.
        groups: how many puzzles.
        interval: mean and 95 % confidence interval, dB.
        p: of Wilcoxon's signed-rank test, two-sided.
    """

    place: str
    over: str
    groups: int
    interval: Interval
    p: float

    @property
    def is_shown(self) -> bool:
        """Whether the gain is more than chance, and large enough to count."""
        return self.interval.low > LEAST and self.p < SIGNIFICANT

    def __str__(self) -> str:
        mean, low, high = self.interval
        chance = "p < .001" if self.p < 0.001 else f"p = {self.p:.3f}"
        figures = f"{mean:+.2f} dB ({low:+.2f} to {high:+.2f}, {self.groups} puzzles, {chance})"
        if self.is_shown:
            return f"gain over {self.over} on {self.place}: {figures}"
        verdict = "a loss" if self.interval.high < 0 and self.p < SIGNIFICANT else "no sure gain"
        return f"{verdict} over {self.over} on {self.place}: {figures}"


def prove(
    network: FusionNetwork, start: FusionNetwork | None, puzzles: Mapping[str, Sequence[Groups]], octaves: int
) -> tuple[Gain, ...]:
    """Compare a trained network with the Laplacian rule, and with the weights it started from, where there were any.

    Args:
        network: the trained one.
        start: the weights it started from.
        puzzles: by what they are made of.
        octaves: levels of the recursion.
    """
    gains = []
    for place, batches in puzzles.items():
        trained, rule = score(network, batches, octaves)
        rivals = {"the Laplacian rule": rule}
        if start is not None:
            rivals["the weights it started from"] = score(start, batches, octaves)[0]
        for over, scores in rivals.items():
            apart = [one - other for one, other in zip(trained, scores, strict=True)]
            gains.append(
                Gain(place=place, over=over, groups=len(apart), interval=bootstrap(apart), p=signed_rank_test(apart))
            )
    return tuple(gains)


@torch.no_grad()
def score(network: FusionNetwork, batches: Sequence[Groups], octaves: int) -> tuple[list[float], list[float]]:
    """PSNR in dB of the network and of the Laplacian rule on each group."""
    device = next(network.parameters()).device
    rows = torch.cat([score_batch(network, moved(groups, device), octaves) for groups in batches])
    network_column, rule_column = SCORES.index("network"), SCORES.index("laplacian")
    return rows[:, network_column].tolist(), rows[:, rule_column].tolist()


def fresh_puzzles(sampler: CropSampler, recipe: Recipe) -> list[Groups]:
    """Puzzles of held-back photos that nothing was measured on before."""
    several = replace(recipe, data=replace(recipe.data, validation_groups=GROUPS))
    return validation_groups(CropSampler(sampler.photos, sampler.config, sampler.seed + APART), several)
