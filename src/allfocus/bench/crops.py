"""Cut the places where a result falls furthest short, as PNG files to look at."""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.bench.rows import Crop
from allfocus.core.color import Array, FloatArray, from_unit, to_unit
from allfocus.core.weights import pick
from allfocus.metrics.levels import same_channels

#: Side of a crop in pixels.
SIDE = 160

#: How many frames a crop shows at most.
MOST_FRAMES = 3


def cut_worst(
    frames: Sequence[Array],
    image: Array,
    *,
    index_map: Array | None,
    truth: Array | None,
    best_map: Array,
    border: int = 0,
) -> Crop:
    """Cut the square where `image` falls furthest short.

    With a truth that is where its error exceeds most what the best choice of frames leaves, since where no frame is
    sharp nobody can do better; without one, where it differs most from the best choice known.

    Args:
        frames: the stack.
        image: the result.
        index_map: (H, W) which frame each pixel is from, if the method says.
        truth: the sharp picture, if it is known.
        best_map: (H, W) the oracle's index map with a truth, the Laplacian rule's without.
        border: pixels on each side where no difference counts.

    Returns:
        Result, what it is compared with, their difference, index map, and the frames used most there, at 100 %.
    """
    best = pick(frames, best_map)
    word, compared = ("Laplacian rule", best) if truth is None else ("truth", truth)
    difference = _difference(image, compared, border)
    excess = difference if truth is None else np.maximum(difference - _difference(best, truth, border), 0)
    top, left, height, width = _worst_square(excess)
    here = (slice(top, top + height), slice(left, left + width))
    pictures = [("result", image[here]), (word, compared[here])]
    pictures.append(("difference x 4", np.clip(4 * difference[here], 0, 1).astype(np.float32)))
    if index_map is not None:
        pictures.append(("index map", _colour(index_map[here], len(frames))))
    used = best_map if index_map is None else index_map
    pictures += [(f"frame {k + 1}", frames[k][here]) for k in _used_most(used[here], len(frames))]
    return Crop(
        left=left,
        top=top,
        difference=float(255 * excess[here].mean()),
        pictures=tuple((word, _png(picture)) for word, picture in pictures),
    )


def _difference(image: Array, other: Array, border: int) -> FloatArray:
    """Mean absolute difference over the channels, 0 to 1, (H, W); 0 in the border."""
    first, second = same_channels(image, other)
    apart = np.abs(to_unit(first) - to_unit(second)).reshape(*image.shape[:2], -1).mean(axis=2, dtype=np.float32)
    inside = np.zeros_like(apart)
    keep = (slice(border, apart.shape[0] - border), slice(border, apart.shape[1] - border))
    inside[keep] = apart[keep]
    return np.asarray(inside, np.float32)


def _worst_square(difference: FloatArray) -> tuple[int, int, int, int]:
    """Top, left, height and width of the square with the largest sum; the whole picture if it is smaller."""
    height, width = (min(SIDE, side) for side in difference.shape)
    sums = np.asarray(
        cv2.boxFilter(difference, cv2.CV_64F, (width, height), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    )[: difference.shape[0] - height + 1, : difference.shape[1] - width + 1]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left), height, width


def _used_most(index_map: Array, count: int) -> list[int]:
    """Frames by how many pixels they give here, in focus order."""
    pixels = np.bincount(index_map.ravel(), minlength=count)
    most = np.argsort(-pixels, kind="stable")[:MOST_FRAMES]
    return sorted(int(k) for k in most if pixels[k])


def _colour(index_map: Array, count: int) -> Array:
    """Index map in colours that keep the order of the frames, RGB."""
    steps = np.rint(index_map.astype(np.float32) * (255 / max(count - 1, 1))).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(steps, cv2.COLORMAP_VIRIDIS))[..., ::-1]


def _png(picture: Array) -> bytes:
    shown = from_unit(to_unit(picture), np.uint8)
    _, data = cv2.imencode(".png", shown if shown.ndim == 2 else shown[..., ::-1])
    return data.tobytes()
