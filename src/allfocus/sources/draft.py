"""Drafts: stacks whose frames are read at a reduced size, so that a picture is there within seconds."""

from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack, FrameInfo, size_of
from allfocus.formats.pixels import reduced_by
from allfocus.sources.listing import Listing, Reader
from allfocus.sources.volume import Volume

#: Pixels of one small copy, and of all of them together, at most.
ONE, ALL = 400_000, 4_000_000
#: Types of numbers that OpenCV resizes as they are; others become float64 on the way.
RESIZED = ("uint8", "uint16", "int16", "float32", "float64")


def draft_size(frame: FrameInfo, count: int) -> tuple[int, int]:
    """Height and width of the small copy of each of so many frames."""
    scale = min(1.0, (min(ONE, ALL / count) / frame.pixels) ** 0.5)
    return max(1, round(frame.size[0] * scale)), max(1, round(frame.size[1] * scale))


def reduce_source(source: Listing | FocalStack) -> Listing | FocalStack:
    """What was opened, with small copies of its frames, and a note that says so."""
    return reduce_listing(source) if isinstance(source, Listing) else reduce_stack(source)


def reduce_listing(listing: Listing) -> Listing:
    """The listing whose frames are read at a reduced size, as cheaply as their formats can."""
    if listing.whole is not None:
        return listing
    whole, size = listing.frame, draft_size(listing.frame, len(listing))
    note = note_draft(whole, size)
    if size == whole.size:
        return replace(listing, notes=(*listing.notes, note))
    return replace(
        listing,
        frame=whole.resized(size),
        readers=[partial(read_reduced, reader, whole, size) for reader in listing.readers],
        notes=(*listing.notes, note),
        whole=whole,
        parts=None,
    )


def reduce_volume(volume: Volume) -> Volume:
    """The volume whose planes are read at a reduced size; its pixels are larger by as much."""
    stacks = [replace(stack, listing=reduce_listing(stack.listing)) for stack in volume.stacks]
    whole, small = volume.stacks[0].listing.frame.size, stacks[0].listing.frame.size
    pixel = volume.pixel_size
    enlarged = None if pixel is None else (pixel[0] * whole[1] / small[1], pixel[1] * whole[0] / small[0])
    return replace(volume, stacks=tuple(stacks), pixel_size=enlarged)


def reduce_stack(stack: FocalStack) -> FocalStack:
    """The stack with small copies of its frames."""
    whole, size = stack.frame, draft_size(stack.frame, len(stack))
    covered = [None if mask is None else shrink_mask(mask, size) for mask in stack.covered]
    return replace(
        stack,
        frames=[shrink(frame, size) for frame in stack.frames],
        covered=covered,
        notes=(*stack.notes, note_draft(whole, size)),
    )


def note_draft(whole: FrameInfo, size: tuple[int, int]) -> Note:
    """What a draft is, for its user."""
    frames = f"small copies of {size[1]}x{size[0]} were fused instead of the frames of {size_of(whole)}"
    what = "" if size == whole.size else f"{frames}, and "
    return Note(
        code="draft", message=f"draft: {what}halos were kept; without --draft the picture is as good as it gets"
    )


def read_reduced(reader: Reader, whole: FrameInfo, size: tuple[int, int]) -> Array:
    """Decode a frame at about this height and width, which are less than those of the whole, and shrink it to them."""
    with reduced_by(max(1, min(whole.size[0] // size[0], whole.size[1] // size[1]))):
        return shrink(reader(), size)


def shrink(picture: Array, size: tuple[int, int]) -> Array:
    """Means over areas, in the picture's own type: (h, w) or (h, w, c) to this height and width."""
    if picture.shape[:2] == size:
        return picture
    plain = picture if picture.dtype.name in RESIZED else picture.astype(np.float64)
    small = np.asarray(cv2.resize(plain, size[::-1], interpolation=cv2.INTER_AREA))
    small = small.reshape(*size, *picture.shape[2:])
    if small.dtype == picture.dtype:
        return small
    return (np.rint(small) if picture.dtype.kind in "iu" else small).astype(picture.dtype)


def shrink_mask(mask: Array, size: tuple[int, int]) -> Array:
    """Where all that a small pixel stands for is covered."""
    return np.asarray(shrink(mask.astype(np.float32), size) > 0.999)
