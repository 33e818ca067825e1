"""The work of a job: one fusion from files to files, run, watched and cancelled."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread

from allfocus.composition.compositor import Canvas
from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.windows import Window
from allfocus.decision.decision import Decision
from allfocus.errors import StackError
from allfocus.formats.write import Picture, write_images, write_ome_files
from allfocus.jobs.checks import check_job, find_channel, needed_maps, slab_files, slabs_of, stack_options, volume_maps
from allfocus.jobs.events import Event, JobRequest, JobResult, Kept, Listener
from allfocus.jobs.strokes import paint_over, used_layers
from allfocus.options import FusionOptions, is_same_for
from allfocus.outputs.files import make_files
from allfocus.outputs.ome_files import make_ome_files
from allfocus.outputs.report.files import make_reports
from allfocus.outputs.save import check_result
from allfocus.outputs.slabs import fuse_slabs
from allfocus.outputs.volume_surfaces import make_volume_surfaces
from allfocus.outputs.words import quality_notes
from allfocus.pipeline import compose, decide
from allfocus.plan import Plan
from allfocus.registered import Registered
from allfocus.registration import register
from allfocus.result import FusionResult
from allfocus.run.allocator import return_freed_memory
from allfocus.run.context import Run
from allfocus.run.machine import Machine
from allfocus.run.progress import Pace, silent
from allfocus.sources.listing import Listing, Reader
from allfocus.sources.volume import Volume
from allfocus.volumes import fuse_volume, stage_costs


class Job:
    """One fusion from files to files.

    Args:
        request: what is asked of it.
        listen: called with every event, from the thread that runs the job.
        previews: whether to send frames and previews as they are done.
        keep: whether the result holds what the picture was made of.
        reuse: what an earlier job kept of the same frames: steps whose options are the same are not done again.
        machine: what the plan may count on; by default what there is.
    """

    def __init__(
        self,
        request: JobRequest,
        listen: Listener = lambda event: None,
        *,
        previews: bool = False,
        keep: bool = False,
        reuse: Kept | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.request, self._listen, self._previews, self._machine = request, listen, previews, machine
        self._keep, self._reuse = keep, reuse
        self._canvas: Canvas | None = None
        self._cancelled = Flag()
        self._thread: Thread | None = None
        self._outcome: JobResult | BaseException | None = None
        self._pace = Pace()

    def check(self) -> tuple[Listing | Volume, Plan]:
        """Find all that is wrong before any frame is decoded; see `check_job`."""
        return check_job(self.request, self._machine)

    def run(self) -> JobResult:
        """Do the work in this thread.

        Raises:
            AllFocusError: it can't be done; nothing is left behind.
            Cancelled: another thread called `cancel`.
        """
        started = time.monotonic()
        source, plan = self.check()
        try:
            if isinstance(source, Volume):
                made = self._run_volume(source, plan, started)
            else:
                made = self._run_stack(source, plan, started)
        finally:  # frames that were kept know the job by its run, and with it all jobs before
            self._reuse = self._canvas = None
            self._cancelled = Flag()  # nor is what was kept called off with a job that has ended
        for note in made.notes:
            self._listen(Event(kind="note", note=note))
        self._listen(Event(kind="result", result=made))
        return made

    def start(self) -> None:
        """Do the work in a thread of its own; `wait` for what comes of it.

        Raises:
            StackError: it was started already.
        """
        if self._thread is not None:
            raise StackError("the job was started already; make another one")
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
        except BaseException as error:  # whatever it is, `wait` raises it again
            self._outcome = error

    def _run_stack(self, listing: Listing, plan: Plan, started: float) -> JobResult:
        """Fuse a stack and write what was asked for."""
        request, options = self.request, stack_options(self.request)
        self._begin(plan, plan.costs())
        run = plan.start(self._report, self._cancelled)
        registered = self._register(listing, options, run)
        decision = self._decide(registered, options)
        self._reuse = None  # its picture makes room for the new one
        painted = paint_over(registered, decision, request)
        result = compose(registered, painted, options=options, preview=self._preview)
        assert self._canvas is not None
        kept = None
        if self._keep:
            own = replace(registered, run=replace(run, progress=silent))  # painting is no part of the job
            kept = Kept(request=request, registered=own, decision=decision, canvas=self._canvas, veil=result.veil)
        del decision, painted  # what nobody asks for again makes room for writing
        slabs, skipped = fuse_slabs(registered, options, slabs_of(request, listing), slab_files(request, listing))
        notes = [*result.notes, *quality_notes(result), *skipped]
        self._report("write", 0, 1)
        seconds = time.monotonic() - started
        files, lost = write_result(
            result, request, seconds, notes, slabs=slabs, registered=registered, cancelled=self._cancelled
        )
        self._report("write", 1, 1)
        return JobResult(
            fused=result,
            files=files,
            notes=(*notes, *lost),
            seconds=time.monotonic() - started,
            listing=listing,
            kept=kept,
        )

    def _register(self, listing: Listing, options: FusionOptions, run: Run) -> Registered:
        """The frames over each other; those of an earlier job, if nothing that matters for it has changed."""
        old = self._reuse
        if old is not None and (old.request.frames, old.request.leave_out) != (
            self.request.frames,
            self.request.leave_out,
        ):
            old = self._reuse = None
        if old is not None and is_same_for("align", old.request.options, options):
            registered = replace(old.registered, run=run)
        else:
            self._reuse = None
            known = self.request.aligned
            fits = known is not None and known.fits(options, len(listing), listing.frame.size)
            alignment = known.alignment if known is not None and fits else None
            registered = register(self._watched(listing), options, run, known=alignment)
            registered = replace(registered, source=listing) if registered.source is not None else registered
        if self._previews:
            self._listen(Event(kind="registered", registered=registered))
        return registered

    def _watched(self, listing: Listing) -> Listing:
        """The listing, whose frames are shown to the listener as they are read."""
        if not self._previews:
            return listing

        def watch(position: int, read: Reader) -> Reader:
            def read_and_tell() -> Array:
                pixels = read()
                self._listen(Event(kind="frame", position=position, pixels=pixels))
                return pixels

            return read_and_tell

        return replace(listing, readers=[watch(k, read) for k, read in enumerate(listing.readers)])

    def _decide(self, registered: Registered, options: FusionOptions) -> Decision:
        """Which frame where; as an earlier job decided it, if nothing that matters for it has changed."""
        old = self._reuse
        if old is not None and is_same_for("decide", stack_options(old.request), options):
            return old.decision
        keep = self._keep or bool(used_layers(self.request))  # strokes of layers ask for tiles out of turn
        return decide(registered, options=options, keep=keep)

    def _run_volume(self, volume: Volume, plan: Plan, started: float) -> JobResult:
        """Fuse a volume and write what was asked for."""
        outputs, channel = self.request.outputs, find_channel(self.request, volume)
        stacks = len(volume.stacks) if channel is None else len(volume.stacks) // volume.axes["C"]
        self._begin(plan, stage_costs(plan, stacks))
        result = fuse_volume(
            volume,
            options=self.request.options,
            channel_for_focus=channel,
            maps=needed_maps(self.request),
            progress=self._report,
            cancel=self._cancelled,
            machine=self._machine,
        )
        self._report("write", 0, 1)
        surfaces = list(make_volume_surfaces(result, outputs))
        made = [surface for surface in surfaces if surface.image is not None]
        write_ome_files(make_ome_files(result, outputs.image, volume_maps(self.request)), made)
        self._report("write", 1, 1)
        files = {path: shows for shows, path in outputs.named.items() if path != outputs.surface}
        return JobResult(
            fused=result,
            files=files | label(made, "surface"),
            notes=(*result.notes, *quality_notes(result), *(note for surface in surfaces for note in surface.notes)),
            seconds=time.monotonic() - started,
        )

    def _begin(self, plan: Plan, costs: Mapping[str, float]) -> None:
        self._pace = Pace(costs)
        self._listen(Event(kind="plan", plan=plan))

    def _report(self, stage: str, done: int, total: int) -> None:
        left = self._pace.seconds_left(stage, done, total)
        fraction = self._pace.fraction(stage, done, total)
        self._listen(Event(kind="progress", stage=stage, done=done, total=total, fraction=fraction, seconds_left=left))

    def _preview(self, canvas: Canvas, window: Window) -> None:
        self._canvas = canvas
        if self._previews:
            self._listen(Event(kind="preview", canvas=canvas, window=window))


def write_result(
    result: FusionResult,
    request: JobRequest,
    seconds: float,
    notes: Sequence[Note] = (),
    *,
    slabs: Sequence[Picture] = (),
    registered: Registered | None = None,
    cancelled: Flag | None = None,
) -> tuple[dict[Path, str], list[Note]]:
    """Write what a request asks for of a result.

    Args:
        result: of a stack.
        request: its outputs, and its options, for reports.
        seconds: how long the fusion took, for reports.
        notes: what a user should know about it, for reports.
        slabs: further pictures.
        registered: the frames, for layers.
        cancelled: once it is set nothing is written.

    Returns:
        The files with what each shows, and notes on what formats could not keep.

    Raises:
        OptionError: an output that the result does not have.
        WriteError: a file can't be written; none is left behind.
    """
    return_freed_memory()
    check_result(result, request.outputs, has_frames=registered is not None)
    files = make_files(result, request.outputs, registered, cancelled)
    told = [*notes, *(note for picture in files for note in picture.notes)]
    reports = make_reports(result, request.outputs, stack_options(request), seconds, told)
    lost = write_images([*files, *slabs, *reports], cancelled)
    skipped = [picture.path for picture in files if picture.image is None]
    shown = {path: shows for shows, path in request.outputs.named.items() if path not in skipped}
    return shown | label(slabs, "slab") | label(reports, "report"), lost


def label(pictures: Sequence[Picture], shows: str) -> dict[Path, str]:
    """What each of some files shows."""
    return {picture.path: shows for picture in pictures}
