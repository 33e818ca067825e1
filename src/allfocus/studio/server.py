"""The server: what the page asks for, answered from the session."""

import json
import math
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import cv2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allfocus.errors import AllFocusError, OptionError
from allfocus.options import build_options, plain_options
from allfocus.outputs.wishes import Outputs, add_listed
from allfocus.studio.describe import HIDDEN, describe_session
from allfocus.studio.entrance import Entrance
from allfocus.studio.opening import without_depth
from allfocus.studio.session import Session
from allfocus.studio.tiles import encode, find_place, render_pixels, render_whole

#: Bytes that a request may hold.
MOST_BYTES = 4_000_000
#: How long browsers may keep what has a version in its address.
FOR_EVER = "private, max-age=86400, immutable"
#: How many tiles of what strokes would bring are made at once: each takes 30 MB meanwhile.
MAKERS = 2
#: What is made of depth, and can be written by itself.
EXPORTS = ("surface", "stereo", "anaglyph", "rocking")
#: Endings of files of layers that can be written beside the picture.
LAYERS = (".psd", ".ora")


class Server:
    """Answers of one session.

    Args:
        session: what is looked at.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.entrance = session, Entrance(session)

    @cached_property
    def _makers(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(MAKERS)

    def app(self) -> Starlette:
        """The application; whoever serves it guards it."""
        gets = {
            "/api/state": self.state,
            "/api/at": self.at,
            "/api/folders": self.entrance.folders,
            "/api/recent": self.entrance.recent,
            "/api/surface": self.surface,
            "/overview": self.overview,
            "/saved/{name}": self.entrance.download,
            "/sources/{source}/{column:int}/{row:int}": self.source,
            "/thumbnails/{name:path}": self.thumbnail,
            "/tiles/{layer:path}/{level:int}/{column:int}/{row:int}": self.tile,
        }
        posts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/api/run": self.run,
            "/api/cancel": self.cancel,
            "/api/strokes": self.strokes,
            "/api/save": self.save,
            "/api/project": self.project,
            "/api/export": self.export,
            "/api/open": self.entrance.open,
            "/api/results": self.entrance.results,
        }
        routes = [Route(path, answer, methods=["GET"]) for path, answer in gets.items()]
        routes += [Route(path, partial(self.post, do), methods=["POST"]) for path, do in posts.items()]
        routes.append(Route("/dropped/{batch}/{folder}/{name}", self.entrance.drop, methods=["PUT"]))
        return Starlette(routes=routes)

    # --- looking -------------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        """All that a page needs to know when it opens."""
        return JSONResponse(await anyio.to_thread.run_sync(describe_session, self.session))

    async def at(self, request: Request) -> Response:
        """What is known of one pixel; with the radius of a brush above it, a stroke may come."""
        given = {"radius": "0", **request.query_params}
        try:
            x, y, radius = (float(given[name]) for name in ("x", "y", "radius"))
        except (KeyError, ValueError):
            return JSONResponse({"error": "at: expected x and y"}, 400)
        if not all(map(math.isfinite, (x, y, radius))):
            return JSONResponse({"error": "at: expected finite numbers"}, 400)
        soon = BackgroundTask(self.session.warm, x, y, radius, given.get("source", "")) if radius > 0 else None
        if radius <= 0:  # painting comes before depth
            await anyio.to_thread.run_sync(self.session.look_at, x, y)
        return JSONResponse(await anyio.to_thread.run_sync(self.session.at, x, y), background=soon)

    async def thumbnail(self, request: Request) -> Response:
        """A small picture of a frame."""
        pixels = self.session.thumbnails.get(request.path_params["name"])
        if pixels is None:
            return Response(status_code=404)
        shown = cv2.merge([pixels] * 3) if pixels.ndim == 2 else pixels
        data, kind = encode(shown, True, None)
        return Response(data, media_type=kind, headers={"cache-control": "no-cache"})

    async def tile(self, request: Request) -> Response:
        """A tile of a layer; its address holds the version, so that browsers may keep it."""
        place = request.path_params
        layer = self.session.layers.get(place["layer"])
        if layer is None:
            return Response(status_code=404)
        if place["layer"] == "depth" and layer.done is not None:
            self.session.look_at_depth()
        where = place["level"], place["column"], place["row"]
        made = await anyio.to_thread.run_sync(self.session.draw_tile, layer, *where)
        if made is None:
            return Response(status_code=404)
        keep = FOR_EVER if layer.done is None else "no-store"
        return Response(made[0], media_type=made[1], headers={"cache-control": keep})

    async def source(self, request: Request) -> Response:
        """What strokes would bring to a tile at full size, from a source that is no frame; for the brush to show."""
        place, layer, retouch = request.path_params, self.session.layers.get("result"), self.session.retouch
        window = None if layer is None else find_place(layer, 0, place["column"], place["row"])
        if layer is None or retouch is None or window is None:
            return Response(status_code=404)
        try:
            pixels = await anyio.to_thread.run_sync(retouch.bring, place["source"], window, limiter=self._makers)
        except AllFocusError:  # no such source
            return Response(status_code=404)
        data, kind = await anyio.to_thread.run_sync(render_pixels, layer, pixels)
        return Response(data, media_type=kind, headers={"cache-control": FOR_EVER})

    async def surface(self, request: Request) -> Response:
        """The surface of the result, to be turned."""
        try:
            data = await anyio.to_thread.run_sync(self.session.surface)
        except AllFocusError as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(data, media_type="application/octet-stream", headers={"cache-control": "no-store"})

    async def overview(self, request: Request) -> Response:
        """The whole result as one small picture."""
        layer = self.session.layers.get("result")
        if layer is None:
            return Response(status_code=404)
        made = await anyio.to_thread.run_sync(render_whole, layer)
        return Response(made[0], media_type=made[1], headers={"cache-control": "no-store"})

    # --- doing ---------------------------------------------------------------------------------------

    async def post(self, do: Callable[[dict[str, Any]], Any], request: Request) -> Response:
        """Do what a page asks for; what is wrong with it is the answer."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"error": f"the request is larger than {MOST_BYTES} bytes"}, 413)
        try:
            values = parse(body)
            answer = await anyio.to_thread.run_sync(do, values)
        except AllFocusError as error:
            return JSONResponse({"error": str(error)}, 400)
        except OSError as error:  # a device that is gone, or what else only the system knows
            said = f"{error.filename or 'input or output'}: {error.strerror or error}"
            return JSONResponse({"error": said}, 400)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return JSONResponse({"error": f"the request makes no sense ({type(error).__name__}: {error})"}, 400)
        return JSONResponse(answer or {})

    def run(self, values: dict[str, Any]) -> None:
        """Fuse with other options, or without some frames."""
        hidden = {name: value for name, value in plain_options(self.session.request.options).items() if name in HIDDEN}
        chosen = {name: value for name, value in values.get("options", {}).items() if name not in HIDDEN}
        reference = values.get("reference")
        hidden.pop("depth", None)
        chosen |= hidden | ({} if reference is None else {"reference": reference})
        self.session.run(without_depth(build_options(chosen)), [str(name) for name in values.get("leave_out", ())])

    def cancel(self, values: dict[str, Any]) -> None:
        """Call off the run."""
        self.session.cancel()

    def strokes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Paint, undo, redo, hide, show or remove."""
        session, action = self.session, values["action"]
        if action == "add":
            session.paint(values["stroke"], match=bool(values.get("match", True)))
        elif action == "undo":
            session.undo(int(values.get("count", 1)))
        elif action == "redo":
            session.redo(int(values.get("count", 1)))
        elif action in ("hide", "show", "remove"):
            session.change_stroke(int(values["number"]), visible={"hide": False, "show": True}.get(action))
        else:
            raise OptionError(f"strokes {action}: expected add, undo, redo, hide, show or remove")
        return session.describe_strokes()

    def save(self, values: dict[str, Any]) -> dict[str, Any]:
        """Write the picture, and the maps and layers that are wanted; layers by the ending of their file."""
        path, ending = values["path"], str(values.get("layers") or "")
        if ending not in ("", *LAYERS):
            raise OptionError(f"layers {ending}: expected one of {', '.join(LAYERS)}")
        layers = self._place(str(Path(path).with_suffix("")) + f"_layers{ending}") if ending else None
        outputs = Outputs(image=self._place(path), layers=layers)
        return {"files": self.session.save(add_listed(outputs, ",".join(["image", *values.get("maps", ())])))}

    def export(self, values: dict[str, Any]) -> dict[str, Any]:
        """Write one thing that is made of depth: a surface, or views for two eyes."""
        kind = str(values["kind"])
        if kind not in EXPORTS:
            raise OptionError(f"export {kind}: expected one of {', '.join(EXPORTS)}")
        wanted: dict[str, Any] = {kind: self._place(values["path"])}
        return {"files": self.session.save(Outputs(**wanted))}

    def project(self, values: dict[str, Any]) -> dict[str, Any]:
        """Write the project file."""
        path = values.get("path")
        return {"path": str(self.session.save_project(None if path is None else self._place(path)))}

    def _place(self, typed: str) -> Path:
        """Where a file that a page names goes: below the folder of the stack; raises `OptionError` for other places."""
        folder = self.session.folder
        path = (folder / typed).resolve()
        if not typed or not path.is_relative_to(folder.resolve()):
            raise OptionError(f"{typed}: the page writes below {folder} only; choose a name in it")
        return path


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object that a request holds; raises `ValueError`."""
    values = json.loads(body or b"{}")
    if not isinstance(values, dict):
        raise ValueError("expected an object")
    return values
