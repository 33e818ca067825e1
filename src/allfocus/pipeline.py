"""The recipe of a fusion, readable aloud: frames -> octaves -> logits, coarse to fine -> decision -> picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.color import Array, FloatArray
from allfocus.errors import ConfigError
from allfocus.focus import classic_decision
from allfocus.fusion import compose, confidence_of, pick, softmax_weights
from allfocus.io import list_frames, read_stack
from allfocus.model import FusionModel, load_model
from allfocus.octaves import coarser_octaves, count_octaves, finest_octave, padded_size
from allfocus.progress import Progress, silent
from allfocus.stack import FocalStack, FusionResult
from allfocus.tiling import Tile, tiles

#: How far, in pixels of its octave, the network looks around a pixel: beyond it nothing changes the answer.
#: It grows by a patch with each block of the look, and training allows at most six of them.
OVERLAP = 40
#: Bounds of tiles fall on whole patches of the next coarser octave.
TILE_STEP = 8
#: Pixels of all frames together that are worked on at once: about 0.6 GB.
PIXELS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class FusionOptions:
    """How to fuse; the same names as the options of the command line.

    Attributes:
        method: `network`, or `classic`: the frame with the largest local Laplacian energy.
        model: model file for the network; None: the shipped weights.
        max_tile: longest side in pixels of the tiles worked on; None: what fits the memory. It does not
            change the picture.

    Raises:
        ConfigError: an unknown method, or a `max_tile` below 1.
    """

    method: Literal["network", "classic"] = "network"
    model: Path | None = None
    max_tile: int | None = None

    def __post_init__(self) -> None:
        if self.method not in ("network", "classic"):
            raise ConfigError(f"method {self.method!r}: expected 'network' or 'classic'")
        if self.max_tile is not None and self.max_tile < 1:
            raise ConfigError(f"max_tile {self.max_tile}: expected at least 1 pixel")


def fuse(
    frames: FocalStack | Sequence[Array] | Sequence[str | PathLike[str]] | str | PathLike[str],
    *,
    options: FusionOptions | None = None,
    progress: Progress = silent,
) -> FusionResult:
    """Fuse registered frames focused at different distances into one picture that is sharp everywhere.

    Args:
        frames: a `FocalStack`, or two or more arrays (H, W) or (H, W, 3) of uint8, uint16 or float32, or
            paths of pictures, or the path of a folder of them or of a multi-page TIFF.
        options: how; by default the shipped network.
        progress: called as the work goes on.

    Returns:
        The picture in the shape and depth of the frames, which frame each pixel is from, and how sure that is.

    Raises:
        StackError: the frames can't be fused together.
        ReadError: a path can't be read as a picture.
        ModelError: the model can't be loaded.
    """
    options = options or FusionOptions()
    stack = as_stack(frames, progress)
    if options.method == "classic":
        index_map, confidence = classic_decision(_counted(stack.frames, progress))
        image = pick(stack.frames, index_map)
    else:
        image, index_map, confidence = fuse_by_network(stack, load_model(options.model), options.max_tile, progress)
    return FusionResult(
        image=image,
        index_map=index_map,
        confidence=confidence,
        frame_count=len(stack),
        method=options.method,
    )


def as_stack(
    frames: FocalStack | Sequence[Array] | Sequence[str | PathLike[str]] | str | PathLike[str],
    progress: Progress = silent,
) -> FocalStack:
    """What `fuse` accepts, as a checked stack; paths are read, in natural order of their names."""
    if isinstance(frames, FocalStack):
        return frames
    if isinstance(frames, str | PathLike):
        return as_stack([frames], progress)
    paths = [Path(frame) for frame in frames if isinstance(frame, str | PathLike)]
    if paths and len(paths) == len(frames):
        return read_stack(list_frames(paths), progress)
    return FocalStack(frames=[np.asarray(frame) for frame in frames])


def fuse_by_network(
    stack: FocalStack, model: FusionModel, max_tile: int | None, progress: Progress
) -> tuple[Array, Array, FloatArray]:
    """Glance at the whole picture, then look closer octave by octave; the finest decides.

    Returns:
        Image, index map and confidence, see `FusionResult`.
    """
    octaves = build_octaves(stack, progress)
    height, width = padded_size(stack.height, stack.width, len(octaves) + 1)
    side = tile_side(len(stack), max_tile)
    *finer, coarsest = octaves
    answer = model.glance(coarsest)
    for octave in reversed(finer):
        answer = look_closer(model, octave, answer, side)
    image = np.empty_like(stack.frames[0])
    index_map = np.empty((stack.height, stack.width), np.uint16)
    confidence = np.empty((stack.height, stack.width), np.float32)
    finest = list(tiles(height, width, side, OVERLAP))
    for done, tile in enumerate(finest):
        progress("fuse", done, len(finest))
        logits = finest_logits(model, stack, answer, tile)
        rows, columns = slice(tile.top, tile.top + logits.shape[1]), slice(tile.left, tile.left + logits.shape[2])
        weights = softmax_weights(logits)
        index_map[rows, columns] = weights.argmax(axis=0)
        confidence[rows, columns] = confidence_of(weights)
        image[rows, columns] = compose([frame[rows, columns] for frame in stack.frames], weights)
    progress("fuse", len(finest), len(finest))
    return image, index_map, confidence


def build_octaves(stack: FocalStack, progress: Progress) -> list[FloatArray]:
    """All octaves but the finest, fine to coarse: (N, 4, H / 2^k, W / 2^k). The finest is cut from the frames later."""
    octaves = count_octaves(stack.height, stack.width)
    height, width = padded_size(stack.height, stack.width, octaves)
    pyramid = [np.empty((len(stack), 4, height >> k, width >> k), np.float32) for k in range(1, octaves)]
    for position, frame in enumerate(stack.frames):
        progress("octaves", position, len(stack))
        for level, octave in zip(pyramid, coarser_octaves(frame, octaves), strict=True):
            level[position] = octave
    progress("octaves", len(stack), len(stack))
    return pyramid


def tile_side(frames: int, max_tile: int | None) -> int:
    """Side of square tiles: as large as the memory for `frames` frames allows, and as `max_tile` does."""
    affordable = int((PIXELS_AT_ONCE / frames) ** 0.5)
    wanted = affordable if max_tile is None else min(affordable, max_tile)
    return max(TILE_STEP, wanted - wanted % TILE_STEP)


def look_closer(
    model: FusionModel, octave: FloatArray, coarser: tuple[FloatArray, FloatArray], side: int
) -> tuple[FloatArray, FloatArray]:
    """Logits and features of a whole octave, tile by tile, from those of the next coarser one."""
    frames, _, height, width = octave.shape
    logits = np.empty((frames, 1, height, width), np.float32)
    context = np.empty((frames, coarser[1].shape[1], height // 4, width // 4), np.float32)
    for tile in tiles(height, width, side, OVERLAP):
        found, features = look_at(model, octave[(..., *tile.window())], coarser, tile)
        rows, columns = tile.inside
        logits[..., tile.top : tile.bottom, tile.left : tile.right] = found[..., rows, columns]
        inner = (slice(rows.start // 4, rows.stop // 4), slice(columns.start // 4, columns.stop // 4))
        context[..., tile.top // 4 : tile.bottom // 4, tile.left // 4 : tile.right // 4] = features[(..., *inner)]
    return logits, context


def look_at(
    model: FusionModel, pixels: FloatArray, coarser: tuple[FloatArray, FloatArray], tile: Tile
) -> tuple[FloatArray, FloatArray]:
    """Look at one tile of an octave, with the same place in the next coarser octave's answer."""
    logits, context = coarser
    return model.look(pixels, logits[(..., *tile.window(2))], context[(..., *tile.window(8))])


def finest_logits(
    model: FusionModel, stack: FocalStack, coarser: tuple[FloatArray, FloatArray], tile: Tile
) -> FloatArray:
    """Logits (N, h, w) of the part of a tile of the finest octave that lies within the picture."""
    rows, columns = tile.window()
    size = (rows.stop - rows.start, columns.stop - columns.start)
    pixels = np.stack([finest_octave(part, *size) for part in _parts(stack, rows, columns)])
    logits, _ = look_at(model, pixels, coarser, tile)
    inside = tile.inside
    whole = logits[:, 0, inside[0], inside[1]]
    return whole[:, : max(0, stack.height - tile.top), : max(0, stack.width - tile.left)]


def _counted(frames: Sequence[Array], progress: Progress) -> Iterator[Array]:
    """Hand out the frames one by one, and say so."""
    for done, frame in enumerate(frames):
        progress("fuse", done, len(frames))
        yield frame
    progress("fuse", len(frames), len(frames))


def _parts(stack: FocalStack, rows: slice, columns: slice) -> Iterator[Array]:
    """The same window of every frame; at least its nearest row and column where it lies in the padding."""
    top, left = min(rows.start, stack.height - 1), min(columns.start, stack.width - 1)
    for frame in stack.frames:
        yield frame[top : max(rows.stop, top + 1), left : max(columns.stop, left + 1)]
