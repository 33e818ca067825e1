"""What a fusion gave, in words: lines that a terminal, a page and a report show."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.core.notes import Note
from allfocus.core.stack import channels_of, size_of
from allfocus.outputs.files import find_metadata
from allfocus.outputs.heights import find_units, is_near_first
from allfocus.outputs.ome_files import describe_map
from allfocus.outputs.volume_surfaces import find_volume_units
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult
from allfocus.volume_quality import StackQuality, measure_quality
from allfocus.volumes import VolumeResult

#: Shares of the picture from which on it is worth a line that no choice among the frames is good. Flat and sharp
#: stacks have none of either, and nine of eleven real stacks of six frames and more less than 0.018 of each. Of six
#: rendered stacks with a gap in the focus five have more than 0.08 out of focus, the noisy one 0.014; of rendered
#: scenes with things before a distant wall all have more than 0.08 veiled: docs/experiments.md, 2026-11-27.
MUCH_OUT_OF_FOCUS, MUCH_VEILED = 0.02, 0.02
#: Share of a depth map from which on it is worth a line that it is unknown.
MUCH_UNKNOWN = 0.005
#: Frames of which all are named in a legend; of longer stacks only the ends.
FEW = 6
#: Pictures of a volume that a note names.
WORST = 3


def summarize(
    fused: FusionResult | VolumeResult, outputs: Outputs, files: Mapping[Path, str], method: str, seconds: float
) -> list[str]:
    """What was made of what, and what the numbers in maps mean: a line each.

    Args:
        fused: what came of the fusion.
        outputs: what was asked for.
        files: what was written, with what each file shows.
        method: what decided.
        seconds: how long it took.
    """
    if isinstance(fused, VolumeResult):
        return summarize_volume(fused, outputs, files, method, seconds)
    cropped = [f"cropped to {size_of(fused.image)}"] if fused.is_cropped else []
    aligned = "" if fused.alignment is None else describe_alignment(fused.alignment, fused.names)
    registered = ", ".join([*([aligned] if aligned else []), *cropped])
    return [
        f"{lead(outputs)}{count_used(fused)}, {describe_kind(fused)}, {fused.method}, {seconds:.1f} s",
        *([f"alignment: {registered}"] if registered else []),
        *describe_maps(outputs, fused),
        *(f"{path}: {shows}" for path, shows in files.items() if shows in ("slab", "report")),
    ]


def summarize_volume(
    fused: VolumeResult, outputs: Outputs, files: Mapping[Path, str], method: str, seconds: float
) -> list[str]:
    """The lines about the pictures of a volume; see `summarize`."""
    volume, focus = fused.volume, fused.channel_for_focus
    frame = volume.stacks[0].listing.frame
    kind = f"{size_of(frame)} {channels_of(frame)} {frame.dtype}"
    by = "" if focus is None else f", all by the focus of {volume.channel_names[focus]}"
    pictures = f"{volume} to {len(volume.stacks)} pictures, {kind}, {method}{by}"
    maps = {name: path for name in fused.maps if (path := getattr(outputs, name)) is not None}
    end = "first" if outputs.near == "first" else "last"
    unit = find_volume_units(volume, outputs)
    return [
        f"{lead(outputs)}{pictures}, {seconds:.1f} s",
        *(f"{path}: {describe_map(name, volume)}" for name, path in maps.items()),
        *(
            f"{path}: in {unit}, the {end} plane is nearest (--near)"
            for path, shows in files.items()
            if shows == "surface"
        ),
    ]


def lead(outputs: Outputs) -> str:
    """The file of the picture, to begin a line with."""
    return "" if outputs.image is None else f"{outputs.image}: "


def count_used(result: FusionResult) -> str:
    """How many frames were used, and of how many if some were left out."""
    used = result.frame_count if result.alignment is None else len(result.alignment.used)
    return f"{used} frames" if used == result.frame_count else f"{used} of {result.frame_count} frames"


def describe_kind(result: FusionResult) -> str:
    """Size, channels and depth of the frames; of arrays, those of the picture."""
    frame = result.image if result.source is None else result.source.frame
    return f"{size_of(frame)} {channels_of(frame)} {frame.dtype}"


def describe_frame(position: int, names: Sequence[str]) -> str:
    """A frame by its number, counted from 1, and its name."""
    return f"frame {position + 1} ({names[position]})"


def describe_alignment(alignment: Alignment, names: Sequence[str]) -> str:
    """How frames were registered; empty where nothing moved and no brightness was matched."""
    parts = []
    if alignment.model != "none":
        parts.append(f"{alignment.model}, registered to {describe_frame(alignment.reference, names)}")
        known = [residual for residual in alignment.residuals if not isnan(residual)]
        parts += [f"mean residual {sum(known) / len(known):.2f} px"] if known else []
    matched = sum(not exposure.is_same for exposure in alignment.exposures)
    parts += [f"brightness of {matched} of {len(names)} frames matched"] if matched else []
    return ", ".join(parts)


def describe_maps(outputs: Outputs, result: FusionResult) -> list[str]:
    """What the numbers in maps mean, a line each."""
    names, order = result.names, result.depth_frames
    lines = []
    if outputs.index_map is not None:
        lines.append(f"{outputs.index_map}: {describe_values(names)}")
    if outputs.depth is not None:
        unit = {"gray": f", 65535 in {names[order[-1]]}", "frame": ", in frames", "um": ", in micrometres"}
        first = names[order[0] if outputs.depth_unit == "gray" else 0]
        lines.append(f"{outputs.depth}: 0 is in focus in {first}{unit[outputs.depth_unit]}")
        unknown = 0.0 if result.depth is None else float(np.isnan(result.depth).mean())
        lines += [f"{outputs.depth}: {unknown:.1%} unknown, nothing decides there"] if unknown >= MUCH_UNKNOWN else []
    return lines + describe_shapes(outputs, result)


def describe_shapes(outputs: Outputs, result: FusionResult) -> list[str]:
    """What surfaces and views take for near, and the unit of surfaces, a line each."""
    wanted = [path for path in (outputs.surface, outputs.stereo, outputs.anaglyph, outputs.rocking) if path]
    if not wanted:
        return []
    units = find_units(result, outputs, find_metadata(result, outputs))
    near_first = is_near_first(result, outputs, is_calibrated=units.are_known)
    far, near = (result.names[result.depth_frames[end]] for end in ((-1, 0) if near_first else (0, -1)))
    said = [f"{outputs.surface}: in {units}, 0 is in focus in {far}"] if outputs.surface else []
    return [*said, f"{', '.join(map(str, wanted))}: nearest is what is in focus in {near} (--near)"]


def describe_values(names: Sequence[str]) -> str:
    """Which value of an index map stands for which frame; of a long stack only the ends."""
    values = [f"{value} = {name}" for value, name in enumerate(names)]
    return ", ".join(values if len(values) <= FEW else [*values[:2], "...", values[-1]])


def quality_notes(result: FusionResult | VolumeResult) -> list[Note]:
    """What no choice among the frames could give, where that is visibly much of a picture: at most a note for each."""
    pictures = result.quality if isinstance(result, VolumeResult) else measure_quality("", result)
    blurred = [picture for picture in pictures if picture.out_of_focus >= MUCH_OUT_OF_FOCUS]
    veiled = [picture for picture in pictures if picture.veiled >= MUCH_VEILED]
    notes = []
    if blurred:
        worst = max(blurred, key=lambda picture: picture.out_of_focus)
        frames = () if worst.gap is None else tuple(dict.fromkeys(worst.gap))
        share = describe_shares([(picture.out_of_focus, picture.label) for picture in blurred], len(pictures))
        message = f"out of focus in every frame: {share}{describe_gap(worst)}"
        notes.append(Note(code="out-of-focus", message=message, frames=frames))
    if veiled:
        share = describe_shares([(picture.veiled, picture.label) for picture in veiled], len(pictures))
        notes.append(Note(code="veiled", message=f"veiled by the blur of nearer things: {share}"))
    return notes


def describe_shares(shares: Sequence[tuple[float, str]], count: int) -> str:
    """How much of which of `count` pictures, the worst ones first; of many only those."""
    if count == 1:
        return f"{shares[0][0]:.1%} of the picture"
    ranked = sorted(shares, key=lambda each: -each[0])
    listed = "; ".join(f"{share:.1%} of {label}" for share, label in ranked[:WORST])
    more = f"; and much of {len(ranked) - WORST} more" if len(ranked) > WORST else ""
    return f"{listed}{more} ({len(ranked)} of {count} pictures)"


def describe_gap(picture: StackQuality) -> str:
    """Where in the stack another shot would help; empty where that is not known."""
    if picture.gap is None:
        return ""
    first, second = (describe_frame(position, picture.names) for position in picture.gap)
    place = f"between {first} and {second}" if first != second else f"next to {first}"
    return f", most of it {place}; another shot focused there would help"
