"""The surface of a depth map as triangles: right-handed, x to the right, y up in the picture, z towards the camera.

Pixels without a depth are holes, and stay holes: nothing is made up. The origin is the centre of the picture's lower
left pixel, at the height of the farthest frame.
"""

from dataclasses import dataclass, replace

import numpy as np

from allfocus.core.color import Array, FloatArray
from allfocus.outputs.heights import Units

#: How far the base of a solid lies below the surface and the farthest frame, as a share of its longer side.
BASE = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """A surface.

    Attributes:
        points: (N, 3) float32, x, y and z in `units`.
        pixels: (N, 2) row and column of the picture at each point.
        triangles: (M, 3) uint32, points counterclockwise as seen from outside.
        units: of the points.
        size: height and width of the picture.
        step: every so many-th pixel has a point; 1: all.
        holes: the share of the picture without a surface.
    """

    points: FloatArray
    pixels: Array
    triangles: Array
    units: Units
    size: tuple[int, int]
    step: float
    holes: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Points of a depth map that triangles are made of.

    Attributes:
        rows, columns: of the picture.
        up: (R, C) height of each point.
        cells: (R - 1, C - 1) bool, squares between four points that all have a height.
    """

    rows: Array
    columns: Array
    up: FloatArray
    cells: Array

    def count(self, *, is_solid: bool) -> int:
        """How many triangles this makes."""
        squares = int(self.cells.sum())
        return 4 * squares + 2 * sum(len(found) for found in find_border(self.cells)) if is_solid else 2 * squares


def make_surface(heights: FloatArray, units: Units, *, most: int, is_solid: bool = False) -> Surface:
    """The surface of a map of heights.

    Args:
        heights: (H, W) in frames; NaN: unknown.
        units: what a pixel and a frame are.
        most: the largest number of triangles; of larger maps every n-th pixel is taken.
        is_solid: whether to close it by walls and a base.

    Returns:
        The surface; without triangles where no pixel has a height.
    """
    grid = fit_grid(heights, most, is_solid=is_solid)
    surface = join_points(grid, heights, units)
    return close(surface, grid) if is_solid else surface


def fit_grid(heights: FloatArray, most: int, *, is_solid: bool) -> Grid:
    """Every pixel, or as many evenly spaced ones as give no more triangles; the first and the last are always there."""
    rows, columns = heights.shape
    while True:
        grid = make_grid(heights, rows, columns, is_solid=is_solid)
        count = grid.count(is_solid=is_solid)
        if count <= most or (rows, columns) == (2, 2):
            return grid
        share = min(np.sqrt(most / count), 0.99)
        rows, columns = (max(2, min(int((side - 1) * share) + 1, side)) for side in (rows, columns))


def make_grid(heights: FloatArray, rows: int, columns: int, *, is_solid: bool) -> Grid:
    """So many rows and columns of points, evenly spaced."""
    down, across = (
        np.rint(np.linspace(0, side - 1, count)).astype(np.intp)
        for side, count in zip(heights.shape, (rows, columns), strict=True)
    )
    up = heights[np.ix_(down, across)]
    known = np.isfinite(up)
    cells = known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:] & known[1:, 1:]
    return Grid(rows=down, columns=across, up=up, cells=part_corners(cells) if is_solid else cells)


def part_corners(cells: Array) -> Array:
    """The squares without those that touch another by a corner alone, where walls would meet in one line."""
    cells = cells.copy()
    while True:
        a, b, c, d = cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]
        falling, rising = a & d & ~b & ~c, b & c & ~a & ~d
        if not (falling.any() or rising.any()):
            return cells
        cells[1:, 1:] &= ~falling
        cells[1:, :-1] &= ~rising


def join_points(grid: Grid, heights: FloatArray, units: Units) -> Surface:
    """Two triangles for each square, divided along the diagonal that bends less."""
    number = np.arange(grid.up.size).reshape(grid.up.shape)
    a, b, c, d = (part[grid.cells] for part in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
    up = grid.up.ravel()
    rises = (np.abs(up[b] - up[c]) <= np.abs(up[a] - up[d]))[:, None, None]
    rising = np.stack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)], 1)
    falling = np.stack([np.stack([a, c, d], 1), np.stack([a, d, b], 1)], 1)
    triangles = np.where(rises, rising, falling).reshape(-1, 3)
    used, triangles = np.unique(triangles, return_inverse=True)
    height, width = heights.shape
    row, column = grid.rows[used // grid.up.shape[1]], grid.columns[used % grid.up.shape[1]]
    points = np.stack([column * units.across, (height - 1 - row) * units.down, up[used] * units.up], 1)
    return Surface(
        points=points.astype(np.float32),
        pixels=np.stack([row, column], 1),
        triangles=triangles.reshape(-1, 3).astype(np.uint32),
        units=units,
        size=(height, width),
        step=max((height - 1) / max(len(grid.rows) - 1, 1), (width - 1) / max(len(grid.columns) - 1, 1), 1.0),
        holes=1 - float(grid.cells.mean()) if grid.cells.size else 1.0,
    )


# --- walls and base ------------------------------------------------------------------------------


def find_border(cells: Array) -> list[Array]:
    """Squares at whose left, lower, right and upper side there is no other: (n, 2) rows and columns each."""
    around = np.pad(cells, 1)
    others = (around[1:-1, :-2], around[2:, 1:-1], around[1:-1, 2:], around[:-2, 1:-1])
    return [np.argwhere(cells & ~other) for other in others]


def close(surface: Surface, grid: Grid) -> Surface:
    """The surface with walls down from its borders to a base."""
    if not len(surface.triangles):
        return surface
    points, count = surface.points, np.uint32(len(surface.points))
    longer = float(max(np.ptp(points[:, 0]), np.ptp(points[:, 1])))
    below = points.copy()
    below[:, 2] = min(float(points[:, 2].min()), 0.0) - BASE * longer
    first, second = find_border_points(surface, grid)
    walls = [np.stack([second, first, first + count], 1), np.stack([second, first + count, second + count], 1)]
    base = surface.triangles[:, ::-1] + count
    return replace(
        surface,
        points=np.concatenate([points, below]),
        pixels=np.concatenate([surface.pixels] * 2),
        triangles=np.concatenate([surface.triangles, base, *walls]).astype(np.uint32),
    )


def find_border_points(surface: Surface, grid: Grid) -> tuple[Array, Array]:
    """The two points of each side of a square that has no neighbour there, counterclockwise, (n,) each."""
    number = np.full(surface.size, -1, np.int64)
    number[surface.pixels[:, 0], surface.pixels[:, 1]] = np.arange(len(surface.pixels))
    number = number[np.ix_(grid.rows, grid.columns)]
    corners = {"a": (0, 0), "b": (0, 1), "c": (1, 0), "d": (1, 1)}
    ends: list[tuple[Array, Array]] = []
    sides = (("a", "c"), ("c", "d"), ("d", "b"), ("b", "a"))
    for (start, end), squares in zip(sides, find_border(grid.cells), strict=True):
        one, other = (number[tuple((squares + corners[name]).T)] for name in (start, end))
        ends.append((one, other))
    first, second = (np.concatenate(part).astype(np.uint32) for part in zip(*ends, strict=True))
    return first, second
