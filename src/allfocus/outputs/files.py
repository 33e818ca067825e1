"""What goes into each file of a fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.alignment.transforms_file import dump_transforms
from allfocus.composition.depth import depth_preview
from allfocus.core.color import Array, from_unit, srgb_to_linear, to_unit
from allfocus.formats.write import Picture
from allfocus.metadata.carry import Metadata, finish_metadata, sign_map
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import Listing

#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")


def make_files(result: FusionResult, outputs: Outputs) -> list[Picture]:
    """What goes into each file but the reports."""
    files = [] if outputs.image is None else [make_picture(result, outputs.image)]
    maps = make_maps(result, outputs)
    files += [Picture(path, plane, sign_map(shows, plane.shape[:2])) for path, plane, shows in maps]
    if outputs.save_transforms is not None and result.alignment is not None and result.source is not None:
        text = dump_transforms(result.alignment, result.names, result.source.frame.size)
        files.append(Picture(outputs.save_transforms, text))
    return files


def make_picture(result: FusionResult, path: Path) -> Picture:
    """The fused picture with the metadata of the reference."""
    source = result.source
    if source is None:
        return Picture(path, result.image)
    return finish_picture(result, path, read_frame_metadata(source, result.reference), source)


def finish_picture(
    result: FusionResult, path: Path, metadata: Metadata, source: Listing, done: str | None = None
) -> Picture:
    """The fused picture with this metadata; of RAW frames linear light, where the format holds it well.

    Args:
        result: the picture.
        path: where it goes.
        metadata: of one of its frames.
        source: the frames.
        done: what was done, see `finish_metadata`.
    """
    frames = result.frame_count if result.alignment is None else len(result.alignment.used)
    metadata = finish_metadata(metadata, frames=frames, size=result.image.shape[:2], done=done)
    if not source.is_linear:
        return Picture(path, result.image, metadata)
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return Picture(path, to_linear(result.image), replace(metadata, icc=linear_srgb_profile()))
    return Picture(path, result.image, replace(metadata, icc=srgb_profile()))


def to_linear(image: Array, rows: int = 256) -> Array:
    """Display-encoded values as linear light of the same depth, so many rows at a time."""
    strips = (image[top : top + rows] for top in range(0, len(image), rows))
    return np.concatenate([from_unit(srgb_to_linear(to_unit(strip)), image.dtype) for strip in strips])


def make_maps(result: FusionResult, outputs: Outputs) -> list[tuple[Path, Array, str]]:
    """What to write where, and what it shows: indices as they are, in 8 bits where those do; others as 16-bit gray."""
    planes: Mapping[str, Array | None] = {
        "index_map": result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16"),
        "confidence": from_unit(result.confidence, "uint16"),
        "depth": None if result.depth is None or outputs.depth is None else scale_depth(result),
        "depth_preview": None if result.depth is None or outputs.depth_preview is None else preview_depth(result),
        "out_of_focus": None if result.quality is None else result.quality.out_of_focus.astype("uint8") * 255,
        "veiled": None if result.quality is None else result.quality.veiled.astype("uint8") * 255,
        "veil": None if outputs.veil is None else draw_veil(result),
    }
    wanted: Sequence[tuple[Path | None, Array | None, str]] = [
        (getattr(outputs, name), plane, name.replace("_", " ")) for name, plane in planes.items()
    ]
    return [(path, plane, shows) for path, plane, shows in wanted if path is not None and plane is not None]


def draw_veil(result: FusionResult) -> Array:
    """The veil as RGBA of 8 or 16 bits: its colour, and its share of the light as alpha; of none all is transparent."""
    depth = "uint8" if result.image.dtype == "uint8" else "uint16"
    if result.veil is None:
        return np.zeros((*result.image.shape[:2], 4), depth)
    colour = result.veil.colour if result.veil.colour.ndim == 3 else np.dstack([result.veil.colour] * 3)
    return np.dstack([from_unit(to_unit(colour), depth), from_unit(result.veil.share, depth)])


def scale_depth(result: FusionResult) -> Array:
    """The depth map as 16-bit gray: 0 is the first frame, 65535 the last."""
    assert result.depth is not None
    return from_unit((result.depth / (len(result.depth_frames) - 1)).astype("float32"), "uint16")


def preview_depth(result: FusionResult) -> Array:
    """The depth map in colours, above a legend with the numbers of the first and the last frame."""
    assert result.depth is not None
    frames = result.depth_frames
    return depth_preview(result.depth, len(frames), (frames[0] + 1, frames[-1] + 1))
