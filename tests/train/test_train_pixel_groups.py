"""The puzzle and its answer: pixels only change places, and the answer puts them back."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allfocus.train.config import ShuffleConfig
from allfocus.train.puzzles.blur import aperture_kernels, gaussian_smooth, to_encoded, to_linear
from allfocus.train.puzzles.camera import LUMA
from allfocus.train.puzzles.layered_scenes import Optics, defocus, flaws_of, layered_stack, surface
from allfocus.train.puzzles.pixel_groups import (
    Groups,
    draw_grain,
    draw_permutation,
    generate,
    pixel_group,
    rank,
    sharpen_parts,
    shuffle_pixels,
    unshuffle_pixels,
)
from allfocus.train.puzzles.sampling import draw_focus, draw_radius, smooth_field

GRAINS = ("pixel", "region", "depth")
NOTHING_ELSE = dict.fromkeys(
    ("layers", "tint", "missing", "overlap", "noise", "exposure", "jpeg", "gray", "misregister", "quantise"), 0.0
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def config_of(grain: str = "pixel", **changes: Any) -> ShuffleConfig:
    """Shuffling of one grain, everything else switched off but for `changes`."""
    grains = {f"grain_{name}": float(name == grain) for name in GRAINS}
    return ShuffleConfig(**{"blur_max": 4.0, **NOTHING_ELSE, **grains, **changes})


def crops_of(batch: int, size: int = 24, seed: int = 7) -> torch.Tensor:
    return torch.rand(batch, 3, 3, size, size, generator=seeded(seed))


def shuffled(grain: str, n: int, seed: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Group, permutation and shuffled frames."""
    rng = seeded(seed)
    group, _ = pixel_group(crops_of(batch)[:, 0], config_of(grain), n, rng)
    kinds = torch.full((batch,), GRAINS.index(grain))
    permutation = draw_permutation(kinds, n, group.shape[-1], rng)
    return group, permutation, shuffle_pixels(group, permutation)


@settings(max_examples=10)
@given(st.sampled_from(GRAINS), st.integers(2, 6), st.integers(0, 2**31))
def test_pixels_change_places_and_nothing_else(grain: str, n: int, seed: int) -> None:
    group, permutation, frames = shuffled(grain, n, seed)
    # every position holds each of the group's pixels once
    assert torch.equal(permutation.sort(1).values, torch.arange(n).view(1, n, 1, 1).expand_as(permutation))
    for frame in range(n):
        for copy in range(n):
            taken = (permutation[:, frame] == copy)[:, None].expand(-1, 3, -1, -1)
            assert torch.equal(frames[:, frame][taken], group[:, copy][taken])


@settings(max_examples=10)
@given(st.sampled_from(GRAINS), st.integers(2, 6), st.integers(0, 2**31))
def test_unshuffling_rebuilds_the_group_bit_for_bit(grain: str, n: int, seed: int) -> None:
    group, permutation, frames = shuffled(grain, n, seed)
    assert torch.equal(unshuffle_pixels(frames, permutation), group)
    assert torch.equal(group[:, 0], crops_of(3)[:, 0])


@settings(max_examples=10)
@given(st.sampled_from(GRAINS), st.integers(2, 6), st.integers(0, 2**31))
def test_the_clear_crop_is_in_the_puzzle_at_every_position(grain: str, n: int, seed: int) -> None:
    groups = generate(crops_of(3), config_of(grain), n, seeded(seed))
    assert torch.equal(groups.truth, crops_of(3)[:, 0])
    assert (groups.frames == groups.truth[:, None]).all(2).any(1).all()
    assert groups.frames.shape == (3, n, 3, 24, 24)


@settings(max_examples=10)
@given(st.integers(2, 6), st.integers(0, 2**31))
def test_the_label_points_at_the_focused_pixel(n: int, seed: int) -> None:
    groups = generate(crops_of(3), config_of("pixel"), n, seeded(seed))
    picked = groups.frames.gather(1, groups.label[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    assert torch.equal(picked, groups.truth)


@pytest.mark.parametrize("grain", ["region", "depth"])
def test_away_from_seams_the_label_points_at_the_focused_pixel(grain: str) -> None:
    groups = generate(crops_of(12, size=48), config_of(grain, blur_max=2.0), 3, seeded(1))
    clear = (groups.frames == groups.truth[:, None]).all(2).float()  # B N S S
    # errors are smoothed over 3 pixels either side: look where one frame is clear all over that window
    around = -torch.nn.functional.max_pool2d(-clear, 7, stride=1)
    inside = around.amax(1) > 0
    assert inside.float().mean() > 0.1
    assert torch.equal(groups.label[..., 3:-3, 3:-3][inside], around.argmax(1)[inside])


def test_copies_are_graded_from_clear_to_most_blurred() -> None:
    group, least = pixel_group(crops_of(16)[:, 0], config_of(blur_max=8.0), 5, seeded())
    assert group.min() >= 0
    assert group.max() <= 1
    assert not least.any()
    contrast = to_linear(group).std((2, 3, 4))  # B N
    assert (contrast[:, 1:] <= contrast[:, :1] + 1e-6).all()
    assert (contrast.mean(0).diff() < 0).all()
    light = to_linear(group).mean((2, 3, 4))
    assert (light - light[:, :1]).abs().max() < 0.05  # blur moves light, and makes none


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(0, 2**31), st.booleans())
def test_ranks_count_the_smaller_ones(n: int, seed: int, ties: bool) -> None:
    order = torch.rand(n, 4, 5, generator=seeded(seed))
    order = (order * 3).round() if ties else order
    ranks = rank(order)
    assert torch.equal(ranks.sort(0).values, torch.arange(n).view(n, 1, 1).expand_as(ranks))
    if not ties:
        assert torch.equal(ranks, order.argsort(0).argsort(0))


def test_a_group_that_lacks_the_clear_photo_says_how_blurred_its_best_is() -> None:
    clear = crops_of(200, size=32)[:, 0]
    group, least = pixel_group(clear, config_of(blur_max=8.0, missing=0.4), 4, seeded())
    assert (least > 0).float().mean() == pytest.approx(0.4, abs=0.12)
    error = (group[:, 0] - clear).abs().mean((1, 2, 3))
    assert not error[least == 0].any()
    assert error[least > 2].min() > error[least == 0].max()
    flaws = generate(crops_of(40, size=32), config_of("depth", blur_max=8.0, missing=0.5), 4, seeded()).flaws
    whole = flaws[:, 0].flatten(1)
    assert torch.equal(whole.amin(1), whole.amax(1))  # no copy is clear, so no place is
    assert 0.1 < (whole[:, 0] > 0.5).float().mean() < 0.5
    assert not flaws[:, 1].any()  # and nothing stands before it


def test_what_is_sharp_in_no_frame_and_what_is_veiled_follow_from_the_optics() -> None:
    radius = torch.tensor([[0.0, 3.0], [2.0, 3.0], [0.5, 4.0]]).T[None, :, None]  # 1 N=2 1 3
    veil = torch.tensor([[0.5, 0.0], [0.0, 0.9], [0.0, 0.9]]).T[None, :, None]
    unsharp, veiled = flaws_of(Optics(radius=radius, veil=veil))[0]
    assert unsharp[0].tolist() == pytest.approx([0, 1, 0], abs=0.1)
    assert veiled[0].tolist() == [1, 0, 0]  # by the frame that is sharpest there


def test_a_blurred_thing_veils_what_is_beside_it_and_not_itself() -> None:
    crops = crops_of(60, size=48)
    frames, truth, optics = layered_stack(crops, config_of(layers=1.0, blur_max=8.0, layers_max=2), 2, seeded(3))
    veiled = optics.veil.amin(1) > 0.3  # in both frames
    assert veiled.any()
    error = (frames - truth[:, None]).abs().sum(2).amin(1)
    assert error[veiled].mean() > 3 * error[optics.veil.amax(1) < 0.01].mean()
    assert optics.veil.amin() >= 0
    assert optics.veil.amax() <= 1
    sharp = optics.radius.amin(1) < 0.3
    assert error[sharp & ~veiled].mean() < error[(optics.radius.amin(1) > 2) & ~veiled].mean()


def test_grains_differ_in_how_often_the_permutation_changes() -> None:
    kept = {}
    for kind, grain in enumerate(GRAINS):
        permutation = draw_permutation(torch.full((8,), kind), 3, 96, seeded())
        kept[grain] = (permutation.diff(dim=-1) == 0).all(1).float().mean().item()
    assert kept["pixel"] == pytest.approx(1 / 6, abs=0.02)  # one of 3! permutations by chance
    assert kept["region"] > 0.7
    assert kept["depth"] > 0.7


def test_depth_orders_frames_by_their_distance_from_focus() -> None:
    n = 4
    for seed in range(6):
        permutation = draw_permutation(torch.tensor([2]), n, 64, seeded(seed))[0]
        distinct = permutation.flatten(1).T.unique(dim=0)
        # along a line of depths, two frames swap ranks only half-way between their foci
        assert 2 <= len(distinct) <= 1 + math.comb(n, 2)


@pytest.mark.slow
@given(st.integers(1, 5), st.integers(12, 100), st.integers(0, 2**31))
def test_fields_are_smooth_and_use_the_whole_range(count: int, size: int, seed: int) -> None:
    fields = smooth_field(count, size, seeded(seed))
    assert fields.shape == (count, size, size)
    assert (fields.amin((1, 2)) == 0).all()
    torch.testing.assert_close(fields.amax((1, 2)), torch.ones(count))
    assert fields.diff(dim=-1).abs().mean() < 0.25


@given(st.integers(1, 5), st.integers(2, 8), st.integers(0, 2**31))
def test_foci_spread_over_the_depth_range(batch: int, n: int, seed: int) -> None:
    focus = draw_focus(batch, n, seeded(seed)).sort(1).values
    assert focus.min() >= 0
    assert focus.max() <= 1
    assert ((focus - (torch.arange(n) + 0.5) / n).abs() <= 0.4 / n + 1e-6).all()


def test_the_seed_is_the_only_randomness() -> None:
    config = ShuffleConfig(blur_max=4.0, noise=0.5, jpeg=0.5, gray=0.5, misregister=0.5, overlap=0.5)
    first, again, other = (generate(crops_of(6), config, 3, seeded(seed)) for seed in (4, 4, 5))
    for name in ("frames", "truth", "errors", "label", "flaws"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.frames, other.frames)


@pytest.mark.parametrize("n", [2, 6])
def test_with_everything_on_values_stay_in_range_and_the_label_is_the_best(n: int) -> None:
    everything = dict.fromkeys(NOTHING_ELSE, 0.5)
    config = ShuffleConfig(**{"blur_max": 5.0, **everything})
    crops = crops_of(16)
    before = crops.clone()
    groups = generate(crops, config, n, seeded(2))
    assert torch.equal(crops, before)
    for value in (groups.frames, groups.truth):
        assert value.min() >= 0
        assert value.max() <= 1
    assert groups.errors.min() >= 0
    assert torch.equal(groups.label, groups.errors.argmin(1))
    assert groups.label.dtype == torch.int64


def rebuilt(groups: Groups) -> torch.Tensor:
    """(B,) whether picking by the label still gives the truth exactly: no fault touched the frames."""
    picked = groups.frames.gather(1, groups.label[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    return (picked == groups.truth).all((1, 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["layers", "noise", "exposure", "jpeg", "misregister", "quantise"])
def test_faults_come_as_often_as_stated(fault: str) -> None:
    batch, probability = 400, 0.3
    config = config_of("pixel", blur_max=1.5, **{fault: probability})
    share = 1 - rebuilt(generate(crops_of(batch, size=12), config, 2, seeded(3))).float().mean().item()
    assert share == pytest.approx(probability, abs=4 * math.sqrt(0.3 * 0.7 / batch))


def test_gray_and_grains_come_as_often_as_stated() -> None:
    groups = generate(crops_of(400, size=12), config_of("pixel", blur_max=1.5, gray=0.3), 2, seeded(3))
    gray = (groups.truth == groups.truth[:, :1]).all((1, 2, 3)).float().mean().item()
    assert gray == pytest.approx(0.3, abs=0.09)
    grains = draw_grain(4000, ShuffleConfig(grain_pixel=0.2, grain_region=0.3, grain_depth=0.5), seeded(1))
    shares = torch.bincount(grains, minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.2, 0.3, 0.5], abs=0.03)


def test_parts_that_are_clear_in_all_frames() -> None:
    group = torch.rand(40, 3, 3, 24, 24, generator=seeded(0))
    assert sharpen_parts(group, 0.0, seeded(1)) is group
    sharpened = sharpen_parts(group, 0.5, seeded(1))
    clear = (sharpened == group[:, :1]).all(2).all(1)  # B S S
    assert torch.equal(sharpened[:, 0], group[:, 0])
    assert torch.equal(torch.where(clear[:, None, None], group, sharpened), group)
    cover = clear.float().mean((1, 2))
    assert 0.25 < (cover > 0).float().mean() < 0.75
    assert cover.max() < 1


def square_sheet(size: int = 33, side: int = 11) -> torch.Tensor:
    """An opaque square of random colours on nothing: (1, 4, S, S), premultiplied."""
    alpha = torch.zeros(1, 1, size, size)
    low = (size - side) // 2
    alpha[..., low : low + side, low : low + side] = 1
    return torch.cat([torch.rand(1, 3, size, size, generator=seeded(1)) * alpha, alpha], 1)


def test_a_layer_in_focus_is_seen_as_it_is_and_out_of_focus_it_spreads() -> None:
    sheet, radii = square_sheet(), 5.0 * (torch.arange(8) / 7)[None] ** 1.5
    kernels = aperture_kernels(radii, torch.tensor([0]), torch.tensor([3]), torch.zeros(1))
    distance = torch.tensor([0.0, 0.25, 0.75]).view(1, 3, 1, 1).expand(1, 3, 33, 33)
    sharp, near, far = defocus(sheet, distance, kernels)[0]
    torch.testing.assert_close(sharp, sheet[0], atol=1e-5, rtol=0)
    for seen in (near, far):  # nothing is lost: the light spreads
        torch.testing.assert_close(seen.sum((1, 2)), sheet[0].sum((1, 2)), atol=1e-2, rtol=1e-4)
    reach = [int((seen[3] > 1e-3).sum()) for seen in (sharp, near, far)]
    assert reach[0] < reach[1] < reach[2]


def test_a_wall_in_focus_equals_the_truth() -> None:
    wall = torch.cat([torch.rand(1, 3, 24, 24, generator=seeded(2)), torch.ones(1, 1, 24, 24)], 1)
    kernels = aperture_kernels(
        4.0 * (torch.arange(8) / 7)[None] ** 1.5, torch.tensor([1]), torch.tensor([3]), torch.zeros(1)
    )
    depth = smooth_field(1, 24, seeded(5))
    foci = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1)
    seen = defocus(wall, (depth[:, None] - foci).abs(), kernels)[0]
    torch.testing.assert_close(seen[:, 3], torch.ones(2, 24, 24), atol=1e-5, rtol=0)  # a wall has no holes
    error = (seen[:, :3] - wall[0, :3]).abs().sum(1)
    for focus, wrong in zip((0.2, 0.8), error, strict=True):
        distance = (depth[0] - focus).abs()
        assert wrong[distance < 0.01].mean() < 0.3 * wrong[distance > 0.4].mean()


def test_a_painted_layer_has_its_own_colour_and_little_texture() -> None:
    photos = torch.rand(64, 3, 3, 24, 24, generator=seeded(0))
    behind = torch.rand(64, 3, 24, 24, generator=seeded(2))
    photo = surface(photos, behind, 1, config_of(paint=0.0), seeded(1))
    painted = surface(photos, behind, 1, config_of(paint=1.0), seeded(1))
    assert torch.equal(photo, photos[:, 1])
    assert painted.std((2, 3)).mean() < 0.4 * photo.std((2, 3)).mean()
    assert painted.mean((2, 3)).std() > 0.2  # any colour
    assert painted.min() >= 0
    assert painted.max() <= 1
    assert torch.equal(surface(photos, behind, 0, config_of(paint=1.0), seeded(1)), photos[:, 0])
    assert torch.equal(surface(photos, behind, 3, config_of(paint=0.0), seeded(1)), photos[:, 0].flip(-1))


def test_a_tinted_layer_differs_from_what_is_behind_it_in_hue_alone() -> None:
    behind = 0.5 + 0.1 * torch.rand(64, 3, 24, 24, generator=seeded(2))  # nothing to be clipped
    tinted = surface(torch.rand(64, 3, 3, 24, 24, generator=seeded(0)), behind, 1, config_of(tint=1.0), seeded(1))
    change = tinted - gaussian_smooth(behind, 1.5)
    inside = ((tinted > 0) & (tinted < 1)).all(1)
    luma = (change * LUMA.view(3, 1, 1)).sum(1)
    assert luma[inside].abs().max() < 1e-5
    assert change.abs().amax((1, 2, 3)).mean() > 0.05


def test_layers_are_photographed_in_light_and_stay_in_range() -> None:
    crops = crops_of(12, size=32)
    frames, truth, _ = layered_stack(crops, config_of(blur_max=5.0, layers_max=3, paint=0.0), 4, seeded(8))
    assert frames.shape == (12, 4, 3, 32, 32)
    for value in (frames, truth):
        assert value.min() >= 0
        assert value.max() <= 1
    sources = to_encoded(to_linear(crops))
    alone = (truth - sources[:, 0]).abs().amax((1, 2, 3)) < 1e-4  # a wall and nothing before it
    assert 0 < alone.sum() < 12
    # every pixel of the truth is a photo's own, or lies on the soft edge of a matte
    nearest = (truth[:, None] - sources).abs().amax(2).amin(1)
    assert (nearest < 1e-3).float().mean() > 0.7


def test_frames_come_in_the_order_of_focus_if_asked() -> None:
    ordered = draw_permutation(torch.full((8,), GRAINS.index("depth")), 5, 24, seeded(3), ordered=True)
    assert valleys(ordered)
    assert not valleys(draw_permutation(torch.full((8,), GRAINS.index("depth")), 5, 24, seeded(3)))


def valleys(permutation: torch.Tensor) -> bool:
    """Whether ranks fall, then rise from frame to frame, everywhere: (B, N, S, S)."""
    falls = permutation.diff(dim=1) < 0
    return not (falls[:, 1:] & ~falls[:, :-1]).any()


def test_layers_are_photographed_from_far_to_near_if_asked() -> None:
    config = config_of(ordered=True, layers_max=1, blur_max=8.0)
    _, _, optics = layered_stack(crops_of(20, size=32), config, 5, seeded(8))
    rises = optics.radius.diff(dim=1) > 0
    assert not (~rises[:, 1:] & rises[:, :-1]).any()


def test_blotches_are_of_another_colour_and_small_blur_is_small() -> None:
    photos, behind = torch.rand(64, 3, 3, 24, 24, generator=seeded(0)), torch.rand(64, 3, 24, 24, generator=seeded(2))
    plain = surface(photos, behind, 1, config_of(paint=1.0), seeded(1))
    spotted = surface(photos, behind, 1, config_of(paint=1.0, blotches=1.0), seeded(1))
    assert spotted.std((2, 3)).mean() > 1.5 * plain.std((2, 3)).mean()
    radii = draw_radius(400, config_of(small_blur=1.0, blur_max=14.0), seeded(3))
    assert radii.min() >= 0.7
    assert radii.max() <= 3.0


def test_a_clipped_highlight_out_of_focus_is_larger_than_its_picture() -> None:
    dark = torch.full((12, 3, 3, 32, 32), 0.05)
    dark[..., 14:18, 14:18] = 1.0
    white = [
        (to_linear(pixel_group(dark[:, 0], config_of(blur_max=6.0, highlights=share), 3, seeded(1))[0]) > 0.99).sum()
        for share in (0.0, 1.0)
    ]
    assert white[1] > 1.3 * white[0]


@pytest.mark.slow
def test_everything_new_at_once_makes_sound_groups() -> None:
    names = ("shapes", "blotches", "apertures", "highlights", "small_blur", "breathing", "tone", "sharpen", "layers")
    config = config_of("depth", **dict.fromkeys(names, 0.7), ordered=True, frames_max=16)
    groups = generate(crops_of(3, size=32), config, 6, seeded(2))
    for value in (groups.frames, groups.truth, groups.errors, groups.flaws):
        assert value.isfinite().all()
        assert value.min() >= 0
    assert groups.frames.max() <= 1
