"""Scale bars: round lengths that are right, in the picture's own numbers, never outside of it."""

import numpy as np
import pytest

from allfocus.outputs.scale_bar import draw_masks, draw_scale_bar, name_length, round_length


@pytest.mark.parametrize(("most", "length"), [(1, 1), (9.99, 5), (4.9, 2), (0.3, 0.2), (5000, 5000), (0.05, 0.05)])
def test_lengths_are_round(most: float, length: float) -> None:
    assert round_length(most) == pytest.approx(length)


@pytest.mark.parametrize(
    ("micrometres", "name"),
    [(0.05, "50 nm"), (1, "1 µm"), (500, "500 µm"), (1000, "1 mm"), (2e4, "20 mm"), (5e6, "5 m"), (1e-4, "0.1 nm")],
)
def test_lengths_are_named_in_the_unit_that_fits(micrometres: float, name: str) -> None:
    assert name_length(micrometres) == name


def longest_run(line: np.ndarray) -> int:
    """Pixels of the longest run of full ones."""
    runs = "".join("x" if value >= 1 else " " for value in line).split()
    return max((len(run) for run in runs), default=0)


@pytest.mark.parametrize(("height", "width"), [(400, 600), (600, 400), (64, 64), (20, 300), (1000, 1000)])
@pytest.mark.parametrize("length", [40.0, 25.0])
def test_the_bar_has_its_length_and_all_lies_in_the_picture(height: int, width: int, length: float) -> None:
    white, rim = draw_masks((height, width), length, "50 µm")
    assert max(longest_run(line) for line in white) == length
    assert not rim[0].any()
    assert not rim[:, 0].any()
    assert (rim >= white).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(100, 150), (100, 150, 3)])
def test_it_is_drawn_in_the_pictures_own_numbers(dtype: str, shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, dtype)
    image[:50] = 2
    image[0, 0] = 100
    before = image.copy()
    drawn = draw_scale_bar(image, 0.5)
    assert np.array_equal(image, before)
    assert drawn.dtype == dtype
    white = {"uint8": 255, "uint16": 65535, "float32": 1}.get(dtype, 100)
    bar = (drawn if drawn.ndim == 2 else drawn[..., 0])[50:] >= white
    assert max(longest_run(line) for line in bar) == 10 / 0.5
    assert np.array_equal(drawn[:50], image[:50])


def test_values_that_are_missing_stay_missing_around_it() -> None:
    image = np.full((100, 150), np.nan, np.float32)
    drawn = draw_scale_bar(image, 1.0)
    assert np.nanmax(drawn) == 1
    assert np.isnan(drawn[:50]).all()
