"""The recipe of a fusion, readable aloud: frames -> laid over each other -> logits, cell by cell -> picture, maps."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from allfocus.align import Alignment, Wanted, carried_over, estimate_alignment, lay_over, load_transforms
from allfocus.compose.blend import MARGIN
from allfocus.compose.compositor import Canvas, Manner
from allfocus.core.color import Array, FloatArray
from allfocus.core.stack import FocalStack
from allfocus.core.weights import pick
from allfocus.core.windows import Place
from allfocus.decide.coarse_to_fine import Selection
from allfocus.decide.laplacian import classic_decision
from allfocus.decide.model import FusionModel, load_model
from allfocus.decide.stack_pyramid import Survey
from allfocus.options import FusionOptions
from allfocus.plan import Plan, plan_for
from allfocus.result import FusionResult
from allfocus.run.progress import Progress, one_of, silent
from allfocus.run.scratch import Spool
from allfocus.run.workers import in_parallel, one_thread_each
from allfocus.sources.listing import Listing
from allfocus.sources.open import Frames, listing_or_stack, notes_on, read_all

#: What `prefer` adds to the logits of the frames at the one end, and takes from those at the other.
PREFERENCE = 1.0


def fuse(
    frames: Frames,
    *,
    options: FusionOptions | None = None,
    progress: Progress = silent,
    planned: Callable[[Plan], None] = lambda plan: None,
    like: tuple[Alignment, Place] | None = None,
    companions: Sequence[FocalStack | Listing] = (),
) -> FusionResult:
    """Fuse frames focused at different distances into one picture that is sharp everywhere.

    They are aligned first: laid over one of them, the reference, and made as bright, where that is needed.

    Args:
        frames: a `FocalStack`, or two or more arrays (H, W) or (H, W, 3) of uint8, uint16 or float32, or
            paths of pictures, or the path of a folder of them or of a multi-page TIFF.
        options: how; by default the shipped network.
        progress: called as the work goes on.
        planned: called before it begins, with what it will take.
        like: how to lay these frames over a reference, and which rows and columns of that to show, instead of finding
            it out: for a part of a stack, so that it lies over the whole.
        companions: other channels of the same stack: they are aligned and composed as this one is, without a look at
            them. Only how bright they are is their own.

    Returns:
        The picture in the depth of the frames, which frame each pixel is from, and how sure that is: of what all
        frames saw.

    Raises:
        StackError: the frames can't be fused together.
        AlignmentError: the reference can't be aligned with the others, or the transforms are for other frames.
        ReadError: a path can't be read as a picture.
        ModelError: the model can't be loaded.
        ResourceError: there is not enough memory, or not enough room on the disk.
    """
    options = options or FusionOptions()
    source = listing_or_stack(frames, options.order)
    plan = plan_for(source, options, len(companions))
    model = load_model(options.model, plan.is_large) if options.method == "network" else None
    planned(plan)
    spool = Spool(plan.spool)
    workers = plan.workers
    with one_thread_each():
        stack, *others = read_all([source, *companions], spool, workers, progress)
        if options.align == "none" and options.transforms is None and like is None:
            result = fuse_registered(stack, model, options, others, spool, workers, progress)
            return replace(result, notes=(*notes_on(source), *result.notes))
        alignment, area = like or (alignment_of(stack, options, spool, workers, progress), None)
        exposure = options.exposure
        alignments = [carried_over(other, alignment, exposure, spool=spool, workers=workers) for other in others]
        laid: list[FocalStack] = []
        for channel, aligned in zip([stack, *others], [alignment, *alignments], strict=True):
            over, shown = lay_over(
                channel,
                aligned,
                area=area,
                keep_canvas=options.keep_canvas,
                in_place=isinstance(source, Listing),
                spool=spool,
                workers=workers,
                progress=one_of(progress, len(laid), 1 + len(others)),
            )
            laid.append(over if not alignment.order else over.pick([alignment.used.index(k) for k in alignment.order]))
        result = fuse_registered(laid[0], model, options, laid[1:], spool, workers, progress)
        result = in_the_stack(result, stack, alignment, shown)
        return replace(result, notes=(*notes_on(source), *result.notes))


def align_stack(
    frames: Frames, *, options: FusionOptions | None = None, progress: Progress = silent
) -> tuple[FocalStack, Alignment]:
    """Lay frames over one of them, and make them as bright, without fusing them.

    Args:
        frames: as `fuse` takes them.
        options: how; those of the fusion do not matter.
        progress: called as the work goes on.

    Returns:
        The frames that are used, and where all of them lay.

    Raises:
        AllFocusError: as `fuse` does.
    """
    options = replace(options or FusionOptions(), method="classic", depth=False)
    source = listing_or_stack(frames)
    plan = plan_for(source, options)
    spool = Spool(plan.spool)
    with one_thread_each():
        [stack] = read_all([source], spool, plan.workers, progress)
        alignment = alignment_of(stack, options, spool, plan.workers, progress)
        laid, _ = lay_over(
            stack,
            alignment,
            keep_canvas=options.keep_canvas,
            in_place=isinstance(source, Listing),
            spool=spool,
            workers=plan.workers,
            progress=progress,
        )
    return laid, alignment


def alignment_of(
    stack: FocalStack, options: FusionOptions, spool: Spool, workers: int, progress: Progress
) -> Alignment:
    """How the frames lie over each other: looked up or found out."""
    if options.transforms is not None:
        return load_transforms(options.transforms, len(stack), (stack.height, stack.width))
    wanted = Wanted(
        model=None if options.align == "auto" else options.align,
        reference=options.reference,
        exposure=options.exposure,
        keep_all=options.keep_all,
        refine=options.refine == "local",
        order=options.order == "focus",
    )
    return estimate_alignment(stack, wanted, spool=spool, workers=workers, progress=progress)


def in_the_stack(result: FusionResult, stack: FocalStack, alignment: Alignment, area: Place) -> FusionResult:
    """The result, counted in all frames of the stack, those that were left out too; says what was done to them."""
    used = np.array(alignment.order or alignment.used)
    flaws = result.flaws
    if flaws is not None and flaws.gap is not None:
        one, other = used[list(flaws.gap)]
        flaws = replace(flaws, gap=(int(one), int(other)))
    depth = result.depth
    if depth is not None and not alignment.order:
        depth = np.interp(depth, np.arange(len(used)), used).astype(np.float32)
    return replace(
        result,
        index_map=used.astype(np.uint16)[result.index_map],
        depth=depth,
        flaws=flaws,
        frame_count=len(stack),
        alignment=alignment,
        area=area,
        is_cropped=result.image.shape[:2] != (stack.height, stack.width),
        notes=(*notes_on_alignment(alignment, stack.names), *result.notes),
    )


def notes_on_alignment(alignment: Alignment, names: Sequence[str]) -> list[str]:
    """Which frames are left out, and what could not be done, a line each."""
    left_out = [f"{names[k]} is left out: {reason}" for k, reason in alignment.left_out.items()]
    return [*left_out, *(note.format(*names) for note in alignment.notes)]


def fuse_registered(
    stack: FocalStack,
    model: FusionModel | None,
    options: FusionOptions,
    companions: Sequence[FocalStack],
    spool: Spool,
    workers: int,
    progress: Progress,
) -> FusionResult:
    """Fuse frames that lie over each other, and those of companions by the same decision."""
    others = [other.frames for other in companions]
    if model is None:
        return fuse_by_classic_rule(stack, progress, others)
    return fuse_by_network(stack, model, options, spool, workers, progress, others)


def fuse_by_classic_rule(
    stack: FocalStack, progress: Progress, companions: Sequence[Sequence[Array]] = ()
) -> FusionResult:
    """Take each pixel from the frame with the most local detail."""
    index_map, confidence = classic_decision(_counted(stack.frames, progress))
    return FusionResult(
        image=pick(stack.frames, index_map),
        index_map=index_map,
        confidence=confidence,
        frame_count=len(stack),
        method="classic",
        companions=tuple(pick(frames, index_map) for frames in companions),
    )


def fuse_by_network(
    stack: FocalStack,
    model: FusionModel,
    options: FusionOptions,
    spool: Spool,
    workers: int,
    progress: Progress,
    companions: Sequence[Sequence[Array]] = (),
) -> FusionResult:
    """Let the network select, cell by cell, and compose each cell as it comes."""
    survey = Survey(stack.frames, spool, workers, progress, by_focus=model.wants_order)
    bias = preference(len(stack), options.prefer)[survey.order]
    canvas = Canvas(survey, Manner(compose=options.compose, bias=bias, depth=options.depth), companions)
    selection = Selection(
        model,
        survey,
        margin=MARGIN,
        max_tile=options.max_tile,
        fast=options.fast,
        spool=spool,
        workers=workers,
        progress=progress,
    )

    def work(cell: Place) -> None:
        canvas.paint(selection.look(cell))
        spool.release()

    cells = selection.cells()
    for done, _ in enumerate(in_parallel(work, cells, workers)):
        progress("fuse", done, len(cells))
    progress("fuse", len(cells), len(cells))
    return canvas.result()


def preference(frames: int, prefer: Literal["near", "far"] | None) -> FloatArray:
    """What to add to the logits of each frame, from first to last, so that near or far ones win where it is close."""
    towards = {None: 0.0, "near": PREFERENCE, "far": -PREFERENCE}[prefer]
    return np.linspace(towards, -towards, frames, dtype=np.float32)


def _counted(frames: Sequence[Array], progress: Progress) -> Iterator[Array]:
    """Hand out the frames one by one, and say so."""
    for done, frame in enumerate(frames):
        progress("fuse", done, len(frames))
        yield frame
    progress("fuse", len(frames), len(frames))
