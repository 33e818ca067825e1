"""The network treats frames alike, starts at the Laplacian rule, and every part of it learns."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from allfocus.core.color import to_unit
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.train.config import MOST_BLOCKS, NetworkConfig
from allfocus.train.network.features import (
    PATCH,
    Octave,
    build_octaves,
    laplacian_energy,
    patch_kernel,
    patches_to_channels,
    relative,
)
from allfocus.train.network.flaws import Flaws
from allfocus.train.network.fusion_network import FusionNetwork, Look
from pictures import focal_frames

TINY = {"width": 8, "depth": 2, "glance_width": 8, "glance_depth": 2, "state": 4, "heads": 2}


def network_of(*, heads: float = 0.1, seed: int = 0, **changes: object) -> FusionNetwork:
    """A small network; its heads are moved off zero by `heads`, so that all of it shows in the logits."""
    torch.manual_seed(seed)
    network = FusionNetwork(NetworkConfig(**{**TINY, **changes}))  # type: ignore[arg-type]
    for part in (network.glance, network.look):
        torch.nn.init.normal_(part.head.conv.weight, std=heads)
    return network.eval()


def frames_of(stacks: int, count: int, height: int = 32, width: int = 48, seed: int = 0) -> torch.Tensor:
    return torch.rand(stacks, count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def as_tensor(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack([to_unit(frame) for frame in frames])).permute(0, 3, 1, 2)[None]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("parts", [{}, {"use_scan": False}, {"use_exchange": False}, {"glance_depth": 0}])
def test_every_octave_answers_at_its_own_size(count: int, parts: dict[str, object]) -> None:
    with torch.no_grad():
        answers, flaws = network_of(**parts)(frames_of(2, count), octaves=3)
    assert flaws.shape == (2, 2, 8, 12)
    assert [answer.shape for answer in answers] == [(2, count, 32 // k, 48 // k) for k in (4, 2, 1)]
    assert all(answer.isfinite().all() for answer in (*answers, flaws))


@pytest.mark.parametrize("parts", [{}, {"use_scan": False}, {"use_exchange": False}])
@pytest.mark.parametrize(
    "order",
    [pytest.param((1, 0), marks=pytest.mark.slow), (2, 0, 1), pytest.param((3, 1, 0, 4, 2), marks=pytest.mark.slow)],
)
def test_permuting_frames_permutes_logits(order: tuple[int, ...], parts: dict[str, object]) -> None:
    network, frames = network_of(**parts), frames_of(2, len(order))
    with torch.no_grad():
        (straight, flaws), (permuted, same_flaws) = network(frames), network(frames[:, list(order)])
    torch.testing.assert_close(flaws, same_flaws, atol=1e-4, rtol=1e-4)
    for one, other in zip(straight, permuted, strict=True):
        torch.testing.assert_close(one[:, list(order)], other, atol=1e-4, rtol=1e-4)


def test_stacks_of_a_batch_do_not_see_each_other() -> None:
    network, frames = network_of(), frames_of(3, 2)
    with torch.no_grad():
        together, flaws = network(frames)
        for stack in range(3):
            alone, flaw = network(frames[stack : stack + 1])
            torch.testing.assert_close(alone[-1], together[-1][stack : stack + 1], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(flaw, flaws[stack : stack + 1], atol=1e-4, rtol=1e-4)


def test_frames_hear_of_each_other_only_through_the_exchange() -> None:
    features = torch.rand(3, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    moved = features.clone()
    moved[2] += 1

    def heard_by_the_first(**parts: object) -> float:
        """How much the change of the third frame's features moves what a block makes of the first frame's."""
        block = network_of(**parts).look.blocks[0]
        with torch.no_grad():
            return float((block(moved, 1)[0] - block(features, 1)[0]).abs().max())

    assert heard_by_the_first(use_exchange=False) == 0
    assert heard_by_the_first() > 0


@pytest.mark.parametrize("count", [2, 4])
def test_untrained_it_decides_as_the_laplacian_rule(count: int) -> None:
    frames = focal_frames(96, 160, count)
    torch.manual_seed(0)
    with torch.no_grad():
        logits = FusionNetwork(NetworkConfig())(as_tensor(frames))[0][-1]
    decided = logits[0].argmax(0).numpy()
    assert (decided == laplacian_index_map(frames)).mean() > 0.97


@pytest.mark.parametrize("parts", [{}, {"use_scan": False}, {"use_exchange": False}])
def test_gradient_reaches_every_parameter(parts: dict[str, object]) -> None:
    network = network_of(**parts).train()
    answers, flaws = network(frames_of(2, 3), octaves=3)
    weights = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    ((answers[-1].softmax(1) * weights).sum() + flaws.sigmoid().sum()).backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        # a bias of the last layer moves all frames alike, so the choice between them does not feel it
        if not name.endswith("head.conv.bias"):
            assert value.grad.abs().max() > 1e-9, name


def test_flat_and_black_frames_leave_answers_and_gradients_finite() -> None:
    network = network_of().train()
    frames = torch.cat([torch.zeros(1, 2, 3, 32, 32), torch.full((1, 2, 3, 32, 32), 0.5)])
    answers, flaws = network(frames)
    (sum(answer.softmax(1)[:, 0].sum() for answer in answers) + flaws.sum()).backward()
    assert all(answer.isfinite().all() for answer in (*answers, flaws))
    assert all(value.grad is None or value.grad.isfinite().all() for value in network.parameters())


def test_identical_frames_get_identical_logits() -> None:
    frames = frames_of(1, 1).expand(1, 4, 3, 32, 48)
    with torch.no_grad():
        logits = network_of()(frames)[0][-1]
    torch.testing.assert_close(logits, logits[:, :1].expand_as(logits), atol=1e-5, rtol=0)


def test_the_glance_sees_from_edge_to_edge_and_only_with_its_scans() -> None:
    def reach(**parts: object) -> float:
        network, pixels = network_of(**parts), torch.rand(2, 3, 8, 160, generator=torch.Generator().manual_seed(2))
        moved = pixels.clone()
        moved[0, :, :, :4] = 1 - moved[0, :, :, :4]
        with torch.no_grad():
            one, other = (network.glance(build_octaves(frames, 1)[0], 1)[0] for frames in (pixels, moved))
        return float((one - other)[..., -4:].abs().max())

    assert reach() > 0
    assert reach(use_scan=False) == 0


@pytest.mark.parametrize("depth", [1, NetworkConfig().depth, MOST_BLOCKS])
def test_a_look_sees_no_further_than_the_overlap_of_tiles(depth: int) -> None:
    from allfocus.decision.model import reach_of

    changed = columns_that_change(network_of(depth=depth).look, logits_scale=2)
    assert reach_of(depth) - 2 * PATCH < changed - 8 <= reach_of(depth)


def test_flaws_see_no_further_than_the_overlap_of_tiles() -> None:
    from allfocus.decision.coarse_to_fine import QUALITY_REACH

    assert columns_that_change(network_of().flaws, logits_scale=1) < 8 + QUALITY_REACH


def columns_that_change(part: Look | Flaws, logits_scale: int) -> int:
    """How many columns of the answer feel what happens in the first eight."""
    rng = torch.Generator().manual_seed(3)
    pixels, energy, logits, context = (
        torch.rand(2, 3, 8, 160, generator=rng),
        torch.rand(2, 2, 8 // PATCH, 160 // PATCH, generator=rng),
        torch.randn(2, 1, 8 // logits_scale, 160 // logits_scale, generator=rng),
        torch.rand(2, 8, 1, 160 // 2 // PATCH, generator=rng),
    )

    def answer(pixels: Tensor, energy: Tensor, logits: Tensor, context: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return part(pixels if isinstance(part, Flaws) else Octave(pixels, energy), logits, context, 1)

    moved = [value.clone() for value in (pixels, energy, logits, context)]
    for value in moved:
        value[..., : value.shape[-1] // 20] += 0.5
    with torch.no_grad():
        before, after = answer(pixels, energy, logits, context), answer(*moved)
    if isinstance(part, Flaws):
        before, after = (before,), (after,)
    last = 0
    for one, other in zip(before, after, strict=True):
        columns = (one != other).any(0).any(0).any(0).nonzero()
        last = max(last, (int(columns.max()) + 1) * 160 // one.shape[-1])
    return last


def test_patches_become_channels_as_pixel_unshuffle_does() -> None:
    pixels = torch.rand(2, 3, 8, 12)
    assert torch.equal(patches_to_channels(pixels, 4), torch.nn.functional.pixel_unshuffle(pixels, 4))


def test_a_kernel_on_pixels_does_what_one_on_patches_does() -> None:
    rng = torch.Generator().manual_seed(6)
    pixels, weight = torch.rand(2, 3, 24, 32, generator=rng), torch.rand(5, 48, 3, 3, generator=rng)
    expected = functional.conv2d(patches_to_channels(pixels, 4), weight, padding=1)
    found = functional.conv2d(pixels, patch_kernel(weight, 4), stride=4, padding=4)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_energy_is_that_of_the_four_neighbour_laplacian() -> None:
    dot = torch.zeros(1, 3, 9, 9)
    dot[:, 1, 4, 4] = 1
    energy = laplacian_energy(dot)[0, 0]
    assert energy[4, 4] == 16
    assert energy[3, 4] == energy[5, 4] == energy[4, 3] == energy[4, 5] == 1
    assert energy.sum() == 20
    assert not laplacian_energy(torch.full((1, 3, 5, 5), 0.3)).abs().max() > 1e-10


def test_octaves_halve_and_hand_down_what_they_lose() -> None:
    pyramid = build_octaves(frames_of(1, 2)[0], 3)
    assert [octave.pixels.shape for octave in pyramid] == [(2, 3, 32 // k, 48 // k) for k in (1, 2, 4)]
    assert [octave.energy.shape for octave in pyramid] == [(2, 2, 8 // k, 12 // k) for k in (1, 2, 4)]
    assert not pyramid[0].energy[:, 1].any()
    here = [laplacian_energy(octave.pixels).mean() for octave in pyramid]
    for octave, energy in zip(pyramid, here, strict=True):
        assert octave.energy[:, 0].mean() == pytest.approx(float(energy), rel=1e-5)
    assert pyramid[2].energy[:, 1].mean() == pytest.approx(float(here[0] + here[1]), rel=1e-5)
    assert pyramid[2].pixels.mean() == pytest.approx(float(pyramid[0].pixels.mean()), rel=1e-5)


def test_relative_features_have_no_mean_over_the_frames() -> None:
    features = torch.rand(6, 2, 3, 3)
    assert relative(features, 2).reshape(2, 3, 2, 3, 3).mean(1).abs().max() < 1e-6
