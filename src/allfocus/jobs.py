"""Jobs: inputs, options and outputs in; events, files and a result out.

The command line, a page, a batch and a notebook run the same job: what belongs together, what contradicts what, which
file holds what, and what is worth saying is decided here and below, never in a door.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Literal

from allfocus.composition.compositor import Canvas
from allfocus.core.notes import Note
from allfocus.core.windows import Window
from allfocus.decision.model import require_quality
from allfocus.errors import AllFocusError, OptionError, PreflightError, StackError, WriteError
from allfocus.formats.registry import holds_volumes
from allfocus.formats.write import Picture, check_output, check_outputs, write_images, write_ome_files
from allfocus.options import FusionOptions
from allfocus.outputs.files import make_files
from allfocus.outputs.report.files import make_reports
from allfocus.outputs.slabs import fuse_slabs, parse_slab, parse_slabs, slab_paths
from allfocus.outputs.wishes import Outputs, check_wishes
from allfocus.outputs.words import quality_notes
from allfocus.pipeline import check_model, compose, decide, find_reference, register
from allfocus.plan import Plan, plan_for
from allfocus.result import FusionResult
from allfocus.run.machine import Machine
from allfocus.run.progress import Pace
from allfocus.sources.expand import list_frames
from allfocus.sources.listing import Listing
from allfocus.sources.open import open_stack
from allfocus.sources.volume import Volume, holds_planes, inspect_volume
from allfocus.volumes import (
    MAP_NAMES,
    MapName,
    VolumeResult,
    fuse_volume,
    make_ome_files,
    options_for_volumes,
    stage_costs,
)

#: What an event can be about.
Kind = Literal["plan", "progress", "preview", "note", "result"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job, as data: text, JSON lines and pages are made from it.

    Attributes:
        kind: `plan` (before the work: what it will take), `progress` (a stage is so far), `preview` (some of the
            picture is done), `note` (what a user should know), `result` (it is done).
        stage, done, total: of progress.
        fraction: how much of the whole job is done, 0 to 1.
        seconds_left: until the end; None as long as there is nothing to go by.
        plan: of a plan.
        note: of a note.
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
    canvas: Canvas | None = None
    window: Window | None = None
    result: "JobResult | None" = None


Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class JobResult:
    """What a job made.

    Attributes:
        fused: the result, of a stack or of a volume.
        files: what was written, with what each file shows.
        notes: what a user should know, those of the fused result first.
        seconds: how long it took.
        listing: of a stack, the frames; None for a volume.
    """

    fused: FusionResult | VolumeResult
    files: Mapping[Path, str]
    notes: tuple[Note, ...]
    seconds: float
    listing: Listing | None = None


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is asked of a job.

    Attributes:
        frames: files, folders and patterns, as they are typed.
        outputs: where each output goes.
        options: how to fuse.
        slab: size and overlap of slabs, as in ``8:2``; None: no slabs.
        channel_for_focus: of a volume, name or number of the channel by whose focus all are fused.
    """

    frames: Sequence[Path]
    outputs: Outputs
    options: FusionOptions = field(default_factory=FusionOptions)
    slab: str | None = None
    channel_for_focus: str | None = None


class Job:
    """One fusion from files to files: checked, run, watched and cancelled.

    Args:
        request: what is asked of it.
        listen: called with every event, from the thread that runs the job.
        previews: whether to send previews.
        machine: what the plan may count on; by default what there is.
    """

    def __init__(
        self,
        request: JobRequest,
        listen: Listener = lambda event: None,
        *,
        previews: bool = False,
        machine: Machine | None = None,
    ) -> None:
        self.request, self._listen, self._previews, self._machine = request, listen, previews, machine
        self._cancelled = Flag()
        self._thread: Thread | None = None
        self._outcome: JobResult | BaseException | None = None
        self._pace = Pace()

    def check(self) -> tuple[Listing | Volume, Plan]:
        """Find all that is wrong before any frame is decoded.

        Returns:
            What would be fused, and what it would take.

        Raises:
            AllFocusError: something is wrong; `PreflightError` where both frames and outputs are.
        """
        request = self.request
        check_wishes(request.outputs, request.options, request.slab)
        if request.outputs.out_of_focus or request.outputs.veiled:
            require_quality(request.options.model)
        if request.slab is not None:
            parse_slab(request.slab)
        source = self._open()
        if isinstance(source, Volume):
            self._check_volume(source)
            group = source.stacks[0].listing
            options = options_for_volumes(request.options, list(self._volume_maps()))
            return source, plan_for(group, options, self._channels_beside(source), self._machine)
        find_reference(request.options.reference, source.names)
        check_outputs([*request.outputs.pictures, *self._slab_files(source)], source.paths, request.outputs.texts)
        if request.outputs.image is not None:
            check_output(request.outputs.image, source.frame.size)
        return source, plan_for(source, self._options(), machine=self._machine)

    def run(self) -> JobResult:
        """Do the work in this thread.

        Raises:
            AllFocusError: it can't be done; nothing is left behind.
            Cancelled: another thread called `cancel`.
        """
        started = time.monotonic()
        source, plan = self.check()
        if isinstance(source, Volume):
            made = self._run_volume(source, plan, started)
        else:
            made = self._run_stack(source, plan, started)
        for note in made.notes:
            self._listen(Event(kind="note", note=note))
        self._listen(Event(kind="result", result=made))
        return made

    def start(self) -> None:
        """Do the work in a thread of its own; `wait` for what comes of it."""
        self._thread = Thread(target=self._run_quietly, name="allfocus job", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Call the work off: it ends within a tile or a frame, and leaves nothing behind."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> JobResult:
        """What came of a job that was started.

        Raises:
            TimeoutError: it is not done yet after so many seconds.
            BaseException: what ended it.
        """
        if self._thread is None:
            raise StackError("the job was not started; call start first")
        self._thread.join(timeout)
        if self._outcome is None:
            raise TimeoutError(f"the job is not done after {timeout} s")
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def _run_quietly(self) -> None:
        try:
            self._outcome = self.run()
        except BaseException as error:  # whatever it is, it is raised again by `wait`
            self._outcome = error

    # --- before the work -------------------------------------------------------------------------

    def _open(self) -> Listing | Volume:
        """The frames or the volume; what is wrong with outputs is found along with what is wrong with frames."""
        request = self.request
        paths = list_frames(list(request.frames))
        failed: AllFocusError | None = None
        try:
            check_outputs(request.outputs.pictures, paths, request.outputs.texts)
        except AllFocusError as error:
            failed = error
        try:
            source = self._inspect(paths)
        except AllFocusError as error:
            raise (PreflightError([failed, error]) if failed else error) from None
        if failed is not None:
            raise failed
        return source

    def _inspect(self, paths: Sequence[Path]) -> Listing | Volume:
        """The volume that a single TIFF file holds, if it is to be fused as one, or the stack."""
        request, volume = self.request, None
        if len(paths) == 1 and paths[0].is_file() and holds_planes(paths[0]):
            volume = inspect_volume(paths[0])
            if len(volume.stacks) > 1 or (request.outputs.image is not None and holds_volumes(request.outputs.image)):
                return volume
        if request.channel_for_focus is not None:
            one = f"{paths[0].name} has one channel only"
            what = one if volume else "only a TIFF file given alone may have several"
            raise OptionError(f"channel-for-focus {request.channel_for_focus}: {what}; leave it out")
        return open_stack(list(paths), request.options.order)

    def _options(self) -> FusionOptions:
        """The options, with depth where an output needs it."""
        needed = self.request.options.depth or self.request.outputs.need_depth
        return replace(self.request.options, depth=needed)

    def _slabs(self, listing: Listing) -> list[range]:
        return parse_slabs(self.request.slab, len(listing)) if self.request.slab else []

    def _slab_files(self, listing: Listing) -> list[Path]:
        image = self.request.outputs.image
        return [] if image is None else slab_paths(image, self._slabs(listing))

    # --- a stack ---------------------------------------------------------------------------------

    def _run_stack(self, listing: Listing, plan: Plan, started: float) -> JobResult:
        options, outputs = self._options(), self.request.outputs
        self._begin(plan, plan.costs())
        run = plan.start(self._report, self._cancelled)
        check_model(options)
        registered = register(listing, options, run)
        preview = self._preview if self._previews else None
        decision = decide(registered, options=options, keep=False)
        result = compose(registered, decision, options=options, preview=preview)
        files = make_files(result, outputs)
        slabs, notes = fuse_slabs(registered, options, self._slabs(listing), self._slab_files(listing))
        notes = [*result.notes, *quality_notes(result), *notes]
        reports = make_reports(result, outputs, options, time.monotonic() - started, notes)
        self._report("write", 0, 1)
        notes += write_images([*files, *slabs, *reports])
        self._report("write", 1, 1)
        return JobResult(
            fused=result,
            files={
                **{path: shows for shows, path in outputs.named.items()},
                **label(slabs, "slab"),
                **label(reports, "report"),
            },
            notes=tuple(notes),
            seconds=time.monotonic() - started,
            listing=listing,
        )

    # --- a volume --------------------------------------------------------------------------------

    def _volume_maps(self) -> dict[MapName, Path]:
        found: dict[MapName, Path | None] = {name: getattr(self.request.outputs, name) for name in MAP_NAMES}
        return {name: path for name, path in found.items() if path is not None}

    def _check_volume(self, volume: Volume) -> None:
        """Raise `OptionError` or `WriteError` for what volumes can't be asked for."""
        outputs = self.request.outputs
        others = [item.name for item in fields(Outputs) if item.name not in ("image", *MAP_NAMES)]
        asked = [name.replace("_", "-") for name in others if getattr(outputs, name)]
        asked += ["slab"] if self.request.slab else []
        if asked:
            which = "them" if len(asked) > 1 else "it"
            raise OptionError(f"{', '.join(asked)}: not made of volumes ({volume}); leave {which} out")
        for path in outputs.pictures:
            if not holds_volumes(path):
                better = path.name.removesuffix(path.suffix) + ".ome.tif"
                raise WriteError(f"{path}: pictures and maps of {volume} are OME-TIFF; name it {better}")
            check_output(path)
        self._channel(volume)

    def _channel(self, volume: Volume) -> int | None:
        """Position of the channel whose focus counts for all, by its name or its number counted from 1."""
        asked, names = self.request.channel_for_focus, list(volume.channel_names)
        if asked is None:
            return None
        if asked in names:
            return names.index(asked)
        if asked.isdecimal() and 1 <= int(asked) <= len(names):
            return int(asked) - 1
        raise OptionError(f"channel-for-focus {asked}: expected one of {', '.join(names)}, or a number from 1")

    def _channels_beside(self, volume: Volume) -> int:
        return 0 if self._channel(volume) is None else volume.axes["C"] - 1

    def _run_volume(self, volume: Volume, plan: Plan, started: float) -> JobResult:
        maps, channel = self._volume_maps(), self._channel(volume)
        stacks = len(volume.stacks) if channel is None else len(volume.stacks) // volume.axes["C"]
        self._begin(plan, stage_costs(plan, stacks))
        result = fuse_volume(
            volume,
            options=self.request.options,
            channel_for_focus=channel,
            maps=[*maps],
            progress=self._report,
            cancel=self._cancelled,
        )
        output = self.request.outputs.image
        assert output is not None
        self._report("write", 0, 1)
        write_ome_files(make_ome_files(result, output, maps))
        self._report("write", 1, 1)
        return JobResult(
            fused=result,
            files={output: "image", **{path: name.replace("_", " ") for name, path in maps.items()}},
            notes=result.notes,
            seconds=time.monotonic() - started,
        )

    # --- events ----------------------------------------------------------------------------------

    def _begin(self, plan: Plan, costs: Mapping[str, float]) -> None:
        self._pace = Pace(costs)
        self._listen(Event(kind="plan", plan=plan))

    def _report(self, stage: str, done: int, total: int) -> None:
        left = self._pace.seconds_left(stage, done, total)
        fraction = self._pace.fraction(stage, done, total)
        self._listen(Event(kind="progress", stage=stage, done=done, total=total, fraction=fraction, seconds_left=left))

    def _preview(self, canvas: Canvas, window: Window) -> None:
        self._listen(Event(kind="preview", canvas=canvas, window=window))


def label(pictures: Sequence[Picture], shows: str) -> dict[Path, str]:
    """What each of some files shows."""
    return {picture.path: shows for picture in pictures}
