"""Two-pass Lanczos against the formula, OpenCV and whole shifts."""

import cv2
import numpy as np
import pytest

from allfocus.alignment.lanczos import AT_ONCE, can_resample, plan_segments, resample
from allfocus.alignment.motion import Matrix, make_motion, map_points, to_pixels
from allfocus.core.color import Array, from_unit, to_unit
from moved_scenes import SIZE, scene


def by_hand(frame: Array, matrix: Matrix, x: int, y: int) -> Array:
    """One pixel by Lanczos's kernel over 8 x 8 pixels, as it is written in books."""
    (from_x, from_y) = map_points(matrix, np.array([[x, y]], np.float64))[0]
    columns, rows = (np.floor(place) + np.arange(-3, 5) for place in (from_x, from_y))

    def weights(distances: Array) -> Array:
        found = np.sinc(distances) * np.sinc(distances / 4)
        return np.asarray(found / found.sum())

    part = to_unit(frame)[np.ix_(rows.astype(int), columns.astype(int))]
    return np.einsum("y,x,yxc->c", weights(rows - from_y), weights(columns - from_x), part)


@pytest.mark.parametrize("numbers", [(0.01, -0.02), (0.003, 0.01, 0.002, -0.01), (0, 0, -0.001, 0.05, 0.004, 0.001)])
def test_two_passes_are_lanczos(numbers: tuple[float, ...]) -> None:
    frame = scene(4)
    matrix = to_pixels(make_motion(numbers), SIZE)
    assert can_resample(matrix)
    found = resample(frame, matrix)
    points = np.random.default_rng(0).integers(30, 270, (50, 2))
    expected = np.stack([by_hand(frame, matrix, x, y) for x, y in points])
    np.testing.assert_allclose(found[points[:, 1], points[:, 0]], expected, atol=0.004)
    coarse = from_unit(frame, "uint8")
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    opencv = cv2.warpAffine(coarse, matrix[:2], SIZE[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(resample(coarse, matrix).astype(int) - opencv).mean() < 0.5  # of 255; edges too


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, -5), (-20, 90), (300, 0)])
def test_whole_shifts_are_exact_and_edges_repeated(dtype: str, gray: bool, right: int, down: int) -> None:
    size = (100, 140)
    frame = from_unit(scene(size=size)[..., 0] if gray else scene(size=size), dtype)
    rows, columns = (np.clip(np.arange(side) + by, 0, side - 1) for side, by in zip(size, (down, right), strict=True))
    found = resample(frame, np.array([[1.0, 0, right], [0, 1, down], [0, 0, 1]]))
    assert found.dtype == frame.dtype
    np.testing.assert_allclose(found, frame[np.ix_(rows, columns)], atol=1e-6)


@pytest.mark.parametrize("scale", [0.8, 0.97, 1.0, 1.003, 1.03, 1.1, 1.29])
@pytest.mark.parametrize("odd", [1, 2, 3, 5, 17, 31])
def test_frames_of_any_size_at_any_scale(scale: float, odd: int) -> None:
    frame = scene(4)[: 256 + odd, : 224 + odd]
    matrix = np.array([[scale, 0.0004, 1.3], [-0.0003, scale, 2.1], [0, 0, 1]])
    assert can_resample(matrix)
    coarse = from_unit(frame, "uint8")
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    opencv = cv2.warpAffine(coarse, matrix[:2], coarse.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(resample(coarse, matrix).astype(int) - opencv).mean() < 0.6


@pytest.mark.parametrize("drift", [0.0, 1e-6, 1e-3])
def test_few_lines_are_multiplied_at_once(drift: float) -> None:
    """Larger products wake the threads of the BLAS; then the last bit depends on how many processors there are."""
    planned = list(plan_segments(1000, 200, 1.0, drift, 0.3))
    assert max(lines.stop - lines.start for lines, *_ in planned) <= AT_ONCE
    seen = np.zeros((1000, 200), int)
    for lines, segment, _, _ in planned:
        seen[lines, segment] += 1
    assert (seen == 1).all()
