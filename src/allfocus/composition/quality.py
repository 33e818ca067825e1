"""Whether what is out of focus in every frame is so for sure, and between which two frames another shot would help."""

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray

#: What lies in a gap is taken from the frames on both sides of it: the lesser share is at least this of the greatest.
BOTH_SIDES = 0.2
#: Side in pixels of the squares whose sharpness is compared.
SQUARE = 16
#: Squares of less detail at half the size (its mean square, of what is nearly the brightest value) tell nothing.
LEAST_DETAIL = 4e-4
#: What is out of focus has less than this share of the sharpness of what is sharp. Rendered gaps .10 to .15, light
#: fields and pairs .15 to .25; cells in fluid .45 to .61, other soft photos from .32: docs/experiments.md, 2026-11-28.
MUCH_SOFTER = 0.28


def find_gap(out_of_focus: Array, index_map: Array, frames: int) -> tuple[int, int] | None:
    """Where in the stack most of what is sharp in no frame would have been; None if nothing is out of focus.

    Args:
        out_of_focus: (H, W) bool.
        index_map: (H, W), which frame is picked, counted from 0 in the order of focus.
        frames: how many there are.
    """
    votes = np.bincount(index_map[out_of_focus], minlength=frames)
    return widest_gap(votes) if votes.any() else None


def widest_gap(votes: Array) -> tuple[int, int]:
    """The two neighbours that share most of what is sharp in no frame; one frame, twice, that has it for itself.

    How blurred the other frames are does not tell on which side of the picked one a place would have been sharp: at
    the rim of a wide gap the next frame on the far side of it is sharper than that across it. But in a gap both
    frames beside it get picked.

    Args:
        votes: (N,) how much of what is out of focus is from each frame.
    """
    shared = np.minimum(votes[:-1], votes[1:])
    first, most = int(shared.argmax()), int(votes.argmax())
    return (first, first + 1) if shared[first] >= BOTH_SIDES * votes[most] else (most, most)


def stands_out(out_of_focus: Array, picture: Array) -> bool:
    """Whether what is said to be sharp in no frame is far softer than what is sharp in the same picture.

    Sharpness is the share of detail at full size in that at half the size, square by square. Where a lens, a sensor, an
    enlargement or a thick specimen leaves no fine detail anywhere, nobody can tell soft from out of focus.

    Args:
        out_of_focus: (H, W) bool.
        picture: (H, W) or (H, W, 3), any numbers.
    """
    if min(picture.shape[:2]) < 4 * SQUARE:
        return True
    gray = np.asarray(picture, np.float32) if picture.ndim == 2 else picture.mean(axis=2, dtype=np.float32)
    gray = np.nan_to_num(gray, posinf=0, neginf=0)
    half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    fine, coarse = measure_squares(gray, SQUARE), measure_squares(half, SQUARE // 2)
    size = tuple(min(sides) for sides in zip(fine.shape, coarse.shape, strict=True))
    fine, coarse = fine[: size[0], : size[1]], coarse[: size[0], : size[1]]
    marked = cv2.resize(out_of_focus.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 0.5
    told = coarse > LEAST_DETAIL * float(np.percentile(gray, 99.9)) ** 2
    if not (told & marked).any():
        return False
    sharpness = fine[told] / coarse[told]
    return bool(np.median(sharpness[marked[told]]) < MUCH_SOFTER * np.percentile(sharpness, 95))


def measure_squares(gray: FloatArray, side: int) -> FloatArray:
    """(H, W) -> (H // side, W // side), the mean squared Laplacian of each square."""
    rows, columns = (length // side for length in gray.shape)
    detail = np.square(cv2.Laplacian(gray, cv2.CV_32F)[: rows * side, : columns * side])
    squares: FloatArray = detail.reshape(rows, side, columns, side).mean(axis=(1, 3))
    return squares
