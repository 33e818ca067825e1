"""What a fusion gave, as lines to print."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allfocus.alignment.alignment import Alignment
    from allfocus.jobs import JobRequest, JobResult
    from allfocus.outputs.wishes import Outputs
    from allfocus.result import FusionResult
    from allfocus.volumes import VolumeResult

#: Width of a table that goes to no terminal.
WIDEST = 400


def describe_result(made: "JobResult", request: "JobRequest") -> list[str]:
    """What was made of what, what the maps mean, and what a user should know: a line each."""
    from allfocus.result import FusionResult

    fused = made.fused
    lines = describe_fused(fused, made, request.outputs) if isinstance(fused, FusionResult) else []
    if not isinstance(fused, FusionResult):
        lines = describe_volume(fused, made, request)
    return [*lines, *(f"note: {note}" for note in made.notes)]


def describe_fused(result: "FusionResult", made: "JobResult", outputs: "Outputs") -> list[str]:
    """The lines about one picture."""
    from allfocus.core.stack import channels_of, size_of
    from allfocus.outputs.report.provenance import quality_facts, shortcomings

    listing = made.listing
    assert listing is not None
    kind = f"{size_of(listing.frame)} {channels_of(listing.frame)} {listing.frame.dtype}"
    written = "" if outputs.image is None else f"{outputs.image}: "
    cropped = f", cropped to {size_of(result.image)}" if result.is_cropped else ""
    aligned = [] if result.alignment is None else [describe_alignment(result.alignment, result.names) + cropped]
    return [
        f"{written}{len(listing)} frames, {kind}, {result.method}, {made.seconds:.1f} s",
        *aligned,
        *shortcomings(quality_facts(result, result.names)),
        *describe_maps(outputs, result),
        *(f"{path}: {shows}" for path, shows in made.files.items() if shows in ("slab", "report")),
    ]


def describe_volume(result: "VolumeResult", made: "JobResult", request: "JobRequest") -> list[str]:
    """The lines about the pictures of a volume."""
    from allfocus.core.stack import channels_of, size_of
    from allfocus.volumes import describe_map

    volume, focus = result.volume, result.channel_for_focus
    frame = volume.stacks[0].listing.frame
    kind = f"{size_of(frame)} {channels_of(frame)} {frame.dtype}"
    by = "" if focus is None else f", all by the focus of {volume.channel_names[focus]}"
    pictures = f"{volume} to {len(volume.stacks)} pictures, {kind}, {request.options.method}{by}"
    maps = {name: getattr(request.outputs, name) for name in result.maps}
    return [
        f"{request.outputs.base}: {pictures}, {made.seconds:.1f} s",
        *(f"{path}: {describe_map(name, volume)}" for name, path in maps.items()),
    ]


def describe_alignment(alignment: "Alignment", names: Sequence[str]) -> str:
    """How frames were registered."""
    matched = sum(not exposure.is_same for exposure in alignment.exposures)
    is_still = alignment.model == "none"
    moved = "nothing moved" if is_still else f"{alignment.model}, registered to {names[alignment.reference]}"
    known = [residual for residual in alignment.residuals if not isnan(residual)]
    left = f", {sum(known) / len(known):.2f} px left on average" if known and not is_still else ""
    light = f", brightness of {matched} of {len(names)} frames matched" if matched else ""
    return f"alignment: {moved}{left}{light}"


def describe_maps(outputs: "Outputs", result: "FusionResult") -> list[str]:
    """What the numbers in maps mean, a line each."""
    names = result.names
    order = (result.alignment.order if result.alignment else ()) or range(len(names))
    lines = []
    if outputs.index_map is not None:
        lines.append(f"{outputs.index_map}: {describe_numbers(names)}")
    if outputs.depth is not None:
        lines.append(f"{outputs.depth}: 0 is in focus in {names[order[0]]}, 65535 in {names[order[-1]]}")
    return lines


def describe_numbers(names: Sequence[str]) -> str:
    """Which number stands for which frame; of a long stack only the ends."""
    numbered = [f"{number} = {name}" for number, name in enumerate(names)]
    return ", ".join(numbered if len(numbered) <= 6 else [*numbered[:2], "...", numbered[-1]])


def print_frames(paths: Sequence[Path]) -> None:
    """A table of all frames, those that can't be used too."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from allfocus.sources.describe import describe_frames

    table = Table(box=None, pad_edge=False)
    for title in ("frame", "kind", "size", "channels", "depth", "profile", "taken", ""):
        table.add_column(title, overflow="fold")
    for row in describe_frames(paths):
        cells = (row.name, row.kind, row.size, row.channels, row.depth, row.profile, row.date, row.problem)
        table.add_row(*(Text(cell) for cell in cells))
    # a file or another program is no narrower than the table
    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else WIDEST).print(table)
