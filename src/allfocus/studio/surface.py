"""The surface of the result for the page: the one that a file of it holds, with fewer triangles, as plain numbers."""

import json
import struct

import numpy as np

from allfocus.errors import OptionError
from allfocus.outputs.files import find_metadata
from allfocus.outputs.heights import find_units, is_near_first, measure_up
from allfocus.outputs.surface import make_surface
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult

#: Triangles that any browser turns smoothly.
TRIANGLES = 300_000


def pack_surface(result: FusionResult) -> bytes:
    """What the page turns and measures, all numbers little endian.

    The length of a text (uint32), the text (JSON), points (float32 x, y, z), their places on the picture (float32, 0 to
    1, across and down), and triangles (uint32, three points each).

    Raises:
        OptionError: the result has no depth, or none that is known.
    """
    if result.depth is None:
        raise OptionError("the result has no depth: the network alone makes it; choose the method 'network'")
    outputs = Outputs()
    units = find_units(result, outputs, find_metadata(result, outputs))
    heights = measure_up(result, near_first=is_near_first(result, outputs, is_calibrated=units.are_known))
    surface = make_surface(heights, units, most=TRIANGLES)
    if not len(surface.triangles):
        raise OptionError("no depth of this result is known; fuse more frames, or other ones")
    height, width = surface.size
    covers = (surface.pixels[:, ::-1] + np.float32(0.5)) / np.array([width, height], np.float32)
    facts = {
        "units": "µm" if units.are_known else "px",
        "size": [width * units.across, height * units.down],
        "points": len(surface.points),
        "triangles": len(surface.triangles),
        "lowest": float(surface.points[:, 2].min()),
        "highest": float(surface.points[:, 2].max()),
    }
    text = json.dumps(facts).encode()
    text += b" " * (-len(text) % 4)
    parts = [surface.points.astype("<f4"), covers.astype("<f4"), surface.triangles.astype("<u4")]
    return struct.pack("<I", len(text)) + text + b"".join(part.tobytes() for part in parts)
