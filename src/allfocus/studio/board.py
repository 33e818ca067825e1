"""The board: what is painted on the picture, and how picture and project are saved."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread, Timer
from typing import Any

from allfocus.core.windows import Window
from allfocus.decision.painted import Stroke
from allfocus.errors import AllFocusError, OptionError
from allfocus.jobs.checks import check_stack
from allfocus.jobs.events import Aligned
from allfocus.jobs.job import write_result
from allfocus.jobs.project import (
    make_project,
    parse_stroke,
    save_project,
)
from allfocus.jobs.retouch import Retouch
from allfocus.outputs.wishes import Outputs, check_wishes
from allfocus.registration import find_reference
from allfocus.result import FusionResult
from allfocus.run.allocator import return_freed_memory
from allfocus.sources.listing import Listing
from allfocus.studio.gallery import DEPTH, MAPS, VEIL, Gallery
from allfocus.studio.surface import pack_surface

#: Seconds from a change to when the project is saved.
SAVE_AFTER = 1.0
#: Seconds without a stroke after which halos are removed anew around what was painted.
SETTLE_AFTER = 0.4


class Board(Gallery):
    """A stack that is painted on.

    Attributes:
        strokes, undone: what was painted, and what was taken back, the latest last.
    """

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

    def warm(self, x: float, y: float, radius: float, source: str) -> None:
        """The brush is above a place of the picture: have at hand what a stroke there would need."""
        with self.lock:
            retouch = self.retouch
        if retouch is not None and self.state == "ready":
            with contextlib.suppress(AllFocusError):  # the stroke itself will say so
                retouch.warm(x, y, radius, source)

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
        self.strokes, self.request, self._painted_at = strokes, retouch.request, time.monotonic()
        self._show_changes(("result", *MAPS), windows)
        self._show_depth(retouch, windows)
        self.hub.tell("strokes", **self.describe_strokes())
        if self._settling is None:
            self._settling = Thread(target=self._settle, args=(retouch,), name="allfocus halos", daemon=True)
            self._settling.start()

    def _show_changes(self, names: Sequence[str], windows: Sequence[Window]) -> None:
        for name in names:
            layer = self.layers.get(name)
            if layer is not None and windows:
                for window in windows:
                    layer.changed(window)
                self._tell_changed(name, layer, windows)

    def _settle(self, retouch: Retouch) -> None:
        """Remove halos anew around what was painted, and give back what that took; painting comes first."""
        is_resting = False
        while True:
            with self.lock:
                wait = self._painted_at + SETTLE_AFTER - time.monotonic()
                if self.retouch is not retouch or (is_resting and wait <= 0 and retouch.is_settled):
                    self._settling = None
                    return
            if wait > 0:
                time.sleep(wait)
                continue
            window = retouch.settle_next()
            with self.lock:
                if window is not None and self.retouch is retouch:
                    self._show_changes(("result", VEIL), [window])
            is_resting = window is None
            if is_resting:
                retouch.rest()

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
        shown = self.layers.get("result")
        return {
            "strokes": rows,
            "can_redo": len(self.undone),
            "version": 0 if shown is None else shown.version,
        }

    def look_at_depth(self) -> None:
        """Somebody looks at the depth: measure what of it is not known yet, in a thread, tile by tile."""
        with self.lock:
            if self.retouch is not None and self._measuring is None and self.retouch.depths.unknown():
                self._measuring = Thread(
                    target=self._measure_depth, args=(self.retouch,), name="allfocus depth", daemon=True
                )
                self._measuring.start()

    def _measure_depth(self, retouch: Retouch) -> None:
        while True:
            with self.lock:
                tiles = retouch.depths.unknown()[: retouch.registered.run.workers]
                if not tiles or self.retouch is not retouch:
                    self._measuring = None
                    break
            retouch.measure_depth(tiles)
            with self.lock:
                if self.retouch is retouch:
                    self._show_depth(retouch, tiles)
        retouch.rest()

    def look_at(self, x: float, y: float) -> None:
        """Somebody points at a place: measure the depth there, unless it is known, or another place is measured."""
        with self.lock:
            retouch, layer = self.retouch, self.layers.get(DEPTH)
        if retouch is not None and layer is not None and self._looking.acquire(blocking=False):
            try:
                here = layer.place_of(x, y)
                tiles = retouch.depths.unknown(here) if here is not None else []
                retouch.measure_depth(tiles)
                with self.lock:
                    if tiles and self.retouch is retouch:
                        self._show_depth(retouch, tiles)
            finally:
                self._looking.release()

    def result(self, *, depth: bool = False) -> FusionResult:
        """The picture and its maps as they are now, with its depth if that is wanted.

        Raises:
            OptionError: it is not ready.
        """
        with self.lock:
            retouch, _ = self._ready()
        return retouch.result(depth=depth)

    def surface(self) -> bytes:
        """The surface of the picture, to be turned, see `pack_surface`; raises `OptionError` where it is not ready."""
        try:
            return pack_surface(self.result(depth=True))
        finally:
            self._release_pages()
            return_freed_memory()

    def save(self, outputs: Outputs) -> list[str]:
        """Write the picture and its maps as the command line does; returns the files' names.

        Raises:
            AllFocusError: the picture is not ready, or a file can't be written; none is left behind.
        """
        with self.lock:
            retouch, listing = self._ready()
        retouch.settle()
        if outputs.need_depth:
            retouch.measure_depth()
        with self.lock:
            retouch, listing = self._ready()
            request = replace(self.request, outputs=outputs)
            check_wishes(outputs, request.options)
            check_stack(request, listing)
            made, notes = write_result(
                retouch.result(depth=outputs.need_depth), request, self.seconds, registered=retouch.registered
            )
            self.saved |= set(made)
        return_freed_memory()
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
        alignment = None if self._kept is None else self._kept.registered.alignment
        if alignment is not None:
            aligned = Aligned(alignment=alignment, options=request.options, size=listing.frame.size)
            request = replace(request, aligned=aligned)
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
            is_wanted, self._is_saving = self._is_saving or self._is_unsaved, False
        if not is_wanted:
            return
        try:
            self.save_project()
            self._is_unsaved = False
        except AllFocusError as error:
            self._is_unsaved = True  # tried again with the next stroke, and at the end
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
