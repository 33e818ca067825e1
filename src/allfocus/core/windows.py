"""Windows of a picture: tiles that cover it, and windows grown, scaled, shifted and intersected."""

from collections.abc import Iterator

from allfocus.errors import ConfigError

#: Rows and columns of a part of a picture.
Window = tuple[slice, slice]


def tiles(height: int, width: int, side: int) -> Iterator[Window]:
    """Cover `height` x `width` with squares of `side` pixels, cut at the edges, row by row.

    Raises:
        ConfigError: `side` is not positive.
    """
    if side < 1:
        raise ConfigError(f"tiles of {side} px; expected a positive side")
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, width))


def grow(window: Window, by: int, height: int, width: int, step: int = 1) -> Window:
    """A window with a margin on all sides, out to multiples of `step`, cut at the edges of `height` x `width`."""

    def wider(part: slice, length: int) -> slice:
        start, stop = part.start - by, part.stop + by
        return slice(max(0, start - start % step), min(length, stop + -stop % step))

    return wider(window[0], height), wider(window[1], width)


def scale_down(window: Window, scale: int) -> Window:
    """The same window in a picture `scale` times smaller; its bounds are multiples of that, or it grows to them."""
    down, across = (slice(part.start // scale, -(-part.stop // scale)) for part in window)
    return down, across


def relative_to(window: Window, outer: Window) -> Window:
    """Rows and columns of a window, counted from the start of the window around it."""
    down, across = (
        slice(part.start - around.start, part.stop - around.start) for part, around in zip(window, outer, strict=True)
    )
    return down, across


def shift(window: Window, origin: Window) -> Window:
    """The reverse of `relative_to`: a window counted from the start of another, counted in the picture again."""
    down, across = (
        slice(part.start + start.start, part.stop + start.start) for part, start in zip(window, origin, strict=True)
    )
    return down, across


def overlaps(one: Window, other: Window) -> bool:
    """Whether two windows share a pixel."""
    return all(part.start < part.stop for part in intersect(one, other))


def intersect(one: Window, other: Window) -> Window:
    """The window that two windows share."""
    down, across = (
        slice(max(part.start, twin.start), min(part.stop, twin.stop)) for part, twin in zip(one, other, strict=True)
    )
    return down, across


def scale_up(window: Window, scale: int) -> Window:
    """The same window in a picture `scale` times larger."""
    down, across = (slice(part.start * scale, part.stop * scale) for part in window)
    return down, across
