"""The session: one stack that is looked at, and its job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Thread
from typing import Any

from allfocus.composition.doubt import find_doubts
from allfocus.core.windows import shift
from allfocus.decision.painted import ORIGINAL, STEPS
from allfocus.errors import AllFocusError, Cancelled, OptionError
from allfocus.jobs import Event, Job, JobRequest, JobResult
from allfocus.jobs.checks import open_request
from allfocus.jobs.project import SUFFIX, name_project_output
from allfocus.jobs.retouch import Retouch
from allfocus.jobs.strokes import renumber_strokes
from allfocus.options import FusionOptions, is_same_for
from allfocus.outputs.wishes import Outputs
from allfocus.run.allocator import return_freed_memory
from allfocus.run.workers import one_thread_each
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import Listing
from allfocus.studio.board import Board
from allfocus.studio.gallery import DEPTH, KEPT, MAPS, VEIL, box_of, window_of
from allfocus.studio.hub import Hub
from allfocus.studio.opening import Choice, Opened, find_choices, open_choice, open_project
from allfocus.studio.shelf import Shelf
from allfocus.studio.tiles import Layer

#: Other results that can be painted from, and what is different about their options.
LAYERS: Mapping[str, Mapping[str, Any]] = {
    "laplacian": {"method": "laplacian", "prefer": None, "depth": False},
    "near": {"method": "network", "prefer": "near", "depth": True},
    "far": {"method": "network", "prefer": "far", "depth": True},
}
#: Results that are kept at once, and letters of the longest name.
MOST_RESULTS, LONGEST_NAME = 4, 60


class Session(Board):
    """One stack on the page: opened, fused, cancelled and fused again.

    Args:
        hub: told what happens.
        shelf: what pages may open.

    Attributes:
        choices: stacks to choose from, where what was opened holds several.
        opened: how many stacks were looked at, by which pages tell one from the next.
    """

    def __init__(self, hub: Hub, shelf: Shelf) -> None:
        super().__init__(hub)
        self.shelf, self.state = shelf, "opening"  # until `begin` knows better
        self.choices: list[Choice] = []
        self.opened = 0
        self._one_at_a_time = RLock()
        self._typed: Mapping[str, Any] = {}

    def begin(self, open_stack: Callable[["Session"], object]) -> None:
        """Look at what was typed on the command line; raises what `open_stack` raises."""
        try:
            open_stack(self)
        finally:
            with self.lock:
                if self.state == "opening":  # nothing was typed, or there are several to choose from
                    self.state = "empty"
            self.hub.tell("state")

    def open_given(self, given: Sequence[Path], options: Mapping[str, Any]) -> None:
        """Look at what was typed or chosen: one project, or frames; several stacks are offered for choice.

        Raises:
            AllFocusError: it can't be fused; what was open stays open.
        """
        self.flush()  # so that a project which is opened again holds all that was painted
        if len(given) == 1 and given[0].name.endswith(SUFFIX):
            self.choices = []
            self._open(open_project(given[0], options))
            return
        choices = find_choices(given, options.get("stack"))
        if len(choices) == 1:
            self.choices = []
            self._open(open_choice(choices[0], options))
        else:
            self.choices, self._typed = choices, options
            self.hub.tell("state")

    def choose(self, number: int) -> None:
        """Look at one of the choices, counted from 0; raises `AllFocusError` as `open_given` does."""
        self.flush()
        if not 0 <= number < len(self.choices):
            raise OptionError(f"choice {number + 1}: there are {len(self.choices)}")
        self._open(open_choice(self.choices[number], self._typed))

    def _open(self, opened: Opened) -> None:
        """Look at a stack, and begin to fuse it."""
        request = replace(opened.request, outputs=Outputs())
        listing = open_request(request)
        if not isinstance(listing, Listing):
            raise OptionError(f"{listing}: the page shows one focal stack; give it as a file of its own")
        with self._one_at_a_time:
            self.cancel()
            self._show_opened(opened, request, listing)
            self.shelf.admit(self.folder)
            if opened.loaded is not None:
                self.shelf.remember(opened.project)
            try:
                self.run(request.options, request.leave_out)
            except AllFocusError as error:
                with self.lock:
                    self.state, self.error = "failed", str(error)
                self.hub.tell("state")
                raise

    def _show_opened(self, opened: Opened, request: JobRequest, listing: Listing) -> None:
        """Show the names of the frames, in place of all that was shown before."""
        with self.lock:
            self.state, self.error, self.opened = "opening", "", self.opened + 1
            self.request, self.listing = replace(request, strokes=()), listing
            self.strokes, self.undone = list(request.strokes), []
            self._kept, self.retouch, self.layers, self.thumbnails = None, None, {}, {}
            project, self.facts = opened.loaded, {}
            self._hashes = {} if project is None else dict(zip(project.frames, project.hashes, strict=True))
            self.results = {name: chosen for name, chosen in request.layers.items() if name not in LAYERS}
            self.project_path, self.folder = opened.project, opened.project.resolve().parent
            self.title = opened.project.name.removesuffix(SUFFIX)
            self.save_as = name_project_output(opened.project, request.frames).name
            self.z_step = read_frame_metadata(listing, len(listing) // 2).z_step
            self.saved = set()
        self.hub.tell("state")

    def save_project(self, path: Path | None = None) -> Path:
        """Write the project file, and remember it; see `Board.save_project`."""
        path = super().save_project(path)
        self.shelf.remember(path)
        return path

    def keep_result(self, name: str) -> None:
        """Keep the picture as it is now, to compare with and to paint from, while others are made.

        Raises:
            OptionError: the picture is not ready, there is no such name, or too many are kept.
        """
        name = name.strip()
        with self.lock:
            self._ready()
            assert self._kept is not None
            taken = name in (ORIGINAL, *STEPS, *LAYERS)
            if not name or len(name) > LONGEST_NAME or not name.isprintable() or taken:
                raise OptionError(f"{name[:LONGEST_NAME]!r}: give the result another name")
            if name not in self.results and len(self.results) >= MOST_RESULTS:
                raise OptionError(f"{len(self.results)} results are kept already; remove one first")
            image = self._kept.canvas.images[0]
            copy = self._kept.registered.run.empty(image.shape, image.dtype)
            copy[...] = image
            self.results[name] = self.request.options
            self.request = replace(self.request, layers={**self.request.layers, name: self.request.options})
            window = window_of(self._kept.registered)
            self._show(KEPT + name, Layer(pixels=copy, window=window, icc=self._profile()))
        self.hub.tell("layers")

    def drop_result(self, name: str) -> None:
        """Forget a result that was kept; raises `OptionError` where strokes are taken from it."""
        with self.lock:
            if any(stroke.source == name for stroke in [*self.strokes, *self.undone]):
                raise OptionError(f"{name}: strokes are taken from it; remove them first")
            self.results.pop(name, None)
            self.layers.pop(KEPT + name, None)
        self.hub.tell("layers")

    @property
    def sources(self) -> list[str]:
        """What strokes can be taken from besides frames."""
        chosen = self.request.options
        fitting = [name for name, options in self.results.items() if is_same_for("align", options, chosen)]
        return [*STEPS, ORIGINAL, *LAYERS, *fitting]

    def run(self, options: FusionOptions, leave_out: Sequence[str]) -> None:
        """Fuse with these options, and without these frames; a run that is under way is cancelled.

        Raises:
            AllFocusError: this can't be fused; nothing changes.
        """
        with self._one_at_a_time:
            if self._thread is not None and self._thread.is_alive():
                self._make_job(options, leave_out).check()  # what is under way goes on where this can't be fused
            self.cancel()
            with self.lock:
                before, self.state = self.state, "opening"  # nobody paints what the job would not know of
                job = self._make_job(options, leave_out)
            try:
                listing, _ = job.check()  # pages are answered meanwhile
            except BaseException:
                with self.lock:
                    self.state = before
                raise
            assert isinstance(listing, Listing)
            with self.lock:
                self._keep_old_picture()
                is_new = self._kept is None
                self.request, self.listing, self.strokes = job.request, listing, list(job.request.strokes)
                self.retouch, self._kept, self._job, self.doubts = None, None, job, None
                self.state, self.error, self.notes, self.progress = "running", "", [], {}
                self._called_off = called_off = Flag()
                self._thread = Thread(
                    target=self._work, args=(job, listing, is_new, called_off), name="allfocus studio", daemon=True
                )
                self._thread.start()
        self.hub.tell("state")

    def _make_job(self, options: FusionOptions, leave_out: Sequence[str]) -> Job:
        layers = {name: replace(options, **changes) for name, changes in LAYERS.items()} | self.results
        strokes = tuple(self.strokes)
        if self.listing is not None and set(leave_out) != set(self.request.leave_out):
            strokes = renumber_strokes(strokes, self.request, self.listing, leave_out)
        request = replace(self.request, options=options, leave_out=tuple(leave_out), strokes=strokes, layers=layers)
        if request.leave_out != self.request.leave_out:
            request = replace(request, aligned=None)
        return Job(request, self._listen, previews=True, keep=True, reuse=self._kept)

    def cancel(self) -> None:
        """Call off what is under way, and wait until it has ended."""
        thread, job = self._thread, self._job
        self._called_off.set()
        if job is not None and thread is not None and thread.is_alive():
            job.cancel()
            thread.join()

    def _work(self, job: Job, listing: Listing, is_new: bool, called_off: Flag) -> None:
        """Run a job to whatever end; of frames that were not read yet a draft is shown first."""
        state, error = "ready", ""
        try:
            if is_new:
                self._draft(listing, job.request.options, called_off)
            made = job.run()
            with self.lock:
                self._finish(made)
        except Cancelled:
            state = "cancelled"
        except AllFocusError as problem:
            state, error = "failed", str(problem)
        except MemoryError:
            state, error = "failed", "out of memory; close other programs, or fuse fewer or smaller frames"
        except Exception as problem:
            state, error = "failed", f"internal error ({type(problem).__name__}: {problem})"
        with self.lock:
            self.state, self.error, self.progress = state, error, {}
            if state != "ready":
                for name in ("result", VEIL, DEPTH, *MAPS):
                    self.layers.pop(name, None)
        self.hub.tell("state")
        if state == "ready":
            self._look_for_doubts(job, called_off)
        return_freed_memory()

    def _look_for_doubts(self, job: Job, called_off: Flag) -> None:
        """Find the places that a person should look at; in the thread of the job, so that it is cancelled like it."""
        with self.lock:
            kept = self._kept
        if kept is None or self._job is not job:
            return
        registered, window = kept.registered, window_of(kept.registered)
        try:
            with one_thread_each():
                run = replace(registered.run, workers=1, cancelled=called_off)  # painting comes first
                found = find_doubts(registered.frames, kept.decision, kept.canvas.images[0], run)
        except AllFocusError:  # another run was asked for
            return
        with self.lock:
            self.doubts = [
                {
                    "box": box_of(shift(doubt.window, window)),
                    "frames": [registered.positions[row] for row in doubt.frames],
                    "error": doubt.error,
                }
                for doubt in found
            ]
        self.hub.tell("doubts", doubts=self.doubts)

    def _finish(self, made: JobResult) -> None:
        kept = made.kept
        assert kept is not None
        self._kept, self.retouch, self.sources_version = kept, Retouch(kept), self._next_version()
        self.notes, self.seconds = [str(note) for note in made.notes], made.seconds
        self._show_result(kept.registered, kept.canvas.images[0], None)
        self._show_maps(kept)

    def _listen(self, event: Event) -> None:
        if event.kind == "progress":
            self.progress = event.as_json()
            self.hub.tell("progress", **self.progress)
        elif event.kind == "frame" and event.pixels is not None:
            self._take_frame(event.position, event.pixels)
        elif event.kind == "registered" and event.registered is not None:
            self._show_frames(event.registered)
        elif event.kind == "preview" and event.canvas is not None and event.window is not None:
            self._preview(event.canvas.images[0], event.window)
