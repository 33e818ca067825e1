"""What a job would do, in words and rows, before any of it is done."""

from collections.abc import Iterator, Sequence

from allfocus.jobs.job import Job
from allfocus.sources.describe import FrameRow, describe_frames
from allfocus.sources.listing import Listing
from allfocus.sources.volume import Volume


def preview(job: Job) -> Iterator[str | Sequence[FrameRow]]:
    """What each frame is, as the rows of one table, and what the fusion would take, a line each.

    Of several files the rows come first, those that can't be used among them, then the error.

    Raises:
        AllFocusError: something is wrong, as `Job.check` finds it.
    """
    paths = list(job.request.frames)
    is_single = len(paths) == 1 or job.request.options.stack is not None
    if not is_single:
        yield describe_frames(paths)
    source, plan = job.check()
    if is_single and isinstance(source, Listing):
        yield describe_frames(source)
    if isinstance(source, Volume):
        yield f"{source.path.name}: {source}, {len(source.stacks)} stacks"
    yield str(plan)
    yield from (f"note: {note}" for note in source.notes)
