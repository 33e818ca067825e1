"""The draft: the same fusion of small copies of the frames, which stands in until the picture itself is there."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FocalStack, FrameInfo
from allfocus.core.windows import Window
from allfocus.errors import AllFocusError
from allfocus.options import FusionOptions
from allfocus.pipeline import fuse
from allfocus.registration import find_reference
from allfocus.studio.tiles import to_8_bits

#: Pixels of one small copy, and of all of them together, at most.
ONE, ALL = 900_000, 8_000_000


def draft_size(frame: FrameInfo, count: int) -> tuple[int, int]:
    """Height and width of the small copy of each of so many frames."""
    scale = min(1.0, (min(ONE, ALL / count) / frame.pixels) ** 0.5)
    return max(1, round(frame.size[0] * scale)), max(1, round(frame.size[1] * scale))


def shrink_frame(pixels: Array, size: tuple[int, int]) -> Array:
    """The small copy of a frame, 8 bits."""
    return to_8_bits(np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)))


def make_draft(
    small: Sequence[Array], names: Sequence[str], full: tuple[int, int], options: FusionOptions, cancel: Event
) -> tuple[Array, Window] | None:
    """Fuse small copies of the frames.

    Args:
        small: 8 bits, all of one size.
        names: of the frames.
        full: height and width of the frames themselves.
        options: those of the fusion.
        cancel: once it is set there is no draft.

    Returns:
        The picture, and the rows and columns of the reference's full frame that it covers; None where small copies
        can't be fused.
    """
    try:
        reference = find_reference(options.reference, names)
        chosen = replace(
            options, reference=reference, transforms=None, depth=False, order="names", refine="none", max_memory=None
        )
        result = fuse(FocalStack(frames=list(small), names=list(names)), options=chosen, cancel=cancel)
    except (AllFocusError, cv2.error):
        return None
    height, width = small[0].shape[:2]
    window = result.window or (slice(0, height), slice(0, width))
    down, across = (
        slice(round(part.start * whole / side), round(part.stop * whole / side))
        for part, whole, side in zip(window, full, (height, width), strict=True)
    )
    return result.image, (down, across)
