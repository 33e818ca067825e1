"""The front: the page's own files and what happens, answered at once; all else waits until the session is there."""

import asyncio
from concurrent.futures import Future
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from allfocus.errors import MissingExtraError
from allfocus.studio.guard import App
from allfocus.studio.hub import Hub

#: The page's files by the endings of their names, and their media types.
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


class Front:
    """What a browser needs to show the page; it is there long before all that can fuse has been imported.

    Args:
        hub: told what happens.
        assets: the folder of the page's files.
    """

    def __init__(self, hub: Hub, assets: Path) -> None:
        self._hub, self._assets = hub, assets
        self._behind: Future[App] = Future()

    def app(self) -> Router:
        """The application; whoever serves it guards it."""
        gets = {"/": self.page, "/assets/{name}": self.asset, "/api/events": self.events}
        return Router([Route(path, answer, methods=["GET"]) for path, answer in gets.items()], default=self.wait)

    def let_in(self, app: App) -> None:
        """Answer all else by this application, from now on; from any thread."""
        self._behind.set_result(app)

    async def wait(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer what the front can't, as soon as that can be."""
        app = await asyncio.shield(asyncio.wrap_future(self._behind))
        await app(scope, receive, send)

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return self._file("index.html")

    async def asset(self, request: Request) -> Response:
        """A file of the page."""
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        known = {path.name: path for path in self._assets.iterdir() if path.suffix in TYPES}
        if name not in known:
            return Response(status_code=404)
        path = known[name]
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"cache-control": "no-cache"})

    async def events(self, request: Request) -> Response:
        """What happens, from now on."""
        headers = {"cache-control": "no-store"}
        return StreamingResponse(self._hub.stream(), media_type="text/event-stream", headers=headers)


def find_assets() -> Path:
    """The folder of the page's files.

    Raises:
        MissingExtraError: the page was not built.
    """
    folder = Path(str(resources.files("allfocus") / "studio" / "assets"))
    if not (folder / "index.html").is_file():
        raise MissingExtraError(
            "the page is not part of this copy of allfocus: run 'make studio' in a checkout (it needs Node.js), "
            "or install a wheel made by 'make wheel'"
        )
    return folder
