"""Whether a network has learned where no frame is good: how much its masks find, and how much they make up."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from allfocus.decision.network import OUT_OF_FOCUS, VEILED
from allfocus.train.config import Recipe
from allfocus.train.data import CropSampler
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.network.losses import flaw_targets
from allfocus.train.validate import moved, validation_groups

#: Groups to measure on: flaws are rare, and a handful of groups may hold none.
GROUPS = 16
#: By so much more of what is flawed than of what is sound has to be marked. The shipped weights: 0.2 to 0.7, whichever
#: groups they are measured on; networks that hardly learned mark nothing at all.
LEARNED = 0.05


@dataclass(frozen=True, kw_only=True)
class FlawSkill:
    """What masks of flaws are worth, measured on generated groups; both kinds of flaws together.

    Attributes:
        found: share of what is visibly flawed that is marked; 0 where nothing is.
        made_up: share of what is sound that is marked.
    """

    found: float
    made_up: float

    @property
    def is_learned(self) -> bool:
        """Whether the masks say anything."""
        return self.found - self.made_up >= LEARNED


@torch.no_grad()
def flaw_skill(network: FusionNetwork, sampler: CropSampler, recipe: Recipe) -> FlawSkill:
    """Measure the masks that a network would make.

    Args:
        network: on any device.
        sampler: of photos that training does not see.
        recipe: what makes the puzzles.
    """
    device = next(network.parameters()).device
    bounds = torch.tensor((OUT_OF_FOCUS, VEILED), device=device)[:, None, None]
    several = replace(recipe, data=replace(recipe.data, validation_groups=GROUPS))
    marked, flawed = [], []
    for groups in validation_groups(sampler, several):
        here = moved(groups, device)
        flaws = network(here.frames, recipe.training.octaves_max)[1].float()
        target, _ = flaw_targets(here, here.truth.shape[-1] // flaws.shape[-1])
        marked.append((flaws > bounds).flatten())
        flawed.append((target > 0.5).flatten())
    return skill_of(torch.cat(marked), torch.cat(flawed))


def skill_of(marked: Tensor, flawed: Tensor) -> FlawSkill:
    """How well one mask finds another; both (M,) bool."""
    found, made_up = (marked & flawed).sum() / flawed.sum(), (marked & ~flawed).sum() / (~flawed).sum()
    return FlawSkill(found=float(found.nan_to_num()), made_up=float(made_up.nan_to_num()))
