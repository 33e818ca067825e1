"""What a fusion will need, found before it starts: workers, memory, room on the disk, and where."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import ClassVar, Protocol

from allfocus.core.stack import FocalStack, FrameInfo, size_of
from allfocus.decision.cells import count_waiting_bytes
from allfocus.decision.logit_store import count_stored_bytes
from allfocus.decision.search_rule import CELL, PIXELS_AT_ONCE
from allfocus.decision.stack_pyramid import KEPT, REGIONS_AT_ONCE, count_kept_bytes
from allfocus.errors import ResourceError
from allfocus.formats.format import PlaneParts
from allfocus.needs import DECODING, MAPS, Needs
from allfocus.options import FusionOptions, Method
from allfocus.run.context import Run
from allfocus.run.machine import Machine
from allfocus.run.progress import Progress, silent
from allfocus.run.scratch import Scratch, gigabytes

#: Share of the free memory that is used unless somebody allows more.
SHARE = 0.7
#: Bytes of a fusion in parts, beside what it works on; and of each pixel that the network is given.
PARTS_BASE, PARTS_PIXEL = 300_000_000, 110

#: Side in pixels of the regions that are composed one after the other where a frame is worked on in parts, and the
#: bytes that a pixel of one takes beside its pictures, while it is put together.
REGION, COMPOSING = 2048, 40
#: Bytes a pixel of what a pyramid is built of in parts.
LEVELS = 12

#: Stages, and what each costs: CPU seconds for a megapixel of each frame, and for one of the picture.
COSTS = {
    "read": (0.015, 0.0),
    "align": (0.02, 0.0),
    "warp": (0.05, 0.0),
    "pyramid": (0.02, 0.0),
    "coarse": (0.015, 0.0),
    "laplacian": (0.07, 0.0),
    "defocus": (0.015, 0.0),
    "fuse": (0.02, 0.35),
    "halos": (0.05, 0.4),
    "write": (0.0, 0.05),
}
#: Stages of measuring and removing halos.
OF_HALOS = ("defocus", "halos")
#: Stages that a method does not have.
NOT_IN = {"network": ("laplacian",), "laplacian": ("pyramid", "coarse")}


class Headers(Protocol):
    """All that a plan has to know of a stack: how many frames, and what each of them is."""

    @property
    def frame(self) -> FrameInfo:
        """What each frame is."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a fusion will go about it.

    Attributes:
        frames: how many.
        frame: what each of them is.
        method: what decides.
        workers: how many things to do at a time.
        memory: bytes that it will need at most, about.
        allowed: bytes that it may use.
        on_disk: bytes that are kept in scratch files.
        scratch: the folder for them; None: everything fits into memory.
        halos: whether halos are looked for and removed.
        in_parts: whether the picture is read and composed in parts, since it does not fit into memory.
    """

    #: Pixels of all frames together from which on it takes seconds.
    LARGE: ClassVar[int] = 4_000_000

    frames: int
    frame: FrameInfo
    method: Method
    workers: int
    memory: int
    allowed: int
    on_disk: int
    scratch: Path | None
    halos: bool = False
    in_parts: bool = False

    def costs(self) -> dict[str, float]:
        """The stages of the work, and what each is expected to cost: CPU seconds, on some machine or other."""
        megapixels = self.frame.pixels / 1e6
        return {
            stage: megapixels * (self.frames * each + once)
            for stage, (each, once) in COSTS.items()
            if stage not in NOT_IN[self.method] and (stage not in OF_HALOS or self.halos)
        }

    @property
    def is_large(self) -> bool:
        """Whether it will take long enough for a person to wonder."""
        return self.scratch is not None or self.frames * self.frame.pixels >= self.LARGE

    def start(self, progress: Progress = silent, cancelled: Event | None = None) -> Run:
        """The run that is planned."""
        return Run(
            workers=self.workers,
            scratch=Scratch(self.scratch),
            progress=progress,
            cancelled=Event() if cancelled is None else cancelled,
            region=REGION if self.in_parts else None,
        )

    def __str__(self) -> str:
        """One line for a person."""
        megapixels = self.frame.pixels / 1e6
        tiles = f"tiles of {CELL} px{f' in regions of {REGION} px' if self.in_parts else ''}"
        line = (
            f"plan: {self.frames} frames of {size_of(self.frame)} ({megapixels:.1f} MP), {tiles}, "
            f"{self.workers} at a time, about {gigabytes(self.memory)} of memory ({gigabytes(self.allowed)} allowed)"
        )
        if self.scratch is None:
            return line
        free = gigabytes(shutil.disk_usage(self.scratch).free)
        return f"{line}, {gigabytes(self.on_disk)} in {self.scratch} ({free} free)"


def plan_for(
    source: Headers,
    options: FusionOptions,
    channels: int = 0,
    machine: Machine | None = None,
    parts: PlaneParts | None = None,
    held: int = 0,
) -> Plan:
    """What the fusion of a stack will take, with so many other channels.

    Args:
        source: the stack.
        options: how.
        channels: how many other channels there are.
        machine: what there is.
        parts: how it can be read in parts, where its picture may be composed so; None: it can't.
        held: bytes of what is made beside the result, and kept until all is written.

    Raises:
        ResourceError: more than there is.
    """
    machine, frame = machine or Machine(), source.frame.working
    try:
        are_files = not isinstance(source, FocalStack)
        return plan_fusion(
            len(source), frame, options, are_files=are_files, channels=channels, machine=machine, held=held
        )
    except ResourceError:
        if parts is None or options.method != "network":
            raise
        return plan_parts(len(source), frame, options, parts, channels=channels, machine=machine)


def plan_fusion(
    frames: int,
    frame: FrameInfo,
    options: FusionOptions,
    *,
    are_files: bool,
    machine: Machine,
    channels: int = 0,
    held: int = 0,
) -> Plan:
    """Plan the fusion of so many frames.

    Args:
        frames: how many.
        frame: shape and depth of each.
        options: method, align, halos, draft, depth, max_memory and spool matter.
        are_files: whether they are still to be read; else they are in memory, and not counted.
        machine: what there is.
        channels: how many other channels, of as many frames like these, are composed by the same decision.
        held: bytes of what is made beside the result, and kept until all is written.

    Raises:
        ResourceError: memory or disk can't hold it.
    """
    needs = Needs(frames, frame, options, are_files=are_files, channels=channels, held=held)
    to_files = needs.kept > machine.kept_in_memory
    allowed = int(SHARE * machine.free_memory) if options.memory_limit is None else options.memory_limit
    most = max(1, min(machine.processors, frames))
    workers = next((count for count in range(most, 1, -1) if needs.memory(count, to_files) <= allowed), 1)
    plan = Plan(
        frames=frames,
        frame=frame,
        method=options.method,
        workers=workers,
        memory=needs.memory(workers, to_files),
        allowed=allowed,
        on_disk=needs.kept if to_files else 0,
        scratch=None,
        halos=needs.removes,
    )
    require_memory(plan)
    return with_scratch(plan, options.spool or machine.scratch) if to_files else plan


def plan_parts(
    frames: int, frame: FrameInfo, options: FusionOptions, parts: PlaneParts, *, machine: Machine, channels: int = 0
) -> Plan:
    """Plan a fusion in parts: frames and results lie in scratch files, of which one frame is in memory at a time.

    Args:
        frames: how many.
        frame: shape and depth of each.
        options: max_memory and spool matter.
        parts: how they are read.
        machine: what there is.
        channels: how many other channels there are.

    Raises:
        ResourceError: memory or disk can't hold it.
    """
    made = (1 + channels) * frame.nbytes
    on_disk = frames * (made + count_kept_bytes(frame) + count_stored_bytes(frame, KEPT)) + made + MAPS * frame.pixels
    rows = parts.rows * frame.size[1] * -(-frame.nbytes // frame.pixels) * parts.planes
    a_frame = int(max(DECODING * rows, frame.nbytes + LEVELS * REGIONS_AT_ONCE * REGION**2))
    return plan_regions(frames, frame, options, on_disk, a_frame, machine=machine, channels=channels)


def plan_region(
    frames: int, frame: FrameInfo, options: FusionOptions, pixels: int, *, machine: Machine, channels: int = 0
) -> Plan:
    """Plan to compose one region of so many pixels, of frames that others have read; see `plan_parts`."""
    on_disk = pixels * ((1 + channels) * -(-frame.nbytes // frame.pixels) + MAPS)
    return plan_regions(frames, frame, options, on_disk, 0, machine=machine, channels=channels)


def plan_regions(
    frames: int,
    frame: FrameInfo,
    options: FusionOptions,
    on_disk: int,
    a_frame: int,
    *,
    machine: Machine,
    channels: int = 0,
) -> Plan:
    """A plan to compose region by region, with so many bytes on the disk and, for each worker, of a frame."""
    allowed = int(SHARE * machine.free_memory) if options.memory_limit is None else options.memory_limit
    bytes_per_pixel = -(-frame.nbytes // frame.pixels)
    region = min(REGION**2, frame.pixels)
    composing = region * (COMPOSING + 2 * (1 + channels) * bytes_per_pixel) + count_waiting_bytes(frame.size, CELL)
    one_worker = max(a_frame, PARTS_PIXEL * PIXELS_AT_ONCE)
    workers = max(1, min(machine.processors, (allowed - PARTS_BASE - composing) // one_worker))
    plan = Plan(
        frames=frames,
        frame=frame,
        method=options.method,
        workers=workers,
        memory=PARTS_BASE + composing + workers * one_worker,
        allowed=allowed,
        on_disk=on_disk,
        scratch=None,
        in_parts=True,
    )
    require_memory(plan)
    return with_scratch(plan, options.spool or machine.scratch)


def require_memory(plan: Plan) -> None:
    """Raise `ResourceError` where even one worker needs more memory than is allowed."""
    if plan.memory > plan.allowed:
        raise ResourceError(
            f"fusing {plan.frames} frames of {size_of(plan.frame)} needs about {gigabytes(plan.memory)} of memory, "
            f"{gigabytes(plan.allowed)} are allowed: close other programs, allow more with --max-memory, "
            "or fuse smaller frames"
        )


def with_scratch(plan: Plan, folder: Path) -> Plan:
    """The plan with a folder for scratch files; raises `ResourceError` where there is no room for them."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "can't be written to" if folder.is_dir() else "is not a folder"
        raise ResourceError(f"spool {folder} {what}; name another folder with --spool")
    free = shutil.disk_usage(folder).free
    if free < plan.on_disk:
        raise ResourceError(
            f"fusing {plan.frames} frames of {size_of(plan.frame)} needs {gigabytes(plan.on_disk)} on disk; "
            f"{folder} has {gigabytes(free)} free: make room, or name another folder with --spool"
        )
    return replace(plan, scratch=folder)
