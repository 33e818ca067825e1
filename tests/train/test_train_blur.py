"""Blur in linear light: kernels are normalised, and convolving is what OpenCV takes it to be."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allfocus.core.color import linear_to_srgb, srgb_to_linear
from allfocus.train.puzzles.blur import KERNELS, aperture_kernels, blur, gaussian_smooth, to_encoded, to_linear

KINDS = torch.arange(len(KERNELS))


def kernels_of(radius: float, views: int = 5) -> torch.Tensor:
    """One kernel of every kind: (kinds, K, K)."""
    count = len(KERNELS)
    turn = torch.full((count,), 1.5)
    return aperture_kernels(torch.full((count, 1), radius), KINDS, torch.full((count,), views), turn)[:, 0]


@settings(max_examples=10)
@given(st.floats(0, 16, width=32), st.integers(2, 9))
def test_kernels_are_normalised_and_symmetric(radius: float, views: int) -> None:
    kernels = kernels_of(radius, views)
    fringe, polygon, eye = (KERNELS.index(name) for name in ("fringe", "polygon", "cats_eye"))
    assert (kernels[[k for k in range(len(KERNELS)) if k != fringe]] >= 0).all()  # fringes alone take light away
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(len(KERNELS)))
    pointed = kernels[[k for k in range(len(KERNELS)) if k != polygon]]  # one of five blades is not
    torch.testing.assert_close(pointed, pointed.flip(1, 2))
    round_ones = kernels[[k for k in range(len(KERNELS)) if k not in (polygon, eye)]]
    torch.testing.assert_close(round_ones, round_ones.transpose(1, 2))


def iris_kernel(kind: str, angle: float, number: float, radius: float = 10.0) -> torch.Tensor:
    """A polygon or a cat's eye, (K, K)."""
    ones = torch.ones(1)
    kinds, iris = torch.tensor([KERNELS.index(kind)]), torch.tensor([[angle, number]])
    return aperture_kernels(radius * ones[:, None], kinds, 3 * torch.ones(1, dtype=torch.int64), ones, iris)[0, 0]


@pytest.mark.parametrize("number", [0.0, 0.3, 0.99])
def test_a_polygon_has_the_area_of_a_disc(number: float) -> None:
    kernel = iris_kernel("polygon", 0.13, number)
    assert (kernel > kernel.max() / 2).sum() == pytest.approx(np.pi * 10**2, rel=0.05)


def test_a_cats_eye_is_narrow_in_one_direction() -> None:
    axis = (torch.arange(25) - 12).float()
    for angle, along in ((0.0, 1), (0.5, 0)):  # of the second disc: across, down
        kernel = iris_kernel("cats_eye", angle, 0.9)
        assert kernel.shape == (25, 25)
        spread = [float((kernel.sum(1 - way) * axis**2).sum()) for way in (0, 1)]
        assert spread[along] < 0.5 * spread[1 - along]


def test_every_item_gets_the_kind_and_the_radii_it_asks_for() -> None:
    radii = torch.tensor([[0.0, 2.0, 5.0], [1.0, 3.0, 4.0]])
    kernels = aperture_kernels(radii, torch.tensor([1, 0]), torch.tensor([3, 7]), torch.zeros(2))
    assert kernels.shape == (2, 3, 15, 15)
    for item, kind in enumerate((1, 0)):
        for level, radius in enumerate(radii[item].tolist()):
            alone = kernels_of(radius)[kind]
            margin = (15 - alone.shape[-1]) // 2
            inner = kernels[item, level, margin : 15 - margin, margin : 15 - margin]
            torch.testing.assert_close(inner / inner.sum(), alone, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", KERNELS)
def test_without_a_radius_nothing_is_blurred(kind: str) -> None:
    kernel = kernels_of(0.0)[KERNELS.index(kind)]
    assert kernel[2, 2] == 1
    assert kernel.sum() == 1
    image = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blur(image, kernel[None, None])[:, 0], image, atol=1e-6, rtol=0)


def test_fringes_turn_contrast_or_raise_it_by_the_sign_of_their_strength() -> None:
    waves = torch.sin(2 * torch.pi * torch.arange(96) / 12).expand(96, 96)[None, None]
    fringe, radii = torch.tensor([KERNELS.index("fringe")]), torch.full((1, 1), 4.0)
    gain = {}
    for turn in (-2.5, 0.0, 2.5):
        kernel = aperture_kernels(radii, fringe, torch.tensor([3]), torch.tensor([turn]))
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        seen = blur(waves, kernel)[0, 0, :, 24:72, 24:72]
        gain[turn] = float((seen * waves[..., 24:72, 24:72]).sum() / waves[..., 24:72, 24:72].square().sum())
    assert gain[-2.5] < 0 < gain[0.0] < 1 < gain[2.5]


@pytest.mark.parametrize(("kind", "per_axis"), [("disc", 0.25), ("gaussian", 0.25), ("soft_disc", 0.25)])
def test_kernels_are_as_wide_as_their_radius_says(kind: str, per_axis: float) -> None:
    radius = 9.0
    kernel = kernels_of(radius)[KERNELS.index(kind)]
    axis = torch.arange(len(kernel)) - len(kernel) // 2
    variance = (kernel.sum(0) * axis**2).sum() / radius**2
    assert variance == pytest.approx(per_axis, rel=0.3)  # a disc's variance is r^2 / 4 along each axis


def test_a_ring_is_dim_in_its_middle_and_a_grid_has_as_many_points_as_views() -> None:
    ring, grid = (kernels_of(8.0, views=3)[KERNELS.index(kind)] for kind in ("ring", "grid"))
    middle = len(ring) // 2
    assert ring[middle, middle] < 0.5 * ring[middle, middle + 7]
    peaks = (grid.sum(0) > 0.5 * grid.sum(0).max()).nonzero().flatten().tolist()
    clusters = 1 + sum(after - before > 1 for before, after in pairwise(peaks))
    assert clusters == 3


def test_blurring_is_convolution_with_mirrored_edges() -> None:
    rng = np.random.default_rng(1)
    image, kernels = rng.random((2, 3, 19, 26), np.float32), rng.random((2, 2, 5, 5), np.float32)
    blurred = blur(torch.from_numpy(image), torch.from_numpy(kernels)).numpy()
    assert blurred.shape == (2, 2, 3, 19, 26)
    for item in range(2):
        for level in range(2):
            turned = kernels[item, level, ::-1, ::-1]  # OpenCV correlates
            expected = cv2.filter2D(image[item].transpose(1, 2, 0), -1, turned, borderType=cv2.BORDER_REFLECT_101)
            np.testing.assert_allclose(blurred[item, level].transpose(1, 2, 0), expected, atol=1e-5)


@given(st.floats(0, 1, width=32), st.floats(0, 9, width=32))
def test_a_flat_picture_stays_as_it_is(level: float, radius: float) -> None:
    kernels = kernels_of(radius)[:, None]
    flat = torch.full((len(KERNELS), 1, 16, 16), level)
    torch.testing.assert_close(blur(flat, kernels)[:, 0], flat, atol=1e-5, rtol=0)


def test_light_is_the_same_as_in_the_rest_of_the_package() -> None:
    encoded = torch.linspace(0, 1, 4096)
    light = to_linear(encoded)
    np.testing.assert_allclose(light, srgb_to_linear(encoded.numpy()), atol=1e-6)
    np.testing.assert_allclose(to_encoded(light), linear_to_srgb(light.numpy()), atol=1e-6)


def test_encoding_undoes_decoding() -> None:
    encoded = torch.linspace(0, 1, 4096)
    torch.testing.assert_close(to_encoded(to_linear(encoded)), encoded, atol=2e-6, rtol=0)
    assert to_linear(torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0, 1])
    assert (to_linear(encoded).diff() > 0).all()


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.5])
def test_smoothing_is_a_gaussian(sigma: float) -> None:
    field = np.random.default_rng(2).random((2, 3, 21, 30), np.float32)
    side = 2 * max(1, round(3 * sigma)) + 1
    smooth = gaussian_smooth(torch.from_numpy(field), sigma).numpy()
    for one, other in zip(smooth.reshape(-1, 21, 30), field.reshape(-1, 21, 30), strict=True):
        expected = cv2.GaussianBlur(other, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(one, expected, atol=1e-5)


def test_smoothing_by_nothing_changes_nothing() -> None:
    field = torch.rand(2, 5, 5)
    assert gaussian_smooth(field, 0) is field
