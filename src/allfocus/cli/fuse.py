"""``allfocus fuse``: frames in, one sharp picture out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from allfocus.cli import options as given
from allfocus.cli import outcome
from allfocus.cli.outputs import Outputs, check_maps, check_reports, contents, listed, reports
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import DebugOption, QuietOption
from allfocus.cli.slabs import fuse_slabs, slab_paths, slabs_of
from allfocus.cli.volume import MAPS_OF_VOLUMES, ChannelOption, fuse_volume_files, volume_in
from allfocus.errors import AllFocusError, ConfigError, PreflightError

if TYPE_CHECKING:
    from allfocus.plan import Plan


def fuse(
    frames: given.FramesArgument,
    output: given.OutputOption,
    method: given.MethodOption = "network",
    model: given.ModelOption = None,
    compose: given.ComposeOption = "band",
    prefer: given.PreferOption = None,
    fast: given.FastOption = False,
    channel_for_focus: ChannelOption = None,
    align: given.AlignOption = "auto",
    no_align: given.NoAlignOption = False,
    refine: given.RefineOption = "none",
    reference: given.ReferenceOption = None,
    transforms: given.TransformsOption = None,
    save_transforms: given.SaveTransformsOption = None,
    order: given.OrderOption = "names",
    exposure: given.ExposureOption = "match",
    keep_canvas: given.KeepCanvasOption = False,
    keep_all: given.KeepAllOption = False,
    outputs: given.OutputsOption = None,
    index_map: given.IndexMapOption = None,
    confidence: given.ConfidenceOption = None,
    depth: given.DepthOption = None,
    depth_preview: given.DepthPreviewOption = None,
    unsharp: given.UnsharpOption = None,
    veiled: given.VeiledOption = None,
    slab: given.SlabOption = None,
    report: given.ReportOption = None,
    max_tile: given.MaxTileOption = None,
    max_memory: given.MaxMemoryOption = None,
    spool: given.SpoolOption = None,
    progress: given.ProgressOption = "bar",
    dry_run: given.DryRunOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fuse photos focused at different distances into one that is sharp everywhere.

    They are taken in natural order of their names, img2 before img10, and laid over the middle one first: shifted,
    turned, scaled and brightened as little as needed. The output keeps their depth and channels where its format can,
    and what the reference says of itself: colour profile, camera, date and place.

    Examples:
    allfocus fuse DCIM/stack/ -o sharp.tif

    allfocus fuse stack/ -o sharp.jpg --outputs image,depth,confidence --slab 10:3

    ls *.ARW | allfocus fuse - -o linear.tif
    """
    from allfocus import io, pipeline
    from allfocus.options import FusionOptions
    from allfocus.outputs.report import flaw_facts, shortcomings
    from allfocus.plan import plan_for

    started = time.monotonic()
    wanted = Outputs(
        image=output,
        index_map=index_map,
        confidence=confidence,
        depth=depth,
        depth_preview=depth_preview,
        unsharp=unsharp,
        veiled=veiled,
        save_transforms=save_transforms,
        reports=tuple(report or ()),
    )
    wanted = listed(wanted, outputs)
    check_wishes(wanted, method, model, no_align or align == "none", transforms is not None, slab, keep_canvas)
    paths = io.list_frames(frames)
    if dry_run:
        outcome.print_frames(paths)
    with also(lambda: io.check_outputs(wanted.pictures, paths, wanted.texts)):
        volume = volume_in(paths, output, channel_for_focus)
        listing = volume.stacks[0].listing if volume else io.inspect_stack(paths)
    if order == "time":
        listing = io.in_order_of_time(listing)
    options = FusionOptions(
        method=method,
        model=model,
        compose=compose,
        prefer=prefer,
        align="none" if no_align else align,
        refine=refine,
        reference=outcome.position_of(reference, listing.names),
        transforms=transforms,
        order=order,
        exposure=exposure,
        keep_canvas=keep_canvas,
        keep_all=keep_all,
        depth=wanted.need_depth,
        fast=fast,
        max_tile=max_tile,
        max_memory=max_memory,
        spool=spool,
    )
    if volume is not None:
        unmade = {
            "depth-preview": depth_preview,
            "unsharp": unsharp,
            "veiled": veiled,
            "save-transforms": save_transforms,
            "slab": slab,
            "report": report,
            "dry-run": dry_run,
        }
        volume_maps = {name: getattr(wanted, name) for name in MAPS_OF_VOLUMES}
        fuse_volume_files(
            volume, options, output, volume_maps, channel_for_focus, unmade, quiet=quiet, progress=progress
        )
        return
    slabs = slabs_of(slab, len(listing)) if slab else []
    slab_files = slab_paths(output, slabs)
    io.check_outputs([*wanted.pictures, *slab_files], paths, wanted.texts)
    io.check_output(output, listing.frame.size)
    if dry_run:
        typer.echo(str(plan_for(listing, options)))
        return
    with show_progress(quiet, progress) as reporter:

        def begin(plan: "Plan") -> None:
            reporter.expect(plan.costs())
            if plan.is_large or max_memory or spool:
                reporter.say(str(plan))

        result = pipeline.fuse(listing, options=options, progress=reporter, planned=begin)
        files = contents(result, wanted, listing)
        more, notes = fuse_slabs(listing, result, options, slabs, slab_files, reporter)
        more += reports(result, wanted, listing, options, time.monotonic() - started)
        reporter("write", 0, 1)
        notes = [*result.notes, *notes, *io.write_images([*files, *more])]
        reporter("write", 1, 1)
    if quiet:
        return
    typer.echo(outcome.summary(wanted.image, listing, result, time.monotonic() - started))
    for text in [
        *outcome.registration(result, listing.names),
        *shortcomings(flaw_facts(result, listing.names)),
        *outcome.legends(wanted, result, listing.names),
        *(f"{picture.path}: {'slab' if picture.path in slab_files else 'report'}" for picture in more),
        *(f"note: {note}" for note in notes),
    ]:
        typer.echo(text)


@contextmanager
def also(check: Callable[[], None]) -> Iterator[None]:
    """Do what is in the block even if a check before it fails, so that all problems are said at once.

    Raises:
        AllFocusError: of the check or of the block; `PreflightError` where both fail.
    """
    try:
        check()
    except AllFocusError as failed:
        try:
            yield
        except AllFocusError as error:
            raise PreflightError([failed, error]) from None
        raise
    else:
        yield


def check_wishes(
    wanted: Outputs,
    method: str,
    model: Path | None,
    is_unaligned: bool,
    has_transforms: bool,
    slab: str | None,
    keep_canvas: bool,
) -> None:
    """Raise `ConfigError` or `WriteError` for options that contradict each other, `ModelError` for no model."""
    from allfocus.decide.model import require_flaws

    check_maps(wanted)
    check_reports(wanted)
    if method == "classic" and (wanted.unsharp or wanted.veiled):
        raise ConfigError("unsharp, veiled: only the network knows them; leave them out or choose --method network")
    if wanted.unsharp or wanted.veiled:
        require_flaws(model)
    if wanted.save_transforms and is_unaligned and not has_transforms:
        raise ConfigError("save-transforms: without alignment there are none; leave out --no-align")
    if slab and keep_canvas:
        raise ConfigError("slab: can't keep the canvas, which its frames may not fill; leave out --keep-canvas")
