"""``allfocus fuse``: frames in, one sharp picture out."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allfocus.cli.shared import DebugOption, QuietOption, show_progress
from allfocus.errors import ConfigError, WriteError

if TYPE_CHECKING:
    from allfocus.color import Array
    from allfocus.io import Listing
    from allfocus.plan import Plan
    from allfocus.stack import FusionResult

#: Endings of maps: formats that keep numbers as they are and know gray.
MAP_SUFFIXES = (".png", ".tif", ".tiff")

#: Share of the picture from which on another shot is worth the advice.
WORTH_A_SHOT = 0.005

REGISTERED = "The frames are expected to be registered: fuse does not align them yet."


def parse_size(text: str) -> int:
    """``2GB``, ``1.5G``, ``800MB`` or a number of bytes, in bytes; a usage error for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?\s*", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: expected a size such as 2GB or 800MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))


def fuse(
    frames: Annotated[
        list[Path],
        typer.Argument(
            metavar="FRAME|FOLDER", readable=False, help="Two or more photos of equal size, or a folder of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT", readable=False, help="The picture to write: .png, .tif, .webp or .jpg."
        ),
    ],
    method: Annotated[
        Literal["network", "classic"],
        typer.Option(help="The trained network, or the classic rule: most local detail wins."),
    ] = "network",
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="A model of your own (.onnx) for the network.")
    ] = None,
    compose: Annotated[
        Literal["band", "soft", "hard", "guided"],
        typer.Option(
            help="How the network's weights become a picture: in two bands, as a mean, as a choice, smoothed."
        ),
    ] = "band",
    prefer: Annotated[
        Literal["near", "far"] | None,
        typer.Option(help="Where it is close, lean towards the first or the last frames: they come from near to far."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Look closer only where much is gained by it: about two thirds of the time.")
    ] = False,
    max_tile: Annotated[
        int | None,
        typer.Option(
            "--max-tile", "--tile", metavar="PX", min=1, help="Longest side of what the network sees at once."
        ),
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            metavar="SIZE", parser=parse_size, help="Memory to use, such as 2GB; most of what is free without it."
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", readable=False, help="Where what does not fit into memory goes; temporary files without."
        ),
    ] = None,
    index_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="Write which frame each pixel is from, counted from 0 (.png, .tif)."
        ),
    ] = None,
    confidence: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="Write how clear each choice was, white is sure (.png, .tif)."
        ),
    ] = None,
    depth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", readable=False, help="Write the depth map, 16-bit gray (.png, .tif)."),
    ] = None,
    depth_preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", readable=False, help="Write the depth map in colours, with a legend."),
    ] = None,
    unsharp: Annotated[
        Path | None,
        typer.Option(metavar="FILE", readable=False, help="Write a mask, white where no frame is sharp (.png, .tif)."),
    ] = None,
    veiled: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Write a mask, white where things show only through the blur of nearer ones (.png, .tif).",
        ),
    ] = None,
    progress: Annotated[
        Literal["bar", "json", "none"],
        typer.Option(help="How to show how far it is: a bar on a terminal, lines of JSON on stderr, not at all."),
    ] = "bar",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fuse photos focused at different distances into one that is sharp everywhere.

    The frames are expected to be registered: fuse does not align them yet.

    They are taken in natural order of their names, img2 before img10. The output keeps their depth and channels
    where its format can.
    """
    from allfocus import io, pipeline

    started = time.monotonic()
    paths = io.list_frames(frames)
    maps = [path for path in (index_map, confidence, depth, unsharp, veiled) if path is not None]
    check_maps(maps)
    if method == "classic" and (unsharp or veiled):
        raise ConfigError("unsharp, veiled: only the network knows them; leave them out or choose --method network")
    io.check_outputs([output, *maps, *([depth_preview] if depth_preview else [])], paths)
    options = pipeline.FusionOptions(
        method=method,
        model=model,
        compose=compose,
        prefer=prefer,
        depth=depth is not None or depth_preview is not None,
        fast=fast,
        max_tile=max_tile,
        max_memory=max_memory,
        spool=spool,
    )
    listing = io.inspect_stack(paths)
    io.check_output(output, listing.frame.size)
    with show_progress(quiet, progress) as reporter:

        def begin(plan: "Plan") -> None:
            reporter.expect(plan.costs())
            if not quiet and (plan.is_large or max_memory or spool):
                typer.echo(str(plan))

        result = pipeline.fuse(listing, options=options, progress=reporter, planned=begin)
        reporter("write", 0, 1)
        wanted = pictures(result, output, index_map, confidence, depth, depth_preview)
        wanted += masks(result, unsharp, veiled)
        notes = [*listing.notes, *result.notes, *io.write_images(wanted)]
        reporter("write", 1, 1)
    if not quiet:
        typer.echo(summary(output, listing, result, time.monotonic() - started))
        typer.echo(REGISTERED)
        for text in shortcomings(result, listing.names):
            typer.echo(text)
        if index_map is not None:
            typer.echo(f"{index_map}: {legend(listing.names)}")
        if depth is not None:
            typer.echo(f"{depth}: 0 is in focus in {listing.names[0]}, 65535 in {listing.names[-1]}")
        for note in notes:
            typer.echo(f"note: {note}")


def check_maps(paths: Sequence[Path]) -> None:
    """Raise `WriteError` for a map whose ending stands for a format that would change its numbers."""
    for path in paths:
        if path.suffix.lower() not in MAP_SUFFIXES:
            raise WriteError(f"{path}: maps are written as {', '.join(MAP_SUFFIXES)}; other formats change numbers")


def pictures(
    result: "FusionResult",
    output: Path,
    index_map: Path | None,
    confidence: Path | None,
    depth: Path | None,
    depth_preview: Path | None,
) -> list[tuple[Path, "Array"]]:
    """What to write where: indices as they are in 8 bits where those do, confidence and depth as 16-bit gray."""
    from allfocus import depth as depths
    from allfocus.color import from_unit

    wanted = [(output, result.image)]
    if index_map is not None:
        wanted.append((index_map, result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16")))
    if confidence is not None:
        wanted.append((confidence, from_unit(result.confidence, "uint16")))
    if depth is not None and result.depth is not None:
        wanted.append((depth, from_unit((result.depth / (result.frame_count - 1)).astype("float32"), "uint16")))
    if depth_preview is not None and result.depth is not None:
        wanted.append((depth_preview, depths.depth_preview(result.depth, result.frame_count)))
    return wanted


def masks(result: "FusionResult", unsharp: Path | None, veiled: Path | None) -> list[tuple[Path, "Array"]]:
    """The masks of what can't be trusted, white where it is so, 8-bit gray."""
    if result.flaws is None:
        return []
    named = ((unsharp, result.flaws.unsharp), (veiled, result.flaws.veiled))
    return [(path, mask.astype("uint8") * 255) for path, mask in named if path is not None]


def shortcomings(result: "FusionResult", names: Sequence[str]) -> list[str]:
    """What no choice among the frames could give, a line each."""
    flaws = result.flaws
    if flaws is None:
        return []
    unsharp = f"sharp in no frame: {flaws.unsharp.mean():.1%} of the picture"
    if flaws.gap is not None and flaws.unsharp.mean() >= WORTH_A_SHOT:
        one, other = flaws.gap
        place = f"between {names[one]} and {names[other]}" if one != other else f"next to {names[one]}"
        unsharp += f", most of it {place}: another shot focused there would help"
    return [unsharp, f"veiled by the blur of something nearer: {flaws.veiled.mean():.1%} of the picture"]


def summary(output: Path, listing: "Listing", result: "FusionResult", seconds: float) -> str:
    """One line: what was made of what, and how long it took."""
    from allfocus.stack import channels_of, size_of

    kind = f"{size_of(listing.frame)} {channels_of(listing.frame)} {listing.frame.dtype}"
    return f"{output}: {len(listing)} frames, {kind}, {result.method}, {seconds:.1f} s"


def legend(names: Sequence[str]) -> str:
    """Which number stands for which frame; of a long stack only the ends."""
    numbered = [f"{number} = {name}" for number, name in enumerate(names)]
    return ", ".join(numbered if len(numbered) <= 6 else [*numbered[:2], "...", numbered[-1]])
