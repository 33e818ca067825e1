"""Alignment: the registration of a stack as a value, the options that ask for one, and the notes that explain it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.core.renames import warn_renamed
from allfocus.errors import AlignmentError, ConfigError
from allfocus.options import EXPOSURES, MOTIONS, Exposure, MotionModel

#: A rotation by more degrees is no motion of the camera, but another orientation of the file.
TURNED = 45


@dataclass(frozen=True, kw_only=True)
class AlignOptions:
    """How to register a stack.

    Attributes:
        model: motion model; None: the simplest that explains the motions.
        reference: position, counted from 0, of the frame that the others are registered to; None: the middle one of
            those that can be used.
        exposure: whether to match brightness, by frame or by channel, or to keep it.
        keep_all: whether to use frames that look useless.
        together: whether frames are to be taken for one stack even if they show several scenes.
        refine: whether to correct local parallax by optical flow after the global alignment.
        order: whether to find the order of the frames by focus distance.
        roughly: whether a third of a pixel more or less does not matter, as for a draft.

    Raises:
        ConfigError: a value of the wrong type, or an unknown model or exposure.
    """

    model: MotionModel | None = None
    reference: int | None = None
    exposure: Exposure = "match"
    keep_all: bool = False
    together: bool = False
    refine: bool = False
    order: bool = False
    roughly: bool = False

    def __post_init__(self) -> None:
        if self.model is not None and self.model not in MOTIONS:
            raise ConfigError(f"model {self.model!r}: expected one of {', '.join(MOTIONS)}, or None to choose one")
        is_position = isinstance(self.reference, int) and not isinstance(self.reference, bool)
        if self.reference is not None and not is_position:
            raise ConfigError(
                f"reference {self.reference!r}: expected the position of a frame, counted from 0, or None"
            )
        if self.exposure not in EXPOSURES:
            raise ConfigError(f"exposure {self.exposure!r}: expected one of {', '.join(EXPOSURES)}")
        for name in ("keep_all", "together", "refine", "order", "roughly"):
            if not isinstance(value := getattr(self, name), bool):
                raise ConfigError(f"{name} {value!r}: expected True or False")

    def check_reference(self, count: int) -> None:
        """Raise `AlignmentError` unless the reference is one of `count` frames."""
        if self.reference is not None and self.reference not in range(count):
            raise AlignmentError(
                f"reference {self.reference}: expected a frame from 1 to {count}, "
                f"by its position counted from 0: 0 to {count - 1}"
            )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Alignment:
    """The registration of a stack: where each frame lies, and how bright it is, against the reference.

    Alignments compare by identity.

    Attributes:
        model: motion model of all frames.
        reference: position, counted from 0, of the frame that the others are registered to.
        matrices: (N, 3, 3), homographies from pixels (x, y, 1) of the reference to those of each frame.
        exposures: of each frame against the reference.
        residuals: displacement that remains between each frame and its neighbour, mean in pixels; NaN where it is
            unknown, as for the first frame.
        left_out: positions of frames that are not used, each with the reason.
        notes: what could not be done as usual.
        flows: for each frame the optical flow beside its matrix, in pixels of the reference, see `flow.estimate_flows`;
            empty if it was not estimated.
        order: positions of the used frames by focus distance; empty if it was not estimated.
    """

    model: MotionModel
    reference: int
    matrices: Array
    exposures: Sequence[ExposureTransfer]
    residuals: Sequence[float]
    left_out: Mapping[int, str]
    notes: tuple[Note, ...] = ()
    flows: Sequence[FloatArray | None] = ()
    order: Sequence[int] = ()

    def __repr__(self) -> str:
        used = f"{len(self.used)} of {len(self.matrices)} frames"
        return f"Alignment(model={self.model!r}, reference={self.reference}, used={used})"

    @property
    def used(self) -> list[int]:
        """Positions of the frames that are used."""
        return [position for position in range(len(self.matrices)) if position not in self.left_out]

    @property
    def tones(self) -> Sequence[ExposureTransfer]:
        """Deprecated name of `exposures`."""
        warn_renamed("tones", "exposures")
        return self.exposures

    @property
    def fields(self) -> Sequence[FloatArray | None]:
        """Deprecated name of `flows`."""
        warn_renamed("fields", "flows")
        return self.flows

    def pick(self, positions: Sequence[int]) -> "Alignment":
        """The alignment of some of the frames; the reference stays the same and need not be one of them."""
        places = {k: index for index, k in enumerate(positions)}
        return replace(
            self,
            matrices=self.matrices[list(positions)],
            exposures=[self.exposures[k] for k in positions],
            residuals=[self.residuals[k] for k in positions],
            left_out={index: self.left_out[k] for index, k in enumerate(positions) if k in self.left_out},
            flows=[self.flows[k] for k in positions] if self.flows else (),
            notes=(),
            order=[places[k] for k in self.order if k in places],
        )


def make_identity(count: int, reference: int | None = None, notes: tuple[Note, ...] = ()) -> Alignment:
    """The alignment of frames that are used unchanged; without a reference the middle one is taken."""
    return Alignment(
        model="none",
        reference=count // 2 if reference is None else reference,
        matrices=np.stack([np.eye(3)] * count),
        exposures=[ExposureTransfer()] * count,
        residuals=[float("nan")] * count,
        left_out={},
        notes=notes,
    )


def notes_of(alignment: Alignment, names: Sequence[str]) -> list[Note]:
    """Which frames were left out and why, which were turned, and the alignment's own notes.

    Args:
        alignment: of a stack.
        names: of all frames of the stack.
    """
    left_out = [
        Note(code="frame-left-out", message=f"{names[k]} was left out: {reason}", frames=(k,))
        for k, reason in alignment.left_out.items()
    ]
    angles = {k: float(np.degrees(np.arctan2(m[1, 0], m[0, 0]))) for k, m in enumerate(alignment.matrices)}
    turned = [
        Note(
            code="frame-turned",
            message=f"{names[k]} was turned by {abs(angle):.0f} degrees, to lie as the others do",
            frames=(k,),
        )
        for k, angle in angles.items()
        if abs(angle) > TURNED and k not in alignment.left_out
    ]
    return [*left_out, *turned, *alignment.notes]
