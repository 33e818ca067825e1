"""Estimate the alignment of a stack: link its frames, choose model and reference, screen out useless frames."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from allfocus.alignment.alignment import Alignment, AlignOptions, make_identity
from allfocus.alignment.chain import Chain
from allfocus.alignment.contrast_pyramid import build_pyramid, sketch_pyramid
from allfocus.alignment.flow import estimate_flows
from allfocus.alignment.motion import to_pixels
from allfocus.alignment.photometric import ExposureTransfer, compare_still
from allfocus.alignment.scenes import check_links
from allfocus.alignment.screening import UNALIGNED, find_blurred, find_misexposed
from allfocus.core.color import Array
from allfocus.core.focus_order import find_focus_order
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError
from allfocus.options import MotionModel
from allfocus.run.context import Run
from allfocus.run.progress import only_forward

#: Frames with a side shorter than this, in pixels, show too little to be registered.
SMALLEST = 16
#: Points of a level that are compared where it may be done roughly: a third of the usual number.
FEW_POINTS = 4000


def estimate_alignment(stack: FocalStack, wanted: AlignOptions | None = None, run: Run | None = None) -> Alignment:
    """Estimate how the frames of a stack have moved, and how bright they are, against a reference.

    Frames with a side below 16 pixels are not registered.

    Args:
        stack: the frames, best in the order of their focus: each is registered to one shortly before it.
        wanted: options; None: the simplest model that fits, and the middle frame as the reference.
        run: workers, progress (stage ``align``) and cancelling; None: one worker.

    Raises:
        AlignmentError: the reference is not a frame of the stack, or does not match most of the others; or the frames
            show several scenes; or frames that are needed are exposed so differently that their brightness can't be
            matched.
        Cancelled: the run was cancelled.
    """
    wanted, run = wanted or AlignOptions(), run or Run()
    wanted.check_reference(len(stack))
    if min(stack.height, stack.width) < SMALLEST:
        return make_identity(len(stack), wanted.reference)
    run = replace(run, progress=only_forward(run.progress))
    chain = link_still(stack, run) if wanted.model is None and not wanted.refine else None
    if chain is None:
        chain = link(stack, wanted, run)
        fixed = chain.find_fixed_pattern()
        if fixed is not None and len(stack) > 2:
            chain = link(stack, wanted, run, fixed)
        if not (wanted.keep_all or wanted.together):
            check_links(stack, chain)
    return conclude(chain, wanted, stack.names, run)


def link_still(stack: FocalStack, run: Run) -> Chain | None:
    """Link the frames of a stack in which clearly nothing has moved; None as soon as that is not clear."""
    chain = Chain()
    pyramids = run.each("align", lambda frame: sketch_pyramid(*frame), covered_frames(stack))
    return chain if all(chain.add_still(pyramid) for pyramid in pyramids) else None


def link(stack: FocalStack, wanted: AlignOptions, run: Run, ignored: Array | None = None) -> Chain:
    """Link the frames of a stack; what is ignored stays put in every frame, see `Chain`."""
    chain = Chain(keep_details=wanted.refine, ignored=ignored)
    points = FEW_POINTS if wanted.roughly else None
    for pyramid in run.each("align", lambda frame: build_pyramid(*frame, points), covered_frames(stack)):
        chain.add(pyramid)
    return chain


def covered_frames(stack: FocalStack) -> list[tuple[Array, Array | None]]:
    """The frames, each with where it shows something."""
    return list(zip(stack.frames, stack.covered, strict=True))


def conclude(chain: Chain, wanted: AlignOptions, names: Sequence[str], run: Run) -> Alignment:
    """The alignment of a stack whose frames are all linked.

    Where no more than half of the frames match each other nothing is aligned, and a note says so.

    Raises:
        AlignmentError: the reference does not match most of the others, or brightness can't be matched.
    """
    count, group = len(chain.links), chain.find_largest_group()
    if 2 * len(group) <= count:
        return skip(chain, wanted, names, len(group))
    if wanted.reference is not None and wanted.reference not in group:
        raise AlignmentError(
            f"reference {names[wanted.reference]} (frame {wanted.reference + 1}): expected a frame that matches the "
            f"others, found one that can't be aligned with the {len(group)} that do; choose another reference"
        )
    model = wanted.model or chain.choose_model(group)
    reference, useless = screen(chain, model, wanted.reference, group)
    alignment = assemble(chain, wanted, model, reference, group, useless, names)
    if wanted.order:
        used = alignment.used
        order = [used[k] for k in find_focus_order([chain.sharpness[k] for k in used])]
        alignment = replace(alignment, order=order)
    return add_flows(chain, alignment, run) if wanted.refine else alignment


def skip(chain: Chain, wanted: AlignOptions, names: Sequence[str], matching: int) -> Alignment:
    """The alignment of frames of which too few match each other: none; but stops between them are made up for.

    A burnt frame shows so little detail that it matches no other, though it may well lie over them.

    Raises:
        AlignmentError: brightness differs and can't be matched.
    """
    count = len(names)
    skipped = make_identity(count, wanted.reference, (explain_skipping(matching, count),))
    if wanted.exposure == "keep":
        return skipped
    exposures = compare_still(chain.lights, skipped.reference, by_channel=wanted.exposure == "match-colour")
    if not wanted.keep_all:
        check_exposures(exposures, skipped.reference, names)
    return replace(skipped, exposures=exposures)


def explain_skipping(matching: int, count: int) -> Note:
    """The note of a stack in which at most `matching` of `count` frames match each other."""
    which = "no two frames match" if matching == 1 else "too few frames match each other"
    return Note(code="alignment-skipped", message=f"alignment skipped: {which} ({matching} of {count})")


def screen(chain: Chain, model: MotionModel, wanted: int | None, group: Sequence[int]) -> tuple[int, dict[int, str]]:
    """Choose the reference, unless one is wanted, and find useless frames, each with the reason; never the reference.

    Args:
        chain: of all frames.
        model: motion model.
        wanted: position of the reference; None: the middle frame of those that are not useless.
        group: positions of the frames that match each other.
    """
    count = len(chain.links)
    useless = {k: UNALIGNED for k in range(count) if k not in group}
    reference = choose_middle(group, useless, count) if wanted is None else wanted
    misexposed = find_misexposed(chain, model, reference, group)
    if reference in misexposed and wanted is None:
        # the odd one out is no measure for the others
        misexposed = find_misexposed(chain, model, choose_middle(group, useless | misexposed, count), group)
    useless |= misexposed
    useless |= find_blurred(chain.sharpness, [k for k in group if k not in useless])
    if wanted is None:
        reference = choose_middle(group, useless, count)
    return reference, {k: useless[k] for k in sorted(useless) if k != reference}


def choose_middle(group: Sequence[int], useless: Mapping[int, str], count: int) -> int:
    """The frame of a group that is nearest to the middle of `count` frames and not useless, if there is one."""
    usable = [k for k in group if k not in useless] or list(group)
    return min(usable, key=lambda k: abs(k - count // 2))


def assemble(
    chain: Chain,
    wanted: AlignOptions,
    model: MotionModel,
    reference: int,
    group: Sequence[int],
    useless: Mapping[int, str],
    names: Sequence[str],
) -> Alignment:
    """The alignment to a reference; useless frames are left out unless all are wanted or fewer than two would stay."""
    motions = chain.compose_motions(model, reference, group)
    kept = [ExposureTransfer()] * len(chain.links)
    by_channel = wanted.exposure == "match-colour"
    keeps_all = wanted.keep_all or len(chain.links) - len(useless) < 2
    exposures = kept if wanted.exposure == "keep" else chain.compare_exposures(model, reference, group, by_channel)
    if keeps_all and not wanted.keep_all:
        check_exposures(exposures, reference, names)
    return Alignment(
        model=model,
        reference=reference,
        matrices=np.stack([to_pixels(motion, chain.size) for motion in motions]),
        exposures=exposures,
        residuals=[np.nan if link is None else link.motion.residuals[model] for link in chain.links],
        left_out={} if keeps_all else useless,
        notes=tuple(explain_keeping(k, names[k], reason) for k, reason in useless.items()) if keeps_all else (),
    )


def check_exposures(exposures: Sequence[ExposureTransfer], reference: int, names: Sequence[str]) -> None:
    """Raise `AlignmentError` where the brightness of a frame that is needed can't be matched."""
    unknown = [name for name, exposure in zip(names, exposures, strict=True) if not exposure.is_known]
    if unknown:
        raise AlignmentError(
            f"{unknown[0]} is exposed very differently from {names[reference]}, and too much of one is black or white "
            "to match their brightness; choose frames of one exposure, or fuse them as they are (--exposure keep)"
        )


def explain_keeping(position: int, name: str, reason: str) -> Note:
    """The note of a useless frame that is used."""
    return Note(code="frame-kept-although", message=f"{name} was kept although {reason}", frames=(position,))


def add_flows(chain: Chain, alignment: Alignment, run: Run) -> Alignment:
    """The alignment with the optical flow that its homographies leave."""
    scale = round(chain.size[1] / chain.details[0].shape[1])
    shift = (1 / scale - 1) / 2  # coordinates count from the middle of the first pixel
    shrink = np.array([[1 / scale, 0, shift], [0, 1 / scale, shift], [0, 0, 1]])
    small = [shrink @ matrix @ np.linalg.inv(shrink) for matrix in alignment.matrices]
    flows = estimate_flows(chain.details, small, alignment.reference, alignment.used, run)
    return replace(alignment, flows=[None if flow is None else flow * np.float32(scale) for flow in flows])
