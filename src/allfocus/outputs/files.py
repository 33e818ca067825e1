"""What goes into each file of a fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.alignment.transforms_file import dump_transforms
from allfocus.composition.depth import depth_preview
from allfocus.core.color import Array, from_unit, srgb_to_linear, to_unit
from allfocus.formats.read import read_metadata
from allfocus.formats.write import Picture
from allfocus.metadata.carry import Metadata, finish_metadata
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing

#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")


def make_files(result: FusionResult, outputs: Outputs) -> list[Picture]:
    """What goes into each file but the reports."""
    files = [] if outputs.image is None else [make_picture(result, outputs.image)]
    files += [Picture(path, plane) for path, plane in make_maps(result, outputs)]
    if outputs.save_transforms is not None and result.alignment is not None and result.source is not None:
        text = dump_transforms(result.alignment, result.names, result.source.frame.size)
        files.append(Picture(outputs.save_transforms, text))
    return files


def make_picture(result: FusionResult, path: Path) -> Picture:
    """The fused picture with the metadata of the reference."""
    source = result.source
    if source is None:
        return Picture(path, result.image, samples=result.samples)
    return finish_picture(result, path, read_metadata(source.path_of(result.reference)), source)


def finish_picture(result: FusionResult, path: Path, metadata: Metadata, source: Listing) -> Picture:
    """The fused picture with this metadata; of RAW frames linear light, where the format holds it well."""
    frames = result.frame_count if result.alignment is None else len(result.alignment.used)
    metadata = finish_metadata(metadata, frames=frames, size=result.image.shape[:2])
    if not source.is_linear:
        return Picture(path, result.image, metadata, result.samples)
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return Picture(path, to_linear(result.image), replace(metadata, icc=linear_srgb_profile()))
    return Picture(path, result.image, replace(metadata, icc=srgb_profile()))


def to_linear(image: Array, rows: int = 256) -> Array:
    """Display-encoded values as linear light of the same depth, so many rows at a time."""
    strips = (image[top : top + rows] for top in range(0, len(image), rows))
    return np.concatenate([from_unit(srgb_to_linear(to_unit(strip)), image.dtype) for strip in strips])


def make_maps(result: FusionResult, outputs: Outputs) -> list[tuple[Path, Array]]:
    """What to write where: indices as they are, in 8 bits where those do; confidence and depth as 16-bit gray."""
    planes: Mapping[str, Array | None] = {
        "index_map": result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16"),
        "confidence": from_unit(result.confidence, "uint16"),
        "depth": None if result.depth is None or outputs.depth is None else scale_depth(result),
        "depth_preview": None if result.depth is None or outputs.depth_preview is None else preview_depth(result),
        "out_of_focus": None if result.quality is None else result.quality.out_of_focus.astype("uint8") * 255,
        "veiled": None if result.quality is None else result.quality.veiled.astype("uint8") * 255,
    }
    wanted: Sequence[tuple[Path | None, Array | None]] = [
        (getattr(outputs, name), plane) for name, plane in planes.items()
    ]
    return [(path, plane) for path, plane in wanted if path is not None and plane is not None]


def scale_depth(result: FusionResult) -> Array:
    """The depth map as 16-bit gray: 0 is the first frame, 65535 the last."""
    assert result.depth is not None
    return from_unit((result.depth / (len(result.depth_frames) - 1)).astype("float32"), "uint16")


def preview_depth(result: FusionResult) -> Array:
    """The depth map in colours, above a legend with the numbers of the first and the last frame."""
    assert result.depth is not None
    frames = result.depth_frames
    return depth_preview(result.depth, len(frames), (frames[0] + 1, frames[-1] + 1))
