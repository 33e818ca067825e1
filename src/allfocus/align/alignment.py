"""Where each frame of a stack lies against the reference, how bright it is, and which frames are no use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from allfocus.align.chain import Chain
from allfocus.align.flow import displacements
from allfocus.align.motion import in_pixels
from allfocus.align.photometric import Tone, share_cut_off
from allfocus.core.color import Array, FloatArray
from allfocus.core.focus_order import focus_order, is_in_order
from allfocus.errors import AlignmentError
from allfocus.options import Exposure, MotionModel

#: Frames brighter or darker than most by more than this many stops, or with this share more of them cut off, are
#: badly exposed.
STOPS, CUT_OFF = 1.0, 0.5
#: A frame is blurred everywhere if each place has another frame with so many times its sharpness; only places count
#: where frames differ by that, and so many of them must be there.
BLURRED, PLACES = 4.0, 12
#: A frame was bumped if so much less sharp than both its neighbours in most places.
BUMPED = 1.8
#: Sharpness below this is noise: mean square, white being 1.
NOISE_FLOOR = 1e-5

UNALIGNED = "it can't be aligned with the others: another scene, or moved too far"
BLURRED_EVERYWHERE = "it is blurred everywhere: other frames are far sharper in every place"
BUMPED_FRAME = "it is blurred by a motion: less sharp than the frames before and after it"
BADLY_EXPOSED = "it is exposed quite differently: {stops:+.1f} stops against the reference"
MOSTLY_CUT_OFF = "it is exposed quite differently: most of it is black or white"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a registration.

    Attributes:
        model: of the motions; None: the simplest that explains them.
        reference: position of the frame that stays; None: the middle one of those that can be used.
        exposure: what to do about brightness.
        keep_all: whether to use frames that look useless.
        refine: whether to look for what a motion of the whole can't do, place by place.
        order: whether to find out in which order the frames are focused.
    """

    model: MotionModel | None = None
    reference: int | None = None
    exposure: Exposure = "match"
    keep_all: bool = False
    refine: bool = False
    order: bool = False


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Where each frame of a stack lies, and how bright it is, against the reference.

    Attributes:
        model: of all motions.
        reference: position of the frame that the others are laid over.
        matrices: (N, 3, 3), each from pixels (x, y, 1) of the reference to those of a frame.
        tones: of each frame.
        residuals: how far things still are from each other between neighbouring frames, mean in pixels; NaN where
            there is nothing to tell it by, as for the first.
        left_out: positions of frames that are not used, each with the reason.
        fields: for each frame how its places lie beside its motion, see `local.displacements`, in pixels of the frame;
            empty where that was not looked for.
        order: positions of the frames that are used, as focus goes by; empty where that was not looked for.
        notes: what could not be done as usual, a line each, with {0} and so on for the names of frames.
    """

    model: MotionModel
    reference: int
    matrices: Array
    tones: Sequence[Tone]
    residuals: Sequence[float]
    left_out: Mapping[int, str]
    notes: tuple[str, ...] = ()
    fields: Sequence[FloatArray | None] = ()
    order: Sequence[int] = ()

    @property
    def used(self) -> list[int]:
        """Positions of the frames that are used."""
        return [position for position in range(len(self.matrices)) if position not in self.left_out]

    def pick(self, positions: Sequence[int]) -> "Alignment":
        """The alignment of some of these frames; the reference stays, and need not be among them."""
        return replace(
            self,
            matrices=self.matrices[list(positions)],
            tones=[self.tones[k] for k in positions],
            residuals=[self.residuals[k] for k in positions],
            left_out={place: self.left_out[k] for place, k in enumerate(positions) if k in self.left_out},
            fields=[self.fields[k] for k in positions] if self.fields else (),
            notes=(),
        )


def conclude(chain: Chain, wanted: Wanted) -> Alignment:
    """Decide, once all frames are linked, how the stack is laid out.

    Frames of which most can't be aligned with each other are left as they are, and a note says so.

    Raises:
        AlignmentError: the reference does not exist, or does not hang together with the others.
    """
    count = len(chain.links)
    if wanted.reference is not None and wanted.reference not in range(count):
        raise AlignmentError(f"reference {wanted.reference + 1}: the stack has frames 1 to {count}")
    group = chain.largest_group()
    if 2 * len(group) <= count:
        note = f"not aligned: at most {len(group)} of {count} frames agree with each other; they were fused as they are"
        return untouched(count, wanted.reference, (note,))
    if wanted.reference is not None and wanted.reference not in group:
        raise AlignmentError(f"frame {wanted.reference + 1} can't be aligned with the others; choose another reference")
    model = wanted.model or chain.simplest(group)
    useless = {k: UNALIGNED for k in range(count) if k not in group}
    reference = middle(group, useless, count) if wanted.reference is None else wanted.reference
    exposed = misexposed(chain, model, reference, group)
    if reference in exposed and wanted.reference is None:
        # it is the odd one out: another judges
        exposed = misexposed(chain, model, middle(group, useless | exposed, count), group)
    useless |= exposed
    useless |= blurred(chain.sharpness, [k for k in group if k not in useless])
    if wanted.reference is None:
        reference = middle(group, useless, count)
    useless = {k: useless[k] for k in sorted(useless) if k != reference}
    alignment = laid_out(chain, wanted, model, reference, group, useless)
    if wanted.order:
        used = alignment.used
        order = [used[k] for k in focus_order([chain.sharpness[k] for k in used])]
        alignment = replace(alignment, order=order)
    return refined(chain, alignment) if wanted.refine else alignment


def refined(chain: Chain, alignment: Alignment) -> Alignment:
    """The alignment with what no motion of the whole can do."""
    scale = round(chain.size[1] / chain.details[0].shape[1])
    shift = (1 / scale - 1) / 2  # pixels are squares, and their places are in their middle
    shrink = np.array([[1 / scale, 0, shift], [0, 1 / scale, shift], [0, 0, 1]])
    small = [shrink @ matrix @ np.linalg.inv(shrink) for matrix in alignment.matrices]
    found = displacements(chain.details, small, alignment.reference, alignment.used)
    return replace(alignment, fields=[None if field is None else field * np.float32(scale) for field in found])


def laid_out(
    chain: Chain, wanted: Wanted, model: MotionModel, reference: int, group: Sequence[int], useless: Mapping[int, str]
) -> Alignment:
    """The alignment to this reference; frames that look useless are left out unless all are wanted."""
    motions = chain.motions(model, reference, group)
    keeps_all = wanted.keep_all or len(chain.links) - len(useless) < 2
    return Alignment(
        model=model,
        reference=reference,
        matrices=np.stack([in_pixels(motion, chain.size) for motion in motions]),
        tones=tones_of(chain, wanted.exposure, model, reference, group),
        residuals=[np.nan if link is None else link.move.residual for link in chain.links],
        left_out={} if keeps_all else useless,
        notes=tuple(f"{{{k}}} was kept, but {reason}" for k, reason in useless.items()) if keeps_all else (),
    )


def untouched(count: int, reference: int | None = None, notes: tuple[str, ...] = ()) -> Alignment:
    """No motion and no change of brightness at all."""
    return Alignment(
        model="none",
        reference=count // 2 if reference is None else reference,
        matrices=np.stack([np.eye(3)] * count),
        tones=[Tone()] * count,
        residuals=[float("nan")] * count,
        left_out={},
        notes=notes,
    )


def middle(group: Sequence[int], useless: Mapping[int, str], count: int) -> int:
    """The middle one of so many frames, or the frame of a group next to it that is not useless."""
    usable = [k for k in group if k not in useless] or list(group)
    return min(usable, key=lambda k: abs(k - count // 2))


def tones_of(chain: Chain, exposure: Exposure, model: MotionModel, reference: int, group: Sequence[int]) -> list[Tone]:
    """How bright each frame is against the reference, as far as that is to be changed."""
    if exposure == "keep":
        return [Tone()] * len(chain.links)
    return chain.tones(model, reference, group, by_channel=exposure == "match-colour")


def misexposed(chain: Chain, model: MotionModel, reference: int, group: Sequence[int]) -> dict[int, str]:
    """Frames of a group that are exposed quite differently from most, each with what is wrong."""
    stops = np.array([np.log2(tone.gain[0]) for tone in chain.tones(model, reference, group, by_channel=False)])
    cut_off = np.array([share_cut_off(shade) for shade in chain.shades])
    usual, usually_cut = np.median(stops[group]), np.median(cut_off[group])
    found = {k: BADLY_EXPOSED.format(stops=stops[k]) for k in group if abs(stops[k] - usual) > STOPS}
    return {k: MOSTLY_CUT_OFF for k in group if cut_off[k] - usually_cut > CUT_OFF} | found


def blurred(sharpness: Sequence[FloatArray], group: Sequence[int]) -> dict[int, str]:
    """Frames of a group that are of no use for their blur, each with what is wrong; of two frames none is.

    Either another frame is far sharper in every place; or it was bumped: as focus goes by, a place gets sharper and
    then less so again, and is never less sharp than before and after. Each direction is looked at for itself, since a
    bumped frame keeps its detail across the motion.
    """
    if len(group) < 3:
        return {}
    found = np.stack([sharpness[k].reshape(len(sharpness[k]), -1) for k in group])
    best, least = found.max(axis=0), found.min(axis=0)
    telling = (best > NOISE_FLOOR) & (best > BLURRED * least)
    close = (found * BLURRED > best) & telling
    nowhere = ~close.any(axis=2) & (np.count_nonzero(telling, axis=1) >= PLACES)
    named = {k: BLURRED_EVERYWHERE for k, is_so in zip(group, nowhere.any(axis=1), strict=True) if is_so}
    suspects = bumped(found, group)
    if is_in_order([sharpness[k] for k in group if k not in suspects]):
        named |= dict.fromkeys(suspects, BUMPED_FRAME)
    return named


def bumped(sharpness: FloatArray, group: Sequence[int]) -> list[int]:
    """Frames that in most places are far less sharp than both neighbours; sharpness is (n, directions, places)."""
    around = np.minimum(sharpness[:-2], sharpness[2:])
    detailed = around > NOISE_FLOOR
    below = np.count_nonzero(detailed & (sharpness[1:-1] * BUMPED < around), axis=2)
    often = (below > np.count_nonzero(detailed, axis=2) / 2) & (below >= PLACES)
    return [k for k, is_so in zip(group[1:-1], often.any(axis=1), strict=True) if is_so]
