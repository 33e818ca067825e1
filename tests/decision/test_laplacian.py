"""The focus measure against its definition, and the facts the Laplacian rule stands on."""

from collections.abc import Iterator

import numpy as np
import pytest

from allfocus.core.color import Array, to_unit
from allfocus.decision.laplacian import STRIP, decide_by_laplacian, laplacian_index_map, local_laplacian_energy
from allfocus.errors import StackError


def random_frames(count: int, shape: tuple[int, ...], dtype: type = np.uint8, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return [(rng.random(shape) * top).astype(dtype) for _ in range(count)]


def slow_laplacian_energy(frame: Array) -> Array:
    """Unsmoothed energy by the definition: a loop over pixels, borders mirrored."""
    unit = np.atleast_3d(to_unit(frame)).astype(np.float64)
    height, width, channels = unit.shape
    padded = np.pad(unit, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    energy = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                up, down = padded[y, x + 1, c], padded[y + 2, x + 1, c]
                left, right = padded[y + 1, x, c], padded[y + 1, x + 2, c]
                energy[y, x] += (up + down + left + right - 4 * padded[y + 1, x + 1, c]) ** 2
    return energy


@pytest.mark.parametrize("shape", [(9, 13), (12, 7, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_unsmoothed_energy_matches_the_definition(shape: tuple[int, ...], dtype: type) -> None:
    frame = random_frames(1, shape, dtype)[0]
    energy = local_laplacian_energy(frame, sigma=0)
    assert energy.dtype == np.float32
    np.testing.assert_allclose(energy, slow_laplacian_energy(frame), rtol=1e-4, atol=1e-5)


def test_a_single_bright_pixel_gives_the_closed_form() -> None:
    frame = np.zeros((15, 15), np.float32)
    frame[7, 7] = 1
    energy = local_laplacian_energy(frame, sigma=0)
    assert energy[7, 7] == 16  # the kernel's centre is -4
    assert energy[6, 7] == energy[8, 7] == energy[7, 6] == energy[7, 8] == 1
    assert energy.sum() == 20


def test_smoothing_keeps_the_total_away_from_the_borders() -> None:
    frame = np.zeros((61, 61), np.float32)
    frame[30, 30] = 1
    smooth = local_laplacian_energy(frame)
    assert smooth.sum() == pytest.approx(20, rel=1e-4)
    assert smooth.max() == smooth[30, 30]


def test_linear_ramps_and_flat_pictures_have_no_energy_inside() -> None:
    ramp = np.add.outer(np.arange(40), 2 * np.arange(50)).astype(np.uint8)
    assert local_laplacian_energy(ramp, sigma=0)[1:-1, 1:-1].max() < 1e-10
    assert not local_laplacian_energy(np.full((5, 6, 3), 77, np.uint8)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 9), (2, 2), (3, 5000)])
def test_tiny_and_thin_pictures_are_measured(shape: tuple[int, ...]) -> None:
    energy = local_laplacian_energy(random_frames(1, shape)[0])
    assert energy.shape == shape[:2]
    assert np.isfinite(energy).all()


def test_index_map_is_the_argmax_of_the_energies() -> None:
    frames = random_frames(5, (40, 30, 3))
    energies = np.stack([local_laplacian_energy(frame) for frame in frames])
    index_map = laplacian_index_map(frames)
    assert index_map.dtype == np.uint16
    np.testing.assert_array_equal(index_map, energies.argmax(axis=0))


def test_of_equal_frames_the_first_wins() -> None:
    frame = random_frames(1, (20, 20))[0]
    assert not laplacian_index_map([frame, frame.copy(), frame.copy()]).any()


def test_the_sharp_half_of_each_frame_is_picked() -> None:
    sharp, other = random_frames(2, (60, 80))
    near, far = sharp.copy(), other.copy()
    near[:, 40:] = 128
    far[:, :40] = 128
    index_map = laplacian_index_map([near, far])
    assert not index_map[:, :30].any()
    assert (index_map[:, 50:] == 1).all()


def test_frames_are_visited_once_so_a_generator_will_do() -> None:
    frames = random_frames(4, (16, 16))
    alive: list[int] = []

    def one_by_one() -> Iterator[Array]:
        for position, frame in enumerate(frames):
            alive.append(position)
            yield frame

    np.testing.assert_array_equal(laplacian_index_map(one_by_one()), laplacian_index_map(frames))
    assert alive == [0, 1, 2, 3]


def test_no_frames_and_unequal_frames_are_refused() -> None:
    with pytest.raises(StackError, match="no frames"):
        laplacian_index_map([])
    with pytest.raises(StackError, match=r"frame 2 has shape \(4, 5\)"):
        laplacian_index_map([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)])


@pytest.mark.parametrize("sigma", [0.0, 3.0])
def test_strips_leave_no_seam(sigma: float) -> None:
    frames = random_frames(3, (2 * STRIP + 5, 40, 3))
    for frame in frames:
        frame[:30] = 7  # where nothing decides
    index_map, confidence = decide_by_laplacian(frames, sigma)
    energies = np.stack([local_laplacian_energy(frame, sigma) for frame in frames])
    second, best = np.sort(energies, axis=0)[1:]
    assert np.array_equal(index_map, energies.argmax(axis=0))
    wanted = np.divide(best - second, best, out=np.zeros_like(best), where=best > 0)
    assert np.array_equal(confidence, wanted)
