"""The options of the commands that work on stacks, grouped by the stage that they belong to."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

FUSION, ALIGNMENT, MAPS, MACHINE = "Fusion", "Alignment", "More output", "Time and memory"

Motion = Literal["auto", "none", "translation", "similarity", "affine", "homography"]


def parse_size(text: str) -> int:
    """``2GB``, ``1.5G``, ``800MB`` or a number of bytes, in bytes; a usage error for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?\s*", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: expected a size such as 2GB or 800MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


FramesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FRAME|FOLDER",
        readable=False,
        help="Photos of one scene, a folder or pattern of them, a TIFF stack or a video; - reads names.",
    ),
]

# fusion

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT", readable=False, help="The picture to write: .png, .tif, .webp or .jpg."
    ),
]
MethodOption = Annotated[
    Literal["network", "classic"],
    typer.Option(help="The trained network, or the classic rule: most local detail wins.", rich_help_panel=FUSION),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="A model of your own (.onnx) for the network.", rich_help_panel=FUSION
    ),
]
ComposeOption = Annotated[
    Literal["band", "soft", "hard", "guided"],
    typer.Option(
        help="How the network's weights become a picture: in two bands, as a mean, as a choice, smoothed.",
        rich_help_panel=FUSION,
    ),
]
PreferOption = Annotated[
    Literal["near", "far"] | None,
    typer.Option(
        help="Where it is close, lean towards the first or the last frames: they come from near to far.",
        rich_help_panel=FUSION,
    ),
]
FastOption = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Look closer only where much is gained by it: about two thirds of the time.",
        rich_help_panel=FUSION,
    ),
]

# alignment

AlignOption = Annotated[
    Motion,
    typer.Option(
        help="How the frames may have moved: auto finds the simplest model that explains it; none if they are "
        "registered already.",
        rich_help_panel=ALIGNMENT,
    ),
]
NoAlignOption = Annotated[bool, typer.Option("--no-align", help="The same as --align none.", rich_help_panel=ALIGNMENT)]
RefineOption = Annotated[
    Literal["none", "local"],
    typer.Option(
        help="Look for what no motion of the whole can do, place by place: the parallax of a hand.",
        rich_help_panel=ALIGNMENT,
    ),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRAME",
        help="The frame that the others are laid over: its name, or its number counted from 1; the middle one without.",
        rich_help_panel=ALIGNMENT,
    ),
]
TransformsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Use these transforms (.json) instead of looking for any: of another channel, say.",
        rich_help_panel=ALIGNMENT,
    ),
]
SaveTransformsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Write the transforms that were found (.json).", rich_help_panel=ALIGNMENT
    ),
]
OrderOption = Annotated[
    Literal["names", "time", "focus"],
    typer.Option(
        help="Which frame is nearer than which, for depth and --prefer: by name, by when it was taken, or found out.",
        rich_help_panel=ALIGNMENT,
    ),
]
ExposureOption = Annotated[
    Literal["match", "match-colour", "keep"],
    typer.Option(
        help="Make the frames as bright as the reference, each of their channels too, or leave them.",
        rich_help_panel=ALIGNMENT,
    ),
]
KeepCanvasOption = Annotated[
    bool,
    typer.Option(
        "--keep-canvas",
        help="Keep all that the reference shows; without it, what all frames show, but for a pixel or two.",
        rich_help_panel=ALIGNMENT,
    ),
]
KeepAllOption = Annotated[
    bool,
    typer.Option(
        "--keep-all",
        help="Use frames too that are blurred everywhere, badly exposed or of another scene.",
        rich_help_panel=ALIGNMENT,
    ),
]

# more output

IndexMapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Write which frame each pixel is from, counted from 0 (.png, .tif).",
        rich_help_panel=MAPS,
    ),
]
ConfidenceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Write how clear each choice was, white is sure (.png, .tif).",
        rich_help_panel=MAPS,
    ),
]
DepthOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Write the depth map, 16-bit gray (.png, .tif).", rich_help_panel=MAPS
    ),
]
DepthPreviewOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", readable=False, help="Write the depth map in colours, with a legend.", rich_help_panel=MAPS
    ),
]
UnsharpOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Write a mask, white where no frame is sharp (.png, .tif).",
        rich_help_panel=MAPS,
    ),
]
VeiledOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Write a mask, white where things show only through the blur of nearer ones (.png, .tif).",
        rich_help_panel=MAPS,
    ),
]

OutputsOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Write these beside the picture: image,index,confidence,depth,depth-preview,unsharp,veiled.",
        rich_help_panel=MAPS,
    ),
]
ReportOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        readable=False,
        help="Write a report: a page to look at (.html), or all facts for programs (.json). May be given twice.",
        rich_help_panel=MAPS,
    ),
]
SlabOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE:OVERLAP",
        help="Fuse sub-stacks of SIZE frames too, OVERLAP of them shared, and save them beside the picture.",
        rich_help_panel=MAPS,
    ),
]

# time and memory

MaxTileOption = Annotated[
    int | None,
    typer.Option(
        "--max-tile",
        "--tile",
        metavar="PX",
        min=1,
        help="Longest side of what the network sees at once.",
        rich_help_panel=MACHINE,
    ),
]
MaxMemoryOption = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=parse_size,
        help="Memory to use, such as 2GB; most of what is free without it.",
        rich_help_panel=MACHINE,
    ),
]
SpoolOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        readable=False,
        help="Where what does not fit into memory goes; temporary files without.",
        rich_help_panel=MACHINE,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, say what each frame is, and fuse nothing.")
]
ProgressOption = Annotated[
    Literal["bar", "json", "none"],
    typer.Option(
        help="How to show how far it is: a bar on a terminal, lines of JSON on stderr, not at all.",
        rich_help_panel=MACHINE,
    ),
]
