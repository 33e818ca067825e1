"""What is asked of a job, what it tells on the way, and what it made: data for every door."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from allfocus.alignment import Alignment
from allfocus.composition.compositor import Canvas
from allfocus.composition.veil import Veil
from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.windows import Window
from allfocus.decision.decision import Decision
from allfocus.decision.painted import Stroke
from allfocus.options import FusionOptions, is_same_for
from allfocus.outputs.wishes import Outputs
from allfocus.plan import Plan
from allfocus.registered import Registered
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing
from allfocus.volumes import VolumeResult

#: What an event can be about.
Kind = Literal["plan", "progress", "frame", "registered", "preview", "note", "result"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job, as data: text, JSON lines and pages are made from it.

    Attributes:
        kind: `plan` (before the work: what it will take), `progress` (a stage is so far), `note` (what a user should
            know), `result` (it is done); with previews also `frame` (one was read), `registered` (all lie over each
            other) and `preview` (some of the picture is done).
        stage, done, total: of progress.
        fraction: how much of the whole job is done, 0 to 1.
        seconds_left: until the end; None as long as there is nothing to go by.
        plan: of a plan.
        note: of a note.
        position, pixels: of a frame, counted from 0; the pixels may be overwritten once the listener has returned.
        registered: the frames, in the reference's pixels.
        canvas, window: of a preview: what is composed so far, and the window that was added last.
        result: of a result.
    """

    kind: Kind
    stage: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None
    plan: Plan | None = None
    note: Note | None = None
    position: int = 0
    pixels: Array | None = None
    registered: Registered | None = None
    canvas: Canvas | None = None
    window: Window | None = None
    result: "JobResult | None" = None

    def as_json(self) -> dict[str, Any]:
        """What other programs are told, in values that JSON knows; previews have no pixels."""
        line: dict[str, Any] = {"event": self.kind}
        if self.kind == "progress":
            left = None if self.seconds_left is None else round(self.seconds_left, 1)
            line |= {"stage": self.stage, "done": self.done, "total": self.total}
            line |= {"fraction": round(self.fraction, 4), "eta": left}
        if self.plan is not None:
            line |= {"frames": self.plan.frames, "workers": self.plan.workers, "memory": self.plan.memory}
        if self.note is not None:
            line |= {"code": self.note.code, "message": self.note.message, "frames": list(self.note.frames)}
        if self.window is not None:
            line |= {"window": [bound for part in self.window for bound in (part.start, part.stop)]}
        if self.result is not None:
            files = [{"path": str(path), "shows": shows} for path, shows in self.result.files.items()]
            line |= {"files": files, "seconds": round(self.result.seconds, 3)}
        return line


Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What a picture was made of: to look at, to paint over, and to compose again without deciding again.

    Attributes:
        request: what was asked for.
        registered: the frames.
        decision: which frame where, before anything was painted.
        canvas: picture and maps as they were composed.
        veil: what was taken off the picture; None where halos are kept.
    """

    request: "JobRequest"
    registered: Registered
    decision: Decision
    canvas: Canvas
    veil: Veil | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class JobResult:
    """What a job made.

    Attributes:
        fused: the result, of a stack or of a volume.
        files: what was written, with what each file shows.
        notes: what a user should know, those of the fused result first.
        seconds: how long it took.
        listing: of a stack, the frames; None for a volume.
        kept: what the picture was made of, where the job was asked to keep it.
    """

    fused: FusionResult | VolumeResult
    files: Mapping[Path, str]
    notes: tuple[Note, ...]
    seconds: float
    listing: Listing | None = None
    kept: Kept | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """An alignment that was estimated before: it is used again as long as all that matters for it stays the same.

    Attributes:
        alignment: of all frames that are not left out.
        options: those that it was estimated with.
        size: height and width of the frames.
    """

    alignment: Alignment
    options: FusionOptions
    size: tuple[int, int]

    def fits(self, options: FusionOptions, frame_count: int, size: tuple[int, int]) -> bool:
        """Whether it is what would be estimated with these options for so many frames of this size."""
        is_same = is_same_for("align", options, self.options)
        return is_same and len(self.alignment.matrices) == frame_count and size == self.size


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is asked of a job.

    Attributes:
        frames: files, folders and patterns, as they are typed.
        outputs: where each output goes.
        options: how to fuse.
        slab: size and overlap of slabs, as in ``8:2``; None: no slabs.
        channel_for_focus: of a volume, name or number of the channel by whose focus all are fused.
        options_file: the file that options were read from, if they were.
        leave_out: names of frames that are not to be used.
        strokes: what is painted over the picture. Frames are counted as in the input without those left out; points are
            pixels of the reference's full frame.
        layers: other decisions that strokes take pixels from: the options of each, by its name.
        plane: of a volume: position, time and channel, counted from 0, of the one stack to fuse, as if it were a file
            of its own; None: all of them.
        position: of a volume, counted from 0, the only one to fuse; None: all of them.
        aligned: how the frames lie over each other, if that is known already.
    """

    frames: Sequence[Path]
    outputs: Outputs
    options: FusionOptions = field(default_factory=FusionOptions)
    slab: str | None = None
    channel_for_focus: str | None = None
    options_file: Path | None = None
    leave_out: tuple[str, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    layers: Mapping[str, FusionOptions] = field(default_factory=dict)
    plane: tuple[int, int, int] | None = None
    position: int | None = None
    aligned: Aligned | None = None

    @property
    def is_about_memory(self) -> bool:
        """Whether somebody cares how much memory it takes, or where data larger than memory goes."""
        return self.options.max_memory is not None or self.options.spool is not None

    @property
    def settings(self) -> list[Path]:
        """Files that say how to fuse: like the frames, none of them is written to."""
        named = (self.options.model, self.options.transforms, self.options_file)
        return [path for path in named if path is not None]
