"""Focal stacks of any size and length, from pictures that scikit-image ships: files to measure with, not to look at.

    python benchmarks/speed/stack.py FOLDER FRAMES WIDTH HEIGHT [patchwork]

A mosaic of photos at their own resolution, so that there is detail of one pixel everywhere. In a scene, depth rises
from one corner to the other in hills, and things stand before it, with sharp rims. In a patchwork, the hardest case,
every photo of the mosaic is a plane of its own, tilted in its own way: depth jumps every 400 pixels. A frame shows each
pixel through a blur that grows with the distance from its focus.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

from allfocus.core.color import Array, FloatArray

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "retina")
#: Side of the mosaic's photos in pixels.
SIDE = 400
#: Sigmas of the blurs that are mixed, in pixels.
SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
#: Things that stand before the hills of a scene.
DISCS = 12
#: From the nearest focus to the farthest the blur grows by so many of these steps.
DEPTH_OF_SCENE = 10.0


def write_stack(folder: Path, frames: int, width: int, height: int, is_patchwork: bool = False) -> list[Path]:
    """Write the frames of a stack as JPEG files, unless they are there; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"frame{k:03d}.jpg" for k in range(frames)]
    if not all(path.exists() for path in paths):
        rng = np.random.default_rng(0)
        sharp = mosaic(width, height, rng)
        depth = patchwork_depth(width, height, rng) if is_patchwork else scene_depth(width, height, rng)
        blurred = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), sigma) for sigma in SIGMAS[1:])]
        for position, path in enumerate(paths):
            frame = focused_at(blurred, depth, position / max(1, frames - 1))
            Image.fromarray(frame).save(path, quality=92)
    return paths


def mosaic(width: int, height: int, rng: np.random.Generator) -> Array:
    """Photos side by side, (H, W, 3) uint8."""
    sharp = np.empty((height, width, 3), np.uint8)
    photos = [getattr(skimage.data, name)() for name in PHOTOS]
    for rows, columns in squares(width, height):
        photo = photos[int(rng.integers(len(photos)))]
        down, across = (int(rng.integers(max(1, length - SIDE))) for length in photo.shape[:2])
        part = photo[down : down + SIDE, across : across + SIDE, :3]
        below, right = SIDE - part.shape[0], SIDE - part.shape[1]
        whole = cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REFLECT)
        sharp[rows, columns] = whole[: rows.stop - rows.start, : columns.stop - columns.start]
    return sharp


def squares(width: int, height: int) -> Iterator[tuple[slice, slice]]:
    """The places of the mosaic's photos."""
    for top in range(0, height, SIDE):
        for left in range(0, width, SIDE):
            yield slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))


def scene_depth(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Hills that rise from one corner to the other, and discs before them: (H, W), 0 to 1."""
    y, x = np.linspace(0, 1, height, dtype=np.float32)[:, None], np.linspace(0, 1, width, dtype=np.float32)
    depth = np.asarray((x + y) / 2 + 0.08 * np.sin(9 * x) * np.cos(7 * y), np.float32)
    for _ in range(DISCS):
        across, down, radius, nearer = (
            rng.uniform(0, 1),
            rng.uniform(0, 1),
            rng.uniform(0.03, 0.1),
            rng.uniform(0.2, 0.6),
        )
        inside = (x - np.float32(across)) ** 2 + ((y - np.float32(down)) * np.float32(height / width)) ** 2 < radius**2
        depth[inside] -= np.float32(nearer)
    return np.clip(depth, 0, 1)


def patchwork_depth(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Every photo of the mosaic at a depth of its own, and tilted: (H, W), 0 to 1."""
    depth = np.empty((height, width), np.float32)
    for rows, columns in squares(width, height):
        slope_down, slope_across, middle = rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), rng.uniform(0.2, 0.8)
        y, x = np.linspace(-1, 1, rows.stop - rows.start)[:, None], np.linspace(-1, 1, columns.stop - columns.start)
        depth[rows, columns] = np.clip(middle + slope_down * y + slope_across * x, 0, 1)
    return depth


def focused_at(blurred: list[Array], depth: FloatArray, focus: float) -> Array:
    """One frame: at each pixel the mean of the two blurs next to that of its distance from the focus."""
    level = np.minimum(np.abs(depth - np.float32(focus)) * np.float32(DEPTH_OF_SCENE), len(blurred) - 1.001)
    frame = np.zeros(blurred[0].shape, np.float32)
    for position, picture in enumerate(blurred):
        share = np.maximum(0, 1 - np.abs(level - np.float32(position)))
        frame += cv2.merge([share] * 3) * picture
    return frame.astype(np.uint8)


if __name__ == "__main__":
    place, *numbers = sys.argv[1:5]
    write_stack(Path(place), *map(int, numbers), is_patchwork=sys.argv[5:] == ["patchwork"])
