"""Motion models: parameters, matrices, derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.alignment.motion import compute_velocities, from_pixels, make_motion, map_points, to_pixels
from moved_scenes import SIZE


@pytest.mark.slow
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=8))
def test_motions_are_undone_by_their_opposites(numbers: list[float]) -> None:
    there, back = make_motion(numbers), make_motion([-number for number in numbers])
    np.testing.assert_allclose(there @ back / (there @ back)[2, 2], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(from_pixels(to_pixels(there, SIZE), SIZE), there, atol=1e-9)


def test_no_motion_moves_nothing_at_any_size() -> None:
    for height in range(100, 300, 7):
        np.testing.assert_array_equal(to_pixels(np.eye(3), (height, 280)), np.eye(3))


@pytest.mark.parametrize("generator", range(8))
def test_velocities_are_the_derivative_of_the_motion(generator: int) -> None:
    points = np.random.default_rng(0).uniform(-0.7, 0.7, (20, 2)).astype(np.float32)
    step = 1e-4
    numbers = [0.0] * 8
    numbers[generator] = step
    found = (map_points(make_motion(numbers), points) - points) / step
    np.testing.assert_allclose(compute_velocities(points, 8)[:, generator], found, atol=1e-3)
