"""The recipe of a fusion, readable aloud: frames -> octaves -> logits, coarse to fine -> decision -> picture."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.color import Array, FloatArray
from allfocus.errors import ConfigError
from allfocus.focus import classic_decision
from allfocus.fusion import COMPOSITIONS, MARGIN, Composition, compose, confidence_of, pick, softmax_weights
from allfocus.io import list_frames, read_stack
from allfocus.model import FusionModel, load_model
from allfocus.octaves import coarser_octaves, count_octaves, finest_octave, padded_size
from allfocus.progress import Progress, silent
from allfocus.stack import FocalStack, FusionResult
from allfocus.tiling import Tile, tiles

#: How far, in pixels of its octave, the network looks around a pixel: beyond it nothing changes the answer.
#: It grows by a patch with each block of the look, and training allows at most six of them: 40 pixels.
OVERLAP = 40 + MARGIN
#: What `prefer` adds to the logits of the frames at the one end, and takes from those at the other.
PREFERENCE = 1.0
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
        compose: how the network's weights become a picture, see `fusion.compose`. The classic method picks.
        prefer: `near` or `far`: where the network is in doubt, as where hairs cross, lean towards the first or the
            last frames; the frames must come in order from near to far.
        max_tile: longest side in pixels of the tiles worked on; None: what fits the memory. It does not
            change the picture.

    Raises:
        ConfigError: an unknown method, composition or preference, or a `max_tile` below 1.
    """

    method: Literal["network", "classic"] = "network"
    model: Path | None = None
    compose: Composition = "band"
    prefer: Literal["near", "far"] | None = None
    max_tile: int | None = None

    def __post_init__(self) -> None:
        if self.method not in ("network", "classic"):
            raise ConfigError(f"method {self.method!r}: expected 'network' or 'classic'")
        if self.compose not in COMPOSITIONS:
            raise ConfigError(f"compose {self.compose!r}: expected one of {', '.join(COMPOSITIONS)}")
        if self.prefer not in (None, "near", "far"):
            raise ConfigError(f"prefer {self.prefer!r}: expected 'near', 'far' or None")
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
        image, index_map, confidence = fuse_by_network(stack, load_model(options.model), options, progress)
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
    stack: FocalStack, model: FusionModel, options: FusionOptions, progress: Progress
) -> tuple[Array, Array, FloatArray]:
    """Glance at the whole picture, then look closer octave by octave; the finest decides.

    Returns:
        Image, index map and confidence, see `FusionResult`.
    """
    order = content_order(stack.frames)
    stack = replace(stack, frames=[stack.frames[k] for k in order], names=[stack.names[k] for k in order])
    octaves = build_octaves(stack, progress)
    height, width = padded_size(stack.height, stack.width, len(octaves) + 1)
    side = tile_side(len(stack), options.max_tile)
    *finer, coarsest = octaves
    bias = preference(len(stack), options.prefer)[order]
    answer = model.glance(coarsest)
    for octave in reversed(finer):
        answer = look_closer(model, octave, answer, side)
    image = np.empty_like(stack.frames[0])
    index_map = np.empty((stack.height, stack.width), np.uint16)
    confidence = np.empty((stack.height, stack.width), np.float32)
    finest = [
        tile for tile in tiles(height, width, side, OVERLAP) if tile.top < stack.height and tile.left < stack.width
    ]
    for done, tile in enumerate(finest):
        progress("fuse", done, len(finest))
        around, own = tile.grown(MARGIN, stack.height, stack.width)
        weights = softmax_weights(finest_logits(model, stack, answer, tile, around) + bias[:, None, None])
        part = compose([frame[around] for frame in stack.frames], weights, options.compose)
        here = slice(tile.top, tile.bottom), slice(tile.left, tile.right)
        image[here] = part[own]
        index_map[here] = order[weights[(slice(None), *own)].argmax(axis=0)]
        confidence[here] = confidence_of(weights[(slice(None), *own)])
    progress("fuse", len(finest), len(finest))
    return image, index_map, confidence


def content_order(frames: Sequence[Array]) -> Array:
    """Positions of the frames in an order that depends on their pixels alone, (N,) uint16.

    Sums of floats depend on their order in the last bit: worked on in this one, the picture does not depend on the
    order in which the frames were given. Frames that tie hold the same pixels (but for one chance in 4 billion).
    """
    sums = [zlib.crc32(np.ascontiguousarray(frame).view(np.uint8).data) for frame in frames]
    return np.argsort(sums, kind="stable").astype(np.uint16)


def preference(frames: int, prefer: Literal["near", "far"] | None) -> FloatArray:
    """What to add to the logits of each frame, from first to last, so that near or far ones win where it is close."""
    towards = {None: 0.0, "near": PREFERENCE, "far": -PREFERENCE}[prefer]
    return np.linspace(towards, -towards, frames, dtype=np.float32)


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
    model: FusionModel,
    stack: FocalStack,
    coarser: tuple[FloatArray, FloatArray],
    tile: Tile,
    around: tuple[slice, slice],
) -> FloatArray:
    """Logits (N, h, w) of the part `around` a tile of the finest octave, which lies within the tile's outer window."""
    rows, columns = tile.window()
    size = (rows.stop - rows.start, columns.stop - columns.start)
    pixels = np.stack([finest_octave(part, *size) for part in _parts(stack, rows, columns)])
    logits, _ = look_at(model, pixels, coarser, tile)
    down, across = around
    inside = (
        slice(down.start - rows.start, down.stop - rows.start),
        slice(across.start - columns.start, across.stop - columns.start),
    )
    whole: FloatArray = logits[(slice(None), 0, *inside)]
    return whole


def _counted(frames: Sequence[Array], progress: Progress) -> Iterator[Array]:
    """Hand out the frames one by one, and say so."""
    for done, frame in enumerate(frames):
        progress("fuse", done, len(frames))
        yield frame
    progress("fuse", len(frames), len(frames))


def _parts(stack: FocalStack, rows: slice, columns: slice) -> Iterator[Array]:
    """The same window of every frame, cut at the picture's edge."""
    for frame in stack.frames:
        yield frame[rows, columns]
