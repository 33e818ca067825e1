"""Depth as heights towards the camera: in which unit, and which end of the stack is near."""

from dataclasses import dataclass

import cv2
import numpy as np

from allfocus.core.color import Array, FloatArray, from_unit, to_unit
from allfocus.metadata.carry import Metadata
from allfocus.metadata.colours import convert_colours
from allfocus.metadata.icc import read_colour_space, srgb_profile
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult

#: Rows worked on at a time.
ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a pixel and a frame are in the unit of a surface.

    Attributes:
        across, down: width and height of a pixel.
        up: from frame to frame.
        name: `micrometres`, or `pixels` where pixel size or distance of frames are unknown.
    """

    across: float
    down: float
    up: float
    name: str

    @property
    def are_known(self) -> bool:
        """Whether they are micrometres."""
        return self.name == "micrometres"

    def __str__(self) -> str:
        return self.name if self.are_known else f"{self.name}, one frame is {self.up:.4g} pixels high"


def find_units(result: FusionResult, outputs: Outputs, metadata: Metadata) -> Units:
    """Micrometres where both sizes are known; else pixels, with a height of the stack as the outputs say it.

    Args:
        result: of the fusion.
        outputs: what is wanted.
        metadata: of the reference, with what was given instead of what its file says.
    """
    longer, frames = max(result.image.shape[:2]), len(result.depth_frames)
    return make_units(metadata.pixel_size, metadata.z_step, outputs.surface_height / 100 * longer, frames)


def make_units(pixel_size: tuple[float, float] | None, z_step: float | None, height: float, frames: int) -> Units:
    """See `find_units`: of width and height of a pixel and the distance of frames in µm, or the height in pixels."""
    if pixel_size is not None and z_step is not None:
        return Units(across=pixel_size[0], down=pixel_size[1], up=z_step, name="micrometres")
    return Units(across=1.0, down=1.0, up=height / max(frames - 1, 1), name="pixels")


def is_near_first(result: FusionResult, outputs: Outputs, *, is_calibrated: bool) -> bool:
    """Whether depth 0 is nearest to the camera: as was said, else as halos show, else by habit.

    Photographers begin with what is near. Heights in micrometres, like the depth map's, count from the first frame up.
    """
    rises = result.depth_frames[0] <= result.depth_frames[-1]
    if outputs.near is not None:
        return (outputs.near == "first") == rises
    if result.veil is not None:
        return result.veil.near_first
    return True if not is_calibrated else not rises


def measure_up(result: FusionResult, *, near_first: bool) -> FloatArray:
    """(H, W) the height of each pixel in frames above the farthest, which is 0; NaN where it is unknown."""
    assert result.depth is not None
    return len(result.depth_frames) - 1 - result.depth if near_first else result.depth


def fill_unknown(heights: FloatArray) -> FloatArray:
    """Heights (H, W) whose unknown ones are those of the nearest known pixel; all 0 where none is known."""
    unknown = ~np.isfinite(heights)
    if unknown.all() or not unknown.any():
        return np.nan_to_num(heights)
    labels = cv2.distanceTransformWithLabels(unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[
        1
    ]
    table = np.zeros(int(labels.max()) + 1, np.float32)
    filled = heights.astype(np.float32)
    for top in range(0, len(filled), ROWS):  # choices of pixels take several times as much as the pixels
        rows = slice(top, top + ROWS)
        table[labels[rows][~unknown[rows]]] = filled[rows][~unknown[rows]]
    for top in range(0, len(filled), ROWS):
        rows = slice(top, top + ROWS)
        filled[rows][unknown[rows]] = table[labels[rows][unknown[rows]]]
    return filled


def shown_colours(result: FusionResult, metadata: Metadata) -> Array:
    """The picture as uint8 sRGB (H, W, 3), to be looked at."""
    eight = as_eight_bits(result.shown(result.image))
    is_linear = result.source is not None and result.source.is_linear
    is_colour = result.image.ndim == 3
    if metadata.icc and is_colour and not is_linear and read_colour_space(metadata.icc) == "RGB":
        return convert_colours(eight, metadata.icc, srgb_profile())
    return eight


def as_eight_bits(shown: Array) -> Array:
    """A picture (H, W[, 3]) that can be looked at, as uint8 (H, W, 3)."""
    eight = shown if shown.dtype == np.uint8 else from_unit(to_unit(shown), "uint8")
    return np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight
