"""A camera's faults: off, they change nothing; on, each does what its name says and no more."""

import pytest
import torch

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles.camera import breathe, damage, draw_matte, jpeg, misregister

FAULTS = ("noise", "exposure", "jpeg", "gray", "misregister", "quantise", "breathing")
SPOTLESS = dict.fromkeys(FAULTS, 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frames_of(batch: int = 2, count: int = 3, size: int = 32, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    return low + (high - low) * torch.rand(batch, count, 3, size, size, generator=seeded(9))


def damaged_by(fault: str, frames: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    config = ShuffleConfig(**{**SPOTLESS, fault: 1.0})
    return damage(frames[:, 0].clone(), frames.clone(), config, seeded(seed))


def test_without_faults_nothing_changes() -> None:
    frames = frames_of()
    truth, same = damage(frames[:, 0].clone(), frames.clone(), ShuffleConfig(**SPOTLESS), seeded())
    assert torch.equal(same, frames)
    assert torch.equal(truth, frames[:, 0])


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_shows_stays_in_range_and_comes_from_the_seed(fault: str) -> None:
    frames = frames_of()
    truth, faulty = damaged_by(fault, frames)
    assert not torch.equal(faulty, frames)
    assert faulty.min() >= 0
    assert faulty.max() <= 1
    assert torch.equal(faulty, damaged_by(fault, frames)[1])
    assert torch.equal(truth, frames[:, 0]) == (fault != "gray")


def test_gray_grays_frames_and_truth() -> None:
    frames = frames_of()
    truth, gray = damaged_by("gray", frames)
    assert torch.equal(gray[:, :, :1].expand_as(gray), gray)
    assert torch.equal(gray[:, 0], truth)


def test_quantising_rounds_to_eight_bits() -> None:
    frames = frames_of()
    _, rounded = damaged_by("quantise", frames)
    torch.testing.assert_close(rounded * 255, (frames * 255).round())


def test_exposure_drifts_by_at_most_five_percent_a_frame() -> None:
    frames = frames_of(batch=20, low=0.1, high=0.9)
    _, drifted = damaged_by("exposure", frames)
    gain = (drifted / frames).flatten(2)
    torch.testing.assert_close(gain.amin(2), gain.amax(2), rtol=1e-5, atol=0)  # one gain for a whole frame
    assert 0.95 <= gain.min() < 0.97
    assert 1.03 < gain.max() <= 1.051


def test_noise_grows_with_light_and_has_no_bias() -> None:
    levels = torch.tensor([0.1, 0.5]).view(1, 2, 1, 1, 1).expand(30, 2, 3, 32, 32)
    _, noisy = damaged_by("noise", levels)
    error = noisy - levels
    dark, bright = error[:, 0].std(), error[:, 1].std()
    assert dark < bright < 0.06
    assert error.mean().abs() < 1e-3


def test_jpeg_is_idempotent_and_close() -> None:
    frames = frames_of(low=0.3, high=0.7, size=30)
    once = jpeg(frames, seeded())
    assert once.shape == frames.shape
    assert 0 < (once - frames).abs().mean() < 0.15
    frames = frames_of(low=0.3, high=0.7, size=32)
    once = jpeg(frames, seeded())
    # the same draw of the quality again: coefficients that are multiples of the step stay what they are
    torch.testing.assert_close(jpeg(once, seeded()), once, atol=1e-4, rtol=0)


def test_jpeg_keeps_flat_blocks_within_half_a_step() -> None:
    level = torch.linspace(0.1, 0.9, 12).view(2, 6, 1, 1, 1).expand(2, 6, 3, 16, 16)
    coded = jpeg(level, seeded())
    # the coefficient of a flat block is 8 times its level, in steps of at most 0.8 * 10 / 255
    assert (coded - level).abs().max() <= 0.8 * 10 / 255 / 8 / 2 + 1e-6
    assert (coded - coded[..., :1, :1]).abs().max() < 1e-6


def test_misregistering_shifts_each_frame_by_less_than_a_pixel() -> None:
    ramp = torch.linspace(0.2, 0.8, 61)
    across = ramp.expand(4, 3, 3, 61, 61)
    for frames in (across, across.transpose(-1, -2)):
        moved = misregister(frames, seeded(3))
        shift = ((moved - frames) / 0.01)[..., 5:-5, 5:-5].flatten(2)  # the ramp rises by 0.01 a pixel
        torch.testing.assert_close(shift.amin(2), shift.amax(2), atol=1e-3, rtol=0)
        assert 0.3 < shift.abs().max() <= 0.701
        assert len(shift[..., 0].flatten().unique()) == 12


def test_mattes_cover_part_of_the_picture_softly() -> None:
    mattes = draw_matte(60, 48, seeded())
    assert mattes.shape == (60, 1, 48, 48)
    assert mattes.dtype == torch.float32
    assert mattes.min() >= 0
    assert mattes.max() == 1
    cover = mattes.mean((1, 2, 3))
    assert ((cover > 0) & (cover < 1)).float().mean() > 0.9
    assert ((mattes > 0) & (mattes < 1)).any((1, 2, 3)).float().mean() > 0.9
    assert torch.equal(mattes, draw_matte(60, 48, seeded()))
    assert not torch.equal(mattes, draw_matte(60, 48, seeded(1)))


def test_breathing_scales_the_first_and_the_last_frame_the_other_way_and_not_the_middle_one() -> None:
    rows = torch.linspace(0, 1, 64)[:, None].expand(64, 64)  # moved by d pixels it changes by d / 63
    frames = rows.expand(30, 3, 3, 64, 64)
    change = 63 * (breathe(frames, seeded(4)) - frames)[..., 8:-8, 8:-8]
    assert change[:, 1].abs().max() < 0.01
    assert change.abs().max() <= 1.6
    assert change.abs().amax((1, 2, 3, 4)).max() > 0.5
    torch.testing.assert_close(change[:, 0], -change[:, 2], atol=0.1, rtol=0.1)


def test_new_shapes_come_as_often_as_asked() -> None:
    old, mixed = draw_matte(40, 48, seeded(5)), draw_matte(40, 48, seeded(5), shapes=0.5)
    assert torch.equal(draw_matte(40, 48, seeded(5), shapes=0.0), old)
    assert not torch.equal(mixed, old)
    assert mixed.min() >= 0
    assert mixed.max() <= 1
