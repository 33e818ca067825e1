"""Views from beside: what moves where, what fills uncovered places, and the numbers of anaglyphs."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array, FloatArray
from allfocus.outputs.heights import fill_unknown
from allfocus.outputs.moving import encode_moving
from allfocus.outputs.parallax import measure_nearness, shift_view
from allfocus.outputs.views import Views, lay_side_by_side, make_anaglyph, make_views, rock
from pictures import picture


def scene(dtype: str = "uint8") -> tuple[Array, FloatArray]:
    """A near square, white, before a far wall with a texture that never is white; and how near each pixel is."""
    wall = picture(40, 100, dtype=dtype) // 2
    near = np.zeros((40, 100), np.float32)
    near[10:30, 40:60] = 1
    wall[near > 0] = np.iinfo(dtype).max
    return wall, near


def find_square(view: Array) -> Array:
    """Columns of the middle row that show the square."""
    return np.flatnonzero(view[20, :, 0] == np.iinfo(view.dtype).max)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_near_things_move_right_for_the_left_eye(dtype: str) -> None:
    image, near = scene(dtype)
    left, right = make_views(image, near, 16)  # 16 pixels, 8 to either side, 4 of them near and 4 far
    assert left.dtype == image.dtype
    assert find_square(left).tolist() == list(range(44, 64))
    assert find_square(right).tolist() == list(range(36, 56))
    assert np.array_equal(left[20, 10:30], image[20, 14:34])
    assert np.array_equal(right[20, 10:30], image[20, 6:26])


def test_uncovered_places_are_filled_from_the_background_alone() -> None:
    image, near = scene()
    for view in make_views(image, near, 16):
        assert find_square(view).size == 20
        wall = np.delete(view[20], find_square(view), axis=0)
        assert wall.max() <= 127
    flat = np.full((20, 60, 3), 50, np.uint8)
    flat[5:15, 20:40] = 200
    raised = (flat[..., 0] > 100).astype(np.float32)
    for view in make_views(flat, raised, 20):
        assert set(np.unique(view)) == {50, 200}


def test_flat_depth_and_no_depth_change_nothing_inside() -> None:
    image = picture(20, 60)
    for heights in (np.full((20, 60), 3, np.float32), np.full((20, 60), np.nan, np.float32)):
        near = measure_nearness(heights)
        view = shift_view(image, near, 4)
        assert np.array_equal(view[:, 4:-4], image[:, 6:-2])


def test_between_two_pixels_a_view_is_in_proportion_and_nothing_is_clipped_beyond() -> None:
    steps = np.tile(np.arange(0, 50000, 1000, dtype=np.uint16), (4, 1))
    view = shift_view(steps, np.ones((4, 50), np.float32), 1.0)
    assert np.array_equal(view[:, 1:], steps[:, 1:] - 500)
    values = np.where(steps == 0, np.nan, steps).astype(np.float32)
    assert np.isfinite(shift_view(values, np.ones((4, 50), np.float32), 2.0)[:, 3:]).all()


def test_unknown_depth_is_that_of_the_nearest_known_pixel() -> None:
    heights = np.full((6, 9), np.nan, np.float32)
    heights[:, 0], heights[:, 8] = 1, 2
    assert np.array_equal(fill_unknown(heights)[3], [1, 1, 1, 1, fill_unknown(heights)[3, 4], 2, 2, 2, 2])


def test_soft_edges_of_depth_become_steps() -> None:
    edge = np.clip((np.arange(60) - 27) / 6, 0, 1)
    near = measure_nearness(np.tile(edge, (20, 1)).astype(np.float32))
    assert set(np.unique(near)) == {0, 1}
    slope = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (20, 1))
    assert len(np.unique(measure_nearness(slope))) > 150


def test_side_by_side_and_crosswise() -> None:
    views = Views(np.zeros((2, 3), np.uint8), np.ones((2, 3), np.uint8))
    assert lay_side_by_side(views, "parallel").tolist() == [[0, 0, 0, 1, 1, 1]] * 2
    assert lay_side_by_side(views, "cross").tolist() == [[1, 1, 1, 0, 0, 0]] * 2


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_anaglyphs(dtype: str) -> None:
    image = picture(20, 30, dtype=dtype)
    white = np.full_like(image, 1 if dtype == "float32" else np.iinfo(dtype).max)
    black = np.zeros_like(image)
    for is_gray in (False, True):
        same = make_anaglyph(Views(white, white), is_gray=is_gray)
        assert same.dtype == image.dtype
        assert np.allclose(same / white.max(), 1, atol=0.02)  # white stays white
        left = make_anaglyph(Views(white, black), is_gray=is_gray)
        assert (left[..., 0] > 0.99 * white.max()).all()  # only the red glass sees it
        assert not left[..., 1:].any()
    gray = make_anaglyph(Views(image, image), is_gray=True)
    assert np.array_equal(gray[..., 0], gray[..., 2])
    assert make_anaglyph(Views(image[..., 0], image[..., 1]), is_gray=False).shape == image.shape


def test_rocking_goes_from_side_to_side_and_back() -> None:
    image, near = scene()
    turn = list(rock(image, near, 16))
    assert len(turn) == 24
    middles = [find_square(view).mean() for view in turn]
    assert np.argmax(middles) == 6
    assert np.argmin(middles) == 18
    assert middles[0] == middles[12]
    assert (
        max(side for view in rock(picture(51, 1400), np.zeros((51, 1400), np.float32), 3) for side in view.shape)
        == 1024
    )


@pytest.mark.slow
def test_moving_pictures_play(tmp_path: pytest.TempPathFactory) -> None:
    from pathlib import Path

    image, near = scene()
    turn = list(rock(image, near, 10))
    webp = Image.open(io.BytesIO(encode_moving(Path("a.webp"), turn, 12)))
    assert (webp.n_frames, webp.size, webp.info["loop"]) == (24, (100, 40), 0)
    video = Path(str(tmp_path)) / "a.mp4"
    video.write_bytes(encode_moving(Path("a.mp4"), turn, 12))
    capture = cv2.VideoCapture(str(video))
    seen = 0
    while True:
        done, shown = capture.read()
        if not done:
            break
        assert np.abs(shown[..., ::-1].astype(int) - turn[seen % 24]).mean() < 25
        seen += 1
    assert seen == 48
