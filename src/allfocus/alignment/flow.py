"""Local registration by dense optical flow: parallax of a hand-held camera, rolling shutter.

After the global alignment each frame is compared with its neighbour towards the reference, by dense inverse search
(Kroeger et al., 10.1007/978-3-319-46493-0_29). The flow is trusted where both frames show detail, where forward and
backward flow agree, and where it makes the frames more similar; elsewhere it fades to zero, so that straight lines in
flat areas stay straight.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from allfocus.alignment.motion import Matrix
from allfocus.core.color import Array, FloatArray
from allfocus.run.context import Run

#: Flow is stored once for each patch of so many pixels a side.
PATCH = 8
#: Longest flow that is trusted, as a share of the longest side.
MAX_FLOW = 0.02
#: Forward-backward error that is tolerated, in pixels.
MAX_ERROR = 0.4
#: The local difference after the flow must be below this share of that before.
MAX_DIFFERENCE = 0.6
#: Standard deviation, in patches, over which evidence is spread, and the weight of the prior of no flow.
SPREAD, PRIOR = 4.0, 0.2
#: Flow shorter than this everywhere, in pixels of the compared planes, is dropped.
NEGLIGIBLE = 0.15
#: Contrast of the 8-bit planes at which detail counts by half.
DETAIL = 12.0


def to_gray(detail: FloatArray) -> Array:
    """Detail of mean 0 and contrast about 1 (h, w) as 8-bit gray."""
    return np.clip(np.rint(128 + 40 * detail), 0, 255).astype(np.uint8)


def estimate_flows(
    details: Sequence[Array], matrices: Sequence[Matrix], reference: int, used: Sequence[int], run: Run
) -> list[FloatArray | None]:
    """Estimate for each frame the optical flow that its homography leaves.

    Args:
        details: (h, w) uint8 each, see `to_gray`.
        matrices: from pixels of the reference to those of each frame, at this size.
        reference: position of the reference.
        used: positions of the frames that are used, in their order.
        run: may be cancelled.

    Returns:
        For each frame (2, h / PATCH, w / PATCH) float32, x first: to be added to pixels of the reference before the
        matrix is applied; None where the flow is negligible.
    """
    flows: list[FloatArray | None] = [None] * len(details)
    outwards = ([k for k in used if k > reference], [k for k in reversed(used) if k < reference])
    for direction in outwards:
        neighbour = details[reference]
        for k in run.in_turn(direction):
            flow = estimate_trusted_flow(neighbour, warp_plane(details[k], matrices[k], None))
            flows[k] = None if np.abs(flow).max() < NEGLIGIBLE else flow
            neighbour = warp_plane(details[k], matrices[k], flows[k])
    return flows


def estimate_trusted_flow(here: Array, there: Array) -> FloatArray:
    """The flow from one plane to another, (h, w) uint8 each, as far as it is trusted: (2, h / PATCH, w / PATCH)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow, back = (np.asarray(search.calc(*pair, np.empty(0)), np.float32) for pair in ((here, there), (there, here)))
    height, width = here.shape
    trust = measure_trust(here, there, flow, back)
    size = (max(1, width // PATCH), max(1, height // PATCH))
    weight, flow_x, flow_y = (
        cv2.GaussianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), (0, 0), SPREAD)
        for plane in (trust, trust * flow[..., 0], trust * flow[..., 1])
    )
    return np.asarray(np.stack([flow_x, flow_y]) / (weight + PRIOR), np.float32)


def measure_trust(here: Array, there: Array, flow: FloatArray, back: FloatArray) -> FloatArray:
    """How much to trust the flow at each pixel, (h, w) float32, 0 to 1; `back` is the flow from `there` to `here`."""
    height, width = here.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    target = x + flow[..., 0], y + flow[..., 1]
    returned = cv2.remap(back, *target, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    warped = cv2.remap(there, *target, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.linalg.norm(flow + returned, axis=2)
    before, after = (cv2.blur(cv2.absdiff(here, other).astype(np.float32), (9, 9)) for other in (there, warped))
    contrast = np.minimum(*(measure_contrast(plane) for plane in (here, warped)))
    is_short = np.linalg.norm(flow, axis=2) < MAX_FLOW * max(height, width)
    is_trusted = (error < MAX_ERROR) & (after < MAX_DIFFERENCE * before) & is_short
    return np.asarray(is_trusted * contrast / (contrast + DETAIL), np.float32)


def measure_contrast(plane: Array) -> FloatArray:
    """Standard deviation around each pixel of (h, w) uint8."""
    values = plane.astype(np.float32)
    mean = cv2.blur(values, (9, 9))
    return np.sqrt(np.maximum(cv2.blur(values * values, (9, 9)) - mean * mean, 0))


def warp_plane(plane: Array, matrix: Matrix, flow: FloatArray | None) -> Array:
    """Warp a plane (h, w) into the reference's pixels, bilinearly; edges are repeated."""
    height, width = plane.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if flow is None:
        warped = cv2.warpPerspective(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped)
    x, y = map_pixels(matrix, flow, (height, width), slice(0, height))
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def map_pixels(matrix: Matrix, flow: FloatArray, size: tuple[int, int], rows: slice) -> tuple[FloatArray, FloatArray]:
    """Where pixels of the reference lie in a frame, for some of its rows: x and y, (rows, W) float32 each.

    Args:
        matrix: from pixels of the reference to those of the frame.
        flow: see `estimate_flows`, in pixels of a reference of this size.
        size: height and width.
        rows: which rows.
    """
    height, width = size
    columns = np.arange(width, dtype=np.float32)
    x, y = np.meshgrid(columns, np.arange(rows.start, rows.stop, dtype=np.float32))
    # patches of the flow divide the picture evenly, so they need not be exactly PATCH pixels
    across = (x + 0.5) * (flow.shape[2] / width) - 0.5
    down = (y + 0.5) * (flow.shape[1] / height) - 0.5
    for plane, shift in zip((x, y), flow, strict=True):
        plane += cv2.remap(shift, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    m = matrix.astype(np.float64)
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    found_x = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / depth
    found_y = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / depth
    return found_x.astype(np.float32), found_y.astype(np.float32)
