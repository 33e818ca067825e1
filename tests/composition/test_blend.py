"""Weights, decision and composition."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.composition.blend import CERTAIN, blend
from allfocus.core.color import Array, FloatArray, from_unit
from allfocus.core.weights import pick, softmax_weights
from allfocus.decision.confidence import measure_confidence
from allfocus.decision.network import MARGIN
from allfocus.decision.noise import noise_of
from allfocus.options import COMPOSITIONS, Composition

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(2, 9)


def draw_logits(seed: int, count: int, scale: float = 5.0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, scale, (count, 6, 7)).astype(np.float32)


def draw_frames(seed: int, count: int, dtype: str, channels: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(seed)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    return list((rng.random((count, 6, 7, *channels)) * top).astype(dtype))


@pytest.mark.slow
@given(SEEDS, COUNTS, st.floats(0, 1e4))
def test_weights_are_odds(seed: int, count: int, scale: float) -> None:
    logits = draw_logits(seed, count, scale)
    weights = softmax_weights(logits)
    assert weights.dtype == np.float32
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    assert (weights == weights.max(axis=0))[logits == logits.max(axis=0)].all()


@given(SEEDS, COUNTS)
def test_permuting_frames_permutes_weights(seed: int, count: int) -> None:
    logits = draw_logits(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    np.testing.assert_allclose(softmax_weights(logits[order]), softmax_weights(logits)[order], rtol=1e-6)


def test_adding_the_same_to_all_logits_changes_nothing() -> None:
    logits = draw_logits(0, 4)
    np.testing.assert_allclose(softmax_weights(logits + 3), softmax_weights(logits), rtol=1e-5, atol=1e-7)


@given(SEEDS, COUNTS, st.sampled_from(["uint8", "uint16", "float32"]), st.sampled_from([(), (3,)]))
def test_every_pixel_is_the_picked_frames_own(seed: int, count: int, dtype: str, channels: tuple[int, ...]) -> None:
    frames = draw_frames(seed, count, dtype, channels)
    index_map = np.random.default_rng(seed).integers(0, count, (6, 7)).astype(np.uint16)
    image = pick(frames, index_map)
    assert image.dtype == dtype
    rows, columns = np.indices((6, 7))
    np.testing.assert_array_equal(image, np.stack(frames)[index_map, rows, columns])


@given(SEEDS, COUNTS)
def test_picking_one_frame_everywhere_returns_it_bit_for_bit(seed: int, count: int) -> None:
    frames = draw_frames(seed, count, "float32", (3,))
    for position, frame in enumerate(frames):
        image = pick(frames, np.full((6, 7), position, np.uint16))
        assert image.tobytes() == frame.tobytes()
        assert image is not frame


DTYPES = st.sampled_from(["uint8", "uint16", "float32"])
CHANNELS = st.sampled_from([(), (3,)])


@given(SEEDS, COUNTS, DTYPES, CHANNELS, st.sampled_from(["soft", "hard"]))
def test_all_weight_on_one_frame_gives_its_pixels(
    seed: int, count: int, dtype: str, channels: tuple[int, ...], how: Composition
) -> None:
    frames = draw_frames(seed, count, dtype, channels)
    index_map = np.random.default_rng(seed).integers(0, count, (6, 7)).astype(np.uint16)
    weights = (index_map == np.arange(count)[:, None, None]).astype(np.float32)
    np.testing.assert_array_equal(blend(frames, weights, how), pick(frames, index_map))


@given(SEEDS, DTYPES, CHANNELS, st.sampled_from(COMPOSITIONS))
def test_one_frame_everywhere_is_that_frame(seed: int, dtype: str, channels: tuple[int, ...], how: Composition) -> None:
    frames = draw_frames(seed, 3, dtype, channels)
    weights = np.zeros((3, 6, 7), np.float32)
    weights[1] = 1
    np.testing.assert_allclose(blend(frames, weights, how), frames[1], rtol=0, atol=1e-6)


@given(SEEDS, COUNTS, DTYPES, CHANNELS, st.sampled_from(COMPOSITIONS))
def test_no_pixel_leaves_the_range_of_the_frames(
    seed: int, count: int, dtype: str, channels: tuple[int, ...], how: Composition
) -> None:
    frames = draw_frames(seed, count, dtype, channels)
    image = blend(frames, softmax_weights(draw_logits(seed, count, 1.0)), how)
    assert image.dtype == dtype
    assert (np.min(frames, axis=0) <= image).all()
    assert (image <= np.max(frames, axis=0)).all()


@given(SEEDS, COUNTS, DTYPES, CHANNELS)
def test_soft_is_the_weighted_mean(seed: int, count: int, dtype: str, channels: tuple[int, ...]) -> None:
    frames = draw_frames(seed, count, dtype, channels)
    weights = softmax_weights(draw_logits(seed, count, 1.0))
    planes = weights.reshape(count, 6, 7, *([1] * len(channels)))
    expected = (planes.astype(np.float64) * np.stack(frames)).sum(axis=0)
    image = blend(frames, weights, "soft")
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-6 if dtype == "float32" else 0.6)


@given(SEEDS, COUNTS, st.sampled_from(COMPOSITIONS))
def test_identical_frames_mix_to_that_frame_bit_for_bit(seed: int, count: int, how: Composition) -> None:
    frame = draw_frames(seed, 1, "float32", (3,))[0]
    image = blend([frame] * count, softmax_weights(draw_logits(seed, count, 0.3)), how)
    assert image.tobytes() == frame.tobytes()


@pytest.mark.parametrize("how", COMPOSITIONS)
def test_pixels_beyond_the_margin_have_no_influence(how: Composition) -> None:
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 256, (3, 60, 50, 3), np.uint8))
    weights = softmax_weights(rng.normal(0, 1, (3, 60, 50)).astype(np.float32))
    whole = blend(frames, weights, how)
    part = blend([frame[10:40, 12:44] for frame in frames], weights[:, 10:40, 12:44], how)
    inner = slice(MARGIN, -MARGIN)
    np.testing.assert_array_equal(part[inner, inner], whole[10:40, 12:44][inner, inner])


def test_bands_hide_a_seam_between_frames_of_different_brightness() -> None:
    # the frames differ by a constant: a hard seam is a step, which is not in any frame
    frames = [np.full((20, 40), 0.4, np.float32), np.full((20, 40), 0.5, np.float32)]
    weights = np.zeros((2, 20, 40), np.float32)
    weights[0, :, :20] = weights[1, :, 20:] = 1
    steepest = {how: np.abs(np.diff(blend(frames, weights, how), axis=1)).max() for how in COMPOSITIONS}
    assert steepest["hard"] == steepest["soft"] == pytest.approx(0.1)
    assert steepest["band"] < 0.06


@given(SEEDS, COUNTS, DTYPES, CHANNELS)
def test_confidence_adds_up_the_chances_of_all_that_look_alike(
    seed: int, count: int, dtype: str, channels: tuple[int, ...]
) -> None:
    frames = draw_frames(seed, count, dtype, channels)
    chances = softmax_weights(draw_logits(seed, count), 1)
    best = chances.argmax(axis=0)
    confidence = measure_confidence(frames, chances, best)
    assert (confidence >= chances.max(axis=0) - 1e-6).all()
    assert confidence.max() <= 1
    np.testing.assert_allclose(measure_confidence([frames[0]] * count, chances, best), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("levels", "span", "expected"),
    [((100, 102, 200), 1.0, 0.7), ((100, 103, 200), 1.0, 0.4), ((100, 101, 200), 0.1, 0.4), ((9, 9, 9), 1.0, 1.0)],
)
def test_confidence_of_plain_cases(levels: tuple[int, ...], span: float, expected: float) -> None:
    frames = [np.full((1, 1), level, np.uint8) for level in levels]
    chances = np.array([0.4, 0.3, 0.3], np.float32)[:, None, None]
    confidence = measure_confidence(frames, chances, np.zeros((1, 1), np.int64), span)
    assert confidence[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("level", [1.5, 3.0, 6.0])
def test_noise_is_measured_beside_texture(level: float, dtype: str) -> None:
    rng = np.random.default_rng(0)
    scene = np.full((300, 400, 3), 0.5, np.float32)
    scene[:, 150:] += rng.uniform(-0.3, 0.3, (300, 250, 3)).astype(np.float32)  # texture all over the right side
    noisy = from_unit(scene + rng.normal(0, level / 255, scene.shape).astype(np.float32), dtype)
    assert noise_of(noisy) * 255 == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3, 3), (16, 2000)])
def test_noise_of_small_and_even_frames(shape: tuple[int, ...]) -> None:
    assert noise_of(np.full(shape, 77, np.uint8)) < 1e-6


@pytest.mark.parametrize("how", ["band", "soft", "guided"])
def test_noisy_frames_that_are_the_same_are_averaged_and_detail_is_not(how: Composition) -> None:
    rng = np.random.default_rng(1)
    scene = np.full((64, 96), 0.5, np.float32)
    scene[:, 48:] += 0.2 * np.sign(rng.normal(0, 1, (64, 48))).astype(np.float32)  # in focus in frame 0 alone
    blurred = scene.copy()
    blurred[:, 48:] = 0.5
    clear = [scene, blurred, blurred, blurred]
    frames = [(frame + rng.normal(0, 4 / 255, frame.shape)).astype(np.float32) for frame in clear]
    weights = softmax_weights(np.array([9, 0, 0, 0], np.float32)[:, None, None] * np.ones_like(scene))
    before, after = (blend(frames, weights, how, noise) - scene for noise in (0.0, 4 / 255))
    flat, textured = (slice(8, -8), slice(8, 36)), (slice(8, -8), slice(60, -8))
    assert after[flat].std() < 0.7 * before[flat].std()
    np.testing.assert_array_equal(after[textured], before[textured])


def test_weak_noise_is_left_alone() -> None:
    frames = draw_frames(0, 4, "uint8", (3,))
    weights = softmax_weights(draw_logits(0, 4))
    np.testing.assert_array_equal(blend(frames, weights, "band", 1.0 / 255), blend(frames, weights, "band"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_where_one_frame_is_certain_the_picture_is_its_own_to_the_bit(dtype: str) -> None:
    rng, top = np.random.default_rng(3), 1 if dtype == "float32" else np.iinfo(dtype).max
    frames = list((rng.random((2, 20, 60, 3)) * top).astype(dtype))
    share = np.tile(np.clip(np.linspace(1.5, -0.5, 60, dtype=np.float32), 0.01, 0.99), (20, 1))
    image = blend(frames, np.stack([share, 1 - share]), "band")
    for frame, certain in zip(frames, (share >= CERTAIN, share <= 1 - CERTAIN), strict=True):
        inside = cv2.erode(certain.view(np.uint8), np.ones((13, 13))) > 0
        assert inside.any() and (image == frame)[inside].all()
        assert not (image == frame)[~inside].all()
