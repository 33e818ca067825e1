"""``allfocus fuse`` of a microscope's file: several channels, times or positions in, OME-TIFF with its axes out."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allfocus.cli.options import FUSION
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import place_among
from allfocus.errors import ConfigError, WriteError

if TYPE_CHECKING:
    from allfocus.options import FusionOptions
    from allfocus.plan import Plan
    from allfocus.sources.volume import Volume
    from allfocus.volumes import MapName, VolumeResult

#: Maps that can be made of volumes.
MAPS_OF_VOLUMES: "tuple[MapName, ...]" = ("index_map", "confidence", "depth")

ChannelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|NUMBER",
        help="Of a microscope's file: use the focus of this channel for all others too; each its own without.",
        rich_help_panel=FUSION,
    ),
]


def volume_in(paths: Sequence[Path], output: Path, channel_for_focus: str | None) -> "Volume | None":
    """The volume that a single TIFF file holds, if it is to be fused as one: several stacks, or OME-TIFF to OME-TIFF.

    Raises:
        ConfigError: a channel is named where there are none to choose from.
        ReadError: the file is damaged.
    """
    from allfocus import io

    volume = None
    if len(paths) == 1 and paths[0].is_file() and io.find_kind(paths[0]) == "TIFF":
        volume = io.inspect_volume(paths[0])
        if len(volume.stacks) > 1 or io.is_ome(output):
            return volume
    if channel_for_focus is not None:
        what = f"{paths[0].name} has one channel only" if volume else "only a TIFF file given alone may have several"
        raise ConfigError(f"channel-for-focus {channel_for_focus}: {what}; leave it out")
    return None


def fuse_volume_files(
    volume: "Volume",
    options: "FusionOptions",
    output: Path,
    maps: "Mapping[MapName, Path | None]",
    channel_for_focus: str | None,
    unmade: Mapping[str, object],
    *,
    quiet: bool,
    progress: str,
) -> None:
    """Fuse a volume and write what was asked for.

    Args:
        volume: what to fuse.
        options: how.
        output: where the pictures go.
        maps: where each map goes; None: it is not wanted.
        channel_for_focus: name or number of the channel that decides for all; None: each for itself.
        unmade: options that are not for volumes, by name, with what was given.
        quiet: whether to print nothing.
        progress: how to show it, see `show_progress`.

    Raises:
        ConfigError: an option that is not for volumes, or an unknown channel.
        WriteError: a name that does not end in .ome.tif, or a file can't be written.
    """
    from allfocus import io, volumes

    started = time.monotonic()
    wanted = {name: path for name, path in maps.items() if path is not None}
    check_wishes(volume, [output, *wanted.values()], unmade)
    channel = channel_of(channel_for_focus, volume.channel_names)
    with show_progress(quiet, progress) as reporter:

        def begin(plan: "Plan", stacks: int) -> None:
            reporter.expect(volumes.costs_of(plan, stacks))
            if plan.is_large or options.max_memory or options.spool:
                reporter.say(str(plan))

        result = volumes.fuse_volume(
            volume, options=options, channel_for_focus=channel, maps=[*wanted], progress=reporter, planned=begin
        )
        reporter("write", 0, 1)
        io.write_ome_files(volumes.ome_files(result, output, wanted))
        reporter("write", 1, 1)
    if not quiet:
        for line in words_on(result, output, wanted, options.method, time.monotonic() - started):
            typer.echo(line)


def check_wishes(volume: "Volume", paths: Sequence[Path], unmade: Mapping[str, object]) -> None:
    """Raise `ConfigError` or `WriteError` for what volumes can't be asked for."""
    from allfocus import io

    asked = [name for name, value in unmade.items() if value]
    if asked:
        which = "them" if len(asked) > 1 else "it"
        raise ConfigError(f"{', '.join(asked)}: not made of volumes ({volume}); leave {which} out")
    for path in paths:
        if not io.is_ome(path):
            better = path.name.removesuffix(path.suffix) + ".ome.tif"
            raise WriteError(f"{path}: pictures and maps of {volume} are OME-TIFF; name it {better}")
        io.check_output(path)


def channel_of(asked: str | None, names: Sequence[str]) -> int | None:
    """Position of a channel that is given by its name, or by its number counted from 1.

    Raises:
        ConfigError: there is no such channel.
    """
    if asked is None:
        return None
    position = place_among(names, asked)
    if position is None:
        raise ConfigError(f"channel-for-focus {asked}: expected one of {', '.join(names)}, or a number from 1")
    return position


def words_on(
    result: "VolumeResult", output: Path, maps: "Mapping[MapName, Path]", method: str, seconds: float
) -> list[str]:
    """What was made of what, and what the maps mean, a line each."""
    from allfocus import volumes
    from allfocus.core.stack import channels_of, size_of

    volume, focus = result.volume, result.channel_for_focus
    frame = volume.stacks[0].listing.frame
    kind = f"{size_of(frame)} {channels_of(frame)} {frame.dtype}"
    by = "" if focus is None else f", all by the focus of {volume.channel_names[focus]}"
    return [
        f"{output}: {volume} to {len(volume.stacks)} pictures, {kind}, {method}{by}, {seconds:.1f} s",
        *(f"{path}: {volumes.meaning_of(name, volume)}" for name, path in maps.items()),
        *(f"note: {note}" for note in result.notes),
    ]
