"""The work of one task, in whatever process: a job, what it took, and what came of it."""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Literal

import numpy as np
import psutil

from allfocus.batch.tasks import Task, count_bytes, hash_path
from allfocus.core.color import from_unit, to_unit
from allfocus.core.shrink import shrunk
from allfocus.errors import AllFocusError, Cancelled, ResourceError, WriteError
from allfocus.jobs import Job, JobResult, Listener
from allfocus.outputs.report.thumbnails import display_gain, figure
from allfocus.result import FusionResult
from allfocus.run.machine import Machine
from allfocus.run.swap import remove
from allfocus.volumes import VolumeResult

#: Seconds between two looks at how much memory is used.
LOOK_EVERY = 0.02
#: Longest side of a thumbnail in pixels, and the bytes that it may take.
THUMBNAIL, THUMBNAIL_BYTES = 160, 6000
#: Seconds after which a temporary file of a longer name than is kept in full is nobody's.
OLD = 3600.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one task: columns of the ledger, and whether to try again.

    Attributes:
        state: `done` or `failed`.
        seconds, cpu_seconds: how long it took, by the clock and of all processors.
        peak_memory: the most bytes that its process used meanwhile.
        worker: who did it.
        warnings: the notes of the job.
        outputs: of each file written its path below the folder of outputs, what it shows, its length and SHA-256.
        facts: what the table and the page say: frames, size, confidence, ...
        thumbnail: a data URI.
        error: why it failed, a line for each problem.
        may_pass: whether it may go well if it is tried again.
        is_disk_full: whether there was no room for its outputs.
    """

    state: Literal["done", "failed"]
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    worker: str = ""
    warnings: tuple[str, ...] = ()
    outputs: tuple[dict[str, Any], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    thumbnail: str = ""
    error: str = ""
    may_pass: bool = False
    is_disk_full: bool = False

    def columns(self) -> dict[str, Any]:
        """Its columns in the ledger."""
        found = asdict(self) | {"warnings": list(self.warnings), "outputs": list(self.outputs)}
        return {name: value for name, value in found.items() if name not in ("may_pass", "is_disk_full")}


def do_task(
    task: Task, out: Path, listen: Listener, cancelled: Flag, *, worker: str = "", machine: Machine | None = None
) -> Outcome:
    """Fuse one stack.

    Args:
        task: what to do.
        out: the folder of all outputs.
        listen: called with every event of the job.
        cancelled: once it is set the work ends.
        worker: who does it.
        machine: what the job may count on.

    Raises:
        Cancelled: `cancelled` was set; nothing was written.
    """
    return measured(lambda: describe(run_job(task, listen, cancelled, machine), out), worker)


def measured(work: Callable[[], Outcome], worker: str) -> Outcome:
    """What came of some work, with what it took beside what it says itself; raises `Cancelled` alone."""
    begun, cpu = time.monotonic(), cpu_seconds()
    with peak_memory() as peak:
        try:
            outcome = work()
        except Cancelled:
            raise
        except Exception as error:
            outcome = explain(error)
    return replace(
        outcome,
        seconds=outcome.seconds + time.monotonic() - begun,
        cpu_seconds=outcome.cpu_seconds + cpu_seconds() - cpu,
        peak_memory=max(outcome.peak_memory, peak[0]),
        worker=worker,
    )


def run_job(task: Task, listen: Listener, cancelled: Flag, machine: Machine | None) -> JobResult:
    """Run the job of a task; folders for its outputs are made first."""
    outputs = task.request.outputs
    for path in (*outputs.pictures, *outputs.texts):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
    job = Job(task.request, listen, machine=machine)
    ended = Flag()

    def watch() -> None:
        while not ended.is_set():
            if cancelled.wait(LOOK_EVERY * 5):
                job.cancel()
                return

    watcher = Thread(target=watch, name="allfocus cancel", daemon=True)
    watcher.start()
    try:
        return job.run()
    finally:
        ended.set()


def sweep(path: Path) -> None:
    """Remove what an attempt that was killed left beside an output: its temporary files, and those of nobody else."""
    stem = path.stem[:40]
    is_whole = stem == path.stem
    for pattern in (f".{stem}.????????????.part", f".{stem}.????????????.old"):
        for left in path.parent.iterdir():
            with suppress(OSError):
                if left.match(escape_pattern(pattern)) and (is_whole or time.time() - left.stat().st_mtime > OLD):
                    remove(left)


def escape_pattern(pattern: str) -> str:
    """A pattern in which brackets of a name stand for themselves."""
    return pattern.replace("[", "[[]")


# --- what came of it -----------------------------------------------------------------------------


def describe(made: JobResult, out: Path) -> Outcome:
    """What came of a job that went well."""
    outputs = [
        {
            "path": path.relative_to(out).as_posix(),
            "shows": shows,
            "bytes": count_bytes(path),
            "sha256": hash_path(path),
        }
        for path, shows in made.files.items()
    ]
    facts = describe_volume(made.fused) if isinstance(made.fused, VolumeResult) else describe_result(made.fused)
    return Outcome(
        state="done",
        warnings=tuple(map(str, made.notes)),
        outputs=tuple(outputs),
        facts=facts,
        thumbnail=make_thumbnail(made.fused),
    )


def describe_result(fused: FusionResult) -> dict[str, Any]:
    """What the table says of a picture."""
    height, width = fused.image.shape[:2]
    quality = fused.quality
    return {
        "frames": fused.frame_count,
        "used": fused.frame_count if fused.alignment is None else len(fused.alignment.used),
        "width": width,
        "height": height,
        "pictures": 1,
        "method": fused.method,
        "alignment": "none" if fused.alignment is None else fused.alignment.model,
        "confidence": round(float(fused.confidence.mean()), 4),
        "out_of_focus": None if quality is None else round(float(quality.out_of_focus.mean()), 4),
        "veiled": None if quality is None else round(float(quality.veiled.mean()), 4),
    }


def describe_volume(fused: VolumeResult) -> dict[str, Any]:
    """What the table says of the pictures of a volume."""
    height, width = fused.volume.stacks[0].listing.frame.size
    confidence = fused.maps.get("confidence")
    return {
        "frames": fused.volume.axes["Z"],
        "used": fused.volume.axes["Z"],
        "width": width,
        "height": height,
        "pictures": len(fused.volume.stacks),
        "confidence": None if confidence is None else round(float(np.mean(confidence)), 4),
    }


def make_thumbnail(fused: FusionResult | VolumeResult) -> str:
    """A small picture, as a data URI; of a volume its first."""
    image = fused.images[0, 0, 0] if isinstance(fused, VolumeResult) else fused.shown(fused.image)
    small = np.nan_to_num(shrunk(image, THUMBNAIL))
    shown = from_unit(to_unit(small) * np.float32(display_gain(small)), np.uint8)
    return figure(shown, THUMBNAIL_BYTES).data


def explain(error: Exception) -> Outcome:
    """What came of a job that failed."""
    if isinstance(error, AllFocusError):
        message = str(error)
    elif isinstance(error, MemoryError):
        message = "out of memory; use fewer workers, or fuse fewer or smaller frames"
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.filename or 'input or output'}: {error.strerror}"
    else:
        message = f"internal error ({type(error).__name__}: {error}); fuse it alone with --debug and report it"
    may_pass = isinstance(error, MemoryError | ResourceError | WriteError) or (
        isinstance(error, OSError) and not isinstance(error, AllFocusError)
    )
    return Outcome(state="failed", error=message, may_pass=may_pass, is_disk_full=is_disk_full(error))


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error comes from a disk without room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


# --- what it took --------------------------------------------------------------------------------


def cpu_seconds() -> float:
    """Seconds that this process has used of all processors."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Yield a list whose one number grows to the most bytes that this process uses within the block."""
    process, peak, ended = psutil.Process(), [0], Flag()

    def look() -> None:
        while True:
            with suppress(psutil.Error):
                peak[0] = max(peak[0], int(process.memory_info().rss))
            if ended.wait(LOOK_EVERY):
                return

    watcher = Thread(target=look, name="allfocus memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
