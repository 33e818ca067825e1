"""FusionResult: what comes out of a fusion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from html import escape
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.composition.compositor import Canvas
from allfocus.composition.depth import ROWS, fill_depth, stretch_depth, stretch_error
from allfocus.composition.quality import find_gap
from allfocus.composition.veil import Veil
from allfocus.core.color import Array, FloatArray, luma, to_unit
from allfocus.core.coverage import cut_coverage, name_fillers
from allfocus.core.notes import Note
from allfocus.core.renames import warn_renamed
from allfocus.core.samples import Samples
from allfocus.core.stack import FocalStack
from allfocus.core.windows import Window, shift
from allfocus.decision.decision import Decision
from allfocus.panels import Panel, draw_panels, make_thumbnails
from allfocus.registered import Registered
from allfocus.sources.listing import Listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QualityMasks:
    """Where the picture can't be trusted, because no choice among the frames is good.

    Attributes:
        out_of_focus: (H, W) bool, sharp in no frame: in a gap between two focus steps, or beyond the last.
        veiled: (H, W) bool, seen only through the blur of something nearer, which was not removed, or with so little
            light left that what is behind is partly guessed.
        gap: the two frames, counted from 0 in the input, between which most of what is out of focus would be sharp;
            twice the same one if it alone is near it, as at the ends of the stack; None if nothing is.
    """

    out_of_focus: Array
    veiled: Array
    gap: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"<QualityMasks {self.out_of_focus.mean():.1%} out of focus, {self.veiled.mean():.1%} veiled>"

    @property
    def unsharp(self) -> Array:
        """The old name of `out_of_focus`."""
        return _renamed("unsharp", "out_of_focus", self.out_of_focus)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FusionResult:
    """One picture, sharp everywhere, and where each pixel came from. Frames are counted from 0 in the input.

    Attributes:
        image: (H, W) or (H, W, 3), the fused picture: numbers like those of the frames, of the same type; of floats NaN
            where no frame has a value.
        index_map: (H, W) uint16, the frame with the largest weight at each pixel: `names[k]` for the value k.
        confidence: (H, W) float32 in [0, 1]. Of the network: the probability that no frame's pixel would have been
            visibly better. Of the Laplacian rule: by what share of its detail the picked frame leads.
        names: of all frames that were given, those that were left out too.
        method: `network` or `laplacian`.
        depth: (H, W) float32, at which frame the pixel is in focus, between two frames too; the value k stands for
            frame `depth_frames[k]`; NaN where nothing decides, as where there is no detail; None unless asked for.
        depth_error: (H, W) float32, the standard error of the depth, in frames; NaN and None as that.
        quality: where no frame was good enough; None where nothing is known about it.
        alignment: how the frames were registered; None if they were taken as registered.
        window: rows and columns of the reference that the picture shows; None: all of them.
        is_cropped: whether that is less than all of them.
        notes: what a user should know about this result; empty when all is ordinary.
        channels: the pictures of other channels, made by the same decision, in the order in which they were given.
        source: the files that the frames came from; None for arrays.
        order: the frames that were used in the order of focus, if that was found; the depth counts along it.
        veil: the light that near, blurred things laid over the picture, and where it was removed; None if it was not
            looked for, or nothing could be said about it.
        samples: the type and the range of the numbers in the frames.
        asked_reference: the frame that was asked for as the reference; None: none was.
    """

    image: Array
    index_map: Array
    confidence: FloatArray
    names: tuple[str, ...]
    method: str
    depth: FloatArray | None = None
    depth_error: FloatArray | None = None
    quality: QualityMasks | None = None
    alignment: Alignment | None = None
    window: Window | None = None
    is_cropped: bool = False
    notes: tuple[Note, ...] = ()
    channels: tuple[Array, ...] = ()
    source: Listing | None = field(default=None)
    order: tuple[int, ...] = ()
    veil: Veil | None = None
    samples: Samples | None = None
    asked_reference: int | None = None

    @property
    def frame_count(self) -> int:
        """How many frames were given."""
        return len(self.names)

    @property
    def depth_frames(self) -> tuple[int, ...]:
        """Which frame each whole number in the depth map stands for: all in turn, or the used ones in `order`."""
        return self.order or tuple(range(self.frame_count))

    def fill_depth(self) -> FloatArray | None:
        """The depth, where it is unknown filled in from around, along the edges of the picture."""
        if self.depth is None:
            return None
        guide = np.empty(self.depth.shape, np.float32)
        for top in range(0, len(guide), ROWS):  # as floats all of it would be large
            rows = slice(top, top + ROWS)
            guide[rows] = luma(to_unit(self.shown(self.image[rows])))
        return fill_depth(self.depth, guide)

    @property
    def reference(self) -> int:
        """The frame that the picture lies over, and whose metadata it has: the reference, or the middle one."""
        if self.alignment is not None:
            return self.alignment.reference
        return self.frame_count // 2 if self.asked_reference is None else self.asked_reference

    def shown(self, picture: Array) -> Array:
        """A picture or a frame, in the numbers of the source, as it can be looked at; see `Samples.shown`."""
        return picture if self.samples is None else self.samples.shown(picture)

    @property
    def flaws(self) -> QualityMasks | None:
        """The old name of `quality`."""
        return _renamed("flaws", "quality", self.quality)

    @property
    def companions(self) -> tuple[Array, ...]:
        """The old name of `channels`."""
        return _renamed("companions", "channels", self.channels)

    @property
    def area(self) -> Window | None:
        """The old name of `window`."""
        return _renamed("area", "window", self.window)

    def __repr__(self) -> str:
        size = f"{self.image.shape[1]}x{self.image.shape[0]}"
        kind = "gray" if self.image.ndim == 2 else "RGB"
        notes = f", {len(self.notes)} note{'s' if len(self.notes) > 1 else ''}" if self.notes else ""
        maps = ", ".join(name for name in ("depth", "quality", "alignment") if getattr(self, name) is not None)
        return (
            f"<FusionResult {size} {kind} {self.image.dtype} of {self.frame_count} frames by {self.method}"
            f"{f', with {maps}' if maps else ''}{notes}>"
        )

    def _repr_html_(self) -> str:
        """Thumbnails of the picture and its maps, for notebooks."""
        cells = make_thumbnails(self._panels())
        notes = "".join(f"<li>{escape(str(note))}</li>" for note in self.notes)
        return f"<div>{escape(repr(self))}<br>{cells}{f'<ul>{notes}</ul>' if notes else ''}</div>"

    def plot(self) -> "Figure":
        """The picture and its maps side by side, as a figure of matplotlib, which a notebook shows.

        Raises:
            MissingExtraError: matplotlib is not installed (extra `notebooks`).
        """
        return draw_panels(self._panels())

    def _panels(self) -> list[Panel]:
        """The picture, and the maps that there are."""
        panels = [
            Panel(name="picture", plane=to_unit(self.shown(self.image))),
            Panel(name="frame", plane=self.index_map, top=max(self.frame_count - 1, 1)),
            Panel(name="confidence", plane=self.confidence),
        ]
        if self.depth is not None:
            panels.append(Panel(name="depth", plane=self.depth, top=max(len(self.depth_frames) - 1, 1)))
        return panels


def make_result(
    registered: Registered,
    decision: Decision,
    canvas: Canvas,
    window: Window | None,
    channels: Sequence[Registered] = (),
    veil: Veil | None = None,
) -> FusionResult:
    """The result of a composition: all frames counted as in the input."""
    stack, index = registered.stack, canvas.maps["index_map"]
    image, *others = (
        restore(one.stack, values, window) for one, values in zip((registered, *channels), canvas.images, strict=True)
    )
    (depth, error), confidence = count_depth(registered, canvas), canvas.maps["confidence"]
    if not stack.is_covered:
        index = name_fillers(index, cut_coverage(stack.covered, window or whole_of(stack)))
    nowhere = find_nowhere(stack, window)
    if nowhere is not None:
        confidence = np.where(nowhere, np.float32(0), confidence)
        depth, error = (None if one is None else np.where(nowhere, np.float32(np.nan), one) for one in (depth, error))
    return FusionResult(
        image=image,
        index_map=np.array(registered.positions).astype(np.uint16)[index],
        confidence=confidence,
        names=registered.names,
        method=decision.method,
        depth=depth,
        depth_error=error,
        quality=make_quality(registered, canvas, veil),
        veil=veil,
        alignment=registered.alignment,
        window=shift(window, registered.window) if window and registered.window else window or registered.window,
        is_cropped=registered.is_cropped or (window is not None and image.shape[:2] != registered.size),
        notes=(*registered.notes, *decision.notes),
        channels=tuple(others),
        source=registered.source,
        order=registered.positions if is_ordered(registered) else (),
        samples=stack.samples or Samples(dtype=stack.dtype),
        asked_reference=registered.asked_reference,
    )


def restore(stack: FocalStack, values: Array, window: Window | None) -> Array:
    """A composed picture in the numbers of its stack, of floats NaN where no frame has one."""
    picture = values if stack.samples is None else stack.samples.restore(values)
    nowhere = find_nowhere(stack, window) if picture.dtype.kind == "f" else None
    if nowhere is not None:
        picture = picture.copy() if picture is values else picture
        picture[nowhere] = np.nan
    return picture


def find_nowhere(stack: FocalStack, window: Window | None) -> Array | None:
    """(H, W) bool of the window that was composed: what no frame covers; None where that is nothing."""
    masks = [mask for mask in cut_coverage(stack.covered, window or whole_of(stack)) if mask is not None]
    if len(masks) < len(stack):
        return None
    nowhere = ~reduce(np.logical_or, masks)
    return nowhere if nowhere.any() else None


def whole_of(stack: FocalStack) -> Window:
    """All rows and columns of the frames."""
    return slice(0, stack.height), slice(0, stack.width)


def is_ordered(registered: Registered) -> bool:
    """Whether the order of focus was found."""
    return registered.alignment is not None and bool(registered.alignment.order)


def count_depth(registered: Registered, canvas: Canvas) -> tuple[FloatArray | None, FloatArray | None]:
    """The depth and its error, in positions of the input unless the order of focus was found."""
    depth, error = canvas.maps.get("depth"), canvas.maps.get("depth_error")
    if is_ordered(registered) or registered.positions == tuple(range(len(registered.positions))):
        return depth, error
    if depth is None:
        return None, None
    places = registered.positions
    return stretch_depth(depth, places), None if error is None else stretch_error(error, depth, places)


def make_quality(registered: Registered, canvas: Canvas, veil: Veil | None = None) -> QualityMasks | None:
    """The quality masks, and between which frames of the input the focus has a gap."""
    if "out_of_focus" not in canvas.maps:
        return None
    out_of_focus, veiled = canvas.maps["out_of_focus"], canvas.maps["veiled"]
    if veil is not None:
        veiled = (veiled & ~veil.removed) | veil.faint
    gap = find_gap(out_of_focus, canvas.maps["index_map"], len(registered.positions))
    if gap is not None:
        gap = registered.positions[gap[0]], registered.positions[gap[1]]
    return QualityMasks(out_of_focus=out_of_focus, veiled=veiled, gap=gap)


def _renamed(old: str, new: str, value: Value) -> Value:
    """Hand out a value under its old name, with a warning that names the new one."""
    warn_renamed(old, new)
    return value
