"""The loss is lowest for the right pick, and asks for nothing where the pick does not matter."""

from dataclasses import replace

import pytest
import torch

from allfocus.train.config import ShuffleConfig
from allfocus.train.network.losses import flaws_loss, selection_loss
from allfocus.train.puzzles.pixel_groups import Groups, generate

#: A logit that is certain enough; more would only add to the surprise where two frames are about equal.
SURE = 6.0


def groups_of(grain: str = "depth", n: int = 3, seed: int = 0) -> Groups:
    rng = torch.Generator().manual_seed(seed)
    crops = torch.rand(2, 3, 3, 32, 32, generator=rng)
    grains = {f"grain_{name}": float(name == grain) for name in ("pixel", "region", "depth")}
    return generate(crops, ShuffleConfig(layers=0.0, missing=0.0, blur_max=6.0, gray=0.0, **grains), n, rng)


def sure(choice: torch.Tensor, n: int) -> torch.Tensor:
    """(B, S, S) choices -> logits (B, n, S, S) that are certain of them."""
    return SURE * torch.nn.functional.one_hot(choice, n).movedim(-1, 1).float()


@pytest.mark.parametrize("grain", ["pixel", "region", "depth"])
@pytest.mark.parametrize("n", [2, 4])
def test_the_right_pick_has_the_lowest_loss(grain: str, n: int) -> None:
    groups = groups_of(grain, n)
    right = selection_loss([sure(groups.label, n)], groups)
    undecided = selection_loss([torch.zeros(2, n, 32, 32)], groups)
    assert right < undecided
    for shift in range(1, n):
        assert selection_loss([sure((groups.label + shift) % n, n)], groups) > undecided
    for frame in range(n):
        assert selection_loss([sure(torch.full_like(groups.label, frame), n)], groups) > right
    half = torch.rand(groups.label.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    between = selection_loss([sure(torch.where(half, groups.label, (groups.label + 1) % n), n)], groups)
    assert right < between


def test_averaging_good_and_bad_is_not_rewarded() -> None:
    groups = groups_of()
    spread = [selection_loss([certainty * sure(groups.label, 3)], groups) for certainty in (0.0, 0.1, 0.3, 1.0)]
    assert spread == sorted(spread, reverse=True)


def test_positions_where_the_pick_does_not_matter_count_almost_nothing() -> None:
    groups = groups_of()
    errors = groups.errors.clone()
    errors[..., 16:] = errors[..., 16:].mean(1, keepdim=True)  # right half: all frames equally wrong
    level = Groups(frames=groups.frames, truth=groups.truth, errors=errors, label=errors.argmin(1), flaws=groups.flaws)
    right = sure(level.label, 3)
    left_wrong, right_wrong = right.clone(), right.clone()
    left_wrong[..., :16] = right_wrong[..., 16:] = sure(torch.ones(2, 32, 16, dtype=torch.int64), 3)
    best = selection_loss([right], level)
    assert abs(selection_loss([right_wrong], level) - best) < 0.02 * (selection_loss([left_wrong], level) - best)


def test_where_the_pick_does_not_matter_a_smooth_one_is_preferred() -> None:
    groups = groups_of()
    equal = torch.full_like(groups.errors, 0.3)
    level = Groups(frames=groups.frames, truth=groups.truth, errors=equal, label=equal.argmin(1), flaws=groups.flaws)
    speckled = torch.randint(0, 3, (2, 32, 32), generator=torch.Generator().manual_seed(2))
    smooth, rough = (selection_loss([sure(choice, 3)], level) for choice in (level.label, speckled))
    assert smooth == pytest.approx(0, abs=1e-6)
    assert 0 < rough < 0.2


def test_every_octave_counts_the_coarser_the_less() -> None:
    groups = groups_of(n=2)
    sizes = (8, 16, 32)
    undecided = [torch.zeros(2, 2, size, size) for size in sizes]
    pooled = {32: groups.errors}
    for size in (16, 8):
        pooled[size] = torch.nn.functional.avg_pool2d(pooled[2 * size], 2)
    base = selection_loss(undecided, groups)
    gains = []
    for position, size in enumerate(sizes):
        better = list(undecided)
        better[position] = sure(pooled[size].argmin(1), 2)
        gains.append(float(base - selection_loss(better, groups)))
    assert 0 < gains[0] < gains[1] < gains[2]


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)])
def test_permuting_frames_changes_nothing(order: tuple[int, ...]) -> None:
    groups = groups_of()
    logits = [torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(4)) for size in (16, 32)]
    turned = Groups(
        frames=groups.frames[:, list(order)],
        truth=groups.truth,
        errors=groups.errors[:, list(order)],
        label=groups.errors[:, list(order)].argmin(1),
        flaws=groups.flaws,
    )
    permuted = selection_loss([octave[:, list(order)] for octave in logits], turned)
    torch.testing.assert_close(permuted, selection_loss(logits, groups))


@pytest.mark.slow
def test_following_the_gradient_finds_the_right_pick() -> None:
    groups = groups_of("region")
    logits = torch.zeros(2, 3, 32, 32, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        selection_loss([logits], groups).backward()
        optimizer.step()
    best, second = groups.errors.sort(1).values[:, :2].unbind(1)
    matters = second - best > 0.05
    assert (logits.argmax(1) == groups.label)[matters].float().mean() > 0.95


def test_perfect_and_hopeless_groups_give_a_finite_loss() -> None:
    groups = groups_of()
    for level in (0.0, 3.0):
        errors = torch.full_like(groups.errors, level)
        same = Groups(
            frames=groups.frames, truth=groups.truth, errors=errors, label=errors.argmin(1), flaws=groups.flaws
        )
        logits = torch.randn(2, 3, 32, 32, requires_grad=True)
        loss = selection_loss([logits], same)
        loss.backward()
        assert loss.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_flaws_are_learned_where_they_can_be_seen() -> None:
    groups = groups_of()
    target = torch.zeros_like(groups.flaws)
    target[..., :16] = 1
    errors = groups.errors - groups.errors.amin(1, keepdim=True)
    errors[..., :8] += 0.3  # even the best frame is wrong here; further right it is right, whatever the optics say
    flawed = replace(groups, errors=errors, flaws=target)

    def said(columns: slice) -> float:
        """The loss when the flaws of some patch columns are reported, and no others."""
        answer = torch.full((2, 2, 8, 8), -3.0)
        answer[..., columns] = 3.0
        return float(flaws_loss(answer, flawed))

    nothing = said(slice(0, 0))
    assert said(slice(0, 2)) < nothing
    assert said(slice(4, 8)) > nothing  # there is none
    assert abs(said(slice(3, 4)) - nothing) < 0.2 * (nothing - said(slice(0, 2)))  # it can't be seen
