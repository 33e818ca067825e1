"""The session: one stack that is looked at, and its job."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

from allfocus.composition.doubt import find_doubts
from allfocus.core.windows import shift
from allfocus.decision.painted import Stroke
from allfocus.errors import AllFocusError, Cancelled, OptionError
from allfocus.jobs import Event, Job, JobRequest, JobResult
from allfocus.jobs.checks import open_request
from allfocus.jobs.project import (
    SUFFIX,
    Project,
    load_project,
    name_project,
    name_project_output,
)
from allfocus.jobs.retouch import Retouch
from allfocus.options import FusionOptions, build_options, plain_options
from allfocus.outputs.wishes import Outputs
from allfocus.run.workers import one_thread_each
from allfocus.sources.expand import list_frames
from allfocus.sources.listing import Listing
from allfocus.studio.board import Board
from allfocus.studio.gallery import MAPS, box_of, window_of
from allfocus.studio.tiles import Layer

#: Other results that can be painted from, and what is different about their options.
LAYERS: Mapping[str, Mapping[str, Any]] = {
    "laplacian": {"method": "laplacian", "prefer": None, "depth": False},
    "near": {"method": "network", "prefer": "near"},
    "far": {"method": "network", "prefer": "far"},
}


class Session(Board):
    """One stack on the page: opened, fused, cancelled and fused again."""

    def open(self, request: JobRequest, project: Project | None = None) -> None:
        """Look at a stack, and begin to fuse it.

        Raises:
            AllFocusError: it can't be fused; what was open stays open.
        """
        request = replace(request, outputs=Outputs())
        listing = open_request(request)
        if not isinstance(listing, Listing):
            raise OptionError(f"{listing}: the page shows one focal stack; give it as a file of its own")
        self.cancel()
        with self.lock:
            self.request, self.listing = replace(request, strokes=()), listing
            self.strokes, self.undone = list(request.strokes), []
            self._kept, self.retouch, self.layers, self.thumbnails = None, None, {}, {}
            self._hashes = {} if project is None else dict(zip(project.frames, project.hashes, strict=True))
        self.run(request.options, request.leave_out)

    def open_typed(self, frames: Sequence[Path], options: Mapping[str, Any]) -> None:
        """Look at what was typed: frames, or one project file; a stack that has a project beside it goes on with that.

        Raises:
            AllFocusError: it can't be fused.
        """
        paths = [frames[0]] if len(frames) == 1 and frames[0].name.endswith(SUFFIX) else list_frames(frames)
        beside = paths[0] if paths == [frames[0]] and paths[0].name.endswith(SUFFIX) else name_project(frames, paths)
        project = load_project(beside) if beside.is_file() else None
        if project is None:
            request = JobRequest(frames=tuple(paths), outputs=Outputs(), options=build_options(options))
        else:
            request = project.request()
            request = replace(request, options=build_options(plain_options(request.options) | dict(options)))
        self.project_path, self.folder = beside, beside.resolve().parent
        self.title, self.save_as = beside.name.removesuffix(SUFFIX), name_project_output(beside, request.frames).name
        self.open(request, project)

    def run(self, options: FusionOptions, leave_out: Sequence[str]) -> None:
        """Fuse with these options, and without these frames; a run that is under way is cancelled.

        Raises:
            AllFocusError: this can't be fused; nothing changes.
        """
        self.cancel()
        with self.lock:
            layers = {name: replace(options, **changes) for name, changes in LAYERS.items()}
            strokes = tuple(self._usable(leave_out))
            request = replace(self.request, options=options, leave_out=tuple(leave_out), strokes=strokes, layers=layers)
            job = Job(request, self._listen, previews=True, keep=True, reuse=self._kept)
            listing, _ = job.check()
            assert isinstance(listing, Listing)
            self._keep_old_picture()
            is_new = self._kept is None
            self.request, self.listing, self.strokes = request, listing, list(request.strokes)
            self.retouch, self._kept, self._job, self.doubts = None, None, job, None
            self.state, self.error, self.notes, self.progress = "running", "", [], {}
            self._draft_cancel = Flag()
            self._thread = Thread(target=self._work, args=(job, listing, is_new), name="allfocus studio", daemon=True)
        self.hub.tell("state")
        self._thread.start()

    def cancel(self) -> None:
        """Call off what is under way, and wait until it has ended."""
        thread, job = self._thread, self._job
        self._draft_cancel.set()
        if job is not None and thread is not None and thread.is_alive():
            job.cancel()
            thread.join()

    def _usable(self, leave_out: Sequence[str]) -> list[Stroke]:
        """The strokes, with their frames counted as without the frames that are left out; strokes from these go."""
        if self.listing is None or set(leave_out) == set(self.request.leave_out):
            return self.strokes
        every = [*self.listing.names, *self.request.leave_out]
        everything = open_request(replace(self.request, leave_out=()))
        assert isinstance(everything, Listing)
        old = [name for name in everything.names if name not in self.request.leave_out]
        new = [name for name in everything.names if name not in leave_out and name in every]
        kept = []
        for stroke in self.strokes:
            if stroke.frame is None:
                kept.append(stroke)
            elif old[stroke.frame] in new:
                kept.append(replace(stroke, frame=new.index(old[stroke.frame])))
        return kept

    def _keep_old_picture(self) -> None:
        """Let a small copy of the picture stand in for the next one."""
        result = self.layers.get("result")
        if result is not None and result.done is None:
            small = self.overviews.of(result).copy()
            self._show("draft", Layer(pixels=small, window=result.window, icc=result.icc))
        for name in ("result", *MAPS):
            self.layers.pop(name, None)

    def _work(self, job: Job, listing: Listing, is_new: bool) -> None:
        """Run a job to whatever end; of frames that were not read yet a draft is shown first."""
        state, error = "ready", ""
        try:
            if is_new:
                self._draft(listing, job.request.options, self._draft_cancel)
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
            self._draft_cancel.set()
            if state != "ready":
                for name in ("result", *MAPS):
                    self.layers.pop(name, None)
        self.hub.tell("state")
        if state == "ready":
            self._look_for_doubts(job)

    def _look_for_doubts(self, job: Job) -> None:
        """Find the places that a person should look at; in the thread of the job, so that it is cancelled like it."""
        with self.lock:
            kept = self._kept
        if kept is None or self._job is not job:
            return
        registered, window = kept.registered, window_of(kept.registered)
        try:
            with one_thread_each():
                run = replace(registered.run, workers=1)  # painting comes first
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
        self._kept, self.retouch = kept, Retouch(kept)
        self.notes, self.seconds = [str(note) for note in made.notes], made.seconds
        self._show_result(kept.registered, kept.canvas.images[0], None)
        for name, kind in MAPS.items():
            plane = kept.canvas.maps.get(name)
            if plane is not None:
                window = self.layers["result"].window
                top = float(max(len(kept.registered.positions) - 1, 1))
                self._show(name, Layer(pixels=plane, window=window, kind=kind, top=top))  # type: ignore[arg-type]

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
