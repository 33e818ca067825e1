"""Tiles cover every pixel once, and look just as far beyond as they are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.errors import ConfigError
from allfocus.tiling import tiles

PICTURE = st.integers(1, 200)
SIDE = st.integers(1, 90)
OVERLAP = st.integers(0, 60)


@given(PICTURE, PICTURE, st.integers(5, 90), OVERLAP)
def test_tiles_cover_every_pixel_once(height: int, width: int, side: int, overlap: int) -> None:
    covered = np.zeros((height, width), int)
    for tile in tiles(height, width, side, overlap):
        assert 0 < tile.bottom - tile.top <= side
        assert 0 < tile.right - tile.left <= side
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (covered == 1).all()


@given(PICTURE, PICTURE, st.integers(5, 90), OVERLAP)
def test_outer_windows_reach_as_far_as_the_overlap_or_the_edge(
    height: int, width: int, side: int, overlap: int
) -> None:
    for tile in tiles(height, width, side, overlap):
        top, left, bottom, right = tile.outer
        assert 0 <= top <= tile.top < tile.bottom <= bottom <= height
        assert 0 <= left <= tile.left < tile.right <= right <= width
        assert top == 0 or tile.top - top == overlap
        assert left == 0 or tile.left - left == overlap
        assert bottom == height or bottom - tile.bottom == overlap
        assert right == width or right - tile.right == overlap


@given(PICTURE, PICTURE, st.integers(5, 90), OVERLAP)
def test_the_inside_of_the_window_is_the_tile(height: int, width: int, side: int, overlap: int) -> None:
    places = np.arange(height * width).reshape(height, width)
    for tile in tiles(height, width, side, overlap):
        own = places[tile.top : tile.bottom, tile.left : tile.right]
        np.testing.assert_array_equal(places[tile.window()][tile.inside], own)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8), st.integers(0, 6))
def test_windows_of_a_coarser_picture_show_the_same_place(rows: int, columns: int, side: int, overlap: int) -> None:
    for tile in tiles(8 * rows, 8 * columns, 8 * side, 8 * overlap):
        for fine, coarse in zip(tile.window(), tile.window(8), strict=True):
            assert (8 * coarse.start, 8 * coarse.stop) == (fine.start, fine.stop)


@given(SIDE)
def test_a_picture_no_larger_than_a_tile_is_one_tile(side: int) -> None:
    (tile,) = tiles(side, side, side, 3)
    assert tile.outer == (0, 0, side, side)


@pytest.mark.parametrize(("side", "overlap"), [(0, 0), (-8, 4), (8, -1)])
def test_sides_and_overlaps_that_make_no_sense_are_refused(side: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match="positive side"):
        list(tiles(10, 10, side, overlap))
