"""The entrance: what a page asks for to open a stack: folders, recent projects, choices, and dropped files."""

from typing import Any

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from allfocus.errors import AllFocusError, OptionError
from allfocus.studio.session import Session
from allfocus.studio.shelf import check_length


class Entrance:
    """Answers about what can be opened.

    Args:
        session: what is looked at.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.shelf = session, session.shelf

    async def folders(self, request: Request) -> Response:
        """What is in a folder."""
        typed = request.query_params.get("folder", "")
        try:
            return JSONResponse(await anyio.to_thread.run_sync(self.shelf.look, typed))
        except AllFocusError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def recent(self, request: Request) -> Response:
        """Projects that were open lately."""
        return JSONResponse({"projects": await anyio.to_thread.run_sync(self.shelf.recent)})

    async def drop(self, request: Request) -> Response:
        """Keep one dropped file; a page that goes in the middle leaves nothing."""
        place, length = request.path_params, request.headers.get("content-length", "0")
        try:
            check_length(place["name"], int(length) if length.isdecimal() else 0)
            folder = await self.shelf.take(place["batch"], place["folder"], place["name"], request.stream())
        except ClientDisconnect:
            return Response(status_code=400)
        except AllFocusError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"folder": str(folder)})

    async def download(self, request: Request) -> Response:
        """A file that this session has saved."""
        name = request.path_params["name"]
        path = next((path for path in self.session.saved if path.name == name and path.is_file()), None)
        if path is None:
            return Response(status_code=404)
        return FileResponse(path, filename=path.name, media_type="application/octet-stream")

    def open(self, values: dict[str, Any]) -> dict[str, Any]:
        """Open a file or folder, or one of several stacks."""
        try:
            if "choice" in values:
                self.session.choose(int(values["choice"]))
            else:
                typed = values["path"]
                paths = [self.shelf.find(str(one)) for one in (typed if isinstance(typed, list) else [typed])]
                self.session.open_given(paths, {})
        except AllFocusError as error:
            raise OptionError(self.shelf.shorten(str(error))) from error
        return {"choices": describe_choices(self.session)}

    def results(self, values: dict[str, Any]) -> None:
        """Keep the result under a name, or forget one."""
        action, name = values["action"], str(values["name"])
        if action == "keep":
            self.session.keep_result(name)
        elif action == "drop":
            self.session.drop_result(name)
        else:
            raise OptionError(f"results {action}: expected keep or drop")


def describe_choices(session: Session) -> list[dict[str, Any]]:
    """The stacks to choose from."""
    return [
        {"label": session.shelf.shorten(choice.label), "count": choice.count, "has_project": choice.project.is_file()}
        for choice in session.choices
    ]
