"""Which frame is in focus, pixel by pixel: the network's logits, from a glance at the whole to its finest octave.

The coarse octaves are small and kept whole; the finest is worked off in tiles, and what is found in one is handed
on before the next is begun, so that memory does not grow with the picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.color import Array, FloatArray
from allfocus.model import Answer, FusionModel
from allfocus.octaves import PATCH, Levels, coarser_octaves, count_octaves, finest_octave, padded_size
from allfocus.progress import Progress
from allfocus.tiling import Tile, tiles

#: How far, in pixels of its octave, the network looks around a pixel: beyond it nothing changes the answer.
#: It grows by a patch with each block of the look, and training allows at most six of them.
REACH = 40
#: How far the flaws look around a pixel, beyond what its logits and features know.
FLAWS_REACH = 32
#: Bounds of tiles fall on whole patches of the next coarser octave.
TILE_STEP = 8
#: Pixels of all frames together that are worked on at once: about 0.6 GB.
PIXELS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Selected:
    """What the network says about one tile: the logits with a margin around it.

    Attributes:
        logits: (N, h, w) of the tile with its margin.
        flaws: (2, h, w) of the tile alone, log-odds that a place is sharp in no frame, and that it is veiled.
        around: rows and columns of the picture that they belong to.
        here: rows and columns of the picture that the tile answers for.
        own: the same place within `logits`.
    """

    logits: FloatArray
    flaws: FloatArray
    around: tuple[slice, slice]
    here: tuple[slice, slice]
    own: tuple[slice, slice]


def select(
    model: FusionModel,
    frames: Sequence[Array],
    levels: Levels,
    margin: int,
    max_tile: int | None,
    progress: Progress,
) -> Iterator[Selected]:
    """Yield the logits of a picture tile by tile, each with a margin that is cut at the picture's edge.

    Args:
        model: the network.
        frames: N arrays (H, W) or (H, W, 3) of one shape and dtype.
        levels: what the network is shown as black and white.
        margin: pixels around each tile whose logits are wanted too.
        max_tile: longest side of the tiles; None: what fits the memory.
        progress: called with the stages `octaves` and `fuse`.
    """
    height, width = frames[0].shape[:2]
    octaves = build_octaves(frames, levels, progress)
    side = tile_side(len(frames), max_tile)
    *finer, coarsest = octaves
    answer = model.glance(coarsest)
    for octave in reversed(finer):
        answer = look_closer(model, octave, answer, side)
    overlap = REACH + max(margin, FLAWS_REACH)
    covering = tiles(*padded_size(height, width, len(octaves) + 1), side, overlap)
    finest = [tile for tile in covering if tile.top < height and tile.left < width]
    for done, tile in enumerate(finest):
        progress("fuse", done, len(finest))
        around, own = tile.grown(margin, height, width)
        pixels = finest_pixels(frames, levels, tile)
        found = look_at(model, pixels, answer, tile)
        rows, columns = _within(around, tile)
        yield Selected(
            logits=found.logits[:, 0, rows, columns],
            flaws=np.stack([enlarged(kind)[rows, columns][own] for kind in model.flaws(pixels, found)]),
            around=around,
            here=(slice(tile.top, tile.bottom), slice(tile.left, tile.right)),
            own=own,
        )
    progress("fuse", len(finest), len(finest))


def build_octaves(frames: Sequence[Array], levels: Levels, progress: Progress) -> list[FloatArray]:
    """All octaves but the finest, fine to coarse: (N, 4, H / 2^k, W / 2^k). The finest is cut from the frames later."""
    rows, columns = frames[0].shape[:2]
    octaves = count_octaves(rows, columns)
    height, width = padded_size(rows, columns, octaves)
    pyramid = [np.empty((len(frames), 4, height >> k, width >> k), np.float32) for k in range(1, octaves)]
    for position, frame in enumerate(frames):
        progress("octaves", position, len(frames))
        for level, octave in zip(pyramid, coarser_octaves(frame, octaves, levels), strict=True):
            level[position] = octave
    progress("octaves", len(frames), len(frames))
    return pyramid


def tile_side(frames: int, max_tile: int | None) -> int:
    """Side of square tiles: as large as the memory for `frames` frames allows, and as `max_tile` does."""
    affordable = int((PIXELS_AT_ONCE / frames) ** 0.5)
    wanted = affordable if max_tile is None else min(affordable, max_tile)
    return max(TILE_STEP, wanted - wanted % TILE_STEP)


def look_closer(model: FusionModel, octave: FloatArray, coarser: Answer, side: int) -> Answer:
    """Logits and features of a whole octave, tile by tile, from those of the next coarser one."""
    frames, _, height, width = octave.shape
    logits = np.empty((frames, 1, height, width), np.float32)
    context = np.empty((frames, coarser.context.shape[1], height // PATCH, width // PATCH), np.float32)
    for tile in tiles(height, width, side, REACH):
        found = look_at(model, octave[(..., *tile.window())], coarser, tile)
        rows, columns = tile.inside
        logits[..., tile.top : tile.bottom, tile.left : tile.right] = found.logits[..., rows, columns]
        inner = (slice(rows.start // 4, rows.stop // 4), slice(columns.start // 4, columns.stop // 4))
        context[..., tile.top // 4 : tile.bottom // 4, tile.left // 4 : tile.right // 4] = found.context[(..., *inner)]
    return Answer(logits=logits, context=context)


def look_at(model: FusionModel, pixels: FloatArray, coarser: Answer, tile: Tile) -> Answer:
    """Look at one tile of an octave, with the same place in the next coarser octave's answer."""
    logits, context = coarser.logits[(..., *tile.window(2))], coarser.context[(..., *tile.window(8))]
    return model.look(pixels, Answer(logits=logits, context=context))


def finest_pixels(frames: Sequence[Array], levels: Levels, tile: Tile) -> FloatArray:
    """A tile's outer window in the finest octave, padding included: (N, 4, h, w)."""
    rows, columns = tile.window()
    size = (rows.stop - rows.start, columns.stop - columns.start)
    return np.stack([finest_octave(frame[rows, columns], *size, levels) for frame in frames])


def enlarged(plane: FloatArray) -> FloatArray:
    """A value a patch -> a value a pixel, (h, w) -> (4 h, 4 w), bilinear."""
    size = (plane.shape[1] * PATCH, plane.shape[0] * PATCH)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _within(place: tuple[slice, slice], tile: Tile) -> tuple[slice, slice]:
    """A place of the picture, as rows and columns of the tile's outer window."""
    (down, across), (rows, columns) = place, tile.window()
    return (
        slice(down.start - rows.start, down.stop - rows.start),
        slice(across.start - columns.start, across.stop - columns.start),
    )
