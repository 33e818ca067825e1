"""A fusion in three steps: align, decide, compose. `fuse` is the three in a row."""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from allfocus.composition.compositor import Canvas, Compositor
from allfocus.composition.veil import VeilRemover
from allfocus.core.notes import Note
from allfocus.core.stack import FocalStack
from allfocus.core.windows import Window, relative_to
from allfocus.decision.decision import Decision, TiledDecision, check_window, touching
from allfocus.decision.laplacian import LaplacianDecision
from allfocus.decision.model import FusionModel, load_model
from allfocus.decision.network import NetworkDecision, Overview
from allfocus.decision.painted import PaintedDecision
from allfocus.decision.search_rule import SearchRule
from allfocus.formats.pixels import limit_pixels
from allfocus.options import FusionOptions, with_options
from allfocus.plan import Plan, plan_for
from allfocus.registered import Registered, check_channels, check_decision, check_registered
from allfocus.registration import register
from allfocus.result import FusionResult, make_result
from allfocus.run.allocator import return_freed_memory
from allfocus.run.context import Run
from allfocus.run.progress import Progress, silent
from allfocus.run.workers import one_thread_each
from allfocus.sources.listing import Listing
from allfocus.sources.open import Frames, open_source

#: Called with what was composed so far and the window that was added last.
Preview = Callable[[Canvas, Window], None]


def fuse(
    frames: Frames,
    *,
    options: FusionOptions | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    **changes: Any,
) -> FusionResult:
    """Fuse frames focused at different distances into one picture that is sharp everywhere.

    They are registered first, to one of them, the reference, and their brightness is matched, where that is needed.

    Args:
        frames: a `FocalStack`, or two or more arrays (H, W) or (H, W, 3) of uint8, uint16 or float32, or
            paths of pictures, or the path of a folder of them or of a multi-page TIFF.
        options: how; by default the shipped network.
        progress: called as the work goes on.
        cancel: once it is set, by another thread, the work ends with `Cancelled`.
        changes: options by their names, such as ``method="laplacian"``.

    Returns:
        The picture in the depth of the frames, which frame each pixel is from, and how sure that is: of the area that
        all frames show.

    Raises:
        StackError: the frames can't be fused together.
        AlignmentError: the reference can't be aligned with the others, or the transforms are for other frames.
        ReadError: a path can't be read as a picture.
        ModelError: the model can't be loaded.
        ResourceError: there is not enough memory, or not enough room on the disk.
        OptionError: an unknown option, or a value that makes no sense.
        Cancelled: `cancel` was set.

    Example:
        >>> import allfocus
        >>> result = allfocus.fuse("stack/", method="laplacian")  # doctest: +SKIP
        >>> result.names[result.index_map[0, 0]]  # doctest: +SKIP
        'IMG_0003.jpg'
    """
    options = with_options(options, changes)
    with limit_pixels(options.pixel_limit):
        source = open_source(frames, options.order, options.stack, draft=options.draft)
    run = plan_for(source, options).start(progress, cancel)
    return fuse_source(source, options, run)


def align(
    frames: Frames,
    *,
    options: FusionOptions | None = None,
    like: Registered | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
    **changes: Any,
) -> Registered:
    """Register frames to one of them, and match their brightness: the first step of `fuse`.

    Args:
        frames: as `fuse` takes them.
        options: how; those of the later steps matter only for how much memory is set aside.
        like: another channel of the same frames, registered already: its motions are used, and its window; only the
            brightness is estimated anew.
        progress: called as the work goes on.
        cancel: once it is set the work ends with `Cancelled`.
        changes: options by their names.

    Raises:
        AllFocusError: as `fuse` does.
    """
    options = with_options(options, changes)
    with limit_pixels(options.pixel_limit):
        source = open_source(frames, options.order, options.stack, draft=options.draft)
    run = plan_for(source, options).start(progress, cancel)
    return register(source, options, run, like)


def decide(
    registered: Registered, *, options: FusionOptions | None = None, keep: bool = True, **changes: Any
) -> Decision:
    """Decide which frame is in focus where: the second step of `fuse`.

    Args:
        registered: what `align` made.
        options: how: method, model, prefer, fast, depth and max_tile matter.
        keep: whether to keep what the network says, so that composing again does not run it again.
        changes: options by their names.

    Raises:
        StackError: the frames were not registered.
        ModelError: the model can't be loaded.
        OptionError: an unknown option, or a value that makes no sense.
    """
    options = with_options(options, changes)
    check_registered(registered)
    with one_thread_each():
        if options.method == "laplacian":
            return LaplacianDecision(registered.frames, registered.run)
        return decide_by_network(registered, open_model(options, registered.stack), options, keep)


def compose(
    registered: Registered,
    decision: Decision,
    *,
    window: Window | None = None,
    channels: Sequence[Registered] = (),
    options: FusionOptions | None = None,
    preview: Preview | None = None,
    **changes: Any,
) -> FusionResult:
    """Compose the picture and its maps: the third step of `fuse`.

    Args:
        registered: what `align` made.
        decision: which frame where: of `decide`, loaded, or painted over.
        window: rows and columns of the registered frames to compose; None: all of them. The pixels are the same as in
            the whole; a depth map alone is completed from the window, not from the whole.
        channels: other channels of the same frames, composed by the same decision; see `align` with `like`.
        options: how: compose and halos matter.
        preview: called as tiles are done.
        changes: options by their names.

    Raises:
        StackError: the decision is for other frames, or the window is not within the picture.
        OptionError: an unknown option, or a value that makes no sense.
    """
    options = with_options(options, changes)
    check_decision(registered, decision)
    check_channels(registered, channels)
    if window is not None:
        check_window(window, registered.size)
    run = registered.run
    stacks = [channel.frames for channel in channels]
    with one_thread_each():
        remover = find_remover(registered, options)
        whole = window or (slice(0, registered.size[0]), slice(0, registered.size[1]))
        composed = remover.around(whole) if remover else whole
        compositor = Compositor(registered.frames, stacks, decision, options.compose, run, composed)
        tiles = list(touching(decision, composed))
        for done in run.each("fuse", lambda tile: compositor.add(decision.decide_tile(tile)), tiles):
            if preview is not None:
                preview(compositor.canvas(), done)
        canvas = compositor.canvas()
        veil = None
        if isinstance(decision, TiledDecision):
            decision.rest()
        return_freed_memory()
        if remover:
            spared = decision.painted(composed) if isinstance(decision, PaintedDecision) else None
            veil = remover.remove(canvas.images[0], canvas.maps["index_map"], composed, whole, spared)
            place = relative_to(whole, composed)
            canvas, veil = canvas.crop(place), veil.crop(place)
        return make_result(registered, decision, canvas, window, channels, veil)


def find_remover(registered: Registered, options: FusionOptions, run: Run | None = None) -> VeilRemover | None:
    """What takes veils off, if that is wanted and the stack says how; in the frames' own run or another."""
    if options.halos == "keep" or options.draft or registered.defocus is None:
        return None
    return VeilRemover(registered.frames, registered.defocus, run or registered.run)


def fuse_source(
    source: Listing | FocalStack, options: FusionOptions, run: Run, preview: Preview | None = None
) -> FusionResult:
    """`fuse` of what was opened, within a run."""
    check_model(options, source)
    registered = register(source, options, run)
    return compose(registered, decide(registered, options=options, keep=False), options=options, preview=preview)


def check_model(options: FusionOptions, source: Listing | FocalStack) -> None:
    """Load the model, so that a file that is none is found before the frames are read; it stays loaded."""
    if options.method == "network":
        open_model(options, source)


def open_model(options: FusionOptions, source: Listing | FocalStack) -> FusionModel:
    """The model, prepared for as many pixels as there are."""
    is_large = not options.draft and len(source) * source.frame.pixels >= Plan.LARGE
    return load_model(options.model, is_large, options.device)


def decide_by_network(
    registered: Registered, model: FusionModel, options: FusionOptions, keep: bool, overview: Overview | None = None
) -> NetworkDecision:
    """What this network decides about registered frames, of which it may have an overview already."""
    notes = [Note(code="model", message=line) for line in model.card.warnings()]
    notes += [Note(code="device", message=model.device_note)] if model.device_note else []
    return NetworkDecision(
        registered.frames,
        model,
        registered.run,
        rule=SearchRule.of(fast=options.fast or options.draft, max_tile=options.max_tile),
        prefer=options.prefer,
        depth=options.depth,
        keep=keep,
        notes=notes,
        overview=overview,
    )
