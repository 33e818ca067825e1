"""``allfocus fuse``: frames in, one sharp picture out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from allfocus.cli import options as given
from allfocus.cli import outcome
from allfocus.cli.shared import DebugOption, QuietOption, show_progress
from allfocus.cli.volume import ChannelOption, fuse_volume_files, volume_in
from allfocus.errors import ConfigError

if TYPE_CHECKING:
    from allfocus.plan import Plan
    from allfocus.volumes import MapName


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
    reference: given.ReferenceOption = None,
    transforms: given.TransformsOption = None,
    save_transforms: given.SaveTransformsOption = None,
    exposure: given.ExposureOption = "match",
    keep_canvas: given.KeepCanvasOption = False,
    keep_all: given.KeepAllOption = False,
    index_map: given.IndexMapOption = None,
    confidence: given.ConfidenceOption = None,
    depth: given.DepthOption = None,
    depth_preview: given.DepthPreviewOption = None,
    unsharp: given.UnsharpOption = None,
    veiled: given.VeiledOption = None,
    max_tile: given.MaxTileOption = None,
    max_memory: given.MaxMemoryOption = None,
    spool: given.SpoolOption = None,
    progress: given.ProgressOption = "bar",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Fuse photos focused at different distances into one that is sharp everywhere.

    They are taken in natural order of their names, img2 before img10, and laid over the middle one first: shifted,
    turned, scaled and brightened as little as needed. The output keeps their depth and channels where its format can,
    and what the reference says about itself: colour profile, camera, date and place.
    """
    from allfocus import io, pipeline

    started = time.monotonic()
    paths = io.list_frames(frames)
    maps = [path for path in (index_map, confidence, depth, unsharp, veiled) if path is not None]
    outcome.check_maps(maps)
    if method == "classic" and (unsharp or veiled):
        raise ConfigError("unsharp, veiled: only the network knows them; leave them out or choose --method network")
    if save_transforms and (no_align or align == "none") and transforms is None:
        raise ConfigError("save-transforms: without alignment there are none; leave out --no-align")
    texts = [save_transforms] if save_transforms else []
    io.check_outputs([output, *maps, *([depth_preview] if depth_preview else [])], paths, texts)
    volume = volume_in(paths, output, channel_for_focus)
    listing = volume.stacks[0].listing if volume else io.inspect_stack(paths)
    options = pipeline.FusionOptions(
        method=method,
        model=model,
        compose=compose,
        prefer=prefer,
        align="none" if no_align else align,
        reference=outcome.position_of(reference, listing.names),
        transforms=transforms,
        exposure=exposure,
        keep_canvas=keep_canvas,
        keep_all=keep_all,
        depth=depth is not None or depth_preview is not None,
        fast=fast,
        max_tile=max_tile,
        max_memory=max_memory,
        spool=spool,
    )
    if volume is not None:
        files: dict[MapName, Path | None] = {"index_map": index_map, "confidence": confidence, "depth": depth}
        unmade = {
            "depth-preview": depth_preview,
            "unsharp": unsharp,
            "veiled": veiled,
            "save-transforms": save_transforms,
        }
        fuse_volume_files(volume, options, output, files, channel_for_focus, unmade, quiet=quiet, progress=progress)
        return
    io.check_output(output, listing.frame.size)
    with show_progress(quiet, progress) as reporter:

        def begin(plan: "Plan") -> None:
            reporter.expect(plan.costs())
            if not quiet and (plan.is_large or max_memory or spool):
                typer.echo(str(plan))

        result = pipeline.fuse(listing, options=options, progress=reporter, planned=begin)
        reporter("write", 0, 1)
        wanted = [outcome.picture(result, output, listing)]
        wanted += outcome.maps(result, index_map, confidence, depth, depth_preview)
        wanted += outcome.masks(result, unsharp, veiled)
        wanted += outcome.transforms(result, save_transforms, listing)
        notes = [*listing.notes, *result.notes, *io.write_images(wanted)]
        reporter("write", 1, 1)
    if quiet:
        return
    typer.echo(outcome.summary(output, listing, result, time.monotonic() - started))
    for text in [*outcome.registration(result, listing.names), *outcome.shortcomings(result, listing.names)]:
        typer.echo(text)
    if index_map is not None:
        typer.echo(f"{index_map}: {outcome.legend(listing.names)}")
    if depth is not None:
        typer.echo(f"{depth}: 0 is in focus in {listing.names[0]}, 65535 in {listing.names[-1]}")
    for note in notes:
        typer.echo(f"note: {note}")
