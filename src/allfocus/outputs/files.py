"""What goes into each file of a fusion."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.alignment.transforms_file import dump_transforms
from allfocus.composition.depth import depth_preview
from allfocus.core.color import Array, from_unit, srgb_to_linear, to_unit
from allfocus.core.stack import size_of
from allfocus.errors import OptionError
from allfocus.formats.write import Picture
from allfocus.metadata.carry import Metadata, finish_metadata, sign_map
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.outputs.wishes import DepthUnit, Outputs
from allfocus.result import FusionResult
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import Listing
from allfocus.volumes import measure_height

#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")


def make_files(result: FusionResult, outputs: Outputs) -> list[Picture]:
    """What goes into each file but the reports."""
    found = find_metadata(result, outputs)
    files = [] if outputs.image is None else [make_picture(result, outputs.image, found)]
    for path, plane, meaning in make_maps(result, outputs, found.z_step):
        files.append(Picture(path, plane, sign_map(meaning, plane.shape[:2], found)))
    if outputs.save_transforms is not None and result.alignment is not None and result.source is not None:
        text = dump_transforms(result.alignment, result.names, result.source.frame.size)
        files.append(Picture(outputs.save_transforms, text))
    return files


def find_metadata(result: FusionResult, outputs: Outputs) -> Metadata:
    """The metadata of the reference, with the distance of frames that was given rather than the file's."""
    source = result.source
    found = Metadata() if source is None else read_frame_metadata(source, result.reference)
    return replace(found, z_step=outputs.z_step or found.z_step)


def require_z_step(outputs: Outputs, source: Listing | None) -> None:
    """Raise `OptionError` where the distance of frames is neither given nor known from the files."""
    known = None if source is None else read_frame_metadata(source, len(source) // 2).z_step
    if outputs.z_step is None and known is None:
        raise OptionError("depth-unit um: the distance from frame to frame is unknown; give it with --z-step")


def make_picture(result: FusionResult, path: Path, metadata: Metadata) -> Picture:
    """The fused picture with the metadata of the reference."""
    if result.source is None:
        return Picture(path, result.image, samples=result.samples)
    return finish_picture(result, path, metadata, result.source)


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
    if source.whole is not None:
        done = f"draft, reduced from {size_of(source.whole)}, {done or f'fused from {frames} frames'}"
    metadata = finish_metadata(metadata, frames=frames, size=result.image.shape[:2], done=done)
    if not source.is_linear:
        return Picture(path, result.image, metadata, result.samples)
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return Picture(path, to_linear(result.image), replace(metadata, icc=linear_srgb_profile()))
    return Picture(path, result.image, replace(metadata, icc=srgb_profile()))


def to_linear(image: Array, rows: int = 256) -> Array:
    """Display-encoded values as linear light of the same depth, so many rows at a time."""
    strips = (image[top : top + rows] for top in range(0, len(image), rows))
    return np.concatenate([from_unit(srgb_to_linear(to_unit(strip)), image.dtype) for strip in strips])


def draw_veil(result: FusionResult) -> Array:
    """The veil as RGBA of 8 or 16 bits: its colour, and its share of the light as alpha; of none all is transparent."""
    depth = "uint8" if result.image.dtype == "uint8" else "uint16"
    if result.veil is None:
        return np.zeros((*result.image.shape[:2], 4), depth)
    colour = result.veil.colour if result.veil.colour.ndim == 3 else np.dstack([result.veil.colour] * 3)
    return np.dstack([from_unit(to_unit(colour), depth), from_unit(result.veil.share, depth)])


def make_maps(result: FusionResult, outputs: Outputs, z_step: float | None = None) -> list[tuple[Path, Array, str]]:
    """What to write where, and what it means: indices as they are, in 8 bits where those do; confidence as 16-bit gray.

    Args:
        result: of the fusion.
        outputs: what is wanted.
        z_step: from frame to frame, in µm; None: unknown.
    """
    has_depth = result.depth is not None and outputs.depth is not None
    depth, meaning = scale_depth(result, outputs.depth_unit, z_step) if has_depth else (None, "")
    preview = None if result.depth is None or outputs.depth_preview is None else preview_depth(result)
    quality = result.quality
    planes: Mapping[str, tuple[Array | None, str]] = {
        "index_map": (
            result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16"),
            "number of the frame that each pixel is from, the first is 0",
        ),
        "confidence": (from_unit(result.confidence, "uint16"), "how sure each choice is, white is certain"),
        "depth": (depth, meaning),
        "depth_preview": (preview, "depth in colours"),
        "out_of_focus": (None if quality is None else quality.out_of_focus.astype("uint8") * 255, "out of focus"),
        "veiled": (None if quality is None else quality.veiled.astype("uint8") * 255, "veiled by the blur of others"),
        "veil": (None if outputs.veil is None else draw_veil(result), "light of nearer things, its share as alpha"),
    }
    wanted = [(getattr(outputs, name), plane, meaning) for name, (plane, meaning) in planes.items()]
    return [(path, plane, meaning) for path, plane, meaning in wanted if path is not None and plane is not None]


def scale_depth(result: FusionResult, unit: DepthUnit = "gray", z_step: float | None = None) -> tuple[Array, str]:
    """The depth map, and what its numbers mean.

    16-bit gray, 0 the first frame and 65535 the last; or float32, NaN where it is unknown: positions of frames, counted
    from 0, or µm above the first frame.
    """
    assert result.depth is not None
    if unit == "um":
        return measure_height(result) * np.float32(z_step or np.nan), "depth in micrometres above the first frame"
    if unit == "frame":
        return measure_height(result), "depth in frames above the first, which is 0"
    span = len(result.depth_frames) - 1
    gray = from_unit((np.nan_to_num(result.depth) / span).astype("float32"), "uint16")
    return gray, "depth, 0 is the first frame and 65535 the last"


def preview_depth(result: FusionResult) -> Array:
    """The depth map in colours, above a legend with the numbers of the first and the last frame."""
    assert result.depth is not None
    frames = result.depth_frames
    return depth_preview(np.nan_to_num(result.depth), len(frames), (frames[0] + 1, frames[-1] + 1))
