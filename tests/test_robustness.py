"""What the shipped network must stand: rendered scenes whose answer is known, fused with default options."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array, FloatArray, from_unit, luma, srgb_to_linear, to_unit
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.metrics.reference import Mask, psnr
from allfocus.pipeline import fuse
from scenes import (
    HEIGHT,
    WHITE,
    WIDTH,
    defocused,
    in_bytes,
    night,
    noisy,
    photo,
    smoothed,
    still_life,
    texture,
    tilted_plane,
)


def hair() -> FloatArray:
    """(H, W) cover of one bent line, 3 pixels thick, its edges antialiased."""
    along = np.linspace(0, 1, 40)
    curve = np.stack([WIDTH * (0.1 + 0.8 * along), HEIGHT * (0.3 + 0.5 * along**2)], axis=1)
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.polylines(canvas, [(16 * curve).astype(np.int32)], False, WHITE, 3, cv2.LINE_AA, shift=4)
    return to_unit(canvas)


def hue_without_luma(hue: Sequence[float]) -> FloatArray:
    """What to add to a colour so that its hue changes and its luma does not, (3,)."""
    shift = np.array(hue, np.float32)
    return shift - luma(shift[None, None]).item()


#: What is added to the gray of the wall, before its luma is taken out again.
HUES = {"red": (0.3, 0, 0), "green": (0, 0.2, 0), "blue": (0, 0, 0.3)}


@pytest.mark.slow
@pytest.mark.parametrize("hue", HUES)
def test_a_hair_that_differs_in_hue_alone_is_kept(hue: str) -> None:
    cover, tint = hair(), hue_without_luma(HUES[hue])
    wall = 0.5 + texture(1, contrast=0.012, channels=1).repeat(3, axis=2)
    behind = smoothed(wall, 10)
    # mixed and blurred display-encoded, not in linear light: so the luma is exact along the soft edges, too
    near = in_bytes(behind + cover[..., None] * tint)
    far = in_bytes(wall + smoothed(cover, 25)[..., None] * tint)
    assert np.abs(luma(near) - luma(in_bytes(behind))).max() <= 1  # rounding alone gives it away
    core = cover > 0.99
    by_luma = laplacian_index_map([in_bytes(luma(to_unit(frame))) for frame in (near, far)])
    assert (by_luma[core] == 0).mean() < 0.1  # who sees no colour misses it
    share = (fuse([near, far]).index_map[core] == 0).mean()
    assert share >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_makes_few_islands_where_nothing_is_to_see(seed: int) -> None:
    # texture that fades out towards the middle; the left is sharp in the one frame, the right in the other
    fading = smoothed((~middle(105)).astype(np.float32), 6)[..., None]
    sharp = srgb_to_linear(np.clip(0.4 + fading * texture(seed, contrast=0.1), 0, 1))
    soft = defocused(sharp, 5)
    is_left = np.arange(WIDTH)[:, None] < WIDTH // 2
    clean = [photo(np.where(is_left, sharp, soft)), photo(np.where(is_left, soft, sharp))]
    flat = middle(75)
    assert all(np.ptp(frame[flat].astype(int)) == 0 for frame in clean)
    frames = noisy(clean, sigma=2, seed=seed)
    by_rule = share_of_jumps(laplacian_index_map(frames), flat)
    assert by_rule > 0.06  # the Laplacian rule falls for it
    assert share_of_jumps(fuse(frames).index_map, flat) < 0.4 * by_rule


def middle(radius: int) -> Mask:
    """(H, W), a disc in the middle."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(canvas, (WIDTH // 2, HEIGHT // 2), radius, WHITE, -1)
    return canvas > 0


def share_of_jumps(index_map: Array, inside: Mask) -> float:
    """Share of the pairs of neighbours, both inside, that are from different frames."""
    below = inside[1:] & inside[:-1]
    beside = inside[:, 1:] & inside[:, :-1]
    jumps = (index_map[1:] != index_map[:-1])[below].sum() + (index_map[:, 1:] != index_map[:, :-1])[beside].sum()
    return float(jumps / (below.sum() + beside.sum()))


@pytest.mark.slow
@pytest.mark.parametrize(("contrast", "farthest", "noise"), [(0.15, 16, 0), (0.03, 4, 1)], ids=["blur", "noise"])
def test_more_frames_do_not_make_it_worse(contrast: float, farthest: float, noise: float) -> None:
    sharp = np.clip(0.5 + texture(3, contrast), 0, 1)
    reached: list[float] = []
    for steps in (5, 10, 20):
        frames = noisy([frame[:, : WIDTH // 2] for frame in tilted_plane(sharp, steps, farthest)], noise)
        reached.append(psnr(fuse(frames, align="none", halos="keep").image, in_bytes(sharp[:, : WIDTH // 2])))
        assert reached[-1] >= max(reached) - 0.1


@pytest.mark.slow
def test_a_gap_between_focus_steps_is_found_and_named() -> None:
    sharp, farthest = still_life(7), 24.0
    steps = tilted_plane(sharp, 7, farthest)
    plain = {"align": "none", "halos": "keep"}  # neither says where the focus is
    whole, gapped = (fuse([steps[k] for k in which], **plain).quality for which in (range(7), (0, 1, 5, 6)))
    assert whole is not None
    assert gapped is not None
    foci = np.array([0, 1, 5, 6]) / 6
    radius = farthest * np.abs(np.linspace(0, 1, HEIGHT)[:, None] - foci).min(axis=1)
    assert gapped.out_of_focus[radius > 4].mean() > 0.7
    assert gapped.out_of_focus[radius < 0.5].mean() < 0.05
    assert gapped.gap == (1, 2)
    assert whole.out_of_focus.mean() < 0.1


@pytest.mark.slow
def test_what_shows_only_through_the_blur_of_something_nearer_is_called_veiled() -> None:
    wall = srgb_to_linear(np.clip(0.4 + texture(8, contrast=0.12), 0, 1))
    cover = middle(60).astype(np.float32)
    light, blurred = np.float32(0.8) * cover[..., None].repeat(3, axis=2), defocused(cover, 9)
    near = photo(light + (1 - cover)[..., None] * defocused(wall, 9))
    far = photo(defocused(light, 9) + (1 - blurred)[..., None] * wall)
    flaws = fuse([near, far], halos="keep").quality
    assert flaws is not None
    behind = (blurred > 0.15) & (cover == 0)
    assert flaws.veiled[behind].mean() > 0.5
    assert flaws.veiled[(blurred < 0.001) | (cover == 1)].mean() < 0.05
    unveiled = fuse([photo(wall), photo(defocused(wall, 9))]).quality
    assert unveiled is not None
    assert unveiled.veiled.mean() < 0.02


@pytest.mark.parametrize(
    ("count", "dtype"),
    [
        (2, "uint16"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, "uint8"), (5, "uint8"), (5, "uint16"))),
    ],
)
def test_a_frame_given_twice_or_more_comes_back_bit_for_bit(count: int, dtype: str) -> None:
    frame = from_unit(still_life(4), dtype)
    image = fuse([frame.copy() for _ in range(count)]).image
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, frame)


@pytest.mark.slow
def test_the_order_of_the_frames_does_not_change_the_picture() -> None:
    frames = [frame[:, : WIDTH // 2] for frame in tilted_plane(still_life(5), steps=5, farthest=8)]
    image = fuse(frames).image
    for order in ((4, 3, 2, 1, 0), (2, 0, 4, 1, 3)):
        np.testing.assert_array_equal(fuse([frames[position] for position in order]).image, image)


@pytest.mark.slow
@pytest.mark.parametrize("radii", [(2,), (8,), (2, 4, 8)], ids=str)
@pytest.mark.parametrize("place", ["still life", "night"])
def test_a_frame_sharp_everywhere_stays_as_it_is(place: str, radii: tuple[int, ...]) -> None:
    # at night a lamp out of focus is a disc with a crisp rim, where the sharp frame shows nothing but darkness
    linear = night(3) if place == "night" else srgb_to_linear(still_life(6))
    sharp = photo(linear)
    reached = psnr(fuse([sharp, *(photo(defocused(linear, radius)) for radius in radii)]).image, sharp)
    assert reached > 45
