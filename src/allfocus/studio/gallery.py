"""The gallery: all that can be shown of one stack, as it comes, and what is known of a pixel."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event as Flag
from threading import Lock, RLock, Thread
from typing import Any

import cv2
import numpy as np

from allfocus.core.color import Array, luma, to_unit
from allfocus.core.windows import Window, scale_down
from allfocus.decision.painted import Stroke
from allfocus.formats.read import read_metadata
from allfocus.jobs import Job, JobRequest
from allfocus.jobs.events import Kept
from allfocus.jobs.retouch import Retouch
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from allfocus.registered import Registered
from allfocus.sources.draft import shrink
from allfocus.sources.facts import read_facts
from allfocus.sources.listing import Listing
from allfocus.studio.draft import is_worth_it, make_draft
from allfocus.studio.hub import Hub
from allfocus.studio.tiles import Layer, Overviews, render_tile, to_8_bits

#: Longest side of thumbnails in pixels.
THUMBNAIL = 240
#: Longest side of the copies in which sharpness is measured.
MEASURED = 640
#: Seconds between two messages about tiles that are done.
TELL_EVERY = 0.25
#: Layers made of maps: the name of each map, how it is shown, and what a person calls it.
MAPS = {"index_map": "places", "confidence": "shades", "out_of_focus": "marks", "veiled": "marks"}
#: The layer that shows how much light near things laid over the picture, and those of results that were kept.
VEIL, KEPT = "veil", "kept/"
#: Versions that a layer has before it is another one; JavaScript can count nine thousand million times as far.
VERSIONS = 1_000_000
#: The layer of the depth, which is measured once somebody looks at it.
DEPTH = "depth"


class Gallery:
    """What can be shown of a stack.

    Args:
        hub: told what happens.

    Attributes:
        state: `empty`, `opening` (what was typed), `running`, `ready` (the picture is there), `cancelled` or `failed`.
        request: what is fused, and how.
        listing: the frames; None as long as nothing is open.
        layers: what can be shown, by names.
        facts: of frames by their names: how sharp each is, and when it was taken.
        results: options of the results that were kept, by the names that they were given.
        sources_version: goes up with each picture; what strokes bring from other decisions is the same until then.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub, self.overviews = hub, Overviews()
        self.lock = RLock()
        self.state, self.error = "empty", ""
        self.request = JobRequest(frames=(), outputs=Outputs())
        self.listing: Listing | None = None
        self.layers: dict[str, Layer] = {}
        self.thumbnails: dict[str, Array] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.results: dict[str, FusionOptions] = {}
        self.z_step: float | None = None
        self.strokes: list[Stroke] = []
        self.undone: list[Stroke] = []
        self.retouch: Retouch | None = None
        self.project_path: Path | None = None
        self.progress: dict[str, Any] = {}
        self.notes: list[str] = []
        self.doubts: list[dict[str, Any]] | None = None
        self.folder, self.title, self.save_as = Path(), "", ""
        self.saved: set[Path] = set()
        self._hashes: dict[Path, str] = {}
        self._job: Job | None = None
        self._kept: Kept | None = None
        self._thread: Thread | None = None
        self._called_off = Flag()
        self._is_saving, self._is_unsaved, self.seconds, self._painted_at = False, False, 0.0, 0.0
        self._settling: Thread | None = None
        self._measuring: Thread | None = None
        self._looking = Lock()
        # browsers keep tiles by their versions: another server, at the same port a minute later, must not repeat them
        self._version, self.sources_version = secrets.randbelow(1 << 31) * VERSIONS, 0
        self._told, self._pending = 0.0, list[Window]()

    def _take_frame(self, position: int, pixels: Array) -> None:
        """Keep a thumbnail of a frame that was read."""
        assert self.listing is not None
        scale = THUMBNAIL / max(pixels.shape[:2])
        size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
        with self.lock:
            name = self.listing.names[position]
            if name in self.thumbnails:
                return
            self.thumbnails[name] = to_8_bits(shrink(pixels, size))
            self.facts[name] = {"sharpness": measure_sharpness(pixels), "time": read_time(self.listing, position)}
        self.hub.tell("thumbnail", name=name, **self.facts[name])

    def _draft(self, listing: Listing, options: FusionOptions, cancel: Flag) -> None:
        """Show a draft, if there is one to be had much earlier than the picture."""
        made = make_draft(listing, options, cancel, self._take_frame) if is_worth_it(listing) else None
        if made is None or cancel.is_set():
            return
        with self.lock:
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

    def _keep_old_picture(self) -> None:
        """Let a small copy of the picture stand in for the next one."""
        result = self.layers.get("result")
        if result is not None and result.done is None:
            small = self.overviews.of(result).copy()
            self._show("draft", Layer(pixels=small, window=result.window, icc=result.icc))
        for name in ("result", VEIL, DEPTH, *MAPS):
            self.layers.pop(name, None)

    def _show(self, name: str, layer: Layer) -> None:
        """Put a layer on view; versions never come again, so that browsers may keep tiles for ever."""
        layer.version = self._next_version()
        self.layers[name] = layer

    def _next_version(self) -> int:
        self._version += VERSIONS
        return self._version

    def _tell_changed(self, name: str, layer: Layer, windows: Sequence[Window]) -> None:
        boxes = [box_of(window) for window in windows]
        self.hub.tell("changed", layer=name, version=layer.version, boxes=boxes)

    def _profile(self) -> bytes | None:
        """The colour profile of the frames, unless it is sRGB, which browsers assume."""
        assert self.listing is not None
        icc = read_metadata(self.listing.path_of(0)).icc
        return None if icc is None or b"sRGB" in icc[:4096] else icc

    def draw_tile(self, layer: Layer, level: int, column: int, row: int) -> tuple[bytes, str] | None:
        """A tile of a layer, see `render_tile`; what was mapped of frames in scratch files for it is given back."""
        try:
            return render_tile(layer, level, column, row, self.overviews)
        finally:
            self._release_pages()

    def _release_pages(self) -> None:
        kept = self._kept
        if kept is not None:
            kept.registered.run.scratch.release()

    def at(self, x: float, y: float) -> dict[str, Any]:
        """What is known of a pixel of the reference's full frame."""
        with self.lock:
            layer, kept, listing = self.layers.get("result"), self._kept, self.listing
            if layer is None or kept is None or listing is None:
                return {}
            here = layer.place_of(x, y)
            if here is None:
                return {}
            row, column = (part.start for part in here)
            maps = kept.canvas.maps
            depths = None if self.retouch is None else self.retouch.depths
            position = kept.registered.positions[int(maps["index_map"][row, column])]
            found: dict[str, Any] = {
                "frame": position,
                "name": listing.names[position],
                "confidence": round(float(maps["confidence"][row, column]), 3),
                "value": [int(v) if v == int(v) else float(v) for v in np.atleast_1d(layer.pixels[row, column])],
            }
            if depths is not None and depths.can_be_measured and not depths.unknown(here):
                positions, value = kept.registered.positions, depths.planes["depth"][row, column]
                depth = float(np.interp(value, range(len(positions)), positions))
            else:
                depth = float("nan")
            if np.isfinite(depth):
                found["depth"] = round(depth + 1, 2)
                if self.z_step is not None:
                    found["height"] = round(depth * self.z_step, 3)
            if kept.veil is not None:
                found["veil"] = round(float(kept.veil.share[row, column]), 3)
        return found

    def _show_maps(self, kept: Kept) -> None:
        """Show what is known of each pixel of the result."""
        window, top = window_of(kept.registered), float(max(len(kept.registered.positions) - 1, 1))
        for name, kind in MAPS.items():
            plane = kept.canvas.maps.get(name)
            if plane is not None:
                self._show(name, Layer(pixels=plane, window=window, kind=kind, top=top))  # type: ignore[arg-type]
        if self.retouch is not None and self.retouch.depths.can_be_measured:
            plane = self.retouch.depths.planes["depth"]
            done = np.zeros([-(-side // 8) for side in plane.shape], bool)
            self._show(DEPTH, Layer(pixels=plane, window=window, kind="places", top=top, done=done))
        if kept.veil is not None:
            self._show(VEIL, Layer(pixels=kept.veil.share, window=window, kind="shades"))

    def _show_depth(self, retouch: Retouch, tiles: Sequence[Window]) -> None:
        """Show tiles whose depth was measured, or is not known any more."""
        layer = self.layers.get(DEPTH)
        if layer is None:
            return
        height, width = layer.size
        missing = retouch.depths.unknown()
        done = np.ones((-(-height // 8), -(-width // 8)), bool)
        for tile in missing:
            done[scale_down(tile, 8)] = False
        layer.done = done if missing else None
        for tile in tiles:
            layer.changed(tile)
        self._tell_changed(DEPTH, layer, tiles)


def measure_sharpness(pixels: Array) -> float:
    """How much detail a frame has at a size that does not depend on its own: the mean square of its Laplacian."""
    scale = min(1.0, MEASURED / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    return round(float(np.square(cv2.Laplacian(luma(to_unit(to_8_bits(shrink(pixels, size)))), cv2.CV_32F)).mean()), 7)


def read_time(listing: Listing, position: int) -> str:
    """When a frame was taken, as EXIF writes it; empty where it is not known, and where frames share a file."""
    return read_facts(listing.path_of(position)).date if len(listing.paths) == len(listing) else ""


def box_of(window: Window) -> list[int]:
    """Left, top, right and bottom of a window."""
    rows, columns = window
    return [columns.start, rows.start, columns.stop, rows.stop]


def window_of(registered: Registered) -> Window:
    """Rows and columns of the reference's full frame that registered frames show."""
    height, width = registered.size
    return registered.window or (slice(0, height), slice(0, width))
