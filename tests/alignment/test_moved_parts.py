"""Parts that moved by themselves between two frames are found; blur, noise and things out of focus are none."""

import cv2
import numpy as np
import pytest

from allfocus.alignment.moved_parts import find_moved_parts, note_moved_parts
from allfocus.core.color import Array

SIZE = (240, 320)


def make_frames(seed: int = 0) -> list[Array]:
    """Two frames of one textured scene, each sharp in one half, with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 160, (SIZE[0] // 12, SIZE[1] // 12, 3), np.uint8)
    scene = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    blurred = cv2.GaussianBlur(scene, (0, 0), 4)
    frames = [blurred.copy(), blurred.copy()]
    frames[0][:, :180], frames[1][:, 140:] = scene[:, :180], scene[:, 140:]
    return [np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8) for frame in frames]


def draw_leg(frame: Array, x: int) -> None:
    cv2.line(frame, (x, 60), (x + 15, 150), (20, 15, 10), 5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blur_and_noise_have_not_moved(seed: int) -> None:
    assert find_moved_parts(make_frames(seed)) == []


def test_what_is_blurred_in_one_frame_has_not_moved() -> None:
    frames = make_frames()
    for frame in frames:
        draw_leg(frame, 80)
    frames[1] = cv2.GaussianBlur(frames[1], (0, 0), 4)
    assert find_moved_parts(frames) == []


@pytest.mark.parametrize("scale", [1, 3])
def test_a_leg_that_moved_is_found_with_its_frames_and_place(scale: int) -> None:
    frames = [*make_frames(), make_frames()[1]]
    for frame, x in zip(frames, (80, 92, 92), strict=True):
        draw_leg(frame, x)
    frames = [cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) for frame in frames]
    (part,) = find_moved_parts(frames)
    assert part.frames == (0, 1)
    left, top, right, bottom = (side / scale for side in part.place)
    assert left < 90 < right
    assert top < 100 < bottom
    (note,) = note_moved_parts([part], [0, 2, 3], ["a.png", "b.png", "c.png", "d.png"])
    assert (note.code, note.frames) == ("part-moved", (0, 2))
    assert "a.png and c.png at x " in note.message


def test_where_a_frame_shows_nothing_nothing_has_moved() -> None:
    frames = make_frames()
    draw_leg(frames[0], 80)
    draw_leg(frames[1], 92)
    hidden = np.ones(SIZE, bool)
    hidden[:, 40:160] = False
    assert find_moved_parts(frames, [None, hidden]) == []


def test_small_frames_are_looked_at_too() -> None:
    assert find_moved_parts([np.zeros((5, 7), np.uint8)] * 2) == []
    assert note_moved_parts([], [], []) == []
