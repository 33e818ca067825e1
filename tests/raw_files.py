"""Small RAW files: what a sensor with Bayer filters sees of a scene, as DNG."""

from pathlib import Path

import numpy as np
import tifffile

from allfocus.core.color import Array, FloatArray

NEUTRAL = (0.5, 1.0, 0.6)
#: Linear sRGB to XYZ (IEC 61966-2-1).
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def rationals(values: Array) -> tuple[int, ...]:
    """Numbers as numerators and denominators, alternating."""
    return tuple(part for value in np.ravel(values) for part in (round(float(value) * 10000), 10000))


def write_dng(
    path: Path,
    scene: Array,
    *,
    neutral: tuple[float, float, float] = NEUTRAL,
    claimed: tuple[float, float, float] | None = None,
    black: int = 256,
    white: int = 4095,
    orientation: int = 1,
) -> None:
    """Write what a sensor with Bayer filters sees of a scene (H, W, 3) in linear sRGB.

    The sensor answers to white light as `neutral` says; what the file claims is `claimed`, where that is given.
    """
    camera = scene * np.array(neutral)
    mosaic = camera[..., 1].copy()
    mosaic[0::2, 0::2] = camera[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = camera[1::2, 1::2, 2]
    samples = np.clip(np.rint(black + mosaic * (white - black)), 0, 65535).astype(np.uint16)
    matrix = np.diag(neutral) @ np.linalg.inv(TO_XYZ)
    tags = [
        (271, 2, None, "Nobody", True),
        (272, 2, None, "Synthetic", True),
        (274, 3, 1, orientation, True),
        (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, 1, 4, bytes([0, 1, 1, 2]), True),  # CFAPattern: red, green, green, blue
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),  # DNGVersion
        (50708, 2, None, "Nobody Synthetic", True),  # UniqueCameraModel
        (50714, 3, 1, black, True),
        (50717, 3, 1, white, True),
        (50721, 10, 9, rationals(matrix), True),  # ColorMatrix1
        (50728, 5, 3, rationals(np.array(claimed or neutral)), True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    tifffile.imwrite(path, samples, photometric=32803, extratags=tags, metadata=None)


def smooth_colors(height: int = 64, width: int = 96) -> FloatArray:
    """Smooth colours, so that any demosaicing is right."""
    down, across = np.mgrid[:height, :width] / width
    return np.dstack([0.2 + 0.5 * across, 0.4 + 0.2 * down, 0.6 - 0.4 * across]).astype(np.float32)
