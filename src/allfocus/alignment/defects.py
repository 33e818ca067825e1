"""Defective pixels of the sensor, hot or dead: found where they stay put while the scene moves, and filled.

Each frame would show them at another place of the registered scene, and sharp, so that a fusion draws a dotted trail. A
pixel is defective if it stands out from its neighbours, the same way, in nearly all frames, though what the scene shows
there is not the same. Where nothing has moved that can't be told, and nothing is changed.
"""

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.motion import Matrix, map_points, measure_displacement
from allfocus.core.color import Array, full_scale
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack

#: The scene must have moved by so many pixels: more than the width of what a lens draws of a point.
MOVED = 3.0
#: A pixel stands out if it differs from the median of 5 x 5 pixels by this share of white, and by so many times what
#: those around it differ by; of a defect's neighbours half of the first will do.
STANDS_OUT, TIMES = 0.08, 4.0
#: Share of the frames in which a defective pixel stands out at least.
MOST = 0.75
#: Most pixels that are looked at, and largest share of the samples that may be defective: beyond that it is texture.
MAX_CANDIDATES, MAX_SHARE = 20_000, 0.002
#: Pixels to each side that are looked at.
REACH = 3
INNER = np.s_[:, 1:-1, 1:-1]


def find_defects(stack: FocalStack, alignment: Alignment) -> Array | None:
    """Find the samples that are defective in every frame of a stack.

    Args:
        stack: the frames.
        alignment: of all of them.

    Returns:
        Bool, of the shape of a frame; None if there are none, or the scene has not moved.
    """
    first, second = find_farthest(alignment, (stack.height, stack.width))
    if first == second:
        return None
    signs = [find_outliers(stack.frames[k], STANDS_OUT) for k in (first, second)]
    places = np.nonzero((signs[0] == signs[1]) & (signs[0] != 0))
    if not 0 < len(places[0]) <= MAX_CANDIDATES:
        return None
    sign = signs[0][places]
    votes = np.mean([stands_out(stack.frames[k], places, sign) for k in alignment.used], axis=0)
    both = np.all([stands_out(stack.frames[k], places, sign) for k in (first, second)], axis=0)
    moves = measure_moves(alignment.matrices[first], alignment.matrices[second], places)
    is_defective = (votes >= MOST) & both & (moves >= MOVED)
    if not is_defective.any() or is_defective.sum() > MAX_SHARE * signs[0].size:
        return None
    defects = np.zeros(signs[0].shape, np.uint8)
    defects[tuple(axis[is_defective] for axis in places)] = 1
    return add_neighbours(defects, [stack.frames[k] for k in (first, second)])


def find_farthest(alignment: Alignment, size: tuple[int, int]) -> tuple[int, int]:
    """The two used frames between which the scene has moved most; twice the reference if that is not far enough."""
    matrices = alignment.matrices
    moves = {
        pair: measure_displacement(matrices[pair[0]], matrices[pair[1]], size).max()
        for pair in combinations(alignment.used, 2)
    }
    farthest = max(moves, key=lambda pair: moves[pair], default=(alignment.reference,) * 2)
    return farthest if moves.get(farthest, 0) >= MOVED else (alignment.reference,) * 2


def find_outliers(frame: Array, share: float) -> Array:
    """For each sample 1 or -1 where it is above or below the median around it by this share of white, else 0: int8."""
    usual = cv2.medianBlur(frame, 5)
    bound = full_scale(frame.dtype) * share
    differs = cv2.absdiff(frame, usual) > bound
    return np.where(differs, np.where(frame > usual, 1, -1), 0).astype(np.int8)


def stands_out(frame: Array, places: Sequence[Array], sign: Array) -> Array:
    """Whether samples stand out from those around them in a frame, in the direction of `sign`: (n,) bool."""
    around = cut_around(frame, places)
    usual = np.median(around[INNER].reshape(len(around), -1), axis=1)
    differs = (around[:, REACH, REACH] - usual) * sign
    others = np.abs(around - usual[:, None, None])
    others[:, REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] = 0
    spread = others.sum(axis=(1, 2)) / ((2 * REACH + 1) ** 2 - 9)
    return np.asarray(differs > np.maximum(full_scale(frame.dtype) * STANDS_OUT, TIMES * spread))


def cut_around(plane: Array, places: Sequence[Array]) -> Array:
    """The samples around each place of a frame (H, W[, 3]): (n, 7, 7) float32; edges are mirrored."""
    offsets = np.arange(-REACH, REACH + 1)
    rows, columns = (
        side - 1 - np.abs(side - 1 - np.abs(at[:, None] + offsets))
        for at, side in zip(places[:2], plane.shape[:2], strict=True)
    )
    channel = (places[2][:, None, None],) if len(places) > 2 else ()
    return plane[rows[:, :, None], columns[:, None, :], *channel].astype(np.float32)


def measure_moves(one: Matrix, other: Matrix, places: Sequence[Array]) -> Array:
    """How far what one frame shows at each place lies from there in another frame, in pixels: (n,)."""
    points = np.stack([places[1], places[0]], axis=1).astype(np.float64)
    return np.asarray(np.linalg.norm(map_points(other @ np.linalg.inv(one), points) - points, axis=1))


def add_neighbours(defects: Array, frames: Sequence[Array]) -> Array:
    """Defects with those of their neighbours that stand out as well, by half as much: light spreads to them."""
    near = cv2.dilate(defects, np.ones((3, 3), np.uint8)) > defects
    places = np.nonzero(near)
    added = np.ones(len(places[0]), bool)
    for frame in frames:
        around = cut_around(frame, places)
        usual = np.median(around[INNER].reshape(len(around), -1), axis=1)
        added &= np.abs(around[:, REACH, REACH] - usual) > full_scale(frame.dtype) * STANDS_OUT / 2
    found = defects > 0
    found[tuple(axis[added] for axis in places)] = True
    return found


def fill_defects(frame: Array, defects: Array) -> Array:
    """A copy of a frame (H, W[, 3]) in which defective samples are the median of the others around them."""
    places = np.nonzero(defects)
    around = cut_around(frame, places)
    around[cut_around(defects, places) > 0] = np.nan
    filled = frame.copy()
    # a pixel all of whose neighbours are defective stays as it is
    known = ~np.isnan(around).all(axis=(1, 2))
    values = np.nanmedian(around[known][INNER].reshape(int(known.sum()), -1), axis=1)
    filled[tuple(axis[known] for axis in places)] = values.astype(frame.dtype)
    return filled


def note_defects(defects: Array | None) -> list[Note]:
    """The note on defective pixels that were filled."""
    if defects is None:
        return []
    count = np.count_nonzero(defects if defects.ndim == 2 else defects.any(axis=2))
    which = "1 pixel stays" if count == 1 else f"{count} pixels stay"
    message = f"{which} bright or dark in place while the scene moves (sensor defects): filled from those around"
    return [Note(code="defects-filled", message=message)]
