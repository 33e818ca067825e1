"""Colours of a camera: how its own red, green and blue, as a RAW file holds them, go with light in sRGB primaries."""

from dataclasses import dataclass

import numpy as np

from allfocus.core.color import Array, FloatArray

#: Linear sRGB to XYZ, both with the white D65 (IEC 61966-2-1).
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


@dataclass(frozen=True, kw_only=True)
class CameraColours:
    """What a RAW file says of its colours.

    Attributes:
        white_balance: factors that make a white thing white, of red, green and blue.
        from_xyz: rows red, green, blue, columns X, Y, Z (white D65): the matrix `ColorMatrix` of DNG for D65.
    """

    white_balance: tuple[float, float, float]
    from_xyz: tuple[tuple[float, float, float], ...]

    @property
    def neutral(self) -> tuple[float, float, float]:
        """What the camera sees of something white: the largest of them is 1."""
        least = min(self.white_balance)
        red, green, blue = (least / factor for factor in self.white_balance)
        return red, green, blue

    def from_linear(self, light: Array) -> FloatArray:
        """Linear light in sRGB primaries (..., 3) as the camera saw it, before its white balance; clipped to 0 to 1.

        White comes out as `neutral`. That is the inverse of how dcraw and LibRaw develop: balance, then a matrix whose
        rows sum to 1, made of `from_xyz`.
        """
        matrix = np.array(self.from_xyz) @ np.array(SRGB_TO_XYZ)
        matrix = np.array(self.neutral)[:, None] * matrix / matrix.sum(axis=1, keepdims=True)
        return np.asarray(np.clip(light @ matrix.T, 0, 1), np.float32)
