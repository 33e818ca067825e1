"""From a layer to the focal stacks in it, and where in the world its pictures lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import Cancelled, StackError

#: Names of the axis of channels, in lower case.
CHANNELS = ("c", "channel", "channels")


@dataclass(frozen=True, kw_only=True)
class LayerPlanes:
    """The planes of a layer at the time and position that are shown.

    Attributes:
        name: of the layer.
        channels: one array (Z, Y, X) or (Z, Y, X, 3) each, which may be read as it is used.
        scale, translate, units, axis_labels: of Z, Y and X.
    """

    name: str
    channels: tuple[Any, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    def placed(self, axes: int) -> dict[str, Any]:
        """What a new layer over the last so many axes is to be given, so that it lies where the planes lie."""
        names = ("scale", "translate", "units", "axis_labels")
        return {name: getattr(self, name)[-axes:] for name in names}


def find_planes(layer: Any, shown: Sequence[int] = ()) -> LayerPlanes:
    """The focal stacks of an image layer ZYX or CZYX; of further axes, such as time, at the place that is shown.

    Of four axes without names the first is that of channels.

    Args:
        layer: an image layer.
        shown: for each axis of the layer the place that is looked at; missing ones count as 0.

    Raises:
        StackError: it has no Z axis, or fewer than two planes along it.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    labels = [str(label).lower() for label in layer.axis_labels]
    leading = layer.ndim - 3
    planes = data.shape[leading] if leading >= 0 else 1
    if planes < 2:
        raise StackError(f"layer {layer.name!r} has {planes} plane along Z; fusing needs at least 2: ZYX or CZYX")
    channel = next((axis for axis in range(leading) if labels[axis] in CHANNELS), None)
    if channel is None and leading == 1 and labels[0] not in ("t", "time", "p", "position"):
        channel = 0
    place: list[Any] = [int(shown[axis]) if axis < len(shown) else 0 for axis in range(leading)]
    channels = []
    for number in range(1 if channel is None else data.shape[channel]):
        if channel is not None:
            place[channel] = number
        channels.append(data[tuple(place)])
    return LayerPlanes(
        name=layer.name,
        channels=tuple(channels),
        scale=tuple(float(step) for step in layer.scale[-3:]),
        translate=tuple(float(step) for step in layer.translate[-3:]),
        units=tuple(layer.units[-3:]),
        axis_labels=tuple(layer.axis_labels[-3:]),
    )


def read_planes(stack: Any, cancel: Event) -> list[Array]:
    """All planes of one channel, decoded."""
    frames = []
    for plane in stack:
        if cancel.is_set():
            raise Cancelled
        frames.append(np.asarray(plane))
    return frames
