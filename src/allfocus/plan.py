"""What a fusion will need, found out before it starts: workers, memory, room on the disk, and where."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from allfocus.core.stack import FocalStack, FrameInfo, size_of
from allfocus.decide.coarse_to_fine import CELL, PIXELS_AT_ONCE
from allfocus.decide.logit_store import bytes_answered
from allfocus.decide.stack_pyramid import KEPT, bytes_kept
from allfocus.errors import ResourceError
from allfocus.options import FusionOptions
from allfocus.run.machine import free_memory
from allfocus.run.scratch import gigabytes, scratch_folder
from allfocus.run.workers import cpus
from allfocus.sources.listing import Listing

#: Python, the libraries and the network.
BASE = 300_000_000
#: Bytes that the network needs for each pixel that it looks at: its features, a few times over.
BYTES_PER_PIXEL = 110
#: Frames and octaves larger than this in all are kept in files.
KEPT_IN_MEMORY = 256_000_000
#: Share of the free memory that is used unless somebody allows more.
SHARE = 0.7
#: Pixels of all frames together from which on it takes seconds.
LARGE = 4_000_000
#: Copies of a frame that are there at once while it is decoded, while its octaves are made, and while it is written.
DECODING, SURVEYING, WRITING = 3.0, 2.5, 2.5
#: Bytes a pixel of the index map, the confidence and two masks; and of a depth map, while it is completed.
MAPS, DEPTH = 8, 40


#: Stages, and what each costs: CPU seconds for a megapixel of each frame, and for one of the picture.
COSTS = {
    "read": (0.015, 0.0),
    "align": (0.02, 0.0),
    "warp": (0.05, 0.0),
    "survey": (0.02, 0.0),
    "glance": (0.015, 0.0),
    "fuse": (0.02, 0.35),
    "write": (0.0, 0.05),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a fusion will go about it.

    Attributes:
        frames: how many.
        frame: what each of them is.
        workers: how many things to do at a time.
        memory: bytes that it will need at most, about.
        allowed: bytes that it may use.
        spooled: bytes that are kept in files.
        spool: the folder for them; None: everything fits into memory.
    """

    frames: int
    frame: FrameInfo
    workers: int
    memory: int
    allowed: int
    spooled: int
    spool: Path | None

    def costs(self) -> dict[str, float]:
        """The stages of the work, and what each is expected to cost: CPU seconds, on some machine or other."""
        megapixels = self.frame.pixels / 1e6
        return {stage: megapixels * (self.frames * each + once) for stage, (each, once) in COSTS.items()}

    @property
    def is_large(self) -> bool:
        """Whether it will take long enough for a person to wonder."""
        return self.spool is not None or self.frames * self.frame.pixels >= LARGE

    def __str__(self) -> str:
        """One line for a person."""
        megapixels = self.frame.pixels / 1e6
        line = (
            f"plan: {self.frames} frames of {size_of(self.frame)} ({megapixels:.1f} MP), tiles of {CELL} px, "
            f"{self.workers} at a time, about {gigabytes(self.memory)} of memory ({gigabytes(self.allowed)} allowed)"
        )
        if self.spool is None:
            return line
        free = gigabytes(shutil.disk_usage(self.spool).free)
        return f"{line}, {gigabytes(self.spooled)} in {self.spool} ({free} free)"


def plan_for(source: Listing | FocalStack, options: FusionOptions, companions: int = 0) -> Plan:
    """What the fusion of a stack will take, with so many other channels.

    Raises:
        ResourceError: more than there is.
    """
    return plan_fusion(
        len(source),
        source.frame,
        are_files=isinstance(source, Listing),
        network=options.method == "network",
        depth=options.depth,
        max_memory=options.max_memory,
        spool=options.spool,
        companions=companions,
    )


def plan_fusion(
    frames: int,
    frame: FrameInfo,
    *,
    are_files: bool,
    network: bool,
    depth: bool,
    max_memory: int | None,
    spool: Path | None,
    companions: int = 0,
) -> Plan:
    """Plan the fusion of so many frames.

    Args:
        frames: how many.
        frame: shape and depth of each.
        are_files: whether they are still to be read; else they are in memory, and not counted.
        network: whether the network decides; the classic rule keeps nothing but the frames.
        depth: whether a depth map is wanted too.
        max_memory: bytes that may be used; None: a share of what is free.
        spool: folder for what does not fit into memory; None: see `scratch_folder`.
        companions: how many other channels, of as many frames like these, are composed by the same decision.

    Raises:
        ResourceError: memory or disk can't hold it.
    """
    kept = (1 + companions) * frame.nbytes if are_files else 0
    kept += bytes_kept(frame) + bytes_answered(frame, KEPT) if network else 0
    kept *= frames
    to_files = kept > KEPT_IN_MEMORY
    allowed = int(SHARE * free_memory()) if max_memory is None else max_memory
    fixed = BASE + frame.pixels * (MAPS + (DEPTH if depth else 0)) + (1 + companions) * frame.nbytes
    fixed += 0 if to_files else kept
    looking = BYTES_PER_PIXEL * min(PIXELS_AT_ONCE, frames * frame.pixels)
    one_worker = int(max(DECODING * frame.nbytes if are_files else 0, SURVEYING * frame.nbytes, looking))
    workers = max(1, min(cpus(), frames, (allowed - fixed) // one_worker))
    plan = Plan(
        frames=frames,
        frame=frame,
        workers=workers,
        memory=fixed + max(workers * one_worker, int(WRITING * frame.nbytes)),
        allowed=allowed,
        spooled=kept if to_files else 0,
        spool=None,
    )
    require_memory(plan)
    return with_spool(plan, spool) if to_files else plan


def require_memory(plan: Plan) -> None:
    """Raise `ResourceError` where even one worker needs more memory than is allowed."""
    if plan.memory > plan.allowed:
        raise ResourceError(
            f"fusing {plan.frames} frames of {size_of(plan.frame)} needs about {gigabytes(plan.memory)} of memory, "
            f"{gigabytes(plan.allowed)} are allowed: close other programs, allow more with --max-memory, "
            "or fuse smaller frames"
        )


def with_spool(plan: Plan, folder: Path | None) -> Plan:
    """The plan with a folder for what is kept in files; raises `ResourceError` where there is no room for it."""
    chosen = scratch_folder() if folder is None else folder
    if not chosen.is_dir() or not os.access(chosen, os.W_OK):
        what = "can't be written to" if chosen.is_dir() else "is not a folder"
        raise ResourceError(f"spool {chosen} {what}; name another folder with --spool")
    free = shutil.disk_usage(chosen).free
    if free < plan.spooled:
        raise ResourceError(
            f"fusing {plan.frames} frames of {size_of(plan.frame)} needs {gigabytes(plan.spooled)} on disk; "
            f"{chosen} has {gigabytes(free)} free: make room, or name another folder with --spool"
        )
    return replace(plan, spool=chosen)
