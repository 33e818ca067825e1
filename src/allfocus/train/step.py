"""One optimiser step: what is drawn for it, how large it is, and the state that it moves."""

import math
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from allfocus.errors import ConfigError
from allfocus.train.config import Recipe, TrainingConfig
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.network.losses import fusion_loss
from allfocus.train.processes import Processes
from allfocus.train.puzzles.pixel_groups import Groups

#: So many steps in a row without a usable gradient mean that the run is lost.
PATIENCE = 20

#: Gradients usually have a norm of about 1; clipping one of this norm keeps its size but not its sense.
EXPLODED = 1e3

#: The warm-up takes at most this share of a run, so that short runs get to learn.
WARMUP_SHARE = 0.1

#: So many frames of a large crop are always affordable.
FEW_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What is random about a step besides its pictures.

    Attributes:
        groups: how many groups.
        frames: frames in each.
        crop: side of the crops in pixels.
        octaves: levels of the octave recursion.
        seed: of the generator that shuffles.
    """

    groups: int
    frames: int
    crop: int
    octaves: int
    seed: int


def plan_step(recipe: Recipe, step: int) -> StepPlan:
    """Draw the plan of step `step` (from 0): it depends on nothing but the recipe and the number.

    The more frames in a group, the fewer groups: about `batch` times the mean number of frames in all. Of large crops
    there are fewer too, and of their frames as well.
    """
    shuffle, training = recipe.shuffle, recipe.training
    rng = np.random.default_rng([recipe.seed, step, 1])
    counts = np.arange(shuffle.frames_min, shuffle.frames_max + 1)
    # few frames are what people have most, and a pair is the hardest: nothing else shows what the blur hides
    frames = int(rng.choice(counts, p=(1 / counts) / (1 / counts).sum()))
    budget = training.batch * (shuffle.frames_min + shuffle.frames_max) / 2
    octaves = int(rng.integers(training.octaves_min, training.octaves_max + 1))
    seed = int(rng.integers(2**32))
    crop = recipe.data.crop
    if recipe.data.large_share and rng.random() < recipe.data.large_share:
        crop = recipe.data.large_crop
        budget *= (recipe.data.crop / crop) ** 2
        frames = min(frames, max(FEW_FRAMES, round(budget)))
    return StepPlan(groups=max(1, round(budget / frames)), frames=frames, crop=crop, octaves=octaves, seed=seed)


def schedule_fraction(config: TrainingConfig, step: int, minutes: float, reserve: float = 0.0) -> float:
    """How much of the schedule is done, 0 to 1: by steps or by minutes, whichever is nearer its end.

    Args:
        config: the schedule.
        step: steps done.
        minutes: time spent.
        reserve: minutes of the limit that are kept for what comes after the last step; fewer than the limit.
    """
    by_minutes = minutes / (config.minutes - reserve) if config.minutes is not None else 0.0
    return min(1.0, max(step / config.steps, by_minutes))


def learning_rate(config: TrainingConfig, step: int, fraction: float) -> float:
    """Linear warm-up, then half a cosine down to zero at fraction 1."""
    by_step = (step + 1) / config.warmup if config.warmup else 1.0
    warm = min(1.0, max(by_step, fraction / WARMUP_SHARE))
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * fraction))


class TrainState:
    """What a step changes.

    Attributes:
        network: the weights that the optimiser moves.
        ema: the same network with the moving average of its weights: what is measured and exported.
        optimizer: AdamW.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = FusionNetwork(recipe.network).to(device)
        self.ema = deepcopy(self.network).requires_grad_(False).eval()
        if recipe.training.flaws_only or recipe.training.finest_only:
            self.network.requires_grad_(False)
            for part in self.network.finest_parts() if recipe.training.finest_only else [self.network.flaws]:
                part.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, recipe.training.weight_decay))
        self.config = recipe.training
        self.device = device
        self.misses = 0
        self.learner: nn.Module = self.network

    def join(self, processes: Processes) -> None:
        """Learn together with other processes from now on."""
        self.learner = processes.joined(self.network)

    def update(self, groups: Groups, octaves: int, rate: float, step: int) -> float:
        """Take one optimiser step at the learning rate `rate`; return the loss before it.

        Raises:
            ConfigError: the gradient has been infinite or huge for `PATIENCE` steps.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # no half precision on GPUs: the measure of sharpness is a difference of neighbours, often less than its steps
        logits, flaws = self.learner(groups.frames, octaves)
        loss = fusion_loss(logits, flaws, groups)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        if self.accepts(bool(norm < EXPLODED), step):  # not so for NaN either
            self.optimizer.step()
            self.average(step)
        return float(loss.detach())

    def accepts(self, usable: bool, step: int) -> bool:
        """Whether to take a step with this gradient; one that exploded would destroy the weights."""
        self.misses = 0 if usable else self.misses + 1
        if self.misses >= PATIENCE:
            raise ConfigError(
                f"training diverged: no usable gradient in steps {step - PATIENCE + 1} to {step}; "
                "lower training.learning_rate or training.gradient_clip"
            )
        return usable

    @torch.no_grad()
    def average(self, step: int) -> None:
        """Move the averaged weights towards the network's; faster at first, when those are still far off."""
        decay = min(self.config.ema, (1 + step) / (10 + step))
        for mean, value in zip(self.ema.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for kept, buffer in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            kept.copy_(buffer)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Kernels and matrices decay; biases, gains and single numbers do not."""
    parameters = [value for value in network.parameters() if value.requires_grad]
    return [
        {"params": [value for value in parameters if value.ndim > 1], "weight_decay": weight_decay},
        {"params": [value for value in parameters if value.ndim <= 1], "weight_decay": 0.0},
    ]
