"""One large plane fused by several processes: one looks at the whole, then each decides and composes regions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from allfocus.core.color import Array
from allfocus.core.windows import Window, relative_to
from allfocus.decision.logit_store import LogitStore
from allfocus.decision.network import NetworkDecision, Overview
from allfocus.decision.stack_pyramid import StackPyramid
from allfocus.errors import OptionError
from allfocus.options import FusionOptions
from allfocus.pipeline import decide, decide_by_network, open_model
from allfocus.registered import Registered
from allfocus.result import FusionResult
from allfocus.run.context import Run
from allfocus.run.handover import hand_over, take_over
from allfocus.sources.volume import Volume, VolumeStack
from allfocus.volume_quality import Tally
from allfocus.volumes import MapName, VolumeResult, compose_regions, make_empty, put, register_group

#: What is handed over beside dataclasses.
KNOWN = (StackPyramid, LogitStore)


def look_at_whole(group: Sequence[VolumeStack], options: FusionOptions, run: Run, folder: Path) -> None:
    """Read and register a group of stacks, let the network answer the coarse levels, and hand all of it over.

    Args:
        group: channels that go by the decision of the first.
        options: for volumes, see `options_for_volumes`; the network decides.
        run: keeps the frames.
        folder: an empty one, that all who compose regions can read.
    """
    first, channels = register_group(group, options, run)
    decision = decide(first, options=options, keep=False)
    if not isinstance(decision, NetworkDecision):
        raise OptionError("regions are composed by several processes where the network decides; use --method network")
    bare = [replace(one, source=None) for one in (first, *channels)]
    hand_over(folder, [bare, decision.overview], {"run": Run}, run.scratch)


def compose_region(
    folder: Path, region: Window, options: FusionOptions, run: Run
) -> Iterator[tuple[Window, FusionResult]]:
    """Yield what is composed of a region, part by part: the same pixels as in the whole.

    Args:
        folder: what `look_at_whole` handed over.
        region: rows and columns of the picture.
        options: the same.
        run: its region is the side of the parts.
    """
    registered: list[Registered]
    overview: Overview
    registered, overview = take_over(folder, {"run": run}, KNOWN, run.scratch)
    first, *channels = registered
    decision = decide_by_network(first, open_model(options, first.stack), options, False, overview)
    yield from run.in_turn(compose_regions(first, channels, decision, options, region))


def fuse_region(
    volume: Volume,
    group: Sequence[VolumeStack],
    region: Window,
    maps: Sequence[MapName],
    options: FusionOptions,
    run: Run,
    folder: Path,
) -> tuple[Mapping[int, Array], Mapping[MapName, Array], Tally]:
    """One region of the pictures of a group, by channel, with its maps, and what there is to say of it."""
    size = tuple(part.stop - part.start for part in region)
    frame = volume.stacks[0].listing.frame
    own = [replace(stack, position=0, time=0, channel=number) for number, stack in enumerate(group)]
    made = make_empty(volume, 0, maps, (1, 1, len(group)), 1, (*size, *frame.shape[2:]), run.empty)
    tally = Tally(label=group[0].label)
    for window, fused in compose_region(folder, region, options, run):
        put(made, own, relative_to(window, region), fused)
        tally.add(fused)
    pictures = {stack.channel: picture for stack, picture in zip(group, made.images[0, 0], strict=True)}
    return pictures, {name: planes[0, 0, 0] for name, planes in made.maps.items()}, tally


def outline(volume: Volume, channel_for_focus: int | None, maps: Sequence[MapName]) -> VolumeResult:
    """A result that has shapes and types, and takes no memory: what it holds lies in files."""
    leading = volume.axes["P"], volume.axes["T"], volume.axes["C"]
    deciding = leading[2] if channel_for_focus is None else 1
    shape = volume.stacks[0].listing.frame.shape
    return make_empty(volume, channel_for_focus, maps, leading, deciding, shape, make_hollow)


def make_hollow(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of zeros, all of them one."""
    hollow: Array = np.broadcast_to(np.zeros((), dtype), shape)
    return hollow
