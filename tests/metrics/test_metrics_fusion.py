"""Metrics without a truth: closed forms, slow twins written from the papers, and the facts each must obey."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.errors import StackError
from allfocus.metrics.fusion import FusionScores, fusion_scores, q_g, q_mi, q_w, scd, viff
from allfocus.metrics.gradient import PERFECT_Q_G

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "eval" / "scenes.json"
Metric = Callable[[list[Array], Array], float]
ALL_METRICS = [q_w, scd, q_g, q_mi, viff]


def picture(shape: tuple[int, ...] = (46, 52), seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).random(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    return np.rint(255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.uint8)


def focused_pair(seed: int = 0, shape: tuple[int, int] = (46, 52)) -> tuple[list[Array], Array]:
    """Two frames, each sharp in one half, and the sharp picture."""
    sharp = picture(shape, seed)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2))
    half = shape[1] // 2
    return [np.hstack([sharp[:, :half], soft[:, half:]]), np.hstack([soft[:, :half], sharp[:, half:]])], sharp


def slow_q_w(frames: list[Array], image: Array) -> float:
    """Piella and Heijmans 2003, window by window."""
    numerator = denominator = 0.0
    for y in range(image.shape[0] - 7):
        for x in range(image.shape[1] - 7):
            fused = image[y : y + 8, x : x + 8].astype(float)
            variances, qualities = [], []
            for frame in frames:
                window = frame[y : y + 8, x : x + 8].astype(float)
                covariance = ((window - window.mean()) * (fused - fused.mean())).mean()
                means, variance = window.mean() * fused.mean(), window.var() + fused.var()
                qualities.append(4 * covariance * means / (variance * (window.mean() ** 2 + fused.mean() ** 2)))
                variances.append(window.var())
            quality = sum(v * q for v, q in zip(variances, qualities, strict=True)) / sum(variances)
            numerator += max(variances) * quality
            denominator += max(variances)
    return numerator / denominator


def slow_gradient(plane: Array, y: int, x: int) -> tuple[float, float]:
    p = plane[y - 1 : y + 2, x - 1 : x + 2].astype(float)
    across = p[0, 2] + 2 * p[1, 2] + p[2, 2] - p[0, 0] - 2 * p[1, 0] - p[2, 0]
    down = p[2, 0] + 2 * p[2, 1] + p[2, 2] - p[0, 0] - 2 * p[0, 1] - p[0, 2]
    angle = math.atan(down / across) if across else math.copysign(math.pi / 2, down) * (down != 0)
    return math.hypot(across, down), angle


def slow_q_g(frames: list[Array], image: Array) -> float:
    """Xydeas and Petrovic 2000, pixel by pixel."""
    kept = total = 0.0
    for y in range(1, image.shape[0] - 1):
        for x in range(1, image.shape[1] - 1):
            fused_strength, fused_angle = slow_gradient(image, y, x)
            for frame in frames:
                strength, angle = slow_gradient(frame, y, x)
                ratio = min(strength, fused_strength) / max(strength, fused_strength, 1e-12) if strength else 0.0
                alignment = 1 - abs(angle - fused_angle) / (math.pi / 2)
                by_strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
                by_angle = 0.9879 / (1 + math.exp(-22 * (alignment - 0.8)))
                kept += by_strength * by_angle * strength
                total += strength
    return kept / total


def slow_q_mi(frames: list[Array], image: Array) -> float:
    """Hossny 2008 from the probabilities themselves."""
    score = 0.0
    for frame in frames:
        joint: dict[tuple[int, int], float] = {}
        for a, b in zip(frame.ravel().tolist(), image.ravel().tolist(), strict=True):
            joint[a, b] = joint.get((a, b), 0) + 1 / image.size
        first = [sum(p for (a, _), p in joint.items() if a == level) for level in range(256)]
        second = [sum(p for (_, b), p in joint.items() if b == level) for level in range(256)]
        information = sum(p * math.log2(p / (first[a] * second[b])) for (a, b), p in joint.items())
        entropies = -sum(p * math.log2(p) for p in (*first, *second) if p)
        score += information / entropies
    return 2 * score * 2 / len(frames)


def slow_viff(frames: list[Array], image: Array) -> float:
    """Han et al. 2013, window by window, on four scales."""
    planes = [plane.astype(float) for plane in (*frames, image)]
    score = 0.0
    for scale, (side, weight) in enumerate(zip((17, 9, 5, 3), (1, 0, 0.15, 1), strict=True)):
        offsets = np.arange(side) - side // 2
        window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (side / 5) ** 2))
        window /= window.sum()
        if scale:
            planes = [slow_filter(plane, window)[::2, ::2] for plane in planes]
        kept = available = 1e-300
        for y in range(planes[0].shape[0] - side + 1):
            for x in range(planes[0].shape[1] - side + 1):
                fused = planes[-1][y : y + side, x : x + side]
                fits = [slow_gain(p[y : y + side, x : x + side], fused, window) for p in planes[:-1]]
                best = min(fits, key=lambda fit: (fit[0], -fit[2]))
                kept, available = kept + best[1], available + best[2]
        score += weight / 2.15 * kept / available
    return score


def slow_filter(plane: Array, window: Array) -> Array:
    side = len(window)
    return np.array(
        [
            [(plane[y : y + side, x : x + side] * window).sum() for x in range(plane.shape[1] - side + 1)]
            for y in range(plane.shape[0] - side + 1)
        ]
    )


def slow_gain(plane: Array, fused: Array, window: Array) -> tuple[float, float, float]:
    mean, fused_mean = (plane * window).sum(), (fused * window).sum()
    variance = (window * (plane - mean) ** 2).sum()
    covariance = (window * (plane - mean) * (fused - fused_mean)).sum()
    gain = max(covariance, 0) / variance
    noise = (window * (fused - fused_mean) ** 2).sum() - gain * covariance
    sight = 0.005 * 255**2
    return gain, math.log(1 + gain**2 * variance / (noise + sight)), math.log(1 + variance / sight)


def noisy_mix(frames: list[Array], seed: int = 5) -> Array:
    """An imperfect fusion, so that no term sits at its extreme."""
    noise = np.random.default_rng(seed).integers(-6, 7, frames[0].shape)
    return np.clip((0.7 * frames[0] + 0.3 * frames[-1]) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("fast", "slow", "tolerance"),
    [(q_w, slow_q_w, 1e-9), (q_g, slow_q_g, 1e-5), (q_mi, slow_q_mi, 1e-9), (viff, slow_viff, 1e-6)],
)
def test_the_fast_form_equals_the_slow_twin(fast: Metric, slow: Metric, tolerance: float, count: int) -> None:
    frames, _ = focused_pair()
    frames = [*frames, picture(seed=9)][:count]
    image = noisy_mix(frames)
    assert fast(frames, image) == pytest.approx(slow(frames, image), abs=tolerance)


def test_scd_of_a_pair_is_the_formula_of_the_paper() -> None:
    (first, second), _ = focused_pair()
    image = noisy_mix([first, second])
    a, b, f = (p.astype(float).ravel() for p in (first, second, image))
    expected = np.corrcoef(f - b, a)[0, 1] + np.corrcoef(f - a, b)[0, 1]
    assert scd([first, second], image) == pytest.approx(expected, abs=1e-9)


def test_scd_of_independent_layers_added_up_is_the_maximum() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 120, (2, 60, 60)).astype(np.uint8)
    assert scd([first, second], first + second) == pytest.approx(2, abs=1e-9)


def test_scd_of_three_frames_takes_the_mean_of_the_others_away() -> None:
    frames = [picture(seed=k) for k in range(3)]
    image = noisy_mix(frames)
    total = np.sum([f.astype(float) for f in frames], axis=0)
    expected = sum(np.corrcoef((image - (total - f) / 2).ravel(), f.astype(float).ravel())[0, 1] for f in frames)
    assert scd(frames, image) == pytest.approx(2 / 3 * expected, abs=1e-9)


def test_scd_counts_an_unfused_frame_and_constants_as_no_correlation() -> None:
    (first, second), _ = focused_pair()
    a, b = first.astype(float).ravel(), second.astype(float).ravel()
    assert scd([first, second], second) == pytest.approx(np.corrcoef(b - a, b)[0, 1], abs=1e-9)
    assert scd([np.zeros_like(first), np.zeros_like(first)], first) == 0


def test_a_picture_equal_to_all_frames_scores_the_top_of_each_scale() -> None:
    image = picture()
    frames = [image, image.copy()]
    assert q_w(frames, image) == pytest.approx(1, abs=1e-9)
    assert q_g(frames, image) == pytest.approx(PERFECT_Q_G, abs=1e-6)
    assert q_mi(frames, image) == pytest.approx(2, abs=1e-9)
    assert viff(frames, image) == pytest.approx(1, abs=1e-6)


def test_the_top_of_q_g_is_the_product_of_its_sigmoids() -> None:
    assert pytest.approx(0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4)), abs=1e-9) == PERFECT_Q_G


def test_q_g_of_halved_edges_is_the_sigmoid_at_one_half() -> None:
    ramp = np.tile((4 * np.arange(40)).astype(np.uint8), (20, 1))
    expected = 0.9994 / 2 * 0.9879 / (1 + math.exp(-4.4))
    assert q_g([ramp], ramp // 2) == pytest.approx(expected, abs=1e-6)


def test_q_g_with_zero_padding_counts_the_frame_round_the_picture() -> None:
    frames, sharp = focused_pair()
    padded = [np.pad(p, 1) for p in (*frames, sharp)]
    assert q_g(frames, sharp, zero_padded=True) == pytest.approx(q_g(padded[:2], padded[2]), abs=1e-12)
    assert q_g(frames, sharp, zero_padded=True) > q_g(frames, sharp)


def test_q_g_without_any_edge_is_undefined() -> None:
    flat = np.full((10, 10), 9, np.uint8)
    assert math.isnan(q_g([flat, flat], flat))


def test_q_w_of_the_negative_is_minus_its_luminance_term() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 2, (8, 8)).astype(np.uint8) * 255
    mean = image.mean()
    luminance = 2 * mean * (255 - mean) / (mean**2 + (255 - mean) ** 2)
    assert q_w([image], 255 - image) == pytest.approx(-luminance, abs=1e-9)


def test_q_mi_of_independent_halves_is_zero_and_of_a_relabelling_is_full() -> None:
    first = np.tile(np.array([[0, 0, 255, 255]], np.uint8), (4, 1))
    second = first.T.copy()
    assert q_mi([first, first], second) == pytest.approx(0, abs=1e-12)
    assert q_mi([first, first], 255 - first) == pytest.approx(2, abs=1e-12)
    assert q_mi([np.zeros_like(first)], np.zeros_like(first)) == 0


def test_returning_one_frame_unfused_tops_q_mi_but_not_q_w_nor_scd() -> None:
    frames, sharp = focused_pair(shape=(80, 90))
    assert q_mi(frames, frames[0]) > q_mi(frames, sharp)
    assert q_w(frames, frames[0]) < q_w(frames, sharp)
    assert scd(frames, frames[0]) < scd(frames, sharp)


def test_viff_grows_above_one_with_contrast_and_counts_flat_pictures_as_kept() -> None:
    soft = (64 + picture() // 2).astype(np.uint8)
    assert viff([soft, soft], np.clip(2.0 * soft - 128, 0, 255).astype(np.uint8)) > 1
    flat = np.full((46, 52), 30, np.uint8)
    assert viff([flat, flat], flat) == pytest.approx(1)


def test_q_mi_falls_with_noise() -> None:
    frames, sharp = focused_pair(shape=(80, 90))
    noise = np.random.default_rng(0).normal(size=sharp.shape)
    scores = [q_mi(frames, np.clip(sharp + sigma * noise, 0, 255).astype(np.uint8)) for sigma in (0, 1, 3, 9)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("metric", [q_w, q_g, viff])
def test_scores_fall_as_the_fused_picture_is_blurred(metric: Metric) -> None:
    frames, sharp = focused_pair(shape=(80, 90))
    scores = [metric(frames, sharp)]
    scores += [metric(frames, np.asarray(cv2.GaussianBlur(sharp, (0, 0), sigma))) for sigma in (1, 2, 4)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("metric", ALL_METRICS)
def test_the_order_of_the_frames_does_not_matter(metric: Metric) -> None:
    frames = [picture(seed=k) for k in range(4)]
    image = noisy_mix(frames)
    assert metric(frames[::-1], image) == pytest.approx(metric(frames, image), abs=1e-7)


@pytest.mark.parametrize("metric", ALL_METRICS)
def test_a_stack_given_twice_scores_like_the_stack(metric: Metric) -> None:
    frames = [picture(seed=k) for k in range(3)]
    image = noisy_mix(frames)
    twice = metric([*frames, *frames], image)
    if metric is scd:  # the others of a frame now hold its own copy
        assert -2 <= twice <= 2
    else:
        assert twice == pytest.approx(metric(frames, image), abs=1e-7)


@pytest.mark.parametrize("metric", ALL_METRICS)
def test_scores_stay_in_their_range_on_unrelated_pictures(metric: Metric) -> None:
    low, high = {q_w: (-1, 1), scd: (-2, 2), q_g: (0, PERFECT_Q_G), q_mi: (0, 2), viff: (0, 1)}[metric]
    frames = [picture(seed=1), picture(seed=2)]
    assert low <= metric(frames, picture(seed=3)) <= high


@pytest.mark.parametrize("metric", ALL_METRICS)
def test_sizes_are_checked(metric: Metric) -> None:
    with pytest.raises(StackError, match="frame 2 is 53x46; the fused picture is 52x46"):
        metric([picture(), np.zeros((46, 53), np.uint8)], picture())
    with pytest.raises(StackError, match="no frames"):
        metric([], picture())


@pytest.mark.parametrize(("metric", "side"), [(q_w, 8), (q_g, 3), (viff, 41)])
def test_pictures_below_one_window_are_refused_and_one_window_is_enough(metric: Metric, side: int) -> None:
    enough, small = picture((side, side)), picture((side, side - 1))
    assert math.isfinite(metric([enough], enough))
    with pytest.raises(StackError, match=f"at least {side}x{side}"):
        metric([small], small)


def test_all_scores_at_once_are_the_single_ones_without_the_border() -> None:
    frames, _ = focused_pair(shape=(60, 70))
    image = noisy_mix(frames)
    inner = [p[4:-4, 4:-4] for p in (*frames, image)]
    expected = FusionScores(
        q_w=q_w(inner[:2], inner[2]),
        scd=scd(inner[:2], inner[2]),
        q_g=q_g(inner[:2], inner[2]),
        q_mi=q_mi(inner[:2], inner[2]),
        viff=viff(inner[:2], inner[2]),
    )
    assert fusion_scores(frames, image, border=4) == expected


def test_depth_and_gray_in_three_channels_change_nothing() -> None:
    frames, _ = focused_pair()
    image = noisy_mix(frames)
    deep = [np.dstack([p.astype(np.uint16) * 257] * 3) for p in (*frames, image)]
    assert fusion_scores(deep[:2], deep[2]) == fusion_scores(frames, image)


@pytest.mark.slow
@pytest.mark.skipif(not SCENES.is_file(), reason="the shared scenes are not here")
def test_the_laplacian_rule_on_lytro_scores_like_published_decision_map_methods() -> None:
    """Published Q_G of methods since 2015, zero-padded, lies within .758 to .762 on these 20 pairs."""
    names = [f"mfifb/lytro_{k:02}" for k in range(1, 21)]
    scenes = {s["name"]: s for s in json.loads(SCENES.read_text())}
    scores = []
    for name in names:
        frames = [np.asarray(cv2.imread(str(SCENES.parent / p)))[..., ::-1] for p in scenes[name]["frames"]]
        image = gray(pick(frames, laplacian_index_map(frames)))
        scores.append(q_g([gray(frame) for frame in frames], image, zero_padded=True))
    assert np.mean(scores) == pytest.approx(0.7612, abs=0.0005)


def gray(image: Array) -> Array:
    """Luma by OpenCV, which shares no code with the package."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
