"""PSNR, SSIM, oracle and ring: closed forms, scikit-image, and the figures known for other tools."""

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.errors import StackError
from allfocus.metrics.levels import crop, gray_bytes, gray_levels, levels
from allfocus.metrics.reference import focus_ring, oracle_index_map, psnr, ssim, ssim_map

SHARED = Path(__file__).resolve().parents[3] / "shared"


def picture(shape: tuple[int, ...] = (48, 64, 3), seed: int = 0) -> Array:
    """A smooth random 8-bit picture, so that structure survives small windows."""
    noise = np.random.default_rng(seed).random(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.rint(255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.uint8)


def blurred(image: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


def test_psnr_of_a_constant_offset_is_the_closed_form() -> None:
    truth = np.full((20, 30, 3), 100, np.uint8)
    for offset in (1, 5, 80):
        assert psnr(truth + np.uint8(offset), truth) == pytest.approx(20 * math.log10(255 / offset), abs=1e-4)


def test_psnr_of_equal_pictures_is_infinite_and_of_an_empty_mask_undefined() -> None:
    image = picture()
    assert psnr(image, image) == math.inf
    assert math.isnan(psnr(image, blurred(image, 1), mask=np.zeros(image.shape[:2], bool)))


@pytest.mark.slow
def test_psnr_agrees_with_scikit_image_without_the_border() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    truth, image = picture(), blurred(picture(), 1)
    expected = peak_signal_noise_ratio(truth[5:-5, 5:-5], image[5:-5, 5:-5])
    assert psnr(image, truth, border=5) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_depth_of_the_files_does_not_change_the_scores(dtype: type) -> None:
    truth, image = picture(), blurred(picture(), 1)
    scale = 257 if dtype is np.uint16 else np.float32(1 / 255)
    deep_truth, deep_image = (np.asarray(p.astype(dtype) * scale, dtype) for p in (truth, image))
    assert psnr(deep_image, deep_truth) == pytest.approx(psnr(image, truth), abs=1e-3)
    assert ssim(deep_image, deep_truth) == pytest.approx(ssim(image, truth), abs=1e-5)


def test_psnr_in_a_mask_counts_only_its_pixels() -> None:
    truth = np.zeros((30, 30), np.uint8)
    image = truth.copy()
    image[10:20, 10:20] = 10
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    assert psnr(image, truth, border=4, mask=mask) == pytest.approx(20 * math.log10(25.5), abs=1e-4)
    assert psnr(image, truth, border=4, mask=~mask) == math.inf


def test_gray_and_rgb_are_compared_channel_by_channel() -> None:
    gray = picture((40, 50))
    other = blurred(gray, 1)
    assert psnr(np.dstack([other] * 3), gray) == pytest.approx(psnr(other, gray), abs=1e-9)
    assert ssim(other, np.dstack([gray] * 3)) == pytest.approx(ssim(other, gray), abs=1e-6)


@pytest.mark.slow
def test_ssim_agrees_with_scikit_image_at_every_inner_pixel() -> None:
    from skimage.metrics import structural_similarity

    truth, image = picture(), blurred(picture(), 1)
    _, expected = structural_similarity(
        gray_levels(truth),
        gray_levels(image),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    np.testing.assert_allclose(ssim_map(image, truth)[5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-6)


def test_ssim_is_one_for_equal_pictures_symmetric_and_falls_with_blur() -> None:
    truth = picture()
    scores = [ssim(blurred(truth, sigma), truth) for sigma in (0.5, 1, 2, 4)]
    assert ssim(truth, truth) == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)
    assert ssim(blurred(truth, 1), truth) == pytest.approx(ssim(truth, blurred(truth, 1)))


def test_ssim_of_constant_pictures_is_the_luminance_term() -> None:
    first, second = np.full((20, 20), 50, np.uint8), np.full((20, 20), 200, np.uint8)
    constant = (0.01 * 255) ** 2
    expected = (2 * 50 * 200 + constant) / (50**2 + 200**2 + constant)
    assert ssim(first, second) == pytest.approx(expected, rel=1e-6)


def test_sizes_that_differ_and_borders_that_eat_the_picture_are_refused() -> None:
    with pytest.raises(StackError, match="differ in size: 6x5 and 7x5"):
        psnr(np.zeros((5, 6), np.uint8), np.zeros((5, 7), np.uint8))
    with pytest.raises(StackError, match="a border of 3 pixels leaves nothing of a 6x9 picture"):
        ssim(np.zeros((9, 6), np.uint8), np.zeros((9, 6), np.uint8), border=3)


def test_levels_are_exact_for_bytes_and_gray_is_rec_601() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_allclose(levels(ramp), ramp, atol=1e-4)
    colour = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(gray_bytes(colour), [[76, 150, 29, 255]])


def slow_oracle(frames: list[Array], truth: Array) -> Array:
    """Argmin by the definition, with a Gaussian summed tap by tap; borders mirrored."""
    taps = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    taps /= taps.sum()
    distances = []
    for frame in frames:
        error = np.abs(frame.astype(float) - truth.astype(float)).sum(axis=2)
        padded = np.pad(error, 4, mode="reflect")
        rows = sum(taps[k] * padded[k : k + error.shape[0]] for k in range(9))
        distances.append(sum(taps[k] * np.asarray(rows)[:, k : k + error.shape[1]] for k in range(9)))
    return np.argmin(distances, axis=0)


def test_the_oracle_follows_its_definition() -> None:
    truth = picture()
    frames = [blurred(truth, 2), picture(seed=1), blurred(truth, 3)]
    frames[2][:, 30:] = truth[:, 30:]
    index_map = oracle_index_map(frames, truth)
    assert index_map.dtype == np.uint16
    assert (index_map == slow_oracle(frames, truth)).mean() > 0.999
    assert (index_map[:, 36:] == 2).all()


def test_no_rule_picks_better_than_the_unsmoothed_best_and_the_oracle_beats_the_laplacian_rule() -> None:
    truth = picture((80, 90, 3))
    frames = [truth.copy(), blurred(truth, 2)]
    frames[0][:, 45:] = blurred(truth, 2)[:, 45:]
    frames[1][:, 45:] = truth[:, 45:]
    oracle = pick(frames, oracle_index_map(frames, truth))
    classic = pick(frames, laplacian_index_map(frames))
    assert psnr(oracle, truth) >= psnr(classic, truth) > max(psnr(frame, truth) for frame in frames)


def test_of_equally_near_frames_the_oracle_takes_the_first() -> None:
    truth = picture()
    assert not oracle_index_map([truth, truth.copy()], truth).any()


def test_the_ring_of_a_straight_edge_has_the_width_of_its_square() -> None:
    index_map = np.zeros((40, 60), np.uint16)
    index_map[:, 30:] = 1
    pair = focus_ring(index_map, 2)
    # The jump marks columns 29 and 30; a 15-wide square adds 7 on each side.
    np.testing.assert_array_equal(pair.any(axis=0).nonzero()[0], np.arange(22, 38))
    assert not focus_ring(index_map, 3).any()
    np.testing.assert_array_equal(focus_ring(2 * index_map, 3), pair)


def test_pick_takes_every_pixel_from_the_frame_named() -> None:
    frames = [picture(seed=k) for k in range(3)]
    index_map = np.random.default_rng(0).integers(0, 3, (48, 64)).astype(np.uint16)
    image = pick(frames, index_map)
    for position, frame in enumerate(frames):
        np.testing.assert_array_equal(image[index_map == position], frame[index_map == position])


def test_crop_cuts_all_four_sides() -> None:
    plane = np.arange(30).reshape(5, 6)
    np.testing.assert_array_equal(crop(plane, 2), [[14, 15]])
    assert crop(plane, 0).shape == (5, 6)


def known_figures() -> dict[str, dict[str, float]]:
    """PSNR of `oracle` and `wta` by scene, as published with the reference table."""
    with (SHARED / "reference" / "peers.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] in ("oracle", "wta")]
    figures: dict[str, dict[str, float]] = {}
    for row in rows:
        figures.setdefault(row["scene"], {})[row["method"]] = float(row["psnr_db"])
    return figures


@pytest.mark.skipif(not (SHARED / "reference" / "peers.csv").is_file(), reason="the shared scenes are not here")
@pytest.mark.parametrize("name", ["layered/c", "lightfield/shop_r5_2frames", "lightfield/shop_r4_offaxis", "aymaz/07"])
def test_wta_and_oracle_reproduce_the_known_figures(name: str) -> None:
    data = SHARED / "data" / "eval"
    scene = next(s for s in json.loads((data / "scenes.json").read_text()) if s["name"] == name)
    frames = [cv2.imread(str(data / path), cv2.IMREAD_UNCHANGED) for path in scene["frames"]]
    truth = np.asarray(cv2.imread(str(data / scene["truth"]), cv2.IMREAD_UNCHANGED))
    known = known_figures()[name]
    oracle = pick(frames, oracle_index_map(frames, truth))
    assert psnr(oracle, truth, scene["border"]) == pytest.approx(known["oracle"], abs=0.01)
    assert psnr(pick(frames, laplacian_index_map(frames)), truth, scene["border"]) == pytest.approx(
        known["wta"], abs=0.01
    )
