"""How much of the pictures of a volume can't be trusted."""

from dataclasses import dataclass, field

import numpy as np

from allfocus.composition.quality import stands_out, widest_gap
from allfocus.core.notes import Note
from allfocus.result import FusionResult


@dataclass(frozen=True, kw_only=True)
class StackQuality:
    """How much of one picture of a volume can't be trusted.

    Attributes:
        label: which picture, as messages name it; empty if it is the only one.
        names: of its planes.
        out_of_focus: share of the picture that is sharp in no plane, 0 to 1; 0 where that can't be told for sure.
        veiled: share that is seen only through the blur of something nearer.
        gap: as that of `QualityMasks`.
    """

    label: str
    names: tuple[str, ...]
    out_of_focus: float
    veiled: float
    gap: tuple[int, int] | None


@dataclass(kw_only=True)
class Tally:
    """What there is to say of one picture, counted region by region: in values that JSON knows, but for the notes.

    Attributes:
        label: of the picture.
        notes: of its regions, each once.
        names: of its planes.
        used: which of them are used, in the order of focus.
        regions, pixels: how many were counted.
        out_of_focus, veiled: how many pixels can't be trusted; None where nothing is known of it.
        votes: for each plane, how many pixels that are sharp in none are from it.
        gap: of the only region.
        confidence: the sum over all pixels.
    """

    label: str
    notes: list[Note] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    regions: int = 0
    pixels: int = 0
    out_of_focus: int | None = None
    veiled: int = 0
    votes: list[int] = field(default_factory=list)
    gap: tuple[int, int] | None = None
    confidence: float = 0.0

    def add(self, fused: FusionResult) -> None:
        """Count one region."""
        masks, used = fused.quality, range(fused.frame_count) if fused.alignment is None else fused.alignment.used
        one = Tally(label=self.label, notes=list(fused.notes), names=list(fused.names))
        one.used, one.regions, one.pixels = list(fused.order or used), 1, fused.index_map.size
        one.confidence = float(fused.confidence.sum(dtype=np.float64))
        if masks is not None:
            is_sure = bool(masks.out_of_focus.any()) and stands_out(masks.out_of_focus, fused.image)
            blurred = masks.out_of_focus if is_sure else np.zeros_like(masks.out_of_focus)
            one.out_of_focus, one.veiled = int(blurred.sum()), int(masks.veiled.sum())
            one.votes = np.bincount(fused.index_map[blurred], minlength=fused.frame_count).tolist()
            one.gap = masks.gap if is_sure else None
        self.join(one)

    def join(self, other: "Tally") -> None:
        """Count what was counted elsewhere of the same picture."""
        self.notes = list(dict.fromkeys([*self.notes, *other.notes]))
        self.names, self.used, self.gap = other.names, other.used, other.gap
        self.regions, self.pixels = self.regions + other.regions, self.pixels + other.pixels
        self.veiled, self.confidence = self.veiled + other.veiled, self.confidence + other.confidence
        if other.out_of_focus is not None:
            self.out_of_focus = (self.out_of_focus or 0) + other.out_of_focus
            before = self.votes or [0] * len(other.votes)
            self.votes = [a + b for a, b in zip(before, other.votes, strict=True)]

    def conclude(self) -> list[StackQuality]:
        """How much of the picture can't be trusted; nothing where nothing is known."""
        if self.out_of_focus is None:
            return []
        return [
            StackQuality(
                label=self.label,
                names=tuple(self.names),
                out_of_focus=self.out_of_focus / self.pixels,
                veiled=self.veiled / self.pixels,
                gap=self.gap if self.regions < 2 else self._find_gap(),
            )
        ]

    def _find_gap(self) -> tuple[int, int] | None:
        votes = np.array(self.votes)[self.used]
        gap = widest_gap(votes) if votes.any() else None
        return None if gap is None else (self.used[gap[0]], self.used[gap[1]])


def measure_quality(label: str, fused: FusionResult) -> list[StackQuality]:
    """How much of a picture can't be trusted; empty where nothing is known about it."""
    tally = Tally(label=label)
    tally.add(fused)
    return tally.conclude()
