"""The session: one stack that is looked at, its job, its picture, and what is painted on it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Thread, Timer
from typing import Any

import numpy as np

from allfocus.composition.doubt import find_doubts
from allfocus.core.color import Array
from allfocus.core.windows import Window, scale_down, shift
from allfocus.decision.painted import Stroke
from allfocus.errors import AllFocusError, Cancelled, OptionError
from allfocus.formats.read import read_metadata
from allfocus.jobs import Event, Job, JobRequest, JobResult
from allfocus.jobs.checks import check_stack, open_request
from allfocus.jobs.events import Kept
from allfocus.jobs.job import write_result
from allfocus.jobs.project import (
    SUFFIX,
    Project,
    load_project,
    make_project,
    name_project,
    name_project_output,
    parse_stroke,
    save_project,
)
from allfocus.jobs.retouch import Retouch
from allfocus.options import FusionOptions, build_options, plain_options
from allfocus.outputs.wishes import Outputs, check_wishes
from allfocus.pipeline import find_reference
from allfocus.registered import Registered
from allfocus.run.workers import one_thread_each
from allfocus.sources.expand import list_frames
from allfocus.sources.listing import Listing
from allfocus.studio.draft import draft_size, make_draft, shrink_frame
from allfocus.studio.hub import Hub
from allfocus.studio.tiles import Layer, Overviews

#: Longest side of thumbnails in pixels.
THUMBNAIL = 240
#: Seconds between two messages about tiles that are done.
TELL_EVERY = 0.25
#: Other results that can be painted from, and what is different about their options.
LAYERS: Mapping[str, Mapping[str, Any]] = {
    "laplacian": {"method": "laplacian", "prefer": None, "depth": False},
    "near": {"method": "network", "prefer": "near"},
    "far": {"method": "network", "prefer": "far"},
}
#: Seconds from a change to when the project is saved.
SAVE_AFTER = 1.0
#: Layers made of maps: the name of each map, how it is shown, and what a person calls it.
MAPS = {"index_map": "places", "confidence": "shades", "depth": "places", "out_of_focus": "marks", "veiled": "marks"}


class Session:
    """One stack on the page.

    Args:
        hub: told what happens.

    Attributes:
        state: `empty`, `running`, `ready` (the picture is there), `cancelled` or `failed`.
        request: what is fused, and how.
        listing: the frames; None as long as nothing is open.
        layers: what can be shown, by names.
        strokes, undone: what was painted, and what was taken back, the latest last.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub, self.overviews = hub, Overviews()
        self.lock = RLock()
        self.state, self.error = "empty", ""
        self.request = JobRequest(frames=(), outputs=Outputs())
        self.listing: Listing | None = None
        self.layers: dict[str, Layer] = {}
        self.thumbnails: dict[str, Array] = {}
        self.strokes: list[Stroke] = []
        self.undone: list[Stroke] = []
        self.retouch: Retouch | None = None
        self.project_path: Path | None = None
        self.progress: dict[str, Any] = {}
        self.notes: list[str] = []
        self.doubts: list[dict[str, Any]] | None = None
        self.folder, self.title, self.save_as = Path(), "", ""
        self._hashes: dict[Path, str] = {}
        self._job: Job | None = None
        self._kept: Kept | None = None
        self._small: dict[int, Array] = {}
        self._thread: Thread | None = None
        self._draft_cancel = Flag()
        self._is_saving, self.seconds = False, 0.0
        self._version, self._told, self._pending = 0, 0.0, list[Window]()

    # --- opening and running -----------------------------------------------------------------------

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
            self._kept, self.retouch, self._small, self.layers, self.thumbnails = None, None, {}, {}, {}
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
            self.request, self.listing, self.strokes = request, listing, list(request.strokes)
            self.retouch, self._kept, self._job, self.doubts = None, None, job, None
            self.state, self.error, self.notes, self.progress = "running", "", [], {}
            self._draft_cancel = Flag()
            self._thread = Thread(target=self._work, args=(job,), name="allfocus studio", daemon=True)
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

    def _work(self, job: Job) -> None:
        """Run a job to whatever end."""
        state, error = "ready", ""
        try:
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

    # --- events of the job ---------------------------------------------------------------------------

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

    def _take_frame(self, position: int, pixels: Array) -> None:
        """Keep a small copy and a thumbnail of a frame that was read; make a draft after the last one."""
        assert self.listing is not None
        small = shrink_frame(pixels, draft_size(self.listing.frame, len(self.listing)))
        scale = THUMBNAIL / max(small.shape[:2])
        size = max(1, round(small.shape[0] * scale)), max(1, round(small.shape[1] * scale))
        with self.lock:
            self._small[position] = small
            self.thumbnails[self.listing.names[position]] = shrink_frame(small, size)
            is_last = len(self._small) == len(self.listing)
        self.hub.tell("thumbnail", name=self.listing.names[position])
        if is_last:
            small_frames = [self._small[k] for k in range(len(self.listing))]
            self._small = {}
            arguments = (small_frames, self.listing, self.request.options, self._draft_cancel)
            Thread(target=self._draft, args=arguments, name="allfocus draft", daemon=True).start()

    def _draft(self, small: list[Array], listing: Listing, options: FusionOptions, cancel: Flag) -> None:
        made = make_draft(small, listing.names, listing.frame.size, options, cancel)
        with self.lock:
            if made is not None and not cancel.is_set():
                self._show("draft", Layer(pixels=made[0], window=made[1], icc=self._profile()))
        self.hub.tell("layers")

    def _show_frames(self, registered: Registered) -> None:
        with self.lock:
            window = window_of(registered)
            for row, position in enumerate(registered.positions):
                self._show(
                    f"frame/{position}", Layer(pixels=registered.frames[row], window=window, icc=self._profile())
                )
        self.hub.tell("layers")

    def _preview(self, image: Array, window: Window) -> None:
        """Show tiles as they are done."""
        with self.lock:
            layer = self.layers.get("result")
            if layer is None or layer.pixels is not image:
                size = tuple(-(-side // 8) for side in image.shape[:2])
                frame = next(one for name, one in self.layers.items() if name.startswith("frame/"))
                layer = Layer(pixels=image, window=frame.window, done=np.zeros(size, bool), icc=self._profile())
                self._show("result", layer)
                self.hub.tell("layers")
            assert layer.done is not None
            layer.done[scale_down(window, 8)] = True
            layer.changed(window)
            self._pending.append(window)
            now = time.monotonic()
            if now - self._told > TELL_EVERY:
                self._told = now
                self._tell_changed("result", layer, self._pending)
                self._pending = []

    def _show_result(self, registered: Registered, image: Array, done: Array | None) -> None:
        self._show("result", Layer(pixels=image, window=window_of(registered), done=done, icc=self._profile()))

    def _show(self, name: str, layer: Layer) -> None:
        """Put a layer on view; versions never come again, so that browsers may keep tiles for ever."""
        self._version += 1_000_000
        layer.version = self._version
        self.layers[name] = layer

    def _tell_changed(self, name: str, layer: Layer, windows: Sequence[Window]) -> None:
        boxes = [box_of(window) for window in windows]
        self.hub.tell("changed", layer=name, version=layer.version, boxes=boxes)

    def _profile(self) -> bytes | None:
        """The colour profile of the frames, unless it is sRGB, which browsers assume."""
        assert self.listing is not None
        icc = read_metadata(self.listing.path_of(0)).icc
        return None if icc is None or b"sRGB" in icc[:4096] else icc

    # --- painting ------------------------------------------------------------------------------------

    def paint(self, values: dict[str, Any], *, match: bool) -> None:
        """Add a stroke; what was undone is gone.

        Raises:
            AllFocusError: the picture is not ready, or the stroke makes no sense.
        """
        with self.lock:
            retouch, listing = self._ready()
            stroke = parse_stroke(values, list(listing.names))
            stroke = retouch.match(stroke) if match else stroke
            self._set_strokes([*self.strokes, stroke])
            self.undone = []
        self._autosave()

    def undo(self, count: int = 1) -> None:
        """Take back the last strokes."""
        with self.lock:
            count = min(count, len(self.strokes))
            gone = self.strokes[len(self.strokes) - count :]
            self._set_strokes(self.strokes[: len(self.strokes) - count])
            self.undone += reversed(gone)
        self._autosave()

    def redo(self, count: int = 1) -> None:
        """Paint again what was taken back."""
        with self.lock:
            count = min(count, len(self.undone))
            back = list(reversed(self.undone[len(self.undone) - count :]))
            undone = self.undone[: len(self.undone) - count]
            self._set_strokes([*self.strokes, *back])
            self.undone = undone
        self._autosave()

    def change_stroke(self, number: int, *, visible: bool | None) -> None:
        """Hide or show a stroke by its number from 0, or remove it for good (None)."""
        with self.lock:
            if not 0 <= number < len(self.strokes):
                raise OptionError(f"stroke {number}: there are {len(self.strokes)}")
            strokes = list(self.strokes)
            if visible is None:
                del strokes[number]
            else:
                strokes[number] = replace(strokes[number], visible=visible)
            self._set_strokes(strokes)
        self._autosave()

    def _set_strokes(self, strokes: list[Stroke]) -> None:
        retouch, _ = self._ready()
        windows = retouch.change(strokes)
        self.strokes, self.request = strokes, retouch.request
        for name in ("result", *MAPS):
            layer = self.layers.get(name)
            if layer is not None and windows:
                for window in windows:
                    layer.changed(window)
                self._tell_changed(name, layer, windows)
        self.hub.tell("strokes", **self.describe_strokes())

    def _ready(self) -> tuple[Retouch, Listing]:
        """What is painted on, and the frames; raises `OptionError` as long as the picture is not ready."""
        if self.retouch is None or self.listing is None or self.state != "ready":
            raise OptionError("the picture is not ready yet; wait until it is fused")
        return self.retouch, self.listing

    def describe_strokes(self) -> dict[str, Any]:
        """The strokes for the page: where each is and what it takes, without its points."""
        names = [] if self.listing is None else self.listing.names
        rows = [
            {
                "source": stroke.source if stroke.frame is None else names[stroke.frame],
                "radius": stroke.radius,
                "at": list(stroke.points[len(stroke.points) // 2]),
                "visible": stroke.visible,
                "gain": round(stroke.gain, 3),
            }
            for stroke in self.strokes
        ]
        return {"strokes": rows, "can_redo": len(self.undone)}

    # --- saving --------------------------------------------------------------------------------------

    def save(self, outputs: Outputs) -> list[str]:
        """Write the picture and its maps as the command line does; returns the files' names.

        Raises:
            AllFocusError: the picture is not ready, or a file can't be written; none is left behind.
        """
        with self.lock:
            retouch, listing = self._ready()
            request = replace(self.request, outputs=outputs)
            check_wishes(outputs, request.options)
            check_stack(request, listing)
            made, notes = write_result(retouch.result(), request, self.seconds)
        for note in notes:
            self.hub.tell("warning", message=str(note))
        return [str(path) for path in made]

    def save_project(self, path: Path | None = None) -> Path:
        """Write the project file; by default where it was saved before.

        Raises:
            AllFocusError: there is no place, or it can't be written.
        """
        with self.lock:
            path, listing = path or self.project_path, self.listing
            request = replace(self.request, strokes=tuple(self.strokes))
            if path is None or listing is None:
                raise OptionError("the project has no name yet; choose one")
            names = list(listing.names)
        project = make_project(request, self._hashes)
        self._hashes = dict(zip(project.frames, project.hashes, strict=True))
        save_project(path, project, names)
        self.project_path = path
        return path

    def _autosave(self) -> None:
        """Save the project soon, unless it is about to be."""
        with self.lock:
            if self.project_path is not None and not self._is_saving:
                self._is_saving = True
                timer = Timer(SAVE_AFTER, self.flush)
                timer.daemon = True
                timer.start()

    def flush(self) -> None:
        """Save the project now if something is unsaved."""
        with self.lock:
            is_wanted, self._is_saving = self._is_saving, False
        if not is_wanted:
            return
        try:
            self.save_project()
        except AllFocusError as error:
            self.hub.tell("warning", message=f"the project is not saved: {error}")

    @property
    def reference(self) -> int:
        """Position of the frame that the others are registered to."""
        assert self.listing is not None
        if self._kept is not None and self._kept.registered.alignment is not None:
            return self._kept.registered.alignment.reference
        found = find_reference(self.request.options.reference, self.listing.names)
        return len(self.listing) // 2 if found is None else found

    @property
    def reasons(self) -> Mapping[int, str]:
        """Why frames were left out, by their positions."""
        alignment = None if self._kept is None else self._kept.registered.alignment
        return {} if alignment is None else alignment.left_out

    # --- asking --------------------------------------------------------------------------------------

    def at(self, x: float, y: float) -> dict[str, Any]:
        """What is known of a pixel of the reference's full frame."""
        with self.lock:
            layer, kept, listing = self.layers.get("result"), self._kept, self.listing
            if layer is None or kept is None or listing is None:
                return {}
            row, column = int(y) - layer.window[0].start, int(x) - layer.window[1].start
            if not (0 <= row < layer.size[0] and 0 <= column < layer.size[1]):
                return {}
            maps = kept.canvas.maps
            position = kept.registered.positions[int(maps["index_map"][row, column])]
            found: dict[str, Any] = {
                "frame": position,
                "name": listing.names[position],
                "confidence": round(float(maps["confidence"][row, column]), 3),
                "value": [int(v) if v == int(v) else float(v) for v in np.atleast_1d(layer.pixels[row, column])],
            }
            if "depth" in maps:
                found["depth"] = round(float(maps["depth"][row, column]) + 1, 2)
        return found


def box_of(window: Window) -> list[int]:
    """Left, top, right and bottom of a window."""
    rows, columns = window
    return [columns.start, rows.start, columns.stop, rows.stop]


def window_of(registered: Registered) -> Window:
    """Rows and columns of the reference's full frame that registered frames show."""
    height, width = registered.size
    return registered.window or (slice(0, height), slice(0, width))
