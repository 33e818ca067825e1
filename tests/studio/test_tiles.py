"""Tiles: exact at full size, whole at every size, and fresh where something has changed."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms

from allfocus.core.color import Array
from allfocus.studio.gallery import Gallery
from allfocus.studio.hub import Hub
from allfocus.studio.tiles import SIDE, Layer, Overviews, cut, render_tile
from pictures import picture

WHOLE = (slice(0, 1), slice(0, 1))


def decode(layer: Layer, level: int, column: int, row: int, mode: str = "RGB") -> Array:
    made = render_tile(layer, level, column, row, Overviews())
    assert made is not None
    return np.asarray(Image.open(io.BytesIO(made[0])).convert(mode))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("gray", [False, True])
def test_full_size_tiles_are_exact(dtype: str, gray: bool) -> None:
    pixels = picture(600, 700, dtype=dtype, gray=gray)
    layer = Layer(pixels=pixels, window=WHOLE)
    wanted = np.rint(pixels / (257 if dtype == "uint16" else 1)).astype(np.uint8)
    shown = np.zeros((600, 700, 3), np.uint8)
    for row in (0, 1):
        for column in (0, 1):
            tile = decode(layer, 0, column, row)
            top, left = row * SIDE, column * SIDE
            shown[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    assert np.array_equal(shown, wanted[..., None] * np.ones(3, np.uint8) if gray else wanted)


@pytest.mark.parametrize("level", range(1, 6))
@pytest.mark.parametrize("kind", ["photo", "places", "shades", "marks"])
def test_smaller_tiles_cover_all(level: int, kind: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, (601, 703)).astype(np.float32)
    layer = Layer(pixels=values.astype(np.uint8) if kind == "photo" else values, window=WHOLE, kind=kind)  # type: ignore[arg-type]
    height, width = -(-601 >> level), -(-703 >> level)
    tile = decode(layer, level, 0, 0)
    assert tile.shape[:2] == (min(height, SIDE), min(width, SIDE))
    assert render_tile(layer, level, 9, 0, Overviews()) is None


def test_what_has_changed_is_fresh_at_every_size() -> None:
    overviews = Overviews()
    layer = Layer(pixels=picture(900, 1000), window=WHOLE)
    render_tile(layer, 3, 0, 0, overviews)
    window = slice(333, 402), slice(101, 350)
    layer.pixels[window] = 255
    layer.changed(window)
    fresh = Layer(pixels=layer.pixels, window=WHOLE)
    place = slice(0, 112), slice(0, 125)
    assert np.array_equal(cut(layer, 3, place, overviews), cut(fresh, 3, place, Overviews()))


def test_small_copies_are_given_back() -> None:
    overviews = Overviews(limit=200_000)
    layers = [Layer(pixels=picture(900, 1000, seed=k), window=WHOLE) for k in range(4)]
    for layer in layers:
        render_tile(layer, 2, 0, 0, overviews)
    assert [layer.overview is not None for layer in layers] == [False, False, False, True]


def test_what_is_mapped_of_frames_for_a_tile_is_given_back() -> None:
    gallery, given_back = Gallery(Hub()), []
    scratch = SimpleNamespace(release=lambda: given_back.append("all pages"))
    gallery._kept = SimpleNamespace(registered=SimpleNamespace(run=SimpleNamespace(scratch=scratch)))  # type: ignore[assignment]
    layer = Layer(pixels=picture(600, 700), window=WHOLE)
    assert gallery.draw_tile(layer, 0, 1, 0) is not None
    assert gallery.draw_tile(layer, 0, 9, 9) is None
    assert len(given_back) == 2


def test_what_is_not_done_is_transparent() -> None:
    done = np.zeros((8, 16), bool)
    done[:, :8] = True
    layer = Layer(pixels=picture(64, 128), window=WHOLE, done=done)
    opacity = decode(layer, 0, 0, 0, "RGBA")[..., 3]
    assert (opacity[:, :64] == 255).all()
    assert (opacity[:, 64:] == 0).all()
    marks = Layer(pixels=np.eye(40, dtype=bool), window=WHOLE, kind="marks")
    assert ((decode(marks, 0, 0, 0, "RGBA")[..., 3] > 0) == np.eye(40, dtype=bool)).all()


@pytest.mark.parametrize("level", [0, 1])
def test_tiles_carry_the_colour_profile(level: int) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    layer = Layer(pixels=picture(64, 64), window=WHOLE, icc=profile)
    made = render_tile(layer, level, 0, 0, Overviews())
    assert made is not None
    image = Image.open(io.BytesIO(made[0]))
    image.load()
    assert image.info["icc_profile"] == profile
