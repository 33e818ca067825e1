"""Exposure: flicker is found, matched, and nothing is clipped."""

import cv2
import numpy as np
import pytest

from allfocus import fuse
from allfocus.alignment import AlignOptions, ExposureTransfer, estimate_alignment
from allfocus.alignment.brightness import build_table, find_burnt, match_exposure
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, srgb_to_linear, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError
from pictures import focused_pair
from scenes import still_life, tilted_plane


@pytest.mark.parametrize("gain", [0.6, 0.9, 1.1, 1.4])
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
    frames = [frame[:, :160] for frame in tilted_plane(still_life(6), 5, 12.0)]
    gains = [0.9, 1.05, 1.0, 0.97, 1.12]
    flickering = [
        match_exposure(frame, ExposureTransfer(gain=(1 / gain,)), np.uint8)
        for frame, gain in zip(frames, gains, strict=True)
    ]
    found = estimate_alignment(FocalStack(frames=flickering))
    np.testing.assert_allclose([exposure.gain[0] for exposure in found.exposures], gains, atol=0.015)
    kept = estimate_alignment(FocalStack(frames=flickering[:2]), AlignOptions(exposure="keep"))
    assert all(exposure.is_same for exposure in kept.exposures)
    tinted = [frames[2], frames[3], frames[4].copy()]
    tinted[2][..., 2] = build_table(1 / 1.1, 0.0, "uint8", "uint8")[tinted[2][..., 2]]
    by_colour = estimate_alignment(FocalStack(frames=tinted), AlignOptions(exposure="match-colour")).exposures[2].gain
    np.testing.assert_allclose(by_colour, (1, 1, 1.1), atol=0.015)


# --- a stop and more -----------------------------------------------------------------------------


def sunlit(height: int = 120) -> FloatArray:
    """A scene (linear light) with much that a longer exposure burns, and shadows that it does not."""
    rng = np.random.default_rng(3)
    large = cv2.resize(rng.random((height * 3 // 80, 12, 3), np.float32), (320, height), interpolation=cv2.INTER_CUBIC)
    small = cv2.GaussianBlur(rng.random((height, 320, 3), np.float32), (0, 0), 1.5)
    return np.clip(0.03 + 0.7 * large**2 * small / small.max(), 0, 0.93)


def exposed(light: FloatArray, stops: float, dtype: str = "uint8") -> Array:
    """What a camera makes of light."""
    return from_unit(linear_to_srgb(np.clip(light * np.float32(2**stops), 0, 1)), dtype)


STOPS = [(0, 1), (1, 0), (2, 0), (0, 2), (-1, 0), (-3, 0), (0, -3)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stops", "exposure", "dtype"),
    [
        *((stops, "match", "uint8") for stops in STOPS[:2]),
        *(pytest.param(stops, "match", "uint8", marks=pytest.mark.slow) for stops in STOPS[2:]),
        *(pytest.param(stops, "match-colour", "uint16", marks=pytest.mark.slow) for stops in STOPS),
        *(pytest.param(stops, "match", "uint16", marks=pytest.mark.slow) for stops in ((2, 0), (0, -3))),
        *(pytest.param(stops, "match-colour", "uint8", marks=pytest.mark.slow) for stops in ((2, 0), (0, -3))),
    ],
)
def test_two_frames_stops_apart_are_matched(stops: tuple[int, int], exposure: str, dtype: str) -> None:
    pair = [exposed(light, each, dtype) for light, each in zip(focused_pair(sunlit()), stops, strict=True)]
    found = fuse(pair, method="laplacian", exposure=exposure, halos="keep")
    assert found.alignment is not None
    np.testing.assert_allclose(np.log2(found.alignment.exposures[0].gain), stops[0] - stops[1], atol=0.05)
    expected = to_unit(exposed(sunlit(), stops[1], dtype))
    # the shoulder begins at 0.9, and what is burnt in the sharp frame is taken from the other
    burnt = find_burnt(pair[0], ExposureTransfer(gain=(2.0,)))
    is_ordinary = (expected < 0.88) & (True if burnt is None else ~burnt[..., None])
    wrong = np.abs(to_unit(found.image) - expected)[is_ordinary]
    assert np.quantile(wrong, 0.95) < 0.02


@pytest.mark.slow
def test_frames_that_are_burnt_beyond_comparison_are_refused_not_fused() -> None:
    pair = [exposed(light, each) for light, each in zip(focused_pair(sunlit() + 0.07), (0, 5), strict=True)]
    with pytest.raises(AlignmentError, match=r"array 1 is exposed very differently from array 2.*--exposure keep"):
        fuse(pair, method="laplacian", halos="keep")
    kept = fuse(pair, method="laplacian", exposure="keep", halos="keep")
    assert kept.alignment is not None
    assert all(exposure.is_same for exposure in kept.alignment.exposures)


@pytest.mark.slow
def test_a_burnt_frame_of_several_is_left_out() -> None:
    near, far = focused_pair(sunlit() + 0.07)
    frames = [exposed(light, stops) for light, stops in ((near, 0), (far, 0), (near, 0), (far, 3))]
    found = fuse(frames, method="laplacian", halos="keep")
    assert found.alignment is not None
    assert list(found.alignment.left_out) == [3]


def test_dark_frames_of_one_exposure_are_no_matter_of_exposure() -> None:
    rng = np.random.default_rng(5)
    specks = np.zeros((240, 320), np.float32)
    specks[rng.integers(10, 230, 60), rng.integers(10, 310, 60)] = 60
    planes = [cv2.GaussianBlur(specks * share, (0, 0), 2) for share in (1.0, 0.4)]  # of a section there is less light
    found = estimate_alignment(FocalStack(frames=[exposed(np.clip(plane, 0, 1), 0) for plane in planes]))
    assert all(exposure.is_known for exposure in found.exposures)


@pytest.mark.slow
def test_burnt_highlights_of_a_far_brighter_frame_come_from_the_other() -> None:
    light = sunlit(240)
    pair = [exposed(part, stops) for part, stops in zip(focused_pair(light), (1, 0), strict=True)]
    found = fuse(pair, method="laplacian", halos="keep")
    burnt = find_burnt(pair[0], ExposureTransfer(gain=(2.0,)))
    assert burnt is not None
    assert (found.index_map[burnt] == 1).all()
    assert np.array_equal(found.image[burnt], pair[1][burnt])
    assert [note.code for note in found.notes] == ["highlights-filled"]
    assert find_burnt(pair[0], ExposureTransfer(gain=(1.1,))) is None
