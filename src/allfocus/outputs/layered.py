"""Layers of a picture as values, read some rows at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from allfocus.core.color import Array

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
    """

    image: Array
    layers: tuple[Layer, ...]
    icc: bytes | None


def windows(height: int) -> Iterator[slice]:
    """All rows, a window at a time."""
    return (slice(top, min(top + ROWS, height)) for top in range(0, height, ROWS))
