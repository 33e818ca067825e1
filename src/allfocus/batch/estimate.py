"""The plan of a batch: which frames make which stack, what is left over, and what it will take."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allfocus.batch.ledger import NAME, Ledger
from allfocus.batch.run import Work, count
from allfocus.batch.tasks import Task
from allfocus.errors import AllFocusError
from allfocus.formats.read import read_header
from allfocus.formats.registry import find_format
from allfocus.plan import plan_fusion
from allfocus.run.machine import Machine
from allfocus.run.scratch import gigabytes

#: Bytes of a file for each byte of samples that it holds: of lossy formats, and of others.
LOSSY, LOSSLESS = 0.2, 0.7
#: Seconds that any stack takes.
EACH = 0.2
#: Names of frames that the plan lists of each stack.
ENDS = 2


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What one stack will take, about.

    Attributes:
        frames: how many it has.
        size: of a frame, as in `4000x3000`; empty where that can't be found out.
        seconds: of one processor.
        disk: bytes of its outputs.
        problem: why it will fail, as far as its first frame shows.
    """

    frames: int
    size: str = ""
    seconds: float = 0.0
    disk: int = 0
    problem: str = ""


def expect(task: Task) -> Expected:
    """What a task will take, by the header of its first frame."""
    paths = task.frames
    try:
        frames, frame, stacks = look(paths)
    except (AllFocusError, OSError) as error:
        return Expected(frames=len(paths), problem=" ".join(str(error).split()))
    outputs = task.request.outputs
    with suppress(AllFocusError):
        plan = plan_fusion(frames, frame.working, task.request.options, are_files=True, machine=Machine())
        image = outputs.image
        is_lossy = image is not None and image.suffix.lower() in (".jpg", ".jpeg", ".webp")
        disk = frame.nbytes * (LOSSY if is_lossy else LOSSLESS) * (image is not None)
        disk += frame.pixels * len([one for one in outputs.pictures if one != image])
        seconds = EACH + sum(plan.costs().values())
        return Expected(
            frames=frames, size=f"{frame.size[1]}x{frame.size[0]}", seconds=stacks * seconds, disk=int(stacks * disk)
        )
    return Expected(frames=frames, size=f"{frame.size[1]}x{frame.size[0]}", problem="needs more memory than there is")


def look(paths: Sequence[Path]) -> tuple[int, Any, int]:
    """How many frames a stack has, what each of them is, and how many stacks its file holds."""
    if len(paths) == 1:
        found = find_format(paths[0])
        if found.contains == "planes":
            stacks = found.planes(paths[0]).stacks
            return len(stacks[0].frames), stacks[0].frames[0], len(stacks)
        if found.contains == "frames":
            return max(1, found.count_frames(paths[0])), read_header(paths[0]).frame, 1
    return len(paths), read_header(paths[0]).frame, 1


def describe_plan(work: Work, workers: int) -> dict[str, Any]:
    """The plan as data: every stack with its frames and outputs, what is left over, and sums.

    Args:
        work: what there is to do.
        workers: processors that will work on it.
    """
    done = set(work_done(work))
    rows = []
    for task in work.tasks:
        expected = expect(task)
        rows.append(
            {
                "name": task.name,
                "state": "done" if task.name in done else "to do",
                "told_by": task.told_by,
                "frames": [str(path) for path in task.frames],
                "outputs": {shows: str(path) for shows, path in task.request.outputs.named.items()},
                "count": expected.frames,
                "size": expected.size,
                "seconds": round(expected.seconds, 2),
                "disk": expected.disk,
                "problem": expected.problem,
            }
        )
    left = [row for row in rows if row["state"] != "done"]
    return {
        "out": str(work.out),
        "stacks": rows,
        "left_over": [{"path": str(one.path), "reason": one.reason} for one in work.left_over],
        "done": len(done),
        "seconds": round(sum(float(str(row["seconds"])) for row in left) / max(1, workers), 1),
        "disk": sum(int(str(row["disk"])) for row in left),
    }


def work_done(work: Work) -> list[str]:
    """Names of the tasks that need not be done again; the ledger is not changed."""
    if not (work.out / NAME).is_file():
        return []
    ledger = Ledger(work.out, read_only=True)
    try:
        return [task.name for task in work.tasks if ledger.is_done(task)]
    finally:
        ledger.close()


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan, in lines for a person."""
    lines = []
    for row in plan["stacks"]:
        names = [Path(path).name for path in row["frames"]]
        ends = ", ".join(names if len(names) <= 2 * ENDS else [*names[:ENDS], "...", names[-1]])
        done = " (done)" if row["state"] == "done" else ""
        trouble = f"; {row['problem']}" if row["problem"] else ""
        lines.append(
            f"{row['name']}{done}: {row['count']} frames{' of ' + row['size'] if row['size'] else ''}: {ends}{trouble}"
        )
    lines += [f"left over: {one['path']}: {one['reason']}" for one in plan["left_over"]]
    total = count(len(plan["stacks"]))
    done = f", {plan['done']} of them done already" if plan["done"] else ""
    return [
        *lines,
        f"{total}{done}, {len(plan['left_over'])} files left over; about {clock(plan['seconds'])} and "
        f"{gigabytes(plan['disk'])} in {plan['out']}",
    ]


def clock(seconds: float) -> str:
    """A time for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
