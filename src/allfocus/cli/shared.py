"""Parameters that commands have in common."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from allfocus.options import MACHINE

FRAMES = typer.Argument(
    metavar="FRAME|FOLDER",
    readable=False,
    help="Photos of one scene, a folder or pattern of them, a TIFF stack or a video; - reads names from stdin.",
)
FramesArgument = Annotated[list[Path], FRAMES]
OptionalFramesArgument = Annotated[list[Path] | None, FRAMES]
ProgressOption = Annotated[
    Literal["bar", "json", "none"],
    typer.Option(
        help="Show progress as a bar on a terminal, as lines of JSON on stderr, or not at all.", rich_help_panel=MACHINE
    ),
]
PhotosArgument = Annotated[
    list[Path],
    typer.Argument(metavar="PHOTO|FOLDER", readable=False, help="Photos and folders of photos; one is enough."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def output_option(metavar: str, help: str) -> typer.models.OptionInfo:
    """The flag that says where the outputs go."""
    option: typer.models.OptionInfo = typer.Option("--output", "-o", metavar=metavar, readable=False, help=help)
    return option
