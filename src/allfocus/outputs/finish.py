"""The fused picture, and what is made of it, with the metadata of one of its frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from allfocus.core.color import Array, from_unit, srgb_to_linear, to_unit
from allfocus.core.stack import size_of
from allfocus.formats.write import Picture
from allfocus.metadata.carry import Metadata, finish_metadata
from allfocus.metadata.icc import linear_srgb_profile, srgb_profile
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing

#: Endings of formats that hold linear light well enough: 16 bits without loss.
LINEAR_SUFFIXES = (".tif", ".tiff")


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
