"""Metrics without a truth: how much of the frames is kept in the fused picture.

Each is a function of its own in `structure`, `gradient` and `information`; here they are computed together. They
correlate with PSNR to a known truth as: SCD .70, Q_W .66, VIFF .63, Q_G .43, Q_MI -.24 (see docs/benchmark.md), so
rank by Q_W and SCD, and use the others to compare with papers. Score lossless output only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from allfocus.core.color import Array
from allfocus.metrics.gradient import q_g
from allfocus.metrics.information import q_mi, viff
from allfocus.metrics.levels import crop, gray_bytes
from allfocus.metrics.structure import q_w, scd

__all__ = ["FusionScores", "fusion_scores", "q_g", "q_mi", "q_w", "scd", "viff"]


@dataclass(frozen=True, kw_only=True)
class FusionScores:
    """Scores of one fused picture against its frames; more is better for all of them.

    Attributes:
        q_w: Piella's weighted quality index, -1 to 1.
        scd: sum of the correlations of differences, -2 to 2.
        q_g: gradients kept, 0 to 0.975.
        q_mi: normalised mutual information, 0 to 2.
        viff: visual information fidelity, about 0 to 1.
    """

    q_w: float
    scd: float
    q_g: float
    q_mi: float
    viff: float


def fusion_scores(frames: Sequence[Array], image: Array, border: int = 0) -> FusionScores:
    """Score `image`, fused from `frames`, by all metrics that need no truth.

    Args:
        frames: N >= 2 pictures (H, W) or (H, W, 3) of one size, at least 41x41 inside the border.
        image: the fused picture, the same height and width; any depth.
        border: pixels to cut off each side first.

    Returns:
        The scores, on 8-bit Rec. 601 luma.

    Raises:
        StackError: sizes differ or are too small.
    """
    planes = [crop(gray_bytes(frame), border) for frame in frames]
    fused = crop(gray_bytes(image), border)
    return FusionScores(
        q_w=q_w(planes, fused),
        scd=scd(planes, fused),
        q_g=q_g(planes, fused),
        q_mi=q_mi(planes, fused),
        viff=viff(planes, fused),
    )
