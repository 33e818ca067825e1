"""Depth between frames: of surfaces whose depth is known, with an error that is true."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from allfocus import FusionResult, fuse
from allfocus.core.color import FloatArray
from allfocus.decision.depth import DepthMeter, agree, find_peaks, measure_by_chances
from surfaces import ball, blur, cone, ramp, shoot

Shape = Callable[[int, int, int], FloatArray]


def measure(depth: FloatArray, frames: int, **how: float) -> FusionResult:
    return fuse(shoot(depth, frames, **how), align="none", halos="keep", depth=True)


def rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "frames", "how"),
    [
        (ramp, 12, {"step": 0.5, "noise": 0.012, "contrast": 0.4, "seed": 6}),
        (cone, 12, {"step": 0.7, "noise": 0.006, "contrast": 0.5, "seed": 2}),
        (ball, 10, {"noise": 0.004, "seed": 3}),
    ],
)
def test_depth_of_a_surface_is_right_and_so_is_its_error(shape: Shape, frames: int, how: dict[str, float]) -> None:
    truth = shape(260, 360, frames)
    result = measure(truth, frames, **how)
    assert result.depth is not None
    assert result.depth_error is not None
    surface = np.isfinite(truth)
    known = surface & np.isfinite(result.depth)
    assert known.sum() > 0.97 * surface.sum()
    off = (result.depth - truth)[known]
    assert np.abs(off).mean() <= 0.12
    said = rms(result.depth_error[known]) / rms(off)
    assert 0.8 < said < (1.8 if shape is ball else 1.2)  # with little noise more than there is
    if shape is ramp:
        assert np.mean(np.abs(result.depth - np.rint(result.depth))[known] < 0.05) <= 0.15


@pytest.mark.slow
def test_of_a_black_background_nothing_is_known() -> None:
    truth = ball(200, 320, 6)
    result = measure(truth, 6)
    assert result.depth is not None
    assert result.depth_error is not None
    around = np.isnan(truth)
    beside = cv2.erode(around.astype(np.uint8), np.ones((9, 9))) > 0  # where light out of focus reaches
    assert np.isnan(result.depth[beside]).all()
    assert np.isfinite(result.depth[~around]).mean() > 0.99
    np.testing.assert_array_equal(np.isnan(result.depth), np.isnan(result.depth_error))
    filled = result.fill_depth()
    assert filled is not None
    assert np.isfinite(filled).all()


@pytest.mark.slow
def test_noise_in_black_and_light_from_around_have_no_depth_however_dim() -> None:
    truth, rng = ball(160, 240, 5), np.random.default_rng(1)
    shots = [frame.mean(axis=2) / 255 + rng.normal(0, 0.005, truth.shape) for frame in shoot(truth, 5)]
    beside = cv2.erode(np.isnan(truth).astype(np.uint8), np.ones((9, 9))) > 0
    for white in (3000, 60000):
        frames = [np.rint(np.clip(shot, 0, 1) * white).astype(np.uint16) for shot in shots]
        depth = fuse(frames, align="none", halos="keep", depth=True).depth
        assert depth is not None
        assert np.isnan(depth[beside]).mean() > 0.998
        assert np.isfinite(depth[np.isfinite(truth)]).mean() > 0.98


def test_points_of_light_on_black_keep_their_depth_though_they_vanish_out_of_focus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shots = []
    for frame in range(4):
        black = np.zeros((96, 128), np.float32)
        for x, place in ((32, 0), (96, 3)):
            point = np.zeros_like(black)
            point[46:50, x : x + 4] = 0.9
            black += blur(point, 14.0 * abs(frame - place))
        shots.append(np.rint(np.clip(black, 0, 1) * 255).astype(np.uint8))
    assert shots[3][40:56, 26:42].max() <= 1
    depth = fuse(shots, align="none", halos="keep", depth=True).depth
    monkeypatch.setattr(DepthMeter, "_is_lit_from_around", lambda meter, cell: np.zeros(black.shape, bool))
    before = fuse(shots, align="none", halos="keep", depth=True).depth
    assert depth is not None
    assert before is not None
    for x in (32, 96):
        np.testing.assert_array_equal(depth[46:50, x : x + 4], before[46:50, x : x + 4])
        assert np.isfinite(depth[46:50, x : x + 4]).any()


def test_nothing_is_known_where_all_frames_are_the_same() -> None:
    frame = shoot(ramp(96, 128, 2), 2)[0]
    result = fuse([frame] * 4, align="none", depth=True)
    assert result.depth is not None
    assert np.isnan(result.depth).all()


def test_a_peak_of_detail_is_found_between_frames() -> None:
    places = np.arange(9, dtype=np.float32)[:, None, None]
    truth = np.tile(np.linspace(1, 7, 20, dtype=np.float32), (8, 1))
    peaks = find_peaks(np.exp(-np.square(places - truth) / 3), noise=1e-6)
    np.testing.assert_allclose(peaks.depth[:, 3:-3], truth[:, 3:-3], atol=0.06)
    np.testing.assert_allclose(peaks.width, np.sqrt(1.5), rtol=0.1)


def test_chances_give_a_depth_between_two_frames_that_share_the_focus() -> None:
    chances = np.array([[0.0, 0.3, 0.7, 0.0], [0.1, 0.8, 0.1, 0.0], [1.0, 0.0, 0.0, 0.0]], np.float32).T[:, None]
    depth, variance = measure_by_chances(chances, np.arange(4), chances.argmax(axis=0))
    np.testing.assert_allclose(depth[0], [1.7, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(variance[0] - 1 / 12, [0.21, 0.2, 0.0], atol=1e-6)


def test_a_hair_and_its_wall_are_not_averaged() -> None:
    chances = np.array([0.55, 0.0, 0.0, 0.45], np.float32)[:, None, None]
    depth, variance = measure_by_chances(chances, np.arange(4), chances.argmax(axis=0))
    assert depth[0, 0] == 0
    assert variance[0, 0] > 1


def test_frames_may_come_in_any_order() -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(5), (6, 7)).astype(np.float32).transpose(2, 0, 1)
    best, order = chances.argmax(axis=0), np.array([3, 0, 4, 1, 2])
    expected, found = (measure_by_chances(chances[k], k, best) for k in (np.arange(5), order))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_surer_of_two_depths_counts_for_more_and_disagreement_is_told() -> None:
    at, sure = np.float32([[2.0]]), np.float32([[0.01]])
    depth, variance = agree((at, 10 * sure), (at + 0.1, sure))
    assert 2.05 < depth[0, 0] < 2.1
    assert variance[0, 0] < 0.01
    _, apart = agree((at, 10 * sure), (at + 1.5, sure))
    assert apart[0, 0] > 1
