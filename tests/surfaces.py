"""Rendered surfaces whose depth is known, and focal stacks of them."""

from typing import Any

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array, FloatArray


def load(*source: Any, **how: Any) -> Any:
    """What trimesh reads of a file of a surface. It is loaded here, not at the top: that takes seconds."""
    return pytest.importorskip("trimesh", reason="trimesh reads surfaces back").load(*source, **how)


def paint(height: int, width: int, seed: int) -> FloatArray:
    """(height, width, 3) of detail of all sizes, 0 to 1."""
    rng = np.random.default_rng(seed)
    texture = np.zeros((height, width, 3), np.float32)
    for side in (1, 2, 4, 8, 16):
        grain = rng.random((height // side + 2, width // side + 2, 3), np.float32)
        texture += cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC) * (1 + side / 8)
    low, high = np.quantile(texture, (0.01, 0.99))
    return np.asarray(np.clip((texture - low) / (high - low), 0, 1), np.float32)


def blur(picture: FloatArray, radius: float) -> FloatArray:
    """Blurred by a disc; the rim of the disc is cut by area, so that small ones blur as well."""
    side, fine = 2 * int(np.ceil(radius + 0.5)) + 1, 8
    y, x = (np.mgrid[: side * fine, : side * fine] + 0.5) / fine - side / 2
    disc = (np.hypot(x, y) <= max(radius, 0.1)).astype(np.float32)
    kernel = disc.reshape(side, fine, side, fine).mean(axis=(1, 3))
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT), np.float32)


def ramp(height: int, width: int, frames: int) -> FloatArray:
    """Depth in frames, from left to right."""
    return np.tile(np.linspace(0, frames - 1, width, dtype=np.float32), (height, 1))


def cone(height: int, width: int, frames: int) -> FloatArray:
    """Depth in frames of a cone that stands beside the middle."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(x - 0.47 * width, y - 0.6 * height)
    return np.asarray((frames - 1) * (1 - distance / distance.max()), np.float32)


def ball(height: int, width: int, frames: int) -> FloatArray:
    """Depth in frames of a ball, as much of it as is less steep than 45 degrees; NaN around it."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = 0.45 * min(height, width)
    distance = np.hypot(x - width / 2, y - height / 2) / radius
    top = np.sqrt(np.maximum(2 - np.square(distance), 0)) - 1
    depth = (frames - 1) * (1 - top / (np.sqrt(2) - 1))
    return np.where(distance < 1, depth, np.nan).astype(np.float32)


def shoot(
    depth: FloatArray, frames: int, *, step: float = 1.0, noise: float = 0.0, contrast: float = 0.9, seed: int = 0
) -> list[Array]:
    """A focal stack of a painted surface in 8 bits, black where its depth is NaN.

    Args:
        depth: (H, W), in frames.
        frames: how many.
        step: radius of the blur in pixels, one frame off.
        noise: standard deviation, white is 1.
        contrast: of the paint.
        seed: of paint and noise.
    """
    rng = np.random.default_rng(seed)
    surface = np.isfinite(depth).astype(np.float32)[..., None]
    picture = surface * (0.5 + contrast * (paint(*depth.shape, seed) - 0.5))
    known = np.where(np.isfinite(depth), depth, frames - 1)
    radii = np.arange(0, 8, step / 3)
    blurred = np.stack([blur(picture, radius) for radius in radii])
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    shots = []
    for position in range(frames):
        place = np.abs(known - position) * 3
        below = np.minimum(place.astype(int), len(radii) - 2)
        share = (place - below)[..., None]
        shot = (1 - share) * blurred[below, rows, columns] + share * blurred[below + 1, rows, columns]
        shot += surface * rng.normal(0, noise, shot.shape)
        shots.append(np.rint(np.clip(shot, 0, 1) * 255).astype(np.uint8))
    return shots
