"""How well the network picks, between the Laplacian rule and the oracle, on held-back groups that never change."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from allfocus.train.config import Recipe
from allfocus.train.curves import Row
from allfocus.train.data import CropSampler
from allfocus.train.puzzles.pixel_groups import Groups, generate

#: PSNRs are cut here: puzzles without camera faults can be solved exactly, and the mean must stay finite.
PERFECT = 60.0

#: OpenCV covers a Gaussian of float samples to this many standard deviations.
REACH = 4


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Mean PSNR in dB over the validation groups.

    Attributes:
        network: frames composed with the network's soft weights.
        pick: at each pixel the frame that the network weighs most.
        laplacian: at each pixel the frame with the largest local Laplacian energy.
        oracle: at each pixel the frame nearest to the truth.
    """

    network: float
    pick: float
    laplacian: float
    oracle: float


SCORES = [item.name for item in fields(Scores)]


def describe(step: int, loss: float, scores: Scores) -> str:
    """A measurement in one line."""
    return (
        f"step {step}: loss {loss:.4f}, network {scores.network:.2f} dB (hard pick {scores.pick:.2f}), "
        f"Laplacian rule {scores.laplacian:.2f}, oracle {scores.oracle:.2f}"
    )


def validation_groups(sampler: CropSampler, recipe: Recipe) -> list[Groups]:
    """Groups of every number of frames that the recipe trains on; made on the CPU, the same for every device."""
    rng = torch.Generator().manual_seed(sampler.seed)
    config, total = recipe.shuffle, recipe.data.validation_groups
    choices = range(config.frames_min, config.frames_max + 1)
    sizes = [choices[k % len(choices)] for k in range(total)]
    return [generate(sampler.batch(n, sizes.count(n)), config, n, rng) for n in sorted(set(sizes))]


def latest_scores(rows: Sequence[Row]) -> Scores | None:
    """The last measurement in a log."""
    for row in reversed(rows):
        values = {name: value for name in SCORES if (value := row[name]) is not None}
        if values:
            return Scores(**values)
    return None


@torch.no_grad()
def measure(network: nn.Module, batches: Sequence[Groups], octaves: int) -> Scores:
    """Score the network on `batches`, on the device it is on; the other rules with it."""
    device = next(network.parameters()).device
    rows = torch.cat([score_batch(network, moved(groups, device), octaves) for groups in batches])  # G 4
    return Scores(**dict(zip(SCORES, rows.mean(0).tolist(), strict=True)))


def score_batch(network: nn.Module, groups: Groups, octaves: int) -> Tensor:
    """(B, 4) PSNRs in dB, in the order of `Scores`."""
    frames, logits = groups.frames, network(groups.frames, octaves)[0][-1].float()
    soft = (logits.softmax(1)[:, :, None] * frames).sum(1)
    choices = logits.argmax(1), laplacian_energy(frames).argmax(1), groups.errors.argmin(1)
    pictures = [soft, *(picked(frames, choice) for choice in choices)]
    return torch.stack([psnr(picture, groups.truth) for picture in pictures], 1).cpu()


def moved(groups: Groups, device: torch.device) -> Groups:
    """The groups on another device."""
    return Groups(**{item.name: getattr(groups, item.name).to(device) for item in fields(groups)})


def picked(frames: Tensor, index: Tensor) -> Tensor:
    """(B, N, 3, S, S) and (B, S, S) int64 -> (B, 3, S, S): each pixel from the frame named there."""
    return frames.gather(1, index[:, None, None].expand(-1, 1, *frames.shape[2:])).squeeze(1)


def psnr(picture: Tensor, truth: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB of pictures (B, 3, S, S) in [0, 1], at most `PERFECT`."""
    error = (picture.clamp(0, 1) - truth).square().mean((1, 2, 3))
    return -10 * error.clamp_min(10 ** (-PERFECT / 10)).log10()


def laplacian_energy(frames: Tensor, sigma: float = 3.0) -> Tensor:
    """The Laplacian rule's activity on tensors of any device: the twin of `decide.laplacian.local_laplacian_energy`.

    Args:
        frames: (..., 3, H, W) in [0, 1], sides longer than 4 sigma.
        sigma: standard deviation of the Gaussian window in pixels.

    Returns:
        (..., H, W), >= 0.
    """
    planes = frames.reshape(-1, *frames.shape[-3:])  # M 3 H W
    edge = functional.pad(planes, (1, 1, 1, 1), mode="reflect")
    around = edge[..., :-2, 1:-1] + edge[..., 2:, 1:-1] + edge[..., 1:-1, :-2] + edge[..., 1:-1, 2:]
    energy = (around - 4 * planes).square().sum(1, keepdim=True)  # M 1 H W
    reach = round(REACH * sigma)
    offset = torch.arange(-reach, reach + 1, device=frames.device, dtype=frames.dtype)
    window = torch.exp(-0.5 * (offset / sigma) ** 2)
    window = window / window.sum()
    energy = functional.pad(energy, (reach,) * 4, mode="reflect")
    energy = functional.conv2d(functional.conv2d(energy, window[None, None, :, None]), window[None, None, None])
    return energy.reshape(*frames.shape[:-3], *frames.shape[-2:])
