"""Parts of a scene that moved by themselves between two shots, such as a leg or a petal: found and said.

Blur leaves things where they are. Where a patch of one registered frame is found again in its neighbour, as sharp, but
at another place, and neither frame shows at the other's place what it does, a part has moved, and a fusion may show it
twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.alignment.photometric import shrink_to
from allfocus.core.color import Array, FloatArray, luma, to_unit
from allfocus.core.notes import Note

#: Longest side, in pixels, about, at which frames are compared; and the standard deviations of the band of detail that
#: is: between what focus decides and light that is the same over a large area.
SIDE, FINE, COARSE = 320, 1.0, 5.0
#: Standard deviation of the neighbourhood in which frames are compared as they lie; half the side of the patches that
#: are looked for, how far, and from which distance on they have moved, in pixels of the small picture.
AROUND, PATCH, REACH, MOVED = 4.0, 8, 20, 4
#: Contrast of a patch, white is 1; the correlation below which frames differ, that from which on a patch is found
#: again, and how alike its contrast must be.
CONTRAST, UNLIKE, FOUND, LIKE = 0.02, 0.3, 0.85, 0.6
#: How many patches are looked for, and how many near each other make a part.
MOST_PATCHES, FEWEST = 60, 3
#: How many parts a note lists.
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class MovedPart:
    """A part that moved between two frames.

    Attributes:
        frames: positions of the two.
        place: its left, top, right and bottom, in pixels of the frames.
        patches: how many patches of it were found at another place.
    """

    frames: tuple[int, int]
    place: tuple[int, int, int, int]
    patches: int


def find_moved_parts(frames: Iterable[Array], covered: Sequence[Array | None] = ()) -> list[MovedPart]:
    """Where neighbours among registered frames show something else though both are sharp; the largest first.

    Args:
        frames: (H, W) or (H, W, 3), in the order of their focus, each looked at once.
        covered: for each, where it shows something; None: everywhere. Empty: all do.
    """
    found: list[MovedPart] = []
    before: FloatArray | None = None
    for k, frame in enumerate(frames):
        band = make_band(frame)
        if before is not None and min(band.shape) > 2 * (PATCH + 1):
            scale = frame.shape[1] / band.shape[1]
            masks = [each for each in covered[k - 1 : k + 1] if each is not None]
            found += [
                MovedPart(frames=(k - 1, k), place=scale_place(place, scale), patches=patches)
                for place, patches in compare_bands(before, band, masks)
            ]
        before = band
    return sorted(found, key=lambda part: -part.patches)


def make_band(frame: Array) -> FloatArray:
    """A small picture of the luma that holds structures of a few pixels alone."""
    small = luma(to_unit(shrink_to(frame, SIDE)))
    return np.asarray(cv2.GaussianBlur(small, (0, 0), FINE) - cv2.GaussianBlur(small, (0, 0), COARSE), np.float32)


def compare_bands(
    one: FloatArray, other: FloatArray, covered: Sequence[Array]
) -> list[tuple[tuple[int, int, int, int], int]]:
    """Places, in pixels of the bands, of parts that moved, with the number of their patches."""
    product, *powers = (cv2.GaussianBlur(a * b, (0, 0), AROUND) for a, b in ((one, other), (one, one), (other, other)))
    here, there = (np.sqrt(power) for power in powers)
    differs = product < UNLIKE * here * there
    differs[: PATCH + 1] = differs[-PATCH - 1 :] = differs[:, : PATCH + 1] = differs[:, -PATCH - 1 :] = False
    for mask in covered:
        seen = cv2.resize(mask.astype(np.uint8), one.shape[::-1], interpolation=cv2.INTER_AREA)
        differs &= cv2.erode(seen, np.ones((2 * PATCH + 1, 2 * PATCH + 1), np.uint8)) > 0
    places = list_candidates(np.where(differs, here, 0))
    shown = np.zeros(one.shape, np.uint8)
    hits = []
    for y, x in places:
        found = look_for(one, other, y, x)
        if found is None or not differs[found] or not LIKE < there[found] / here[y, x] < 1 / LIKE:
            continue
        hits.append((y, x))
        (top, bottom), (left, right) = sorted((y, found[0])), sorted((x, found[1]))
        shown[top - PATCH : bottom + PATCH + 1, left - PATCH : right + PATCH + 1] = 1
    count, labels, stats, _ = cv2.connectedComponentsWithStats(shown)
    patches = np.bincount([labels[hit] for hit in hits], minlength=count)
    return [
        ((int(x), int(y), int(x + width), int(y + height)), int(patches[k]))
        for k, (x, y, width, height, _) in enumerate(stats)
        if k and patches[k] >= FEWEST
    ]


def list_candidates(contrast: FloatArray) -> list[tuple[int, int]]:
    """Rows and columns of the patches with most contrast, half a patch apart."""
    cells = contrast[: len(contrast) // PATCH * PATCH, : contrast.shape[1] // PATCH * PATCH]
    cells = cells.reshape(len(cells) // PATCH, PATCH, -1, PATCH).swapaxes(1, 2).reshape(-1, PATCH * PATCH)
    best = np.argsort(-cells.max(axis=1))[:MOST_PATCHES]
    inner = cells.argmax(axis=1)
    across = contrast.shape[1] // PATCH
    return [
        (int(k // across * PATCH + inner[k] // PATCH), int(k % across * PATCH + inner[k] % PATCH))
        for k in best
        if cells[k, inner[k]] > CONTRAST
    ]


def look_for(one: FloatArray, other: FloatArray, y: int, x: int) -> tuple[int, int] | None:
    """Row and column where the patch around a pixel of the one is found in the other, if it has moved; else None."""
    patch = one[y - PATCH : y + PATCH + 1, x - PATCH : x + PATCH + 1]
    top, left = max(0, y - PATCH - REACH), max(0, x - PATCH - REACH)
    around = other[top : y + PATCH + REACH + 1, left : x + PATCH + REACH + 1]
    scores = cv2.matchTemplate(np.ascontiguousarray(around), np.ascontiguousarray(patch), cv2.TM_CCOEFF_NORMED)
    _, best, _, (column, row) = cv2.minMaxLoc(scores)
    found = top + row + PATCH, left + column + PATCH
    return found if best >= FOUND and np.hypot(found[0] - y, found[1] - x) >= MOVED else None


def scale_place(place: tuple[int, int, int, int], scale: float) -> tuple[int, int, int, int]:
    """A place in pixels of the frames."""
    left, top, right, bottom = (round(side * scale) for side in place)
    return left, top, right, bottom


def note_moved_parts(parts: Sequence[MovedPart], positions: Sequence[int], names: Sequence[str]) -> list[Note]:
    """The note on parts that moved: between which frames, and where.

    Args:
        parts: as `find_moved_parts` gives them.
        positions: of the frames that were compared, in the input.
        names: of all frames of the input.
    """
    if not parts:
        return []
    places = []
    for part in parts[:MOST_NAMED]:
        one, other = (names[positions[k]] for k in part.frames)
        left, top, right, bottom = part.place
        places.append(f"{one} and {other} at x {left} to {right}, y {top} to {bottom}")
    more = f" and {len(parts) - MOST_NAMED} more" if len(parts) > MOST_NAMED else ""
    message = (
        f"something moved between frames that are both sharp there, and may show twice: {'; '.join(places)}{more}; "
        "look there, and fuse without one of them if it does"
    )
    frames = tuple(sorted({positions[k] for part in parts for k in part.frames}))
    return [Note(code="part-moved", message=message, frames=frames)]
