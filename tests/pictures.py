"""Small generated pictures and stacks that tests of all rooms use."""

from pathlib import Path

import cv2
import numpy as np

from allfocus.core.color import Array, from_unit
from allfocus.io import write_image


def picture(height: int = 32, width: int = 48, *, gray: bool = False, dtype: str = "uint8", seed: int = 0) -> Array:
    """A texture with detail at every scale, darkest and brightest values included."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if gray else (height, width, 3)
    texture = rng.random(shape, np.float32)
    texture.flat[0], texture.flat[-1] = 0, 1
    return from_unit(texture, dtype)


def focused_pair(sharp: Array) -> tuple[Array, Array]:
    """Two frames of one scene: the first is sharp in the left half, the second in the right."""
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    half = sharp.shape[1] // 2
    return (
        np.concatenate([sharp[:, :half], blurred[:, half:]], axis=1),
        np.concatenate([blurred[:, :half], sharp[:, half:]], axis=1),
    )


def write_pair(folder: Path, suffix: str = ".png", **options: object) -> tuple[str, str]:
    """Write a focused pair as img2 and img10; returns their paths as typed on a command line."""
    near, far = focused_pair(picture(**options))  # type: ignore[arg-type]
    write_image(folder / f"img2{suffix}", near)
    write_image(folder / f"img10{suffix}", far)
    return str(folder / f"img2{suffix}"), str(folder / f"img10{suffix}")


def focal_frames(
    height: int, width: int, count: int, *, gray: bool = False, dtype: str = "uint8", seed: int = 0
) -> list[Array]:
    """Frames of a picture that recedes from left to right: each is sharp in its own band of columns."""
    rng = np.random.default_rng(seed)
    sharp = rng.random((height, width) if gray else (height, width, 3), np.float32)
    sharp = 0.6 * sharp + 0.4 * cv2.GaussianBlur(sharp, (0, 0), 4)
    depth = np.linspace(0, 1, width, dtype=np.float32)
    blurs = np.stack([sharp, *(cv2.GaussianBlur(sharp, (0, 0), sigma) for sigma in (0.8, 1.6, 3.2))])
    frames = []
    for focus in (np.arange(count) + 0.5) / count:
        level = np.clip(6 * np.maximum(np.abs(depth - focus) - 0.5 / count, 0), 0, 2.999)
        low, share = level.astype(int), level % 1
        columns = np.arange(width)
        if not gray:
            share = share[:, None]
        near, far = (blurs[low + step, :, columns].swapaxes(0, 1) for step in (0, 1))
        frames.append(from_unit((1 - share) * near + share * far, dtype))
    return frames
