"""What a fusion gave, as lines to print."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from allfocus.cli.shared import place_among
from allfocus.errors import ConfigError

if TYPE_CHECKING:
    from allfocus.align import Alignment
    from allfocus.cli.outputs import Outputs
    from allfocus.result import FusionResult
    from allfocus.sources.listing import Listing

#: Width of a table that goes to no terminal.
WIDEST = 400


def registration(result: "FusionResult", names: Sequence[str]) -> list[str]:
    """How the frames were laid over each other, a line; none where nothing was done."""
    from allfocus.core.stack import size_of

    if result.alignment is None:
        return []
    cropped = f", cropped to {size_of(result.image)}" if result.is_cropped else ""
    return [aligned(result.alignment, names) + cropped]


def aligned(alignment: "Alignment", names: Sequence[str]) -> str:
    """How frames were laid over each other."""
    brightened = sum(not exposure.is_same for exposure in alignment.exposures)
    is_still = alignment.model == "none"
    moved = "nothing moved" if is_still else f"{alignment.model}, laid over {names[alignment.reference]}"
    known = [residual for residual in alignment.residuals if not isnan(residual)]
    left = f", {sum(known) / len(known):.2f} px left on average" if known and not is_still else ""
    light = f", {brightened} of {len(names)} frames brought to its brightness" if brightened else ""
    return f"alignment: {moved}{left}{light}"


def position_of(reference: str | None, names: Sequence[str]) -> int | None:
    """Position of a frame that is given by its name, or by its number counted from 1.

    Raises:
        ConfigError: there is no such frame.
    """
    if reference is None:
        return None
    position = place_among(names, reference)
    if position is None:
        raise ConfigError(f"reference {reference}: expected the name of a frame, or a number from 1 to {len(names)}")
    return position


def summary(output: Path | None, listing: "Listing", result: "FusionResult", seconds: float) -> str:
    """One line: what was made of what, and how long it took."""
    from allfocus.core.stack import channels_of, size_of

    kind = f"{size_of(listing.frame)} {channels_of(listing.frame)} {listing.frame.dtype}"
    written = "" if output is None else f"{output}: "
    return f"{written}{len(listing)} frames, {kind}, {result.method}, {seconds:.1f} s"


def legends(outputs: "Outputs", result: "FusionResult", names: Sequence[str]) -> list[str]:
    """What the numbers in maps mean, a line each."""
    order = (result.alignment.order if result.alignment else ()) or range(len(names))
    said = []
    if outputs.index_map is not None:
        said.append(f"{outputs.index_map}: {legend(names)}")
    if outputs.depth is not None:
        said.append(f"{outputs.depth}: 0 is in focus in {names[order[0]]}, 65535 in {names[order[-1]]}")
    return said


def print_frames(paths: Sequence[Path]) -> None:
    """A table of all frames, those that can't be used too."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from allfocus import io

    table = Table(box=None, pad_edge=False)
    for title in ("frame", "kind", "size", "channels", "depth", "profile", "taken", ""):
        table.add_column(title, overflow="fold")
    for row in io.describe_frames(paths):
        cells = (row.name, row.kind, row.size, row.channels, row.depth, row.profile, row.date, row.problem)
        table.add_row(*(Text(cell) for cell in cells))
    # a file or another program is no narrower than the table
    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else WIDEST).print(table)


def legend(names: Sequence[str]) -> str:
    """Which number stands for which frame; of a long stack only the ends."""
    numbered = [f"{number} = {name}" for number, name in enumerate(names)]
    return ", ".join(numbered if len(numbered) <= 6 else [*numbered[:2], "...", numbered[-1]])
