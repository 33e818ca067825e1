"""The steps of a task that is shared, as workers do them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

from allfocus.batch.shares import Share, Step, begins, open_groups
from allfocus.batch.work import Outcome, describe, measured, sweep
from allfocus.core.notes import Note
from allfocus.formats.ome_file import OmeFile
from allfocus.formats.ome_zarr_regions import lay_out, read_small, write_region
from allfocus.formats.registry import find_writer
from allfocus.jobs.checks import check_job, find_channel, needed_maps, volume_maps
from allfocus.jobs.events import Event, JobResult, Listener
from allfocus.outputs.ome_files import make_ome_files
from allfocus.outputs.words import quality_notes
from allfocus.plan import plan_for, plan_region
from allfocus.run.atomic import disk_errors, whole_files, write_file
from allfocus.run.handover import is_handed_over
from allfocus.run.machine import Machine
from allfocus.run.progress import Progress
from allfocus.run.swap import remove
from allfocus.volume_quality import Tally
from allfocus.volume_regions import fuse_region, look_at_whole, outline
from allfocus.volumes import VolumeResult, conclude


def do_step(share: Share, step: Step, listen: Listener, cancelled: Flag, *, worker: str, machine: Machine) -> Outcome:
    """Do one step, unless its record says that it is done.

    Returns:
        Of the end, what came of the task; of others, what they took, or why they failed.

    Raises:
        Cancelled: `cancelled` was set.
    """
    record, tally = share.record(step), list[Tally]()
    if step.kind in ("whole", "region") and record.is_file():
        return Outcome(state="done", worker=worker)
    regions = len(share.regions)
    called = f"region {step.region + 1} of {regions}" if step.kind == "region" else step.kind

    def progress(stage: str, done: int, total: int) -> None:
        listen(Event(kind="progress", stage=f"{called}: {stage}", fraction=done / total if total else 0.0))

    def work() -> Outcome:
        if step.kind == "begin":
            begin(share, machine)
        elif step.kind == "whole":
            do_whole(share, step, machine, progress, cancelled)
        elif step.kind == "region":
            tally.append(do_region(share, step, machine, progress, cancelled))
        else:
            return end(share)
        return Outcome(state="done")

    outcome = measured(work, worker)
    if outcome.state == "done" and step.kind in ("whole", "region"):
        said = {"seconds": outcome.seconds, "cpu_seconds": outcome.cpu_seconds, "peak_memory": outcome.peak_memory}
        write_file(record, json.dumps(said | {"tally": [asdict(one) for one in tally]}))
        done = [share.record(Step(kind="region", group=step.group, region=k)) for k in range(regions)]
        if all(one.is_file() for one in done):
            remove(share.whole(step.group))
    return outcome


def begin(share: Share, machine: Machine) -> None:
    """Check the task, and make the folder and the empty levels, unless they are there from an earlier attempt."""
    outputs = share.task.request.outputs
    for path in outputs.pictures:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
    check_job(share.task.request, machine)
    image = next(iter(outputs.pictures))
    for other in list(image.parent.iterdir()):
        if other.name.startswith(begins(image)) and other.name.endswith(".regions") and other != share.folder:
            remove(other)
    parts, record = list_parts(share), share.record(Step(kind="begin"))
    if record.is_file() and all(part.is_dir() for part in parts):
        return
    remove(share.folder)
    with disk_errors(share.folder):
        record.parent.mkdir(parents=True)
    for part, wanted in zip(parts, make_files(share, open_outline(share)), strict=True):
        lay_out(part, wanted, share.side)
    write_file(record, "{}")


def open_outline(share: Share) -> VolumeResult:
    """What the result will be, without pixels."""
    request, (volume, _, _) = share.task.request, open_groups(share.task)
    return outline(volume, find_channel(request, volume), needed_maps(request))


def make_files(share: Share, result: VolumeResult) -> list[OmeFile]:
    """The files that are wanted."""
    request = share.task.request
    return make_ome_files(result, request.outputs.image, volume_maps(request))


def list_parts(share: Share) -> list[Path]:
    """Where each file is written to until all are done."""
    return [share.folder / f"{number}.ome.zarr" for number in range(len(share.task.request.outputs.pictures))]


def do_whole(share: Share, step: Step, machine: Machine, progress: Progress, cancelled: Flag) -> None:
    """Look at the whole of a group."""
    _, groups, options = open_groups(share.task)
    group = groups[step.group]
    if is_handed_over(share.whole(step.group)):
        return
    remove(share.whole(step.group))
    plan = plan_for(group[0].listing, options, len(group) - 1, machine, group[0].listing.parts)
    with disk_errors(share.folder):
        look_at_whole(group, options, plan.start(progress, cancelled), share.whole(step.group))


def do_region(share: Share, step: Step, machine: Machine, progress: Progress, cancelled: Flag) -> Tally:
    """Compose a region of a group, and write it."""
    request, (volume, groups, options) = share.task.request, open_groups(share.task)
    group, region = groups[step.group], share.regions[step.region]
    frame = volume.stacks[0].listing.frame
    pixels = (region[0].stop - region[0].start) * (region[1].stop - region[1].start)
    plan = plan_region(len(group[0].listing), frame.working, options, pixels, machine=machine, channels=len(group) - 1)
    run = plan.start(progress, cancelled)
    pictures, maps, tally = fuse_region(
        volume, group, region, needed_maps(request), options, run, share.whole(step.group)
    )
    parts, time = iter(list_parts(share)), group[0].time
    deciding = 0 if len(group) > 1 or find_channel(request, volume) is not None else group[0].channel
    if request.outputs.image is not None:
        part = next(parts)
        for channel, picture in pictures.items():
            write_region(part, None, time, channel, region, picture)
        write_region(part, "index_map", time, deciding, region, maps["index_map"])
    for name in volume_maps(request):
        write_region(next(parts), None, time, deciding, region, maps[name])
    return tally


def end(share: Share) -> Outcome:
    """Write the smaller levels and what is said of them, and put all files into their places."""
    request, hollow = share.task.request, open_outline(share)
    tallies, records = list[Tally](), list[dict[str, Any]]()
    for step in share.steps:
        records.append(json.loads(share.record(step).read_text(encoding="utf-8")))
        if step.kind == "whole":
            tallies.append(Tally(label=""))
        for said in records[-1]["tally"]:
            tallies[-1].label = said["label"]
            tallies[-1].join(Tally(**said | {"notes": [Note(**note) for note in said["notes"]]}))
    result, parts = conclude(hollow, tallies), list_parts(share)
    for part, wanted in zip(parts, make_files(share, result), strict=True):
        with disk_errors(wanted.path):
            find_writer(wanted.path)[0].write_volume(part, wanted)
    small = read_small(parts[0])
    with whole_files(request.outputs.pictures) as places:
        for part, place in zip(parts, places, strict=True):
            part.rename(place)
    remove(share.folder)
    files = {path: shows for shows, path in request.outputs.named.items()}
    made = JobResult(
        fused=replace(result, images=small[None, None, None], maps={}),
        files=files,
        notes=(*result.notes, *quality_notes(result)),
        seconds=0.0,
    )
    outcome = describe(made, share.out)
    pixels = sum(tally.pixels for tally in tallies)
    if "confidence" in hollow.maps:
        outcome.facts["confidence"] = round(sum(tally.confidence for tally in tallies) / pixels, 4)
    return replace(
        outcome,
        **{name: sum(record[name] for record in records) for name in ("seconds", "cpu_seconds")},
        peak_memory=max(record["peak_memory"] for record in records),
    )
