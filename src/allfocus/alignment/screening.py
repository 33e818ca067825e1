"""Screening: which frames of a stack are useless: blurred everywhere, bumped, or exposed differently from most."""

from collections.abc import Sequence

import numpy as np

from allfocus.alignment.chain import Chain
from allfocus.alignment.photometric import measure_clipped_share
from allfocus.core.color import FloatArray
from allfocus.core.focus_order import is_in_order
from allfocus.options import MotionModel

#: A frame is misexposed if it differs from most by more stops than this, or if this share more of it is clipped.
MAX_STOPS, MAX_CLIPPED = 1.0, 0.5
#: A frame is blurred everywhere if in each patch another frame has so many times its sharpness. Only patches count in
#: which frames differ by that factor, and there must be so many of them.
BLURRED, MIN_PATCHES = 4.0, 12
#: A frame was bumped if both its neighbours have so many times its sharpness in most patches.
BUMPED = 1.8
#: Sharpness below this is noise: mean square, white is 1.
NOISE_FLOOR = 1e-5

UNALIGNED = "it can't be aligned with the others: another scene, or moved too far"
BLURRED_EVERYWHERE = "it is blurred everywhere: other frames are far sharper in every place"
BUMPED_FRAME = "it is blurred by a motion: less sharp than the frames before and after it"
MISEXPOSED = "it is exposed very differently: {stops:+.1f} stops against the reference"
CLIPPED = "it is exposed very differently: most of it is black or white"
UNMATCHED = "it is exposed so differently that its brightness can't be matched: too much is black or white"


def find_misexposed(chain: Chain, model: MotionModel, reference: int, group: Sequence[int]) -> dict[int, str]:
    """Frames of a group whose exposure is far from the median, each with the reason."""
    exposures = chain.compare_exposures(model, reference, group, by_channel=False)
    stops = np.array([np.log2(exposure.gain[0]) for exposure in exposures])
    clipped = np.array([measure_clipped_share(light) for light in chain.lights])
    usual, usually_clipped = np.median(stops[group]), np.median(clipped[group])
    unmatched = {k: UNMATCHED for k in group if not exposures[k].is_known}
    found = {k: MISEXPOSED.format(stops=stops[k]) for k in group if abs(stops[k] - usual) > MAX_STOPS}
    return {k: CLIPPED for k in group if clipped[k] - usually_clipped > MAX_CLIPPED} | unmatched | found


def find_blurred(sharpness: Sequence[FloatArray], group: Sequence[int]) -> dict[int, str]:
    """Frames of a group that are useless because they are blurred, each with the reason; none of two frames.

    Either other frames are far sharper everywhere; or the camera was bumped: as focus advances a patch gets sharper and
    then blurred again, and is never less sharp than both before and after. Directions are compared separately, since
    motion blur keeps detail across the motion.

    Args:
        sharpness: (4, h, w) of each frame of the stack, see `RegistrationPyramid.sharpness`.
        group: positions of frames.
    """
    if len(group) < 3:
        return {}
    patches = np.stack([sharpness[k].reshape(len(sharpness[k]), -1) for k in group])
    best, least = patches.max(axis=0), patches.min(axis=0)
    differs = (best > NOISE_FLOOR) & (best > BLURRED * least)
    near_best = (patches * BLURRED > best) & differs
    is_blurred = ~near_best.any(axis=2) & (np.count_nonzero(differs, axis=1) >= MIN_PATCHES)
    found = {k: BLURRED_EVERYWHERE for k, blurred in zip(group, is_blurred.any(axis=1), strict=True) if blurred}
    bumped = find_bumped(patches, group)
    if is_in_order([sharpness[k] for k in group if k not in bumped]):
        found |= dict.fromkeys(bumped, BUMPED_FRAME)
    return found


def find_bumped(patches: FloatArray, group: Sequence[int]) -> list[int]:
    """Frames that are far less sharp than both neighbours in most patches; sharpness is (n, directions, patches)."""
    around = np.minimum(patches[:-2], patches[2:])
    has_detail = around > NOISE_FLOOR
    below = np.count_nonzero(has_detail & (patches[1:-1] * BUMPED < around), axis=2)
    is_bumped = (below > np.count_nonzero(has_detail, axis=2) / 2) & (below >= MIN_PATCHES)
    return [k for k, bumped in zip(group[1:-1], is_bumped.any(axis=1), strict=True) if bumped]
