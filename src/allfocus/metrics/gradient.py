"""Edges kept from the frames: Xydeas and Petrovic's gradient metric."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from allfocus.core.color import Array, FloatArray
from allfocus.metrics.levels import check_sizes, gray_bytes

#: (ceiling, slope, centre) of the two sigmoids, read off figure 1 of the paper.
STRENGTH_SIGMOID = (0.9994, -15.0, 0.5)
ANGLE_SIGMOID = (0.9879, -22.0, 0.8)

#: What a perfect fusion scores: both sigmoids at 1, their product. Not 1.
PERFECT_Q_G = float(
    np.prod([top / (1 + np.exp(slope * (1 - centre))) for top, slope, centre in (STRENGTH_SIGMOID, ANGLE_SIGMOID)])
)


def q_g(frames: Sequence[Array], image: Array, *, zero_padded: bool = False) -> float:
    """Xydeas and Petrovic's gradient metric Q_G, also Q_AB/F (Electronics Letters 2000, doi:10.1049/el:20000267).

    How well the strength and the angle of each frame's Sobel gradients survive in the image, averaged over pixels and
    frames by the frame's gradient strength: one ratio of sums, which reads the same for any number of frames. The
    widely copied code has other constants, another angle term and a mean of ratios; this follows the paper, as
    checked by Liu et al. (TPAMI 2024, doi:10.1109/TPAMI.2024.3367905).

    Args:
        frames: N >= 1 pictures of one size, at least 3x3; colour counts as Rec. 601 luma.
        image: the fused picture.
        zero_padded: surround all pictures with black, as the code behind most published tables does. That adds strong
            edges all round which every fusion keeps (on Lytro .009 more); by default only pixels whose 3x3 window
            lies inside count.

    Returns:
        0 to `PERFECT_Q_G` (0.975), more is better; `nan` when no frame has any gradient.

    Raises:
        StackError: sizes differ, or a side is below 3 pixels.
    """
    check_sizes(frames, image, 3)
    margin = 1 if zero_padded else 0
    fused_strength, fused_angle = _gradient(np.pad(gray_bytes(image), margin))
    kept, total = 0.0, 0.0
    for frame in frames:
        strength, angle = _gradient(np.pad(gray_bytes(frame), margin))
        preserved = _sigmoid(_strength_kept(strength, fused_strength), *STRENGTH_SIGMOID)
        preserved *= _sigmoid(1 - np.abs(angle - fused_angle) * np.float32(2 / np.pi), *ANGLE_SIGMOID)
        kept += float((preserved * strength).sum(dtype=np.float64))
        total += float(strength.sum(dtype=np.float64))
    return kept / total if total > 0 else float("nan")


def _gradient(plane: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """Sobel gradient inside: strength >= 0, and angle of the edge's line in (-pi/2, pi/2]."""
    across = np.asarray(cv2.Sobel(plane, cv2.CV_32F, 1, 0))[1:-1, 1:-1]
    down = np.asarray(cv2.Sobel(plane, cv2.CV_32F, 0, 1))[1:-1, 1:-1]
    angle = np.arctan2(np.where(across < 0, -down, down), np.abs(across))
    return np.hypot(across, down), angle


def _strength_kept(strength: FloatArray, fused_strength: FloatArray) -> FloatArray:
    """Weaker over stronger of the two, 0 to 1; 1 where there is no edge in either."""
    stronger = np.maximum(strength, fused_strength)
    kept: FloatArray = np.divide(
        np.minimum(strength, fused_strength), stronger, out=np.ones_like(stronger), where=stronger > 0
    )
    return kept


def _sigmoid(value: FloatArray, ceiling: float, slope: float, centre: float) -> FloatArray:
    rising: FloatArray = np.float32(ceiling) / (1 + np.exp(np.float32(slope) * (value - np.float32(centre))))
    return rising
