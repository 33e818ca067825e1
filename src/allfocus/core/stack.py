"""FocalStack: what goes into a fusion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from allfocus.core.color import Array, full_scale
from allfocus.core.coverage import Coverage
from allfocus.core.notes import Note
from allfocus.core.samples import WORKING, Samples
from allfocus.errors import StackError


@dataclass(frozen=True, kw_only=True)
class FrameInfo:
    """What a frame is, without its samples.

    Attributes:
        shape: (H, W) or (H, W, 3).
        dtype: of its samples, as they are stored.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def working(self) -> "FrameInfo":
        """What it is while it is computed on: uint8, uint16 or float32."""
        return replace(self, dtype=WORKING.get(self.dtype, self.dtype))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[0], self.shape[1]

    def resized(self, size: tuple[int, int]) -> "FrameInfo":
        """The same of another height and width."""
        return replace(self, shape=(*size, *self.shape[2:]))

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


@dataclass(frozen=True, eq=False, repr=False)
class FocalStack:
    """Photos of one scene, focused differently, registered to each other.

    Attributes:
        frames: N >= 2 arrays of one shape and dtype: (H, W) gray or (H, W, 3) RGB; uint8, uint16 or
            float32 (0 to 1, finite), display-encoded.
        names: what to call each frame in messages; file names where there are files.
        covered: for each frame, (H, W) bool: where it shows something; None: everywhere. What lies where it shows
            nothing is never chosen, see `core.coverage`. Empty: all frames show something everywhere.
        torn: positions of frames whose copy was interrupted: what they lack is no reason to crop the picture.
        samples: which numbers of the source the values stand for; None: the values themselves.
        notes: what a user should know of the numbers.

    Raises:
        StackError: fewer than two frames, or frames that differ in shape or dtype, or non-finite values.
    """

    frames: Sequence[Array]
    names: Sequence[str] = field(default=())
    covered: Coverage = field(default=())
    torn: Sequence[int] = ()
    samples: Samples | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", tuple(f"array {k}" for k in range(1, len(self.frames) + 1)))
        if len(self.names) != len(self.frames):
            raise StackError(f"{len(self.names)} names for {len(self.frames)} frames; give one name a frame")
        if not self.covered:
            object.__setattr__(self, "covered", (None,) * len(self.frames))
        check_frames(self.frames, self.names)
        check_coverage(self.covered, self.frame.size, self.names)

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

    @property
    def is_float(self) -> bool:
        """Whether the numbers of its source are floats, which know NaN."""
        return (self.dtype if self.samples is None else self.samples.dtype).kind == "f"

    @property
    def is_covered(self) -> bool:
        """Whether every frame shows something everywhere."""
        return all(mask is None for mask in self.covered)

    def pick(self, positions: Sequence[int]) -> "FocalStack":
        """The stack of some of these frames, counted from 0, in the order given."""
        return replace(
            self,
            frames=[self.frames[k] for k in positions],
            names=[self.names[k] for k in positions],
            covered=[self.covered[k] for k in positions],
            torn=[new for new, old in enumerate(positions) if old in self.torn],
        )

    def numbers(self, position: int) -> Array:
        """A frame, counted from 0, in the numbers of its source; of floats NaN where it is not covered."""
        frame, covered = self.frames[position], self.covered[position]
        found = frame if self.samples is None else self.samples.restore(frame)
        if found.dtype.kind != "f" or covered is None:
            return found
        return np.where(covered if found.ndim == 2 else covered[..., None], found, found.dtype.type(np.nan))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, position: int) -> Array:
        return self.frames[position]

    def __iter__(self) -> Iterator[Array]:
        return iter(self.frames)

    def __repr__(self) -> str:
        return f"<FocalStack of {len(self)} frames, {size_of(self.frame)} {channels_of(self.frame)} {self.dtype}>"


def check_frames(frames: Sequence[Array], names: Sequence[str]) -> None:
    """Raise `StackError` unless the frames can be fused together; the message names the frame."""
    check_alike(frames, names)
    for position, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        if frame.dtype == np.float32 and not np.isfinite(frame).all():
            raise StackError(
                f"frame {position} ({name}) holds NaN or infinite values; expected finite numbers: "
                "fill them, and say in `covered` where; `fuse` does so with arrays"
            )


def check_coverage(covered: Coverage, size: tuple[int, int], names: Sequence[str]) -> None:
    """Raise `StackError` unless there is one mask of this size for each frame, or None in its place."""
    if len(covered) != len(names):
        raise StackError(f"{len(covered)} masks for {len(names)} frames; give one for each frame, or None")
    for mask, name in zip(covered, names, strict=True):
        if mask is not None and (mask.shape != size or mask.dtype != np.bool_):
            raise StackError(f"the mask of {name} is {mask.dtype} {mask.shape}; expected bool {size}")


def check_alike(frames: Sequence[Array | FrameInfo], names: Sequence[str]) -> None:
    """Raise `StackError` unless frames of these shapes and depths can be fused together."""
    if len(frames) < 2:
        given = "1 frame" if frames else "no frames"
        raise StackError(f"{given} given; fusing needs at least 2 frames focused differently")
    for position, (frame, name) in enumerate(zip(frames, names, strict=True), start=1):
        problem = difference(frame, frames[0], f"frame {position} ({name})", f"frame 1 ({names[0]})")
        if problem is not None:
            raise problem


def difference(
    frame: Array | FrameInfo, other: Array | FrameInfo, here: str, there: str = "the stack"
) -> StackError | None:
    """Why a frame, called `here`, can't be fused with another, called `there`; None where it can."""
    try:
        full_scale(frame.working.dtype if isinstance(frame, FrameInfo) else frame.dtype)
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
