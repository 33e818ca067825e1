"""How much of the pictures of a volume can't be trusted."""

from dataclasses import dataclass

import numpy as np

from allfocus.composition.quality import widest_gap
from allfocus.core.color import Array
from allfocus.result import FusionResult


@dataclass(frozen=True, kw_only=True)
class StackQuality:
    """How much of one picture of a volume can't be trusted.

    Attributes:
        label: which picture, as messages name it; empty if it is the only one.
        names: of its planes.
        out_of_focus: share of the picture that is sharp in no plane, 0 to 1.
        veiled: share that is seen only through the blur of something nearer.
        gap: as that of `QualityMasks`.
    """

    label: str
    names: tuple[str, ...]
    out_of_focus: float
    veiled: float
    gap: tuple[int, int] | None


def measure_quality(label: str, fused: FusionResult) -> list[StackQuality]:
    """How much of a picture can't be trusted; empty where nothing is known about it."""
    masks = fused.quality
    if masks is None:
        return []
    shares = {"out_of_focus": float(masks.out_of_focus.mean()), "veiled": float(masks.veiled.mean())}
    return [StackQuality(label=label, names=fused.names, gap=masks.gap, **shares)]


class QualityTally:
    """Counts how much of a picture can't be trusted, region by region.

    Args:
        label: of the picture.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._fused: FusionResult | None = None
        self._alone: list[StackQuality] = []
        self._regions = self._pixels = self._out_of_focus = self._veiled = 0
        self._votes: Array = np.zeros((), np.intp)

    def add(self, fused: FusionResult) -> None:
        """Count one region."""
        masks = fused.quality
        if masks is None:
            return
        self._fused, self._regions = fused, self._regions + 1
        self._alone = measure_quality(self._label, fused)
        self._pixels += masks.veiled.size
        self._out_of_focus += int(np.count_nonzero(masks.out_of_focus))
        self._veiled += int(np.count_nonzero(masks.veiled))
        self._votes = self._votes + np.bincount(fused.index_map[masks.out_of_focus], minlength=fused.frame_count)

    def conclude(self) -> list[StackQuality]:
        """What was counted; nothing where nothing is known."""
        fused = self._fused
        if fused is None or self._regions < 2:
            return self._alone
        used = list(fused.order or (range(fused.frame_count) if fused.alignment is None else fused.alignment.used))
        votes = self._votes[used]
        gap = widest_gap(votes) if votes.any() else None
        return [
            StackQuality(
                label=self._label,
                names=fused.names,
                out_of_focus=self._out_of_focus / self._pixels,
                veiled=self._veiled / self._pixels,
                gap=None if gap is None else (used[gap[0]], used[gap[1]]),
            )
        ]
