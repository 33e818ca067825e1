"""Volumes: every position, time and channel of a microscope's file fused over its planes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike

from allfocus.composition.depth import stretch_depth, stretch_error
from allfocus.core.color import Array, FloatArray
from allfocus.core.notes import Note
from allfocus.core.windows import Window, shift, tiles
from allfocus.decision.decision import Decision
from allfocus.errors import OptionError
from allfocus.formats.pixels import limit_pixels
from allfocus.options import FusionOptions, with_options
from allfocus.pipeline import check_model, compose, decide
from allfocus.plan import Plan, plan_for
from allfocus.registered import Registered
from allfocus.registration import read, register_stack
from allfocus.result import FusionResult
from allfocus.run.context import Run
from allfocus.run.machine import Machine
from allfocus.run.progress import Progress, silent
from allfocus.run.scratch import Scratch
from allfocus.sources.draft import reduce_volume
from allfocus.sources.volume import Volume, VolumeStack, inspect_volume, require_whole
from allfocus.volume_quality import StackQuality, Tally

#: Maps that can be had of a volume.
MapName = Literal["index_map", "confidence", "depth", "depth_error"]
MAP_NAMES: tuple[MapName, ...] = get_args(MapName)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class VolumeResult:
    """What a volume was fused to: pictures and maps of the size of its planes.

    Attributes:
        volume: what was fused.
        images: (P, T, C, H, W) or (P, T, C, H, W, 3), in the depth of the planes.
        maps: those that were asked for, each (P, T, D, H, W), where D is 1 if one channel decided, and C if each did
            for itself. `index_map` uint8, beyond 256 planes uint16, counted from 0; `confidence` float32, 0 to 1;
            `depth` float32, above the first plane, in the volume's unit, or in planes if it does not say how far
            these are apart; `depth_error` is its standard error, and NaN where nothing decides, as the depth.
        channel_for_focus: which channel decided for all, counted from 0; None: each for itself.
        notes: what a user should know about this result, empty when all is ordinary.
        quality: how much of each picture can't be trusted; empty where nothing is known about it.
    """

    volume: Volume
    images: Array
    maps: Mapping[MapName, Array]
    channel_for_focus: int | None = None
    notes: tuple[Note, ...] = ()
    quality: tuple[StackQuality, ...] = ()

    def __repr__(self) -> str:
        return f"<VolumeResult {self.images.shape} {self.images.dtype} of {self.volume}>"


def fuse_volume(
    volume: Volume | Path | str,
    *,
    options: FusionOptions | None = None,
    channel_for_focus: int | None = None,
    maps: Sequence[MapName] = (),
    progress: Progress = silent,
    cancel: Event | None = None,
    machine: Machine | None = None,
    **changes: Any,
) -> VolumeResult:
    """Fuse every position, time and channel of a volume over its planes, one stack at a time.

    All pictures are as large as the planes, so that pixels of all channels and times belong together: nothing is
    cropped (`keep_canvas`).

    Args:
        volume: what `inspect_volume` found, or the path of the file.
        options: how; by default the shipped network.
        channel_for_focus: the channel, counted from 0, whose alignment and decision are used for all channels; None:
            each channel for itself.
        maps: which maps to make too.
        progress: called as the work goes on; of several stacks each stage is led by a number, as in ``2/6 fuse``.
        cancel: once it is set, by another thread, the work ends with `Cancelled`.
        machine: what the plans may count on; by default what there is.
        changes: options by their names.

    Raises:
        ConfigError: there is no such channel or map, or a depth map from the Laplacian rule.
        AllFocusError: as `fuse` does.
    """
    options = options_for_volumes(with_options(options, changes), maps)
    with limit_pixels(options.pixel_limit):
        volume = volume if isinstance(volume, Volume) else inspect_volume(volume)
    require_whole(volume)
    volume = reduce_volume(volume) if options.draft else volume
    if channel_for_focus is not None and channel_for_focus not in range(volume.axes["C"]):
        raise OptionError(f"channel_for_focus {channel_for_focus}: expected 0 to {volume.axes['C'] - 1}")
    if not set(maps) <= set(MAP_NAMES):
        raise OptionError(f"maps {', '.join(maps)}: expected some of {', '.join(MAP_NAMES)}")
    groups = group_stacks(volume, channel_for_focus)
    machine = machine or Machine()
    result, keeper = allocate(volume, options, channel_for_focus, maps, machine)
    tallies = []
    for number, group in enumerate(keeper.in_turn(groups)):
        plan = plan_for(group[0].listing, options, len(group) - 1, machine, group[0].listing.parts)
        run = plan.start(staged(progress, number, len(groups)), cancel)
        tallies.append(Tally(label=group[0].label))
        for window, fused in keeper.in_turn(fuse_group(group, options, run)):
            put(result, group, window, fused)
            tallies[-1].add(fused)
    return conclude(result, tallies)


def conclude(result: VolumeResult, tallies: Sequence[Tally]) -> VolumeResult:
    """The result with what was counted of each of its stacks."""
    notes: dict[Note, dict[str, None]] = {}
    for tally in tallies:
        for note in tally.notes:
            notes.setdefault(note, {})[tally.label] = None
    return replace(
        result,
        notes=(*result.volume.notes, *merge_notes({note: list(labels) for note, labels in notes.items()})),
        quality=tuple(quality for tally in tallies for quality in tally.conclude()),
    )


def options_for_volumes(options: FusionOptions, maps: Sequence[MapName]) -> FusionOptions:
    """The options with what all volumes need: nothing is cropped, depth where it is wanted, and light stays as it is.

    In microscopes near things add their light to what is behind, and hide nothing: veils of another kind.
    """
    return replace(options, keep_canvas=True, depth=not {"depth", "depth_error"}.isdisjoint(maps), halos="keep")


def fuse_group(group: Sequence[VolumeStack], options: FusionOptions, run: Run) -> Iterator[tuple[Window, FusionResult]]:
    """Fuse channels that go by the decision of the first: yields the picture, or each region of it in turn."""
    first, channels = register_group(group, options, run)
    decision = decide(first, options=options, keep=False)
    yield from compose_regions(first, channels, decision, options)


def register_group(
    group: Sequence[VolumeStack], options: FusionOptions, run: Run
) -> tuple[Registered, list[Registered]]:
    """Register channels: the first by itself, the others as it is."""
    check_model(options, group[0].listing)
    parts = [run.part(number, len(group)) for number in range(len(group))]
    stacks = [read(stack.listing, part) for stack, part in zip(group, parts, strict=True)]
    first = register_stack(stacks[0], group[0].listing, options, parts[0])
    channels = [
        register_stack(stack, one.listing, options, part, first)
        for stack, one, part in zip(stacks[1:], group[1:], parts[1:], strict=True)
    ]
    return replace(first, run=run), channels


def compose_regions(
    registered: Registered,
    channels: Sequence[Registered],
    decision: Decision,
    options: FusionOptions,
    within: Window | None = None,
) -> Iterator[tuple[Window, FusionResult]]:
    """Compose the picture, or each region of it, or of a window of it, in turn."""
    run, (rows, columns) = registered.run, within or (slice(0, registered.size[0]), slice(0, registered.size[1]))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    regions = [shift(tile, (rows, columns)) for tile in tiles(height, width, run.region or max(height, width))]
    for number, region in enumerate(regions):
        here = replace(registered, run=run.part(number, len(regions)))
        yield region, compose(here, decision, window=region, channels=channels, options=options)


def group_stacks(volume: Volume, channel_for_focus: int | None) -> list[list[VolumeStack]]:
    """Stacks that are fused by one decision, the one that decides first: all channels, or each alone."""
    if channel_for_focus is None:
        return [[stack] for stack in volume.stacks]
    count = volume.axes["C"]
    together = [list(volume.stacks[start : start + count]) for start in range(0, len(volume.stacks), count)]
    return [sorted(group, key=lambda stack: stack.channel != channel_for_focus) for group in together]


def allocate(
    volume: Volume,
    options: FusionOptions,
    channel_for_focus: int | None,
    maps: Sequence[MapName],
    machine: Machine,
) -> tuple[VolumeResult, Run]:
    """The empty result, in scratch files where it is large, and what keeps it there."""
    frame = volume.stacks[0].listing.frame
    leading = volume.axes["P"], volume.axes["T"], volume.axes["C"]
    deciding = leading[2] if channel_for_focus is None else 1
    nbytes = int(np.prod(leading)) * (frame.nbytes + 4 * len(maps) * frame.pixels)
    keeper = Run(scratch=Scratch((options.spool or machine.scratch) if nbytes > machine.kept_in_memory else None))
    return make_empty(volume, channel_for_focus, maps, leading, deciding, frame.shape, keeper.empty), keeper


def make_empty(
    volume: Volume,
    channel_for_focus: int | None,
    maps: Sequence[MapName],
    leading: tuple[int, int, int],
    deciding: int,
    shape: tuple[int, ...],
    empty: Callable[[tuple[int, ...], DTypeLike], Array],
) -> VolumeResult:
    """An empty result of so many positions, times and channels, some of which decide, each of one shape."""
    indices = np.uint8 if volume.axes["Z"] <= 256 else np.uint16
    of_maps = (*leading[:2], deciding, *shape[:2])
    return VolumeResult(
        volume=volume,
        images=empty((*leading, *shape), find_depth(volume.stacks[0].listing.frame.dtype)),
        maps={name: empty(of_maps, indices if name == "index_map" else np.float32) for name in maps},
        channel_for_focus=channel_for_focus,
    )


def find_depth(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which OME-TIFF holds numbers of this one."""
    others = {"float16": "float32", "int64": "float64", "uint64": "float64"}
    return np.dtype(others.get(dtype.name, dtype.name))


def put(result: VolumeResult, group: Sequence[VolumeStack], window: Window, fused: FusionResult) -> None:
    """Put what one fusion gave of a window where it belongs."""
    for stack, picture in zip(group, (fused.image, *fused.channels), strict=True):
        result.images[(stack.position, stack.time, stack.channel, *window)] = picture
    stack = group[0]
    place = stack.position, stack.time, 0 if result.channel_for_focus is not None else stack.channel
    step, measured = (
        np.float32(result.volume.z_step or 1),
        {"depth": measure_height, "depth_error": measure_height_error},
    )
    for name, planes in result.maps.items():
        planes[(*place, *window)] = measured[name](fused) * step if name in measured else getattr(fused, name)


def measure_height(fused: FusionResult) -> FloatArray:
    """The depth in planes above the first, whatever the order of focus is that was found."""
    assert fused.depth is not None
    return stretch_depth(fused.depth, fused.order) if fused.order else fused.depth


def measure_height_error(fused: FusionResult) -> FloatArray:
    """The standard error of that depth, in planes."""
    assert fused.depth is not None
    assert fused.depth_error is not None
    return stretch_error(fused.depth_error, fused.depth, fused.order) if fused.order else fused.depth_error


def staged(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one stack of several, counted from 0."""
    if count == 1:
        return progress
    return lambda stage, done, total: progress(f"{number + 1}/{count} {stage}", done, total)


def stage_costs(plan: Plan, stacks: int) -> dict[str, float]:
    """What the stages of so many stacks are expected to cost, see `Plan.costs`."""
    if stacks == 1:
        return plan.costs()
    costs = plan.costs()
    write = costs.pop("write")
    each = {f"{number + 1}/{stacks} {stage}": cost for number in range(stacks) for stage, cost in costs.items()}
    return each | {"write": stacks * write}


def merge_notes(notes: Mapping[Note, Sequence[str]]) -> tuple[Note, ...]:
    """One note for each thing, with the stacks that it is about."""
    merged = []
    for note, labels in notes.items():
        more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        merged.append(replace(note, message=f"{labels[0]}{more}: {note}") if labels[0] else note)
    return tuple(merged)
