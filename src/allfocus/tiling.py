"""Tile geometry: cover a picture with windows that overlap. Knows no pictures and no model."""

from collections.abc import Iterator
from dataclasses import dataclass

from allfocus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One window of a picture of known size.

    Attributes:
        top, left, bottom, right: the part that this tile is responsible for; these parts cover the picture once.
        outer: the same four bounds with the overlap, cut at the picture's edge: what has to be looked at.
    """

    top: int
    left: int
    bottom: int
    right: int
    outer: tuple[int, int, int, int]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the tile's own part within its outer window."""
        top, left, _, _ = self.outer
        return slice(self.top - top, self.bottom - top), slice(self.left - left, self.right - left)

    def grown(self, margin: int, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The tile's own part with a margin, cut at the edges of a picture of `height` x `width`.

        Returns:
            Rows and columns in the picture of the part with its margin; and of the part without it, within that.
        """
        top, left = max(0, self.top - margin), max(0, self.left - margin)
        bottom, right = min(height, self.bottom + margin), min(width, self.right + margin)
        own = (
            slice(self.top - top, min(height, self.bottom) - top),
            slice(self.left - left, min(width, self.right) - left),
        )
        return (slice(top, bottom), slice(left, right)), own

    def window(self, scale: int = 1) -> tuple[slice, slice]:
        """Rows and columns of the outer window in a picture `scale` times smaller."""
        top, left, bottom, right = (bound // scale for bound in self.outer)
        return slice(top, bottom), slice(left, right)


def tiles(height: int, width: int, side: int, overlap: int) -> Iterator[Tile]:
    """Cover `height` x `width` with tiles of at most `side` pixels, row by row.

    Args:
        height: rows of the picture, >= 1.
        width: columns of the picture, >= 1.
        side: side of the tiles' own parts; bounds of tiles are multiples of it, or the picture's edge.
        overlap: how far outer windows reach beyond their tile where the picture goes on, >= 0.

    Raises:
        ConfigError: `side` is not positive or `overlap` is negative.
    """
    if side < 1 or overlap < 0:
        raise ConfigError(f"tiles of {side} px with {overlap} px overlap; expected a positive side, overlap >= 0")
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            outer = (
                max(0, top - overlap),
                max(0, left - overlap),
                min(height, bottom + overlap),
                min(width, right + overlap),
            )
            yield Tile(top=top, left=left, bottom=bottom, right=right, outer=outer)
