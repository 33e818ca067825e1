"""What training rewards: picking, at every position, the frame that is closest to the truth.

A plain difference to the truth would also reward averaging noisy frames, which costs sharpness on clean
ones. Here the weights are the odds of picking each frame, and the loss is the error that such a pick is
expected to make beyond the best one (its regret): it is linear in the weights, so it is lowest when all
weight lies on the best frame, and positions where the choice does not matter count nothing.
"""

import torch
from torch import Tensor
from torch.nn import functional

from allfocus.train.shuffle import Groups

#: Errors below this (sum over channels, 1 = white) are invisible: candidates this close are equally good.
INVISIBLE = 0.02
#: Share of the finest octave; each coarser one counts half of the next finer.
COARSER = 0.5


def selection_loss(logits: list[Tensor], groups: Groups) -> Tensor:
    """Weighted mean of the octaves' losses, scalar.

    Args:
        logits: coarse to fine, each (B, N, h, w); the last has the size of the frames.
        groups: the puzzles the logits answer.
    """
    errors, losses, share = groups.errors, [], 1.0
    for octave in reversed(logits):
        losses.append(share * _octave_loss(octave, errors))
        share *= COARSER
        if errors.shape[-1] > logits[0].shape[-1]:
            errors = functional.avg_pool2d(errors, 2)
    return torch.stack(losses).sum()


def _octave_loss(logits: Tensor, errors: Tensor) -> Tensor:
    weights = logits.softmax(1)
    best = errors.amin(1, keepdim=True)
    excess = errors - best  # B N h w
    stakes = excess.mean(1, keepdim=True)
    expected = (weights * excess).sum(1, keepdim=True)
    # each group counts alike, however strong its blur; squares, as PSNR does, give large errors more say
    scale = stakes.mean((1, 2, 3), keepdim=True) + INVISIBLE / 4
    regret = (expected / scale).mean()
    square_scale = excess.square().mean((1, 2, 3), keepdim=True) + INVISIBLE**2 / 4
    square_regret = ((weights * excess.square()).sum(1, keepdim=True) / square_scale).mean()
    target = (-excess / INVISIBLE).softmax(1)
    surprise = -(target * logits.log_softmax(1)).sum(1, keepdim=True)
    matters = stakes / (stakes + 2 * INVISIBLE)
    return regret + 0.5 * square_regret + 0.2 * (surprise * matters).mean() + 0.02 * _roughness(weights, stakes)


def _roughness(weights: Tensor, stakes: Tensor) -> Tensor:
    """How much the weights vary between neighbours where the choice matters little: there it should be smooth."""
    calm = INVISIBLE / (stakes + INVISIBLE)
    across = (weights.diff(dim=-1).abs().sum(1, keepdim=True) * calm[..., 1:]).mean()
    down = (weights.diff(dim=-2).abs().sum(1, keepdim=True) * calm[..., 1:, :]).mean()
    return across + down
