"""Defective pixels of the sensor, hot or dead: found where they stay put while the scene moves, and filled.

Each frame would show them at another place of the registered scene, and sharp, so that a fusion draws a dotted trail. A
pixel is defective if it stands out from its neighbours, the same way, in nearly all frames, though what the scene shows
there is not the same. Where nothing has moved that can't be told, and nothing is changed.
"""

from collections.abc import Sequence

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
#: Shares of the frames in which a defective pixel stands out at least: the first by which hardly any is one by chance.
MOST = (0.6, 0.75, 1.0)
#: Around what stands out alone nothing but its neighbours differs from the median by this share of as much.
ALONE = 0.5
#: Pixels by which frames are shifted to see how much agrees by chance, and how many times as many defects must be.
CONTROL, CLEARLY = 11, 4
#: Bits of samples that lie above or below those around them.
ABOVE, BELOW = 1, 2
#: Most pixels that are looked at, and largest share of the samples that may be defective: beyond that it is texture.
MAX_CANDIDATES, MAX_SHARE = 20_000, 0.002
#: Pixels to each side that are looked at, and places that are at a time.
REACH, AT_ONCE = 3, 1000
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
    pair = [stack.frames[first], stack.frames[second]]
    frames = [*pair, *(stack.frames[k] for k in alignment.used if k not in (first, second))]
    outliers = find_outliers(pair[0]), find_outliers(pair[1])
    places, agree = find_agreeing(frames, outliers)
    moves = measure_moves(alignment.matrices[first], alignment.matrices[second], places)
    agree &= moves >= MOVED
    by_chance = find_agreeing(frames, outliers, CONTROL)[1] if agree.any() else agree
    clearly = CLEARLY * by_chance.sum(axis=1) < agree.sum(axis=1)
    if not clearly.any():
        return None
    agree = agree[clearly.argmax()]
    if agree.sum() > MAX_SHARE * pair[0].size:
        return None
    defects = np.zeros(pair[0].shape, np.uint8)
    defects[tuple(axis[agree] for axis in places)] = 1
    return add_neighbours(defects, pair)


def find_agreeing(
    frames: Sequence[Array], outliers: Sequence[Array], shift: int = 0
) -> tuple[tuple[Array, ...], Array]:
    """The samples that are outliers in the same direction in the first two frames, and stand out alone in most of all.

    Args:
        frames: all of them.
        outliers: of the first two frames, see `find_outliers`.
        shift: by so many pixels more, down and to the right, each frame after the first is read: what still agrees
            does so by chance.

    Returns:
        Places of the n samples, and for each share of `MOST` which of them stand out in so many frames: (3, n) bool.
    """
    one, other = outliers
    there = np.roll(other, (-shift, -shift), (0, 1)) if shift else other
    places = np.unravel_index(np.flatnonzero(np.bitwise_and(one, there)), one.shape)
    if not 0 < len(places[0]) <= MAX_CANDIDATES:
        return tuple(axis[:0] for axis in places), np.zeros((len(MOST), 0), bool)
    sign = np.where(one[places] & ABOVE, 1, -1)
    parts = [slice(start, start + AT_ONCE) for start in range(0, len(sign), AT_ONCE)]
    agree = [stands_out(frames, [axis[part] for axis in places], sign[part], shift) for part in parts]
    return places, np.concatenate(agree, axis=1)


def find_farthest(alignment: Alignment, size: tuple[int, int]) -> tuple[int, int]:
    """Two used frames between which the scene has moved far; twice the same one if that is not far enough."""
    matrices = alignment.matrices

    def measure(one: int, other: int) -> float:
        return float(measure_displacement(matrices[one], matrices[other], size).max())

    first = max(alignment.used, key=lambda k: measure(alignment.reference, k))
    second = max(alignment.used, key=lambda k: measure(first, k))
    return (first, second) if measure(first, second) >= MOVED else (first, first)


def find_outliers(frame: Array) -> Array:
    """For each sample `ABOVE` or `BELOW` where it is so against the median around it by `STANDS_OUT`, else 0: uint8."""
    bound = full_scale(frame.dtype) * STANDS_OUT
    usual, plain = (np.ascontiguousarray(each).reshape(len(frame), -1) for each in (cv2.medianBlur(frame, 5), frame))
    above = np.asarray(cv2.subtract(plain, usual)) > bound
    below = np.asarray(cv2.subtract(usual, plain)) > bound
    return (above.view(np.uint8) * np.uint8(ABOVE) | below.view(np.uint8) * np.uint8(BELOW)).reshape(frame.shape)


def stands_out(frames: Sequence[Array], places: Sequence[Array], sign: Array, shift: int) -> Array:
    """Whether samples stand out alone, in the direction of `sign`, from those around them: (3, n) bool, by `MOST`.

    What is bright around them in a few frames, since the scene moves, does not count. Two frames show less, and samples
    must stand out twice as much. For `shift` see `find_agreeing`.
    """
    differences = []
    for position, frame in enumerate(frames):
        moved = [(at + position * shift) % side for at, side in zip(places[:2], frame.shape[:2], strict=True)]
        around = cut_around(frame, [*moved, *places[2:]])
        usual = np.median(around[INNER].reshape(len(around), -1), axis=1)
        differences.append((around - usual[:, None, None]) * sign[:, None, None])
    fewer = [int((1 - most) * (len(frames) - 1)) for most in MOST]
    ranked = np.partition(differences, fewer, axis=0)
    doubt = 2 if len(frames) == 2 else 1
    least = full_scale(frames[0].dtype) * STANDS_OUT
    return np.stack([stand_alone(ranked[k], least, doubt) for k in fewer])


def stand_alone(shown: Array, least: float, doubt: float) -> Array:
    """Whether the middle of each square (n, 7, 7) is larger, by `least` and clearly, than what is around: (n,) bool."""
    differs = shown[:, REACH, REACH].copy()
    around = shown.copy()
    around[:, REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] = 0
    usual = np.abs(around).mean(axis=(1, 2))
    if doubt == 1:  # what is far smaller is no reason to doubt
        usual = np.minimum(usual, 2 * np.maximum(around, 0).mean(axis=(1, 2)))
    bound = np.maximum(least, doubt * TIMES * usual)
    return np.asarray((differs > bound) & (around.max(axis=(1, 2)) < ALONE / doubt * differs))


def cut_around(plane: Array, places: Sequence[Array]) -> Array:
    """The samples around each place of a frame (H, W[, 3]): (n, 7, 7) float32; edges are mirrored."""
    offsets = np.arange(-REACH, REACH + 1)
    rows, columns = (
        side - 1 - np.abs(side - 1 - np.abs(at[:, None] + offsets))
        for at, side in zip(places[:2], plane.shape[:2], strict=True)
    )
    channel = (places[2][:, None, None],) if len(places) > 2 else ()
    return np.asarray(plane[rows[:, :, None], columns[:, None, :], *channel], np.float32)


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
