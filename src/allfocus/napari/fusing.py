"""The planes of a layer fused, and fused anew where the map of frames is painted on. Nothing here knows napari."""

from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.core.windows import Window, grow
from allfocus.decision.decision import Decision
from allfocus.decision.painted import LabelledDecision
from allfocus.errors import OptionError
from allfocus.jobs.retouch import SPREAD, gather
from allfocus.napari.planes import LayerPlanes, read_planes
from allfocus.options import FusionOptions
from allfocus.outputs.heights import make_units
from allfocus.outputs.surface import make_surface
from allfocus.pipeline import align, compose, decide
from allfocus.registered import Registered
from allfocus.result import FusionResult
from allfocus.run.progress import Progress, silent
from allfocus.volumes import measure_height, options_for_volumes

#: The most triangles of a surface layer: more make turning it slow.
TRIANGLES = 500_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Fused:
    """What the planes of a layer were fused to, and what composing anew needs.

    Attributes:
        planes: what was fused.
        channel: the one that decided for all.
        options: how.
        registered: the frames of that channel.
        others: those of the other channels, in turn.
        decision: which frame where, before anything was painted.
        result: the pictures and maps, before anything was painted.
    """

    planes: LayerPlanes
    channel: int
    options: FusionOptions
    registered: Registered
    others: tuple[Registered, ...]
    decision: Decision
    result: FusionResult

    def in_order(self, result: FusionResult) -> list[Array]:
        """The pictures of a result, in the order of the layer's channels."""
        pictures = [*result.channels]
        pictures.insert(self.channel, result.image)
        return pictures

    @property
    def labels(self) -> Array:
        """(H, W) int32, the frame of each pixel counted from 1: in labels 0 is nothing."""
        return self.result.index_map.astype(np.int32) + 1


def fuse_planes(
    planes: LayerPlanes,
    options: FusionOptions,
    *,
    channel: int = 0,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Fused:
    """Fuse the planes of a layer as those of a microscope's file are: nothing is cropped, halos stay.

    Args:
        planes: of the layer.
        options: how; with `depth` there will be a surface.
        channel: the one whose alignment and decision are used for all, counted from 0.
        progress: called as the work goes on, from any thread.
        cancel: once it is set the work ends with `Cancelled`.

    Raises:
        OptionError: there is no such channel.
        AllFocusError: as `fuse` does.
    """
    if channel not in range(len(planes.channels)):
        raise OptionError(f"channel {channel + 1}: expected 1 to {len(planes.channels)}")
    cancel = cancel or Event()
    options = options_for_volumes(options, ["depth"] if options.depth else [])
    known: dict[str, Any] = {"options": options, "progress": progress, "cancel": cancel}
    registered = align(read_planes(planes.channels[channel], cancel), **known)
    rest = [stack for number, stack in enumerate(planes.channels) if number != channel]
    others = tuple(align(read_planes(stack, cancel), like=registered, **known) for stack in rest)
    decision = decide(registered, options=options)
    return Fused(
        planes=planes,
        channel=channel,
        options=options,
        registered=registered,
        others=others,
        decision=decision,
        result=compose(registered, decision, channels=others, options=options),
    )


class Painting:
    """A fused layer whose labels are painted on: only what a change of them touches is composed anew."""

    def __init__(self, fused: Fused) -> None:
        self.fused, self._labels = fused, fused.labels
        self._rows = {position + 1: row for row, position in enumerate(fused.registered.positions)}

    def change(self, labels: Array) -> list[tuple[Window, list[Array]]]:
        """Have these labels, (H, W): each is a frame counted from 1; others, such as 0, mean what was there first.

        Returns:
            The windows of the picture that may have changed, each with the pictures of all channels there.
        """
        changed = np.argwhere(labels != self._labels)
        if not len(changed):
            return []
        fused = self.fused
        decision = LabelledDecision(fused.decision, self._find_frames(labels))
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0) + 1
        box = grow((slice(int(top), int(bottom)), slice(int(left), int(right))), SPREAD, *fused.registered.size)
        made = [(window, self._compose(decision, window)) for window in gather([box], decision.tiles())]
        self._labels = labels.copy()
        return made

    def _find_frames(self, labels: Array) -> Array:
        """(H, W) int32, the frame that each pixel was given, counted among those used; -1: none."""
        frames = np.full(labels.shape, -1, np.int32)
        is_painted = labels != self.fused.labels
        for label, row in self._rows.items():
            frames[is_painted & (labels == label)] = row
        return frames

    def _compose(self, decision: Decision, window: Window) -> list[Array]:
        fused = self.fused
        made = compose(fused.registered, decision, window=window, channels=fused.others, options=fused.options)
        return fused.in_order(made)


def make_relief(fused: Fused) -> tuple[FloatArray, Array, FloatArray] | None:
    """Points (N, 3) as plane, row and column, triangles (M, 3) and the plane of each point; None without a depth."""
    if fused.result.depth is None:
        return None
    heights = measure_height(fused.result)
    surface = make_surface(heights, make_units(None, None, 1.0, fused.result.frame_count), most=TRIANGLES)
    if not len(surface.triangles):
        return None
    rows, columns = surface.pixels.T
    up = heights[rows, columns]
    return np.stack([up, rows, columns], 1).astype(np.float32), surface.triangles, up.astype(np.float32)
