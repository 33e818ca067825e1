"""What goes into each file of a fusion."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np

from allfocus.alignment.transforms_file import make_text
from allfocus.composition.depth import depth_preview
from allfocus.core.color import Array, from_unit, to_unit
from allfocus.core.stack import FrameInfo
from allfocus.errors import OptionError
from allfocus.formats.registry import holds_labels
from allfocus.formats.write import Picture, check_output
from allfocus.metadata.carry import Metadata, sign_map
from allfocus.outputs.finish import make_picture
from allfocus.outputs.layers import make_layers
from allfocus.outputs.moving import check_moving
from allfocus.outputs.shapes import make_shapes
from allfocus.outputs.wishes import DepthUnit, Outputs
from allfocus.registered import Registered
from allfocus.result import FusionResult
from allfocus.run.workers import watched
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import Listing
from allfocus.volumes import measure_height, measure_height_error

#: In an inch.
MICROMETRES = 25400
#: Bytes a pixel of the maps while they wait to be written; how many pictures as large as a frame views are; and
#: bytes of what is made at a size of its own, and of what makes it.
PLANES = {"index_map": 2, "confidence": 2, "depth_preview": 3, "out_of_focus": 1, "veiled": 1}
OF_DEPTH = ("depth", "depth_error")
VIEWS = {"stereo": 2, "anaglyph": 1, "scale_bar": 1}
OWN_SIZE = {"surface": 100_000_000, "rocking": 150_000_000, "layers": 20_000_000}
#: What the numbers of depth maps are, by their unit.
UNITS: Mapping[DepthUnit, str] = {"gray": "depth", "frame": "depth in frames", "um": "depth in micrometres"}


def make_files(
    result: FusionResult, outputs: Outputs, registered: Registered | None = None, cancelled: Event | None = None
) -> list[Picture]:
    """What goes into each file but the reports; of layers, the frames are needed too; ends once it is cancelled."""
    found = find_metadata(result, outputs)
    files = []
    if outputs.image is not None:
        labels = {"index_map": count_in_few_bits(result)} if holds_labels(outputs.image) else None
        files.append(make_picture(result, outputs.image, found)._replace(labels=labels))
    for path, plane, meaning in make_maps(result, outputs, found.z_step):
        files.append(Picture(path, plane, sign_map(meaning, plane.shape[:2], found)))
    files += watched(make_shapes(result, outputs, found, cancelled), cancelled)
    if registered is not None:
        files += make_layers(result, registered, outputs, found, cancelled)
    if outputs.save_transforms is not None and result.alignment is not None and result.source is not None:
        path, source = outputs.save_transforms, result.source
        text, notes = make_text(path, result.alignment, source.paths, result.names, source.frame.size)
        files.append(Picture(path, text, notes=notes))
    return files


def count_held_bytes(outputs: Outputs, frame: FrameInfo) -> int:
    """Bytes, at most, of all files beside the picture, which wait until the last of them is made.

    Args:
        outputs: what is wanted.
        frame: what the picture is like.
    """

    def total(sizes: Mapping[str, int]) -> int:
        return sum(size for name, size in sizes.items() if getattr(outputs, name) is not None)

    depth = total(dict.fromkeys(OF_DEPTH, 2 if outputs.depth_unit == "gray" else 4))
    veil = total({"veil": 4 * min(frame.dtype.itemsize, 2)})
    return (total(PLANES) + depth + veil) * frame.pixels + total(VIEWS) * frame.nbytes + total(OWN_SIZE)


def find_metadata(result: FusionResult, outputs: Outputs) -> Metadata:
    """The metadata of the reference, with sizes that were given rather than the file's."""
    source = result.source
    found = Metadata() if source is None else read_frame_metadata(source, result.reference)
    return with_sizes(found, outputs)


def with_sizes(metadata: Metadata, outputs: Outputs) -> Metadata:
    """The metadata with the sizes of a pixel and of a step that were given."""
    size, step = outputs.pixel_size, outputs.z_step
    given = metadata if size is None else replace(metadata, pixel_size=(size, size), dpi=(MICROMETRES / size,) * 2)
    return given if step is None else replace(given, z_step=step)


def check_sizes(outputs: Outputs, size: tuple[int, int]) -> None:
    """Raise `WriteError` where a format can't hold a picture of this height and width, or can't be written here."""
    across = (size[0], 2 * size[1])
    wanted = [(outputs.image, size), (outputs.anaglyph, size), (outputs.scale_bar, size), (outputs.stereo, across)]
    for path, held in wanted:
        if path is not None:
            check_output(path, held)
    if outputs.rocking is not None:
        check_moving(outputs.rocking)


def require_sizes(outputs: Outputs, source: Listing | None) -> None:
    """Raise `OptionError` where an output needs a size that is neither given nor known from the files."""
    maps = (outputs.depth, outputs.depth_error)
    needs_step = outputs.depth_unit == "um" and any(path is not None for path in maps)
    if not needs_step and outputs.scale_bar is None:
        return
    stored = Metadata() if source is None else read_frame_metadata(source, len(source) // 2)
    known = with_sizes(stored, outputs)
    if needs_step and known.z_step is None:
        raise OptionError("depth-unit um: the distance from frame to frame is unknown; give it with --z-step")
    if outputs.scale_bar is not None and known.pixel_size is None:
        raise OptionError("scale-bar: the size of a pixel is unknown; give it with --pixel-size")


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
    filled = replace(result, depth=result.fill_depth()) if outputs.depth_fill and outputs.need_depth else result
    has_depth = result.depth is not None and outputs.depth is not None
    depth, meaning = scale_depth(filled, outputs.depth_unit, z_step) if has_depth else (None, "")
    has_error = result.depth_error is not None and outputs.depth_error is not None
    error = scale_error(result, outputs.depth_unit, z_step) if has_error else None
    preview = None if result.depth is None or outputs.depth_preview is None else preview_depth(filled)
    quality = result.quality
    planes: Mapping[str, tuple[Array | None, str]] = {
        "index_map": (
            count_in_few_bits(result),
            "number of the frame that each pixel is from, the first is 0",
        ),
        "confidence": (from_unit(result.confidence, "uint16"), "how sure each choice is, white is certain"),
        "depth": (depth, meaning),
        "depth_error": (error, f"standard error of the {UNITS[outputs.depth_unit]}"),
        "depth_preview": (preview, "depth in colours"),
        "out_of_focus": (None if quality is None else quality.out_of_focus.astype("uint8") * 255, "out of focus"),
        "veiled": (None if quality is None else quality.veiled.astype("uint8") * 255, "veiled by the blur of others"),
        "veil": (None if outputs.veil is None else draw_veil(result), "light of nearer things, its share as alpha"),
    }
    wanted = [(getattr(outputs, name), plane, meaning) for name, (plane, meaning) in planes.items()]
    return [(path, plane, meaning) for path, plane, meaning in wanted if path is not None and plane is not None]


def count_in_few_bits(result: FusionResult) -> Array:
    """The index map, in 8 bits where those do."""
    return result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16")


def scale_depth(result: FusionResult, unit: DepthUnit = "gray", z_step: float | None = None) -> tuple[Array, str]:
    """The depth map, and what its numbers mean.

    16-bit gray, 0 the first frame and 65535 the last, filled in where it is unknown; or float32, NaN there: positions
    of frames, counted from 0, or µm above the first frame.
    """
    height = measure_height(result)
    if unit == "um":
        return height * np.float32(z_step or np.nan), f"{UNITS[unit]} above the first frame"
    if unit == "frame":
        return height, f"{UNITS[unit]} above the first, which is 0"
    filled = result.fill_depth()
    assert filled is not None
    gray = from_unit((filled / (len(result.depth_frames) - 1)).astype("float32"), "uint16")
    return gray, f"{UNITS[unit]}, 0 is the first frame and 65535 the last"


def scale_error(result: FusionResult, unit: DepthUnit = "gray", z_step: float | None = None) -> Array:
    """The standard error of the depth in its numbers, see `scale_depth`; in gray white where nothing is known."""
    error = measure_height_error(result)
    if unit == "um":
        return error * np.float32(z_step or np.nan)
    if unit == "frame":
        return error
    assert result.depth_error is not None
    share = result.depth_error / np.float32(len(result.depth_frames) - 1)
    return from_unit(np.nan_to_num(share, nan=1.0).astype("float32"), "uint16")


def preview_depth(result: FusionResult) -> Array:
    """The depth map in colours, above a legend with the numbers of the first and the last frame."""
    assert result.depth is not None
    frames = result.depth_frames
    return depth_preview(result.depth, len(frames), (frames[0] + 1, frames[-1] + 1))
