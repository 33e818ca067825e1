"""The scan as a product against the recurrence it stands for."""

import pytest
import torch

from allfocus.train.network.scan import SelectiveScan, decays, decays_backwards, scan, scan_reference

Sequences = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def draw(length: int, decay: float = 0.1, batch: int = 2, seed: int = 0) -> Sequences:
    """x (B, T, 2, 3), log_decay (B, T, 2) of about `-decay` a step, b and c (B, T, 4)."""
    rng = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.randn(batch, length, 2, 3, generator=rng)
    log_decay = -2 * decay * torch.rand(batch, length, 2, generator=rng)
    b, c = (torch.randn(batch, length, 4, generator=rng) for _ in range(2))
    return x, log_decay, b, c


def scanned(x: torch.Tensor, log_decay: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """`scan` with the shapes of `scan_reference`."""
    return scan(x.transpose(1, 2), decays(log_decay.transpose(1, 2)), b, c).transpose(1, 2)


@pytest.mark.parametrize("length", [1, 5, 40, 250, 1024])
def test_the_product_equals_the_recurrence(length: int) -> None:
    sequences = draw(length)
    found, expected = scanned(*sequences), scan_reference(*sequences)
    assert found.shape == (2, length, 2, 3)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("decay", [0.0, 1e-4, 1.0, 20.0, 200.0])
def test_the_slowest_and_the_fastest_forgetting_are_exact(decay: float) -> None:
    sequences = draw(150, decay)
    found = scanned(*sequences)
    assert found.isfinite().all()
    torch.testing.assert_close(found, scan_reference(*sequences), atol=1e-4, rtol=1e-4)


def test_decays_of_every_strength_in_one_sequence() -> None:
    x, _, b, c = draw(1024, batch=1)
    strength = torch.logspace(-5, 2, 1024)[torch.randperm(1024, generator=torch.Generator().manual_seed(1))]
    log_decay = -strength[None, :, None].expand(1, 1024, 2)
    torch.testing.assert_close(scanned(x, log_decay, b, c), scan_reference(x, log_decay, b, c), atol=1e-4, rtol=1e-4)


def test_backwards_it_is_the_same_from_the_other_end() -> None:
    x, log_decay, b, c = draw(60)
    found = scan(x.transpose(1, 2), decays_backwards(log_decay.transpose(1, 2)), b, c).transpose(1, 2)
    turned = scan_reference(x.flip(1), log_decay.flip(1), b.flip(1), c.flip(1)).flip(1)
    torch.testing.assert_close(found, turned, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("decay", [0.05, 30.0])
def test_gradients_agree(decay: float) -> None:
    sequences = [value.double().requires_grad_() for value in draw(37, decay)]
    weight = torch.rand(2, 37, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = torch.autograd.grad((scanned(*sequences) * weight).sum(), sequences)
    expected = torch.autograd.grad((scan_reference(*sequences) * weight).sum(), sequences)
    for one, other in zip(found, expected, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


def test_what_comes_later_changes_nothing_before() -> None:
    x, log_decay, b, c = draw(60)
    before = scanned(x, log_decay, b, c)
    x[:, 30] += 5
    after = scanned(x, log_decay, b, c)
    assert torch.equal(before[:, :30], after[:, :30])
    assert not torch.equal(before[:, 30:], after[:, 30:])


def test_decays_are_those_of_all_steps_between() -> None:
    steps = -torch.rand(3, 6, generator=torch.Generator().manual_seed(0))
    kept, backwards = decays(steps), decays_backwards(steps)
    for i in range(6):
        for j in range(6):
            expected = steps[:, j + 1 : i + 1].sum(1).exp() if j <= i else torch.zeros(3)
            torch.testing.assert_close(kept[:, i, j], expected, atol=1e-6, rtol=1e-5)
            expected = steps[:, i:j].sum(1).exp() if i <= j else torch.zeros(3)
            torch.testing.assert_close(backwards[:, i, j], expected, atol=1e-6, rtol=1e-5)


def test_a_difference_of_running_sums_would_lose_what_decays_keep() -> None:
    steps = torch.tensor([-3e4, -4e-4, -4e-4])
    running = steps.cumsum(0)
    assert decays(steps)[2, 0].log().item() == pytest.approx(-8e-4, rel=1e-3)
    assert (running[2] - running[0]).item() != pytest.approx(-8e-4, rel=0.5)


def seeded_scan(width: int = 8) -> SelectiveScan:
    torch.manual_seed(0)
    return SelectiveScan(width, state=4, heads=2)


def test_the_block_sees_both_ways_and_depends_on_its_input() -> None:
    block, sequence = seeded_scan(), torch.randn(1, 40, 8, generator=torch.Generator().manual_seed(1))
    moved = sequence.clone()
    moved[:, 20] += 1
    changed = (block(moved) - block(sequence)).abs().amax(2)[0]
    assert (changed > 0).all()
    assert changed[20] > changed[0]
    assert changed[20] > changed[-1]


def test_reversing_the_sequence_reverses_the_answer() -> None:
    block, sequence = seeded_scan(), torch.randn(2, 33, 8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(block(sequence.flip(1)), block(sequence).flip(1), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_gradient_reaches_every_parameter_of_the_block() -> None:
    block, sequence = seeded_scan(), torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(3))
    (block(sequence) * torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(4))).sum().backward()
    for name, value in block.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        assert (value.grad != 0).any(), name
