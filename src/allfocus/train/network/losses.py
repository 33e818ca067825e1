"""What training rewards: picking, at every position, the frame that is closest to the truth.

A plain difference to the truth would also reward averaging noisy frames, which costs sharpness on clean
ones. Here the weights are the odds of picking each frame, and the loss is the error that such a pick is
expected to make beyond the best one (its regret): it is linear in the weights, so it is lowest when all
weight lies on the best frame, and positions where the choice does not matter count nothing.
"""

import torch
from torch import Tensor
from torch.nn import functional

from allfocus.train.puzzles.blur import gaussian_smooth
from allfocus.train.puzzles.pixel_groups import Groups

#: Errors below this (sum over channels, 1 = white) are invisible: candidates this close are equally good.
INVISIBLE = 0.02
#: Share of the finest level; each coarser one counts half of the next finer.
COARSER = 0.5
#: Share of the flaws in the loss.
FLAWS = 0.2
#: Errors from this on (sum over channels, 1 = white) are seen for sure, when they spread over a few pixels.
VISIBLE = 0.06
#: What it counts at least that a place which is soft in the truth too has no flaw.
LEAST_KNOWN = 0.4
#: How much more a flaw counts that is overlooked than one that is made up: there are few.
FEW = 2.0


def fusion_loss(logits: list[Tensor], flaws: Tensor, groups: Groups) -> Tensor:
    """What training minimises, scalar: the loss of the choice, and a share of that of the flaws."""
    return selection_loss(logits, groups) + FLAWS * flaws_loss(flaws, groups)


def flaws_loss(flaws: Tensor, groups: Groups) -> Tensor:
    """Cross-entropy of the visible flaws, scalar.

    Args:
        flaws: (B, 2, S/P, S/P) log-odds, see `network.Flaws`.
        groups: the puzzles.
    """
    target, weight = flaw_targets(groups, groups.truth.shape[-1] // flaws.shape[-1])
    surprise = functional.binary_cross_entropy_with_logits(flaws, target, reduction="none")
    return (surprise * weight).sum() / weight.sum()


def flaw_targets(groups: Groups, scale: int) -> tuple[Tensor, Tensor]:
    """What the flaws should be, and how much each answer counts.

    A flaw is visible where even the best frame differs from the truth, for that reason. Where the truth itself is
    structured but has no fine detail the answer counts less: a photo's own background is out of focus too, and
    nobody knows how much.

    Args:
        groups: the puzzles.
        scale: pixels along the side of one answer.

    Returns:
        Two (B, 2, S/scale, S/scale): a probability, and a weight.
    """
    error = gaussian_smooth(groups.errors.amin(1, keepdim=True), 3.0)
    target = functional.avg_pool2d(groups.flaws * (error / VISIBLE).clamp(0, 1), scale)
    fine, coarse = (_contrast(groups.truth, sigma) for sigma in (1.0, 4.0))
    known = functional.avg_pool2d((fine + INVISIBLE) / (coarse + INVISIBLE), scale).clamp(LEAST_KNOWN, 1)
    return target, (1 - target) * known + FEW * target


def _contrast(picture: Tensor, sigma: float) -> Tensor:
    """How much detail finer than `sigma` pixels surrounds each place: (B, 3, S, S) -> (B, 1, S, S)."""
    detail = (picture - gaussian_smooth(picture, sigma)).abs().sum(1, keepdim=True)
    return gaussian_smooth(detail, 2.0)


def selection_loss(logits: list[Tensor], groups: Groups) -> Tensor:
    """Weighted mean of the levels' losses, scalar.

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
