"""What one motion of the whole can't do: parallax of a hand that moved, and sensors read line by line.

Frames that lie over each other already are compared once more, place by place, by dense inverse search (Kroeger et al.,
10.1007/978-3-319-46493-0_29), each with the frame before it on the way to the reference. What comes of it is believed
where both frames show detail, where the way there and back agree, and where it makes them more alike; everywhere else
it fades to nothing, so that lines stay straight where nothing says that they bend.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.align.motion import Matrix
from allfocus.core.color import Array, FloatArray

#: Displacements are kept in squares of so many pixels of what is compared.
GRID = 8
#: No place is displaced by more than this share of the longest side.
BOUND = 0.02
#: There and back may miss by so many pixels.
MISS = 0.4
#: Frames must differ less than this share of what they did, around a place.
ALIKE = 0.6
#: How far, in squares, evidence counts around its place, and how much of it is as good as none.
FAR, DOUBT = 4.0, 0.2
#: Displacements smaller than this everywhere, in pixels of what is compared, are none.
NOTHING = 0.15
#: Contrast, of what is compared in 8 bits, that counts as detail.
DETAIL = 12.0


def comparable(detail: FloatArray) -> Array:
    """Detail of mean 0 and contrast about 1 (h, w) as 8-bit gray."""
    return np.clip(np.rint(128 + 40 * detail), 0, 255).astype(np.uint8)


def displacements(
    details: Sequence[Array], matrices: Sequence[Matrix], reference: int, used: Sequence[int]
) -> list[FloatArray | None]:
    """How far each place of the reference lies from where its motion puts it in each frame.

    Args:
        details: (h, w) uint8 each, see `comparable`.
        matrices: from pixels of the reference, at this size, to those of each frame.
        reference: position of the reference.
        used: positions of the frames that are used, in their order.

    Returns:
        For each frame (2, h / GRID, w / GRID) float32, to be added to pixels of the reference, x first, before its
        matrix is applied; None where there is nothing to add.
    """
    found: list[FloatArray | None] = [None] * len(details)
    outwards = ([k for k in used if k > reference], [k for k in reversed(used) if k < reference])
    for way in outwards:
        laid = details[reference]
        for k in way:
            plain = seen_through(details[k], matrices[k], None)
            flow = believed(laid, plain)
            found[k] = None if np.abs(flow).max() < NOTHING else flow
            laid = seen_through(details[k], matrices[k], found[k])
    return found


def believed(here: Array, there: Array) -> FloatArray:
    """The flow from one picture to another, (h, w) uint8, as far as it can be believed: (2, h / GRID, w / GRID)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow, back = search.calc(here, there, np.empty(0)), search.calc(there, here, np.empty(0))
    height, width = here.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    to = x + flow[..., 0], y + flow[..., 1]
    returned = cv2.remap(back, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(there, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    misses = np.linalg.norm(flow + returned, axis=2)
    likeness = [cv2.blur(cv2.absdiff(here, other).astype(np.float32), (9, 9)) for other in (there, moved)]
    contrast = np.minimum(*(contrast_of(plane) for plane in (here, moved)))
    bound = BOUND * max(height, width)
    is_clear = (misses < MISS) & (likeness[1] < ALIKE * likeness[0]) & (np.linalg.norm(flow, axis=2) < bound)
    belief = (is_clear * contrast / (contrast + DETAIL)).astype(np.float32)
    size = (max(1, width // GRID), max(1, height // GRID))
    weight, flow_x, flow_y = (
        cv2.GaussianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), (0, 0), FAR)
        for plane in (belief, belief * flow[..., 0], belief * flow[..., 1])
    )
    return np.asarray(np.stack([flow_x, flow_y]) / (weight + DOUBT), np.float32)


def contrast_of(plane: Array) -> FloatArray:
    """Standard deviation around each pixel of (h, w) uint8."""
    values = plane.astype(np.float32)
    mean = cv2.blur(values, (9, 9))
    return np.sqrt(np.maximum(cv2.blur(values * values, (9, 9)) - mean * mean, 0))


def seen_through(plane: Array, matrix: Matrix, field: FloatArray | None) -> Array:
    """A plane (h, w) as the reference would have seen it."""
    height, width = plane.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if field is None:
        warped = cv2.warpPerspective(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped)
    x, y = places(matrix, field, (height, width), slice(0, height))
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def places(matrix: Matrix, field: FloatArray, size: tuple[int, int], rows: slice) -> tuple[FloatArray, FloatArray]:
    """Where pixels of the reference lie in a frame, for some of its rows: x and y, (rows, W) each.

    Args:
        matrix: from pixels of the reference to those of the frame.
        field: see `displacements`, in pixels of a reference of this size.
        size: height and width.
        rows: which rows.
    """
    height, width = size
    columns = np.arange(width, dtype=np.float32)
    x, y = np.meshgrid(columns, np.arange(rows.start, rows.stop, dtype=np.float32))
    # squares of the field are as wide as the picture has room for them
    across = (x + 0.5) * (field.shape[2] / width) - 0.5
    down = (y + 0.5) * (field.shape[1] / height) - 0.5
    for plane, shift in zip((x, y), field, strict=True):
        plane += cv2.remap(shift, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    m = matrix.astype(np.float64)
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    found_x = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / depth
    found_y = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / depth
    return found_x.astype(np.float32), found_y.astype(np.float32)
