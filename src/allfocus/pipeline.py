"""The recipe of a fusion, readable aloud: frames -> logits, tile by tile -> weights -> picture and maps."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.color import Array, FloatArray, luma, to_unit
from allfocus.depth import expected_position, fill_depth
from allfocus.errors import ConfigError
from allfocus.flaws import FLAWED, flaws_from
from allfocus.focus import classic_decision
from allfocus.fusion import (
    COMPOSITIONS,
    MARGIN,
    Composition,
    calmed,
    compose,
    confidence_of,
    noise_of,
    pick,
    sharpness_in,
    softmax_weights,
)
from allfocus.io import list_frames, read_stack
from allfocus.model import FusionModel, load_model
from allfocus.octaves import Levels, levels_of
from allfocus.progress import Progress, silent
from allfocus.selection import select
from allfocus.stack import FocalStack, FusionResult

#: How many frames the noise is measured in.
NOISE_FRAMES = 4
#: What `prefer` adds to the logits of the frames at the one end, and takes from those at the other.
PREFERENCE = 1.0


@dataclass(frozen=True, kw_only=True)
class FusionOptions:
    """How to fuse; the same names as the options of the command line.

    Attributes:
        method: `network`, or `classic`: the frame with the largest local Laplacian energy.
        model: model file for the network; None: the shipped weights.
        compose: how the network's weights become a picture, see `fusion.compose`. The classic method picks.
        prefer: `near` or `far`: where the network is in doubt, as where hairs cross, lean towards the first or the
            last frames; the frames must come in order from near to far.
        depth: whether to make a depth map too; only the network can.
        max_tile: longest side in pixels of the tiles worked on; None: what fits the memory. It does not
            change the picture.

    Raises:
        ConfigError: an unknown method, composition or preference, a depth map from the classic rule, or a `max_tile`
            below 1.
    """

    method: Literal["network", "classic"] = "network"
    model: Path | None = None
    compose: Composition = "band"
    prefer: Literal["near", "far"] | None = None
    depth: bool = False
    max_tile: int | None = None

    def __post_init__(self) -> None:
        if self.method not in ("network", "classic"):
            raise ConfigError(f"method {self.method!r}: expected 'network' or 'classic'")
        if self.compose not in COMPOSITIONS:
            raise ConfigError(f"compose {self.compose!r}: expected one of {', '.join(COMPOSITIONS)}")
        if self.prefer not in (None, "near", "far"):
            raise ConfigError(f"prefer {self.prefer!r}: expected 'near', 'far' or None")
        if self.depth and self.method == "classic":
            raise ConfigError("depth: only the network knows it; leave it out or choose the method 'network'")
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
        return fuse_by_classic_rule(stack, progress)
    return fuse_by_network(stack, load_model(options.model), options, progress)


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


def fuse_by_classic_rule(stack: FocalStack, progress: Progress) -> FusionResult:
    """Take each pixel from the frame with the most local detail."""
    index_map, confidence = classic_decision(_counted(stack.frames, progress))
    return FusionResult(
        image=pick(stack.frames, index_map),
        index_map=index_map,
        confidence=confidence,
        frame_count=len(stack),
        method="classic",
    )


def fuse_by_network(stack: FocalStack, model: FusionModel, options: FusionOptions, progress: Progress) -> FusionResult:
    """Let the network select, tile by tile, and compose each tile as it comes."""
    levels = levels_of(stack.frames)
    order = content_order(stack.frames)
    frames = [stack.frames[position] for position in order]
    bias = preference(len(stack), options.prefer)[order, None, None]
    span = levels.white - levels.black
    noise = float(np.median([noise_of(frame) for frame in frames[:NOISE_FRAMES]]))
    image = np.empty_like(frames[0])
    index_map = np.empty((stack.height, stack.width), np.uint16)
    confidence = np.empty((stack.height, stack.width), np.float32)
    unsharp, veiled = np.empty((2, *index_map.shape), np.bool_)
    depth, certainty = np.empty((2, *index_map.shape) if options.depth else (2, 0, 0), np.float32)
    for tile in select(model, frames, levels, MARGIN, options.max_tile, progress):
        around = [frame[tile.around] for frame in frames]
        logits = calmed(around, tile.logits + bias, noise)
        weights = softmax_weights(logits, sharpness_in(noise))
        image[tile.here] = compose(around, weights, options.compose, noise)[tile.own]
        own = logits[(slice(None), *tile.own)]
        chances, best = softmax_weights(own, sharpness=1), own.argmax(axis=0)
        index_map[tile.here] = order[best]
        confidence[tile.here] = confidence_of([frame[tile.own] for frame in around], chances, best, span)
        unsharp[tile.here], veiled[tile.here] = (plane > bound for plane, bound in zip(tile.flaws, FLAWED, strict=True))
        if options.depth:
            depth[tile.here], certainty[tile.here] = expected_position(chances, order, order[best])
    return FusionResult(
        image=image,
        index_map=index_map,
        confidence=confidence,
        depth=fill_depth(depth, certainty, luma(to_unit(image))) if options.depth else None,
        flaws=flaws_from(unsharp, veiled, index_map, len(stack)),
        frame_count=len(stack),
        method="network",
        notes=notes_on(levels),
    )


def notes_on(levels: Levels) -> tuple[str, ...]:
    """What a user should know about how the frames were seen."""
    if not levels.are_stretched:
        return ()
    used = f"{levels.black:.2%} to {levels.white:.2%}"
    return (f"the frames' values lie within {used} of their range: for the decision they were stretched to all of it",)


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


def _counted(frames: Sequence[Array], progress: Progress) -> Iterator[Array]:
    """Hand out the frames one by one, and say so."""
    for done, frame in enumerate(frames):
        progress("fuse", done, len(frames))
        yield frame
    progress("fuse", len(frames), len(frames))
