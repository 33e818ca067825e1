"""The scan along the order of focus: its recurrence, its symmetry, and any number of frames."""

import pytest
import torch

from allfocus.train.config import NetworkConfig
from allfocus.train.network.frame_order import FrameScan, recurrence, recurrence_backwards
from allfocus.train.network.fusion_network import FusionNetwork

TINY = {"width": 8, "depth": 2, "fine_width": 8, "fine_depth": 1, "glance_width": 8, "glance_depth": 2}


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def network_of(**parts: object) -> FusionNetwork:
    torch.manual_seed(0)
    network = FusionNetwork(NetworkConfig(**{**TINY, "state": 4, "heads": 2, **parts}))  # type: ignore[arg-type]
    for part in (network.glance, network.look, network.fine):
        assert part is not None
        torch.nn.init.normal_(part.head.conv.weight, std=0.1)
    return network.eval()


def test_every_state_is_what_was_kept_of_the_one_before_and_what_was_written() -> None:
    kept, written = rand(2, 5, 3, 2, 2), rand(2, 5, 3, 2, 2, seed=1)
    states = recurrence(kept, written)
    assert torch.equal(states[:, 0], written[:, 0])
    for frame in range(1, 5):
        torch.testing.assert_close(states[:, frame], kept[:, frame] * states[:, frame - 1] + written[:, frame])
    back = recurrence_backwards(kept, written)
    assert torch.equal(back[:, 4], written[:, 4])
    torch.testing.assert_close(back[:, 3], kept[:, 3] * back[:, 4] + written[:, 3])


@pytest.mark.parametrize("count", [1, 2, 3, 200])
def test_the_scan_takes_any_number_of_frames_and_stays_finite(count: int) -> None:
    torch.manual_seed(0)
    scan = FrameScan(4, 2)
    heard = scan(rand(2 * count, 4, 3, 3), 2)
    assert heard.shape == (2 * count, 4, 3, 3)
    assert heard.isfinite().all()


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_stack_from_far_to_near_is_answered_as_from_near_to_far(count: int) -> None:
    network, frames = network_of(order=4, trust=True), rand(2, count, 3, 32, 48)
    with torch.no_grad():
        (there, flaws), (back, same_flaws) = network(frames), network(frames.flip(1))
    torch.testing.assert_close(flaws, same_flaws, atol=1e-4, rtol=1e-4)
    for one, other in zip(there, back, strict=True):
        torch.testing.assert_close(one.flip(1), other, atol=1e-4, rtol=1e-4)


def test_who_is_whose_neighbour_matters_with_the_scan_alone() -> None:
    frames = rand(1, 4, 3, 32, 48)
    order = [1, 3, 0, 2]
    for channels in (0, 4):
        network = network_of(order=channels)
        with torch.no_grad():
            straight, permuted = network(frames)[0][-1], network(frames[:, order])[0][-1]
        apart = float((straight[:, order] - permuted).abs().max())
        assert (apart > 1e-3) == bool(channels)


def test_a_small_finest_look_and_its_trust_learn() -> None:
    network = network_of(order=4, trust=True).train()
    answers, flaws = network(rand(2, 3, 3, 32, 48), octaves=3)
    ((answers[-1].softmax(1) * rand(2, 3, 32, 48, seed=5)).sum() + flaws.sigmoid().sum()).backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        if not name.endswith("head.conv.bias"):
            assert value.grad.abs().max() > 1e-10, name


def test_where_the_finest_look_is_not_trusted_the_coarser_octave_decides() -> None:
    network = network_of(trust=True)
    fine = network.fine
    assert fine is not None and fine.trust is not None
    with torch.no_grad():
        fine.trust.say.bias.copy_(torch.tensor([-60.0, -60.0, 0.0]))
        coarse, finest = network(rand(1, 3, 3, 32, 48), octaves=3)[0][-2:]
    prior = torch.nn.functional.interpolate(coarse - coarse.mean(1, keepdim=True), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(finest, fine.carry * prior, atol=1e-4, rtol=1e-4)
