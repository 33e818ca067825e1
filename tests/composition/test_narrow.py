"""Hairs keep their colour where halos are removed."""

import cv2
import numpy as np
import pytest

import allfocus
from allfocus.composition.narrow import find_crossings, find_narrow, sharpen_behind
from allfocus.core.color import Array, FloatArray, srgb_to_linear, to_unit
from scenes import defocused, ground, photo

#: Radius of the discs in pixels, and how many times as large hairs are drawn.
RADIUS, TIMES = 5.0, 4


def draw_hair(width: float, size: tuple[int, int] = (160, 200)) -> FloatArray:
    large = np.zeros((size[0] * TIMES, size[1] * TIMES), np.float32)
    cv2.line(large, (0, 60 * TIMES), (size[1] * TIMES, 100 * TIMES), 1.0, round(width * TIMES))
    return np.asarray(cv2.resize(large, size[::-1], interpolation=cv2.INTER_AREA)[..., None], np.float32)


def measure_colour(image: Array, matte: FloatArray, wall: FloatArray, colour: float) -> float:
    """Which share of the way from the wall to the colour of a hair its middle has."""
    middle = matte[..., 0] > 0.95 * matte.max()
    middle[:, :20] = middle[:, -20:] = False
    apart = (colour - wall)[middle]
    return float(((srgb_to_linear(to_unit(image)) - wall)[middle] * apart).sum() / (apart * apart).sum() / matte.max())


@pytest.mark.slow
@pytest.mark.parametrize("width", [1.5, 2.0])
def test_a_dark_hair_keeps_its_colour(width: float) -> None:
    wall, matte, colour = ground(160, 200, seed=1), draw_hair(width), 0.01
    near = defocused(wall, RADIUS) * (1 - matte) + colour * matte
    veil = defocused(np.repeat(matte, 3, axis=2), RADIUS)
    frames = [photo(near), photo(wall * (1 - veil) + colour * veil)]
    found, kept = (
        measure_colour(allfocus.fuse(frames, align="none", halos=halos).image, matte, wall, colour)
        for halos in ("remove", "keep")
    )
    assert found == pytest.approx(1, abs=0.08)
    assert kept == pytest.approx(1, abs=0.08)


def test_what_is_narrow_is_found_where_nothing_nearer_covers_it() -> None:
    hair, block = np.zeros((2, 40, 40), np.float32)
    hair[20] = 0.6
    hair[2:12, 2:12] = 1
    block[:, 30:] = 1
    narrow = find_narrow([block, hair])
    assert narrow[20, 5:29].min() == 1
    assert narrow[20, 30:].max() == 0
    assert narrow[4:10, 4:10].max() == 0


def test_a_faint_matte_does_not_change_the_colour_of_a_hair() -> None:
    blurred, sharp = np.full((4, 4, 3), 0.3, np.float32), np.full((4, 4, 3), 0.32, np.float32)
    faint, full = np.full((4, 4), 0.5, np.float32), np.ones((4, 4), np.float32)
    made = sharpen_behind(0.01 + 0 * sharp, blurred, [faint, full], [sharp, sharp])
    np.testing.assert_allclose(made, 0.02, atol=1e-6)


def test_a_hair_stays_before_the_thing_that_it_crosses() -> None:
    hair, rod, of = np.zeros((30, 40), np.float32), np.zeros((30, 40), np.float32), np.full((30, 40), 2)
    hair[14:16], rod[:, 18:22] = 1, 1
    of[14:16], of[:, 18:22] = 0, 1
    wall = np.ones_like(hair)
    found = find_crossings([hair, rod, wall], of)
    assert found[14:16, 18:22].min() == 1
    assert found.sum() == 8
    assert find_crossings([rod * 0, rod, wall], of).max() == 0
    of[:, 18:] = 1
    assert find_crossings([hair, rod, wall], of).max() == 0


@pytest.mark.slow
def test_the_nearer_of_two_hairs_is_on_top() -> None:
    wall = 0.3 * ground(160, 200, seed=4)
    near, far = draw_hair(2.0), np.zeros((160, 200, 1), np.float32)
    for column in (40, 90, 140):
        far[:, column : column + 2] = 1
    frames = []
    for focus in range(3):
        seen = defocused(wall, 4.0 * (2 - focus)) if focus < 2 else wall
        for depth, matte, colour in ((1, far, 0.85), (0, near, 0.01)):
            cover = np.repeat(matte, 3, axis=2)
            cover = cover if depth == focus else defocused(cover, 4.0 * abs(depth - focus))
            seen = seen * (1 - cover) + colour * cover
        frames.append(photo(seen))
    crossing = (near[..., 0] > 0.9) & (far[..., 0] > 0.9)
    image = srgb_to_linear(to_unit(allfocus.fuse(frames, align="none").image))
    assert image[crossing].mean() < 0.2
