"""The recipe of a fusion, readable aloud: frames -> logits, tile by tile -> weights -> picture and maps."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from allfocus.canvas import Canvas, Manner
from allfocus.color import Array, FloatArray
from allfocus.errors import ConfigError
from allfocus.focus import classic_decision
from allfocus.fusion import COMPOSITIONS, MARGIN, Composition, pick
from allfocus.io import Listing, inspect_stack, list_frames, read_stack
from allfocus.model import FusionModel, load_model
from allfocus.parallel import in_parallel, one_thread_each
from allfocus.plan import Plan, plan_fusion
from allfocus.progress import Progress, silent
from allfocus.selection import Selection
from allfocus.spool import Spool
from allfocus.stack import FocalStack, FusionResult
from allfocus.survey import Survey
from allfocus.tiling import Place

#: What can be fused; see `fuse`.
Frames = FocalStack | Listing | Sequence[Array] | Sequence[str | PathLike[str]] | str | PathLike[str]
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
        fast: whether to look closer only where much can be gained by it: two thirds of the time, less exact.
        max_tile: longest side in pixels of what the network looks at at once; None: what fits the memory. It does
            not change the picture.
        max_memory: bytes of memory that may be used; None: most of what is free.
        spool: folder for what does not fit into memory; None: that for temporary files.

    Raises:
        ConfigError: an unknown method, composition or preference, a depth map from the classic rule, or a `max_tile` or
            `max_memory` below 1.
    """

    method: Literal["network", "classic"] = "network"
    model: Path | None = None
    compose: Composition = "band"
    prefer: Literal["near", "far"] | None = None
    depth: bool = False
    fast: bool = False
    max_tile: int | None = None
    max_memory: int | None = None
    spool: Path | None = None

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
        if self.max_memory is not None and self.max_memory < 1:
            raise ConfigError(f"max_memory {self.max_memory}: expected at least 1 byte")


def fuse(
    frames: Frames,
    *,
    options: FusionOptions | None = None,
    progress: Progress = silent,
    planned: Callable[[Plan], None] = lambda plan: None,
) -> FusionResult:
    """Fuse registered frames focused at different distances into one picture that is sharp everywhere.

    Args:
        frames: a `FocalStack`, or two or more arrays (H, W) or (H, W, 3) of uint8, uint16 or float32, or
            paths of pictures, or the path of a folder of them or of a multi-page TIFF.
        options: how; by default the shipped network.
        progress: called as the work goes on.
        planned: called before it begins, with what it will take.

    Returns:
        The picture in the shape and depth of the frames, which frame each pixel is from, and how sure that is.

    Raises:
        StackError: the frames can't be fused together.
        ReadError: a path can't be read as a picture.
        ModelError: the model can't be loaded.
        ResourceError: there is not enough memory, or not enough room on the disk.
    """
    options = options or FusionOptions()
    source = listing_or_stack(frames)
    plan = plan_fusion(
        len(source),
        source.frame,
        are_files=isinstance(source, Listing),
        network=options.method == "network",
        depth=options.depth,
        max_memory=options.max_memory,
        spool=options.spool,
    )
    model = load_model(options.model, plan.is_large) if options.method == "network" else None
    planned(plan)
    spool = Spool(plan.spool)
    with one_thread_each():
        stack = read_stack(source, progress, spool, plan.workers) if isinstance(source, Listing) else source
        if model is None:
            return fuse_by_classic_rule(stack, progress)
        return fuse_by_network(stack, model, options, spool, plan.workers, progress)


def listing_or_stack(frames: Frames) -> Listing | FocalStack:
    """What `fuse` accepts: files, looked at but not read yet, in natural order of their names; or a checked stack."""
    if isinstance(frames, FocalStack | Listing):
        return frames
    if isinstance(frames, str | PathLike):
        return listing_or_stack([frames])
    paths = [Path(frame) for frame in frames if isinstance(frame, str | PathLike)]
    if paths and len(paths) == len(frames):
        return inspect_stack(list_frames(paths))
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


def fuse_by_network(
    stack: FocalStack, model: FusionModel, options: FusionOptions, spool: Spool, workers: int, progress: Progress
) -> FusionResult:
    """Let the network select, cell by cell, and compose each cell as it comes."""
    survey = Survey(stack.frames, spool, workers, progress)
    bias = preference(len(stack), options.prefer)[survey.order]
    canvas = Canvas(survey, Manner(compose=options.compose, bias=bias, depth=options.depth))
    selection = Selection(
        model,
        survey,
        margin=MARGIN,
        max_tile=options.max_tile,
        fast=options.fast,
        spool=spool,
        workers=workers,
        progress=progress,
    )

    def work(cell: Place) -> None:
        canvas.paint(selection.look(cell))
        spool.release()

    cells = selection.cells()
    for done, _ in enumerate(in_parallel(work, cells, workers)):
        progress("fuse", done, len(cells))
    progress("fuse", len(cells), len(cells))
    return canvas.result()


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
