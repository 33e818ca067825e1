"""Exposure: flicker is found, matched, and nothing is clipped."""

import numpy as np
import pytest

from allfocus.alignment import AlignOptions, ExposureTransfer, estimate_alignment
from allfocus.alignment.photometric import build_table, match_exposure
from allfocus.core.color import from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.stack import FocalStack
from scenes import still_life, tilted_plane


@pytest.mark.parametrize("gain", [0.6, 0.9, 1.1, 1.7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tones_are_undone_and_nothing_is_cut_off(gain: float, dtype: str) -> None:
    table = build_table(gain, 0.0, dtype, dtype)
    white = len(table) - 1
    values = np.arange(len(table)) / white
    assert table[0] == 0
    assert table[-1] == white
    assert (np.diff(table.astype(int)) >= 0).all()
    assert np.count_nonzero(table == white) <= max(2, white // 400)  # only white becomes white
    below = (table < 0.85 * white) & (values < 0.88)  # beyond, the curve bends towards white
    expected = linear_to_srgb(srgb_to_linear(values.astype(np.float32)) / np.float32(gain))
    np.testing.assert_allclose(table[below] / white, expected[below], atol=1 / white)


@pytest.mark.slow
def test_flicker_is_found_and_matched() -> None:
    frames = [from_unit(to_unit(frame), "uint8") for frame in tilted_plane(still_life(6), 5, 12.0)]
    gains = [0.9, 1.05, 1.0, 0.97, 1.12]
    flickering = [
        match_exposure(frame, ExposureTransfer(gain=(1 / gain,)), np.uint8)
        for frame, gain in zip(frames, gains, strict=True)
    ]
    found = estimate_alignment(FocalStack(frames=flickering))
    np.testing.assert_allclose([exposure.gain[0] for exposure in found.exposures], gains, atol=0.015)
    kept = estimate_alignment(FocalStack(frames=flickering), AlignOptions(exposure="keep"))
    assert all(exposure.is_same for exposure in kept.exposures)
    tinted = [frame.copy() for frame in frames]
    tinted[4][..., 2] = build_table(1 / 1.1, 0.0, "uint8", "uint8")[tinted[4][..., 2]]
    by_colour = estimate_alignment(FocalStack(frames=tinted), AlignOptions(exposure="match-colour")).exposures[4].gain
    np.testing.assert_allclose(by_colour, (1, 1, 1.1), atol=0.015)
