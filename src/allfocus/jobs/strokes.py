"""The strokes of a request: put in their places over the frames, and over a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from allfocus.decision.decision import Decision
from allfocus.decision.network import NetworkDecision
from allfocus.decision.painted import ORIGINAL, STEPS, PaintedDecision, Stroke
from allfocus.decision.sheet import Sheets
from allfocus.errors import ConfigError
from allfocus.jobs.checks import open_request
from allfocus.jobs.events import JobRequest
from allfocus.options import FusionOptions, is_same_for
from allfocus.pipeline import decide, decide_by_network, open_model
from allfocus.registered import Registered
from allfocus.run.workers import one_thread_each
from allfocus.sources.listing import Listing

#: Strokes that need not be placed again with every stroke that comes.
PLACED = 2048
#: The options that what a network knows of the whole picture depends on.
OF_OVERVIEW = ("method", "model", "max_tile", "draft", "device")


def place_strokes(registered: Registered, strokes: Sequence[Stroke]) -> list[Stroke]:
    """Strokes in pixels of the registered frames, with frames counted among those that are used.

    Raises:
        ConfigError: a stroke takes its pixels from a frame that is not used.
    """
    top, left = (0, 0) if registered.window is None else (part.start for part in registered.window)
    rows = {position: row for row, position in enumerate(registered.positions)}
    placed = []
    for stroke in strokes:
        if stroke.frame is not None and stroke.frame not in rows:
            known = 0 <= stroke.frame < len(registered.names)
            name = registered.names[stroke.frame] if known else f"frame {stroke.frame}"
            raise ConfigError(f"stroke from {name}: this frame is not used; remove the stroke, or use the frame")
        placed.append(move_stroke(stroke, left, top, None if stroke.frame is None else rows[stroke.frame]))
    return placed


@lru_cache(PLACED)
def move_stroke(stroke: Stroke, left: int, top: int, frame: int | None) -> Stroke:
    """The stroke with its points counted from elsewhere, and its frame, if it has one, by another number."""
    return replace(stroke, points=tuple((x - left, y - top) for x, y in stroke.points), frame=frame)


def paint_over(
    registered: Registered,
    decision: Decision,
    request: JobRequest,
    known: Mapping[str, Decision] | None = None,
    sheets: Sheets | None = None,
) -> Decision:
    """A decision with the visible strokes of a request over it.

    Args:
        registered: the frames.
        decision: about them.
        request: its strokes, and the options of the layers that they take their pixels from.
        known: decisions that are at hand, by the names of their layers; by default they are made here.
        sheets: painted tiles that are kept from one call to the next; see `PaintedDecision`.

    Raises:
        ConfigError: a stroke takes its pixels from something that does not exist.
    """
    strokes = place_strokes(registered, [stroke for stroke in request.strokes if stroke.visible])
    if not strokes:
        return decision
    if known is None:
        wanted = {name: layer_options(request, name) for name in used_layers(request)}
        known = {
            name: decision
            if is_same_for("decide", options, request.options)
            else decide_layer(registered, decision, options, request.options)
            for name, options in wanted.items()
        }
    return PaintedDecision(decision, strokes, known, sheets)


def decide_layer(registered: Registered, decision: Decision, options: FusionOptions, own: FusionOptions) -> Decision:
    """The decision that strokes of a layer take their pixels from.

    Args:
        registered: the frames.
        decision: that of the picture; a layer of the same network shares the overview with it, and one that prefers
            other frames all that the network said.
        options: of the layer.
        own: those of the picture.
    """
    if isinstance(decision, NetworkDecision) and all(
        getattr(options, name) == getattr(own, name) for name in OF_OVERVIEW
    ):
        if options.fast == own.fast:
            return decision.preferring(options.prefer, depth=options.depth)
        with one_thread_each():
            model = open_model(options, registered.stack)
            return decide_by_network(registered, model, options, keep=False, overview=decision.overview)
    return decide(registered, options=options, keep=False)


def used_layers(request: JobRequest) -> list[str]:
    """Names of the layers that visible strokes take their pixels from."""
    names = dict.fromkeys(stroke.source for stroke in request.strokes if stroke.visible)
    return [name for name in names if name not in ("", ORIGINAL, *STEPS)]


def layer_options(request: JobRequest, name: str) -> FusionOptions:
    """The options of a layer; raises `ConfigError` where there is no such layer, or it would align anew."""
    if name not in request.layers:
        known = ", ".join([*STEPS, ORIGINAL, *request.layers])
        raise ConfigError(f"stroke from {name!r}: expected a frame, or one of {known}")
    options = request.layers[name]
    if not is_same_for("align", options, request.options):
        raise ConfigError(f"layer {name!r}: its alignment differs from the picture's; give both the same options")
    return options


def renumber_strokes(
    strokes: Sequence[Stroke], request: JobRequest, listing: Listing, leave_out: Sequence[str]
) -> tuple[Stroke, ...]:
    """Strokes over the frames of a request, with their frames counted as where others are left out.

    Args:
        strokes: what is painted; strokes from frames that are left out go.
        request: its frames, and those that it leaves out.
        listing: the frames that it uses.
        leave_out: names of the frames that will be left out.
    """
    every = [*listing.names, *request.leave_out]
    everything = open_request(replace(request, leave_out=()))
    assert isinstance(everything, Listing)
    old = [name for name in everything.names if name not in request.leave_out]
    new = [name for name in everything.names if name not in leave_out and name in every]
    kept = []
    for stroke in strokes:
        if stroke.frame is None:
            kept.append(stroke)
        elif old[stroke.frame] in new:
            kept.append(replace(stroke, frame=new.index(old[stroke.frame])))
    return tuple(kept)
