"""FocalStack and FusionResult: what goes into a fusion and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from allfocus.color import Array, FloatArray, full_scale
from allfocus.errors import StackError
from allfocus.tiling import Place

if TYPE_CHECKING:
    from allfocus.align import Alignment


@dataclass(frozen=True, kw_only=True)
class FrameInfo:
    """What a frame is, without its samples.

    Attributes:
        shape: (H, W) or (H, W, 3).
        dtype: of its samples.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[0], self.shape[1]

    @property
    def ndim(self) -> int:
        """2 for gray, 3 for RGB."""
        return len(self.shape)

    @property
    def pixels(self) -> int:
        """How many it has."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that its samples take."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class FocalStack:
    """Photos of one scene, focused differently, registered to each other.

    Attributes:
        frames: N >= 2 arrays of one shape and dtype: (H, W) gray or (H, W, 3) RGB; uint8, uint16 or
            float32 (0 to 1, finite), display-encoded.
        names: what to call each frame in messages; file names where there are files.

    Raises:
        StackError: fewer than two frames, or frames that differ in shape or dtype, or non-finite values.
    """

    frames: Sequence[Array]
    names: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", tuple(f"array {k}" for k in range(1, len(self.frames) + 1)))
        if len(self.names) != len(self.frames):
            raise StackError(f"{len(self.names)} names for {len(self.frames)} frames; give one name a frame")
        check_frames(self.frames, self.names)

    @property
    def frame(self) -> FrameInfo:
        """What every frame is."""
        return FrameInfo(shape=self.frames[0].shape, dtype=self.frames[0].dtype)

    @property
    def height(self) -> int:
        """Rows of every frame."""
        return int(self.frames[0].shape[0])

    @property
    def width(self) -> int:
        """Columns of every frame."""
        return int(self.frames[0].shape[1])

    @property
    def is_gray(self) -> bool:
        """Whether the frames have one channel, shape (H, W)."""
        return self.frames[0].ndim == 2

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Sample type of every frame."""
        return self.frames[0].dtype

    def pick(self, positions: Sequence[int]) -> "FocalStack":
        """The stack of some of these frames, counted from 0, in the order given."""
        return FocalStack(frames=[self.frames[k] for k in positions], names=[self.names[k] for k in positions])

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, kw_only=True)
class Flaws:
    """Where the picture can't be trusted, because no choice among the frames is good.

    Attributes:
        unsharp: (H, W) bool, sharp in no frame: in a gap between two focus steps, or beyond the last.
        veiled: (H, W) bool, seen only through the blur of something nearer.
        gap: positions, counted from 0, of the two frames between which most of what is unsharp would be sharp; twice
            the same one if it alone is near it, as at the ends of the stack; None if nothing is unsharp.
    """

    unsharp: Array
    veiled: Array
    gap: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """One picture, sharp everywhere, and where each pixel came from.

    Attributes:
        image: the fused picture, shape and dtype of the frames.
        index_map: (H, W) uint16, the frame with the largest weight at each pixel, counted from 0.
        confidence: (H, W) float32 in [0, 1]. Of the network: the probability that no frame's pixel would have been
            visibly better. Of the classic rule: by what share of its detail the picked frame leads.
        depth: (H, W) float32 in [0, N - 1], at which place of the stack the pixel is in focus, between two frames
            too, in the order of focus if that was found out (`alignment.order`); None unless asked for.
        flaws: where no frame was good enough; None from the classic rule.
        frame_count: how many frames went in.
        method: `network` or `classic`.
        alignment: how the frames were laid over each other; None if they were taken as they are.
        area: which rows and columns of the reference the picture shows; None: all of them.
        is_cropped: whether that is less than all of them.
        notes: what a user should know about this result, one line each; empty when all is ordinary.
        companions: the pictures of other channels, made by the same decision, in the order in which they were given.
    """

    image: Array
    index_map: Array
    confidence: FloatArray
    frame_count: int
    method: str
    depth: FloatArray | None = None
    flaws: Flaws | None = None
    alignment: "Alignment | None" = None
    area: Place | None = None
    is_cropped: bool = False
    notes: tuple[str, ...] = ()
    companions: tuple[Array, ...] = ()


def check_frames(frames: Sequence[Array], names: Sequence[str]) -> None:
    """Raise `StackError` unless the frames can be fused together; the message names the frame."""
    check_alike(frames, names)
    for position, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        if frame.dtype == np.float32 and not np.isfinite(frame).all():
            raise StackError(
                f"frame {position} ({name}) holds NaN or infinite values; expected finite numbers: "
                "mask or fill them first"
            )


def check_alike(frames: Sequence[Array | FrameInfo], names: Sequence[str]) -> None:
    """Raise `StackError` unless frames of these shapes and depths can be fused together."""
    if len(frames) < 2:
        raise StackError(f"{len(frames)} frame given; fusing needs at least 2 frames focused differently")
    for position, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        problem = difference(frame, frames[0], f"frame {position} ({name})", f"frame 1 ({names[0]})")
        if problem is not None:
            raise problem


def difference(
    frame: Array | FrameInfo, other: Array | FrameInfo, here: str, there: str = "the stack"
) -> StackError | None:
    """Why a frame, called `here`, can't be fused with another, called `there`; None where it can."""
    try:
        full_scale(frame.dtype)
    except StackError as error:
        return StackError(f"{here}: {error}")
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] != 3) or 0 in frame.shape:
        return StackError(f"{here} has shape {frame.shape}; expected (H, W) gray or (H, W, 3) RGB")
    if frame.shape[:2] != other.shape[:2]:
        sizes = f"{here} is {size_of(frame)}; the stack is {size_of(other)}"
        return StackError(f"{sizes}: crop or export all frames at one size")
    if frame.ndim != other.ndim:
        channels = f"{here} is {channels_of(frame)}; {there} is {channels_of(other)}"
        return StackError(f"{channels}: convert all frames to gray or all to RGB")
    if frame.dtype != other.dtype:
        depths = f"{here} has {frame.dtype} samples; {there} has {other.dtype}"
        return StackError(f"{depths}: export all frames at one bit depth")
    return None


def size_of(frame: Array | FrameInfo) -> str:
    """Width x height, as photographers write it."""
    return f"{frame.shape[1]}x{frame.shape[0]}"


def channels_of(frame: Array | FrameInfo) -> str:
    """`gray` or `RGB`."""
    return "gray" if frame.ndim == 2 else "RGB"
