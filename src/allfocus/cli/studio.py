"""``allfocus studio``: a stack and its result on a local page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from allfocus.cli.flags import chosen_options, option_flags, with_flags
from allfocus.cli.shared import DebugOption, OptionalFramesArgument, OptionsOption, extra
from allfocus.options import FusionOptions
from allfocus.run.streams import say

HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen at; 0 takes a free one.")]
TokenOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Secret in the page's first address (default: a new one each time)."),
]
RootOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder below which the page may open files; may be given again (default: yours, the current one, disks).",
    ),
]
BrowserOption = Annotated[bool, typer.Option("--no-browser", help="Print the page's address, and open no browser.")]


@with_flags(*option_flags(FusionOptions))
def studio(
    context: typer.Context,
    frames: OptionalFramesArgument = None,
    *,
    host: HostOption = "127.0.0.1",
    port: PortOption = 0,
    token: TokenOption = None,
    no_browser: BrowserOption = False,
    root: RootOption = None,
    options: OptionsOption = None,
    debug: DebugOption = False,
    **flags: Any,
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
    typed = chosen_options(context, flags, options)
    with extra("web", "the page"):
        from allfocus.studio.serve import serve

    serve(
        (lambda session: session.open_given(frames, typed)) if frames else (lambda session: None),
        roots=root or [],
        host=host,
        port=port,
        token=token,
        browser=not no_browser,
        say=say,
    )
