"""Highlights, tone curves and sharpening: where they happen and what they leave alone."""

import pytest
import torch

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles.light import BRIGHTEST, LEAST_LUMA, develop, sharpened, toned, with_highlights


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_highlights_are_rare_bright_places_brighter_than_white() -> None:
    light = torch.rand(40, 2, 3, 32, 32, generator=seeded(1))
    lit = with_highlights(light, 0.5, seeded(2))
    changed = (lit != light).any(2)  # B P S S
    share = changed.flatten(1).any(1).float().mean()
    assert 0.25 < share < 0.75
    assert (lit >= light).all()
    assert lit.max() <= BRIGHTEST
    assert lit.max() > 3
    assert changed.float().mean() < 0.05
    luma = 0.2126 * light[:, :, 0] + 0.7152 * light[:, :, 1] + 0.0722 * light[:, :, 2]
    assert luma[changed].min() > LEAST_LUMA
    assert torch.equal(with_highlights(light, 0.0, seeded(2)), light)


def test_processing_is_the_same_for_the_truth_and_a_frame_like_it() -> None:
    frames = torch.rand(6, 3, 3, 24, 24, generator=seeded(3))
    config = ShuffleConfig(tone=1.0, sharpen=1.0)
    truth, processed = develop(frames[:, 1], frames, config, seeded(4))
    assert torch.equal(truth, processed[:, 1])
    assert not torch.equal(processed, frames)
    same = develop(frames[:, 1], frames, ShuffleConfig(), seeded(4))
    assert torch.equal(same[1], frames)


def test_tone_curves_rise_from_black_to_white_and_differ_from_group_to_group() -> None:
    ramp = torch.linspace(0, 1, 48).expand(20, 1, 3, 4, 48)
    curves = toned(ramp, 0.8, seeded(5))
    assert (curves.diff(dim=-1) >= 0).all()
    assert curves[..., 0].max() < 0.01
    torch.testing.assert_close(curves[..., -1], torch.ones_like(curves[..., -1]))
    unlike = (curves - ramp).abs().amax((1, 2, 3, 4))
    assert 0 < (unlike < 1e-6).sum() < 10
    assert unlike.max() > 0.1


def test_sharpening_raises_detail_and_leaves_flat_places() -> None:
    flat = torch.full((3, 2, 3, 24, 24), 0.4)
    torch.testing.assert_close(sharpened(flat, 1.0, seeded(6)), flat, atol=1e-5, rtol=0)
    rough = 0.4 + 0.1 * torch.rand(3, 2, 3, 24, 24, generator=seeded(7))
    assert sharpened(rough, 1.0, seeded(6)).std() > 1.2 * rough.std()
    assert torch.equal(sharpened(rough, 0.0, seeded(6)), rough)


@pytest.mark.parametrize("name", ["tone", "sharpen"])
def test_results_stay_in_range(name: str) -> None:
    frames = torch.rand(4, 3, 3, 24, 24, generator=seeded(8))
    for pictures in develop(frames[:, 0], frames, ShuffleConfig(**{name: 1.0}), seeded(9)):
        assert pictures.min() >= 0
        assert pictures.max() <= 1
