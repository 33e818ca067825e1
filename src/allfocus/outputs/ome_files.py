"""Files of fused volumes: pictures and maps with their axes, and what is said of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from allfocus._version import __version__
from allfocus.formats.ome_file import OmeFile, Scale
from allfocus.sources.volume import Volume
from allfocus.volumes import MapName, VolumeResult


def make_ome_files(result: VolumeResult, output: Path | None, maps: Mapping[MapName, Path]) -> list[OmeFile]:
    """Files of a result: the pictures if they are wanted, and each map; an image for each position in a file."""
    volume = result.volume
    frame = volume.stacks[0].listing.frame
    focus = result.channel_for_focus
    names = volume.channel_names if focus is None else (volume.channel_names[focus],)
    files = []
    if output is not None:
        pictures = OmeFile(
            path=output,
            planes=list(result.images),
            axes="TCYXS" if frame.ndim == 3 else "TCYX",
            scales=describe_positions(volume, volume.channel_names, describe_origin(volume, focus)),
            source=volume.ome_xml,
            labels={"index_map": list(result.maps["index_map"])} if "index_map" in result.maps else {},
            software=f"allfocus {__version__}",
        )
        files.append(pictures)
    for name, path in maps.items():
        scales = describe_positions(volume, names, describe_map(name, volume))
        made = OmeFile(path=path, planes=list(result.maps[name]), axes="TCYX", scales=scales)
        files.append(replace(made, software=f"allfocus {__version__}"))
    return files


def describe_positions(volume: Volume, channels: tuple[str, ...], description: str) -> list[Scale]:
    """What is said of each position."""
    size = None if volume.pixel_size is None else (volume.pixel_size[1], volume.pixel_size[0])
    names = volume.position_names if volume.axes["P"] > 1 else ("",)
    return [
        Scale(
            channels=channels,
            pixel_size=size,
            z_step=volume.z_step,
            unit=volume.unit,
            colors=volume.channel_colors if len(volume.channel_colors) == len(channels) else (),
            time_step=volume.time_step,
            description=description,
            name=name,
        )
        for name in names
    ]


def describe_origin(volume: Volume, channel_for_focus: int | None) -> str:
    """How the pictures came about, in a line."""
    apart = "" if volume.z_step is None else f", {volume.z_step:g} {volume.unit} apart"
    by = "" if channel_for_focus is None else f", in focus by {volume.channel_names[channel_for_focus]}"
    return f"fused by allfocus from {volume.axes['Z']} planes of {volume.path.name}{apart}{by}"


def describe_map(name: MapName, volume: Volume) -> str:
    """What the numbers of a map mean, in a line."""
    unit = "planes" if volume.z_step is None else volume.unit
    meanings: dict[MapName, str] = {
        "depth": f"depth in {unit} above the first{', which is 0' if volume.z_step is None else ' plane'}",
        "depth_error": f"standard error of the depth in {unit}",
        "index_map": "number of the plane that each pixel is from, the first is 0",
        "confidence": "how clear each choice was, 1 is sure",
    }
    return meanings[name]
