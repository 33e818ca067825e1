"""The draft: what stands in until the picture itself is there."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

import cv2

from allfocus.core.color import Array
from allfocus.core.windows import Window
from allfocus.errors import AllFocusError
from allfocus.options import FusionOptions
from allfocus.pipeline import fuse
from allfocus.sources.draft import draft_size
from allfocus.sources.listing import Listing, Reader
from allfocus.studio.tiles import to_8_bits

#: Pictures with fewer pixels than so many times those of a draft are there nearly as soon.
WORTH_IT = 2


def is_worth_it(listing: Listing) -> bool:
    """Whether a draft of these frames would be there much earlier than the picture."""
    height, width = draft_size(listing.frame, len(listing))
    return listing.frame.pixels > WORTH_IT * height * width


def watch(listing: Listing, see: Callable[[int, Array], None]) -> Listing:
    """The listing, whose frames are handed to `see` as they are read."""

    def read_and_tell(position: int, read: Reader) -> Array:
        pixels = read()
        see(position, pixels)
        return pixels

    return replace(listing, readers=[partial(read_and_tell, k, read) for k, read in enumerate(listing.readers)])


def make_draft(
    listing: Listing, options: FusionOptions, cancel: Event, see: Callable[[int, Array], None]
) -> tuple[Array, Window] | None:
    """Fuse small copies of the frames.

    Args:
        listing: the frames.
        options: those of the fusion.
        cancel: once it is set there is no draft.
        see: given each frame and its position, small, as soon as it is read.

    Returns:
        The picture, 8 bits, and the rows and columns of the reference's full frame that it covers; None where small
        copies can't be fused.
    """
    chosen = replace(
        options, draft=True, transforms=None, depth=False, order="names", stack=None, refine="none", max_memory=None
    )
    try:
        result = fuse(watch(listing, see), options=chosen, cancel=cancel)
    except (AllFocusError, cv2.error):
        return None
    height, width = draft_size(listing.frame, len(listing))
    window = result.window or (slice(0, height), slice(0, width))
    down, across = (
        slice(round(part.start * whole / side), round(part.stop * whole / side))
        for part, whole, side in zip(window, listing.frame.size, (height, width), strict=True)
    )
    return to_8_bits(result.shown(result.image)), (down, across)
