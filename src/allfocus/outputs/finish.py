"""The fused picture, and what is made of it, with the metadata of one of its frames."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.core.color import Array, from_unit, srgb_to_linear, to_unit
from allfocus.core.stack import size_of
from allfocus.errors import WriteError
from allfocus.formats.write import Picture
from allfocus.metadata.camera import CameraColours
from allfocus.metadata.carry import Metadata, finish_metadata
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing

#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")
#: Ending of the format that holds a camera's own colours.
DNG = ".dng"


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
    if path.suffix.lower() == DNG and source.colours is not None:
        seen = to_linear(result.image, colours=source.colours)
        return Picture(path, seen, replace(metadata, icc=None, camera=source.colours))
    if path.suffix.lower() in LINEAR_SUFFIXES:
        return Picture(path, to_linear(result.image), replace(metadata, icc=linear_srgb_profile()))
    return Picture(path, result.image, replace(metadata, icc=srgb_profile()))


def to_linear(image: Array, rows: int = 256, colours: CameraColours | None = None) -> Array:
    """Display-encoded values as linear light of the same depth, in a camera's colours if given; in strips."""
    strips = (srgb_to_linear(to_unit(image[top : top + rows])) for top in range(0, len(image), rows))
    seen = (strip if colours is None else colours.from_linear(strip) for strip in strips)
    return np.concatenate([from_unit(strip, image.dtype) for strip in seen])


def check_colours(paths: Sequence[Path], pictures: Sequence[Path | None], source: Listing) -> None:
    """Raise `WriteError` for a DNG of what has no camera's colours: other frames than RAW, and maps."""
    for path in paths:
        if path.suffix.lower() != DNG:
            continue
        if path not in pictures:
            raise WriteError(f"{path}: only the picture itself and slabs can be DNG; write .tif")
        if source.colours is None:
            what = "RAW frames of a sensor without known colours" if source.is_linear else "frames that are not RAW"
            raise WriteError(f"{path}: DNG holds light in a camera's own colours, and these are {what}; write .tif")
