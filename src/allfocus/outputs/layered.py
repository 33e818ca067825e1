"""Layers of a picture as values, read some rows at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

from allfocus.core.color import Array
from allfocus.run.workers import watched

#: Rows worked on at a time.
ROWS = 128


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer as large as the picture.

    Attributes:
        name: of the frame.
        pixels: (h, w[, 3]) of some rows.
        mask: (h, w) bool of some rows, where the layer is to be seen.
    """

    name: str
    pixels: Callable[[slice], Array]
    mask: Callable[[slice], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayeredPicture:
    """A picture and its layers.

    Attributes:
        image: (H, W) or (H, W, 3), uint8 or uint16.
        layers: from the lowest to the uppermost; where one's mask is open, those of all others are closed.
        icc: the profile of all of them.
        cancelled: once it is set reading ends with `Cancelled`.
    """

    image: Array
    layers: tuple[Layer, ...]
    icc: bytes | None
    cancelled: Event | None = None

    def windows(self) -> Iterator[slice]:
        """All rows, a window at a time."""
        height = len(self.image)
        return watched((slice(top, min(top + ROWS, height)) for top in range(0, height, ROWS)), self.cancelled)
