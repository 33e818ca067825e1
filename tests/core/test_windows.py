"""Tiles cover every pixel once; places grow, scale and move without losing any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.core.windows import grow, intersect, relative_to, scale_down, shift, tiles
from allfocus.errors import ConfigError

PICTURE = st.integers(1, 200)
SIDE = st.integers(5, 90)
MARGIN = st.integers(0, 60)


@given(PICTURE, PICTURE, SIDE)
def test_tiles_cover_every_pixel_once(height: int, width: int, side: int) -> None:
    covered = np.zeros((height, width), int)
    for rows, columns in tiles(height, width, side):
        assert 0 < rows.stop - rows.start <= side
        assert 0 < columns.stop - columns.start <= side
        covered[rows, columns] += 1
    assert (covered == 1).all()


@given(PICTURE, PICTURE, SIDE, MARGIN)
def test_a_place_grows_by_its_margin_or_to_the_edge(height: int, width: int, side: int, by: int) -> None:
    for tile in tiles(height, width, side):
        for part, wider, length in zip(tile, grow(tile, by, height, width), (height, width), strict=True):
            assert wider.start == max(0, part.start - by)
            assert wider.stop == min(length, part.stop + by)


@given(st.integers(1, 30), SIDE, MARGIN, st.sampled_from([1, 4, 8]))
def test_it_grows_to_whole_steps(steps: int, side: int, by: int, step: int) -> None:
    length = steps * step
    for tile in tiles(length, length, side):
        for part, wider in zip(tile, grow(tile, by, length, length, step), strict=True):
            assert wider.start % step == wider.stop % step == 0
            assert wider.start == 0 or part.start - by - wider.start in range(step)
            assert wider.stop == length or wider.stop - part.stop - by in range(step)


@pytest.mark.slow
@given(PICTURE, PICTURE, SIDE, MARGIN)
def test_what_is_within_is_where_it_was(height: int, width: int, side: int, by: int) -> None:
    places = np.arange(height * width).reshape(height, width)
    for tile in tiles(height, width, side):
        outer = grow(tile, by, height, width)
        np.testing.assert_array_equal(places[outer][relative_to(tile, outer)], places[tile])
        assert shift(relative_to(tile, outer), outer) == tile


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8))
def test_places_of_a_coarser_picture_show_the_same(rows: int, columns: int, side: int) -> None:
    for tile in tiles(8 * rows, 8 * columns, 8 * side):
        for fine, coarse in zip(tile, scale_down(tile, 8), strict=True):
            assert (8 * coarse.start, 8 * coarse.stop) == (fine.start, fine.stop)


@given(PICTURE, PICTURE, SIDE, MARGIN)
def test_what_a_tile_shares_with_what_is_around_it_is_the_tile(height: int, width: int, side: int, by: int) -> None:
    for tile in tiles(height, width, side):
        assert intersect(tile, grow(tile, by, height, width)) == tile


@given(SIDE)
def test_a_picture_no_larger_than_a_tile_is_one_tile(side: int) -> None:
    assert list(tiles(side, side, side)) == [(slice(0, side), slice(0, side))]


@pytest.mark.parametrize("side", [0, -8])
def test_sides_that_make_no_sense_are_refused(side: int) -> None:
    with pytest.raises(ConfigError, match="positive side"):
        list(tiles(10, 10, side))
