"""Registering two frames: agreement, residual, and SIFT where they are far apart."""

import numpy as np
import pytest

from allfocus.alignment.chain import drop_finest
from allfocus.alignment.comparison import interpolate
from allfocus.alignment.contrast_pyramid import build_pyramid
from allfocus.alignment.motion import make_motion, measure_displacement, to_pixels
from allfocus.alignment.pair import MIN_AGREEMENT, compare_finest_level, register_pair
from allfocus.alignment.sift import guess_motion
from moved_scenes import SIZE, defocus, move_camera, scene


def test_frames_of_one_scene_agree_and_those_of_two_do_not() -> None:
    size = (200, 260)
    one = build_pyramid(scene(size=size))
    same = register_pair(one, build_pyramid(defocus(scene(size=size), 3)))
    other = register_pair(one, build_pyramid(scene(2, size)))
    assert same.agreement > 0.8 > MIN_AGREEMENT > other.agreement
    assert same.losses["homography"] < 0.5 < other.losses["homography"]


def test_the_residual_is_what_a_motion_leaves_in_pixels() -> None:
    after, matrix = move_camera(scene(), [0.004, 0.0])
    comparison = compare_finest_level(build_pyramid(scene()), build_pyramid(after))
    weights = comparison.weights(np.eye(3))
    assert comparison.judge(make_motion([0.004, 0.0]), weights)[1] < 0.05
    np.testing.assert_allclose(comparison.judge(np.eye(3), weights)[1], abs(matrix[0, 2]), rtol=0.15)


def test_motions_are_checked_where_they_were_not_fitted() -> None:
    one, other = build_pyramid(scene()), build_pyramid(move_camera(scene(), [0.004, 0.0])[0])
    fit, check = (compare_finest_level(one, other, None, part) for part in ("fit", "check"))
    assert 0 < check.count < fit.count
    assert not set(map(tuple, check.places)) & set(map(tuple, fit.places))


@pytest.mark.slow
def test_features_give_a_start_where_frames_are_far_apart() -> None:
    parameters = [0.3, -0.1, 0.35, 0.1]
    after, matrix = move_camera(scene(), parameters)
    guess = to_pixels(guess_motion(build_pyramid(scene()), build_pyramid(after)), SIZE)
    assert measure_displacement(guess, matrix, SIZE).mean() < 2
    flat = build_pyramid(np.full((*SIZE, 3), 0.5, np.float32))
    np.testing.assert_array_equal(guess_motion(flat, flat), np.eye(3))


@pytest.mark.slow
def test_features_are_compared_at_a_size_that_both_frames_have() -> None:
    size = (160, 900)
    after, matrix = move_camera(scene(size=size), [0.3, 0.0])
    earlier = drop_finest(build_pyramid(scene(size=size)))
    guess = to_pixels(guess_motion(earlier, build_pyramid(after)), size)
    assert measure_displacement(guess, matrix, size).mean() < 2


def test_values_between_pixels_are_those_at_pixels_where_points_are_whole() -> None:
    planes = np.random.default_rng(0).random((20, 30, 4), np.float32)
    points = np.random.default_rng(1).integers(0, 20, (2500, 2)).astype(np.float32)
    x, y = points.T.astype(int)
    np.testing.assert_allclose(interpolate(planes, points), planes[y, x], atol=1e-6)
    assert interpolate(planes, points[:0]).shape == (0, 4)
