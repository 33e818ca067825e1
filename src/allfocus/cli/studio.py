"""``allfocus studio``: a stack and its result on a local page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allfocus.cli.flags import command
from allfocus.cli.shared import OptionalFramesArgument
from allfocus.options import FusionOptions
from allfocus.outputs.asked import Asked
from allfocus.run.install import extra
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.studio.session import Session


@command(Asked, FusionOptions, skip=("channel_for_focus", "no_align", "outputs", "slab"))
def studio(
    frames: OptionalFramesArgument = None,
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen at; 0 takes a free one.")
    ] = 0,
    token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Secret in the page's first address (default: a new one each time)."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the page's address, and open no browser.")
    ] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder below which the page may open files; may be given again (default: yours, the current one, "
            "disks).",
        ),
    ] = None,
    **typed: Any,
) -> None:
    """Look at a stack and its result on a local page, and paint over what is wrong.

    Without frames the page begins with recent projects and a list of folders. It shows which frame every place is from
    and how sure that is. What is painted is kept in a project file beside the stack, STACK.allfocus.json; open that to
    go on, or fuse it with --project to get the same picture again.

    \b
    Examples:
      allfocus studio
      allfocus studio DCIM/stack/
      allfocus studio beetle.allfocus.json --no-browser --port 8080
    """  # noqa: D301
    with extra("web", "the page"):
        from allfocus.studio.serve import serve

    def open_typed(session: "Session") -> None:
        from allfocus.jobs.requests import chosen_options

        options = chosen_options(typed)
        if frames:
            session.open_given(frames, options)

    serve(
        open_typed,
        begin_at_once=all(path.exists() for path in frames or []),  # else it is a pattern, or wrong
        roots=root or [],
        host=host,
        port=port,
        token=token,
        browser=not no_browser,
        say=say,
    )
