"""Registered: frames that lie over each other, and which frames of the input they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.composition.defocus import Defocus
from allfocus.composition.measure import measure_defocus
from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack, size_of
from allfocus.core.windows import Window
from allfocus.decision.decision import Decision
from allfocus.errors import StackError
from allfocus.run.context import Run
from allfocus.sources.listing import Listing


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Registered:
    """What `align` makes of frames, and what is decided on and composed.

    Attributes:
        stack: the frames that are used, in the order of focus: of one size and depth, registered to the reference.
        positions: of each of them, its position in the input, counted from 0. All numbers of frames in results are such
            positions.
        names: of all frames of the input.
        alignment: how the frames were registered; None: they were taken as registered.
        window: rows and columns of the reference that the frames show; None: all of them.
        is_cropped: whether that is less than all of them.
        notes: what a user should know.
        source: the files that the frames came from; None for arrays.
        asked_reference: position in the input of the frame that was asked for as the reference; None: none was.
        run: workers and scratch files, which keep the frames.
    """

    stack: FocalStack
    positions: tuple[int, ...]
    names: tuple[str, ...]
    alignment: Alignment | None = None
    window: Window | None = None
    is_cropped: bool = False
    notes: tuple[Note, ...] = ()
    source: Listing | None = None
    asked_reference: int | None = None
    run: Run = field(default_factory=Run)

    @property
    def frames(self) -> Sequence[Array]:
        """The frames that are used."""
        return self.stack.frames

    @cached_property
    def defocus(self) -> Defocus | None:
        """How wide the blur of things is in each frame, measured once; None where that can't be said."""
        self.run.report("defocus", 0, 1)
        found = measure_defocus(self.frames, self.run)
        self.run.report("defocus", 1, 1)
        return found

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.stack.height, self.stack.width

    def pick(self, positions: Sequence[int]) -> "Registered":
        """Some of the frames, by their positions in the input: a slab, for one.

        Raises:
            StackError: fewer than two of them are used.
        """
        rows = [row for row, position in enumerate(self.positions) if position in set(positions)]
        if len(rows) < 2:
            raise StackError(f"{len(rows)} of these frames are used; fusing needs at least 2")
        return replace(self, stack=self.stack.pick(rows), positions=tuple(self.positions[row] for row in rows))

    def __repr__(self) -> str:
        return (
            f"<Registered {len(self.positions)} of {len(self.names)} frames, {self.stack.width}x{self.stack.height} "
            f"{self.stack.dtype}, {'as given' if self.alignment is None else self.alignment.model}>"
        )


def check_alike(stack: FocalStack, like: Registered) -> None:
    """Raise `StackError` unless another channel has as many frames, as large."""
    check_registered(like)
    size = like.size if like.source is None else like.source.frame.size
    found, wanted = (len(stack), (stack.height, stack.width)), (len(like.names), size)
    if found[0] != wanted[0] or (like.source is not None and found[1] != wanted[1]):
        raise StackError(f"channel of {found[0]} frames, {found[1]}; expected {wanted[0]} frames, {wanted[1]}")


def check_registered(given: object) -> None:
    """Raise `StackError` for what was not registered."""
    if not isinstance(given, Registered):
        raise StackError(f"expected registered frames, as align returns them, found {type(given).__name__}")


def check_decision(registered: Registered, decision: Decision) -> None:
    """Raise `StackError` unless a decision is for these frames."""
    check_registered(registered)
    if not hasattr(decision, "decide_tile"):
        raise StackError(f"expected a decision, as decide returns it, found {type(decision).__name__}")
    if decision.count != len(registered.frames) or decision.size != registered.size:
        height, width = decision.size
        raise StackError(
            f"the decision is for {decision.count} frames of {width}x{height}; "
            f"these are {len(registered.frames)} of {registered.size[1]}x{registered.size[0]}"
        )


def check_channels(registered: Registered, channels: Sequence[Registered]) -> None:
    """Raise `StackError` unless other channels have the same frames, as large."""
    for channel in channels:
        check_registered(channel)
        if channel.positions != registered.positions or channel.size != registered.size:
            raise StackError(f"{channel} is no other channel of {registered}; align it with like=")


def note_coverage(given: FocalStack, registered: FocalStack) -> list[Note]:
    """The note on frames that are transparent or empty in part, and on what of them is left."""
    partly = tuple(
        position for position, mask in enumerate(given.covered) if mask is not None and position not in given.torn
    )
    if not partly:
        return []
    which = f"{given.names[partly[0]]} is" if len(partly) == 1 else f"{len(partly)} frames are"
    masks = [mask for mask in registered.covered if mask is not None]
    is_cropped = registered.frame.size != given.frame.size
    shown = f"; {size_of(registered.frame)} of {size_of(given.frame)} are left" if is_cropped else ""
    nowhere = 0.0 if len(masks) < len(registered) else 1 - float(reduce(np.logical_or, masks).mean())
    there = "the result is NaN there" if given.is_float else "edges are repeated there"
    bare = f"; {nowhere:.1%} of the picture is covered by no frame: {there}" if nowhere else ""
    message = f"{which} transparent or empty in part, and never chosen there{shown}{bare}"
    return [Note(code="partly-covered", message=message, frames=partly)]


def note_burnt(given: FocalStack, registered: FocalStack, used: Sequence[int]) -> list[Note]:
    """The note on frames whose burnt highlights are taken from others."""
    pairs = zip(used, registered.covered, strict=True)
    burnt = tuple(k for k, mask in pairs if mask is not None and given.covered[k] is None and given.is_covered)
    if not burnt:
        return []
    which = given.names[burnt[0]] if len(burnt) == 1 else f"{len(burnt)} frames"
    message = f"burnt highlights of {which}, far brighter than the reference, are taken from other frames"
    return [Note(code="highlights-filled", message=message, frames=burnt)]
