"""Halos: discs are measured from the stack, veils are taken away where they are, and nothing else changes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import allfocus
from allfocus.composition.measure import measure_defocus
from allfocus.core.color import Array, FloatArray, from_unit, linear_to_srgb, to_unit
from allfocus.decision.painted import PaintedDecision, Stroke
from conftest import Cli
from scenes import STALK_RADIUS, defocused, ground, noisy, photo, render_stalk


def psnr(image: Array, truth: FloatArray, where: Array) -> float:
    return float(-10 * np.log10(np.square(to_unit(image) - truth)[where].mean()))


def ring(veil: FloatArray) -> Array:
    """Where the background is veiled, well inside the picture."""
    inner = np.zeros(veil.shape, bool)
    inner[16:-16, 16:-16] = True
    return inner & (veil > 0.03) & (veil < 0.75)


@pytest.mark.parametrize("seed", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_discs_and_the_near_end_are_measured(seed: int) -> None:
    frames, _, _ = render_stalk(seed)
    first, last = measure_defocus(frames), measure_defocus(frames[::-1])
    assert first is not None
    assert last is not None
    assert first.step == pytest.approx(STALK_RADIUS, rel=0.15)
    assert first.near_first
    assert not last.near_first


def test_a_bright_thing_before_a_dark_wall_is_near() -> None:
    wall = ground(160, 200, seed=0) * np.float32(0.15)
    matte = cv2.circle(np.zeros((160, 200, 3), np.float32), (60, 70), 25, (1, 1, 1), -1, cv2.LINE_AA)
    veil = defocused(matte, STALK_RADIUS)
    near = defocused(wall, STALK_RADIUS) * (1 - matte) + 0.8 * matte
    frames = [photo(near), photo(wall * (1 - veil) + 0.8 * veil)]
    first, last = measure_defocus(frames), measure_defocus(frames[::-1])
    assert first is not None
    assert last is not None
    assert first.near_first
    assert not last.near_first


def test_a_halo_is_removed_and_the_rest_stays() -> None:
    frames, truth, veil = render_stalk()
    kept = allfocus.fuse(frames, align="none", halos="keep")
    result = allfocus.fuse(frames, align="none")
    where = ring(veil)
    assert psnr(result.image, truth, where) > psnr(kept.image, truth, where) + 3
    assert psnr(result.image, truth, np.ones_like(where)) > psnr(kept.image, truth, np.ones_like(where)) + 1
    far_away = veil < 0.001
    assert (np.abs(result.image.astype(int) - kept.image)[far_away] > 1).mean() < 0.001
    assert result.veil is not None
    found = result.veil.share[where]
    assert np.abs(found - veil[where]).mean() < 0.1
    assert result.veil.removed[where].mean() > 0.5
    assert kept.veil is None


@pytest.mark.slow
def test_the_order_of_the_frames_does_not_matter() -> None:
    frames, truth, veil = render_stalk()
    result = allfocus.fuse(frames[::-1], align="none")
    kept = allfocus.fuse(frames[::-1], align="none", halos="keep")
    assert psnr(result.image, truth, ring(veil)) > psnr(kept.image, truth, ring(veil)) + 3


@pytest.mark.slow
def test_a_window_is_the_same_as_in_the_whole() -> None:
    frames, _, _ = render_stalk(height=230, width=420)
    registered = allfocus.align(frames, align="none")
    decision = allfocus.decide(registered)
    whole = allfocus.compose(registered, decision)
    window = slice(40, 130), slice(170, 260)
    part = allfocus.compose(registered, decision, window=window)
    assert np.array_equal(part.image, whole.image[window])
    assert part.veil is not None
    assert whole.veil is not None
    assert np.array_equal(part.veil.share, whole.veil.share[window])


@pytest.mark.slow
def test_what_was_painted_stays() -> None:
    frames, _, _ = render_stalk()
    registered = allfocus.align(frames, align="none")
    base = allfocus.decide(registered)
    painted = PaintedDecision(base, [Stroke(frame=1, points=((100.0, 80.0),), radius=30, hardness=1)])
    result = allfocus.compose(registered, painted, compose="hard")
    inside = np.s_[70:90, 90:110]
    assert np.array_equal(result.image[inside], frames[1][inside])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gray", "uint16", "float32"])
def test_other_kinds_of_frames(kind: str) -> None:
    frames, truth, veil = render_stalk()
    if kind == "gray":
        frames, truth = [frame[..., 1] for frame in frames], truth[..., 1]
    elif kind == "uint16":
        frames = [frame.astype(np.uint16) * 257 for frame in frames]
    else:
        frames = [to_unit(frame) for frame in frames]
    result = allfocus.fuse(frames, align="none")
    kept = allfocus.fuse(frames, align="none", halos="keep")
    assert result.image.dtype == frames[0].dtype
    assert psnr(result.image, truth, ring(veil)) > psnr(kept.image, truth, ring(veil)) + 2
    assert 0 <= to_unit(result.image).min() <= to_unit(result.image).max() <= 1


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_frames_that_are_alike_stay_to_the_bit(dtype: str, gray: bool, count: int) -> None:
    frame = from_unit(linear_to_srgb(ground(64, 80, 5)), np.dtype(dtype))
    frame = np.ascontiguousarray(frame[..., 0]) if gray else frame
    result = allfocus.fuse([frame.copy() for _ in range(count)])
    assert np.array_equal(result.image, frame)


@pytest.mark.slow
def test_noise_is_not_raised_outside_rings() -> None:
    frames, _, veil = render_stalk()
    frames = noisy(frames, 0.01)
    kept, removed = (to_unit(allfocus.fuse(frames, align="none", halos=halos).image) for halos in ("keep", "remove"))
    away = veil < 0.001
    assert graininess(removed, away) < 1.1 * graininess(kept, away)


def graininess(image: FloatArray, where: Array) -> float:
    """The standard deviation of the finest detail."""
    return float((image - cv2.GaussianBlur(image, (0, 0), 1))[where].std())


@pytest.mark.slow
def test_nothing_changes_where_nothing_lies_before_anything() -> None:
    scene = ground(128, 160, 2)
    half = np.clip((np.arange(160) - 40) / 80, 0, 1).astype(np.float32)[None, :, None]
    blurred = defocused(scene, 4.0)
    frames = [photo(scene * (1 - half) + blurred * half), photo(blurred * (1 - half) + scene * half)]
    kept = allfocus.fuse(frames, align="none", halos="keep").image.astype(int)
    changed = np.abs(allfocus.fuse(frames, align="none").image - kept) > 1
    assert changed.mean() < 0.001


@pytest.mark.slow
def test_the_veil_is_written_and_reported(tmp_path: Path, cli: Cli) -> None:
    frames, _, veil = render_stalk()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"img{number}.png")
    report, painted = tmp_path / "r.json", tmp_path / "veil.png"
    made = cli("fuse", tmp_path, "-o", tmp_path / "out.png", "--no-align", "--veil", painted, "--report", report)
    assert made.code == 0, made.err
    alpha = np.asarray(Image.open(painted))[..., 3] / 255
    assert np.abs(alpha - veil)[ring(veil)].mean() < 0.1
    assert json.loads(report.read_text())["halos"]["removed"] > 0.05
    refused = cli("fuse", tmp_path, "-o", tmp_path / "o.png", "--halos", "keep", "--veil", painted)
    assert refused.code == 2
    assert "leave out --halos keep" in refused.err


def blurred_by_a_mask(filtered: bool) -> tuple[list[Array], FloatArray]:
    """Two frames that a program made: inside a round mask, and outside it, blurred; and the picture they come from."""
    behind = ground(160, 200, 5)
    truth = linear_to_srgb(behind)
    by_filter, by_lens = (
        cv2.GaussianBlur(truth, (0, 0), STALK_RADIUS / 2),
        linear_to_srgb(defocused(behind, STALK_RADIUS)),
    )
    soft = by_filter if filtered else by_lens
    rows, columns = np.mgrid[:160, :200]
    inside = (np.hypot(rows - 80, columns - 100) < 50)[..., None]
    return [np.rint(np.where(inside == k, truth, soft) * 255).astype(np.uint8) for k in (True, False)], truth


@pytest.mark.slow
@pytest.mark.parametrize("filtered", [True, False])
def test_parts_that_were_blurred_by_a_mask_have_no_veil(filtered: bool) -> None:
    frames, truth = blurred_by_a_mask(filtered)
    assert not filtered or measure_defocus(frames) is None
    kept, result = (allfocus.fuse(frames, align="none", halos=halos) for halos in ("keep", "remove"))
    everywhere = np.ones(truth.shape[:2], bool)
    assert psnr(result.image, truth, everywhere) > psnr(kept.image, truth, everywhere) - 0.05
