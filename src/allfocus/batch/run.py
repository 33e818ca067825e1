"""A whole batch: from folders to pictures, a table and a page."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allfocus.batch.cluster import open_crew
from allfocus.batch.engine import Engine, Listener
from allfocus.batch.find import Leftover, find_tree
from allfocus.batch.ledger import Ledger
from allfocus.batch.names import name_outputs
from allfocus.batch.page import PAGE, write_page
from allfocus.batch.summary import summarize, write_tables
from allfocus.batch.tasks import Task, make_task
from allfocus.batch.wishes import BatchOptions, parse_shard
from allfocus.errors import BatchError, WriteError
from allfocus.jobs import JobRequest
from allfocus.outputs.wishes import check_wishes
from allfocus.run.atomic import check_folder


@dataclass(frozen=True, kw_only=True)
class Work:
    """What there is to do.

    Attributes:
        out: the folder of outputs.
        tasks: of this shard.
        left_over: files that are in no stack.
        wishes: how it is done.
    """

    out: Path
    tasks: tuple[Task, ...]
    left_over: tuple[Leftover, ...]
    wishes: BatchOptions


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of a batch.

    Attributes:
        done, failed, left: how many stacks; those that are left were interrupted.
        here: how many of them ended in this run.
        errors: of each that failed, why.
        files: table and page.
    """

    done: int
    failed: int
    left: int
    here: int
    errors: dict[str, str]
    files: tuple[Path, ...]


def plan_batch(
    roots: Sequence[Path], out: Path, request: JobRequest, wishes: BatchOptions, listed: str | None = None
) -> Work:
    """Find the stacks below some folders, and say what is to be done for each.

    Args:
        roots: folders, files and patterns.
        out: the folder of outputs; it need not be there.
        request: what is the same for all stacks; files of its outputs are patterns, see `name_outputs`.
        wishes: how.
        listed: a list of outputs beside each picture, as `--outputs` takes it.

    Raises:
        AllFocusError: a folder can't be read, there is no stack, or outputs and options contradict each other.
    """
    out = out.absolute()
    tree = find_tree(roots, wishes, skip=[out], asked=request.options.stack)
    outputs = name_outputs(tree.stacks, out, wishes.name, request.outputs, listed)
    check_wishes(outputs[0], request.options, request.slab)
    part, parts = parse_shard(wishes.shard)
    chosen = list(zip(tree.stacks, outputs, strict=True))[part::parts]
    tasks = [make_task(stack, one, out, request, hashed=wishes.hash) for stack, one in chosen]
    return Work(out=out, tasks=tuple(tasks), left_over=tree.left_over, wishes=wishes)


def make_folder(out: Path) -> None:
    """Make the folder of outputs; raises `WriteError` where that can't be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{out} can't be made: {error.strerror}; name another folder with -o") from error
    check_folder(out)


def run_batch(work: Work, listen: Listener) -> Ended:
    """Do what is to be done, and write table and page, whatever ends it.

    Raises:
        BatchError: the ledger, the scheduler or its workers can't be used, or the disk is full.
        WriteError: the folder of outputs can't be written to.
        KeyboardInterrupt: it was interrupted; the message says how far it was.
    """
    make_folder(work.out)
    ledger = Ledger(work.out)
    here = 0
    try:
        wanted = ledger.plan(work.tasks)
        if wanted:
            memory = work.tasks[0].request.options.memory_limit
            with open_crew(work.wishes, work.out, memory) as crew:
                engine = Engine(
                    work.tasks, work.out, ledger, crew, listen, retries=work.wishes.retries, hashed=work.wishes.hash
                )
                try:
                    engine.run(wanted)
                finally:
                    here = engine.progress.here
        return finish(ledger, work, here)
    except KeyboardInterrupt:
        ended = finish(ledger, work, here)
        total = count(len(work.tasks))
        raise KeyboardInterrupt(f"{ended.done} of {total} are fused; start again to go on") from None
    except BatchError:
        with suppress(BatchError, WriteError):
            finish(ledger, work, here)
        raise
    finally:
        ledger.close()


def finish(ledger: Ledger, work: Work, here: int) -> Ended:
    """Write table and page, and say what came of the batch."""
    names = {task.name for task in work.tasks}
    rows = list(ledger.rows())
    files = [*write_tables([summarize(row) for row in rows], work.out), write_page(rows, work.out)]
    own = [row for row in rows if row["name"] in names]
    errors = {row["name"]: " ".join(row["error"].split()) for row in own if row["state"] == "failed"}
    done = sum(row["state"] == "done" for row in own)
    return Ended(
        done=done, failed=len(errors), left=len(own) - done - len(errors), here=here, errors=errors, files=tuple(files)
    )


def describe_ended(ended: Ended, out: Path) -> list[str]:
    """What came of a batch: lines for a person."""
    total = ended.done + ended.failed + ended.left
    parts = [f"{ended.done} fused"]
    parts += [f"{ended.failed} failed"] if ended.failed else []
    parts += [f"{ended.left} not done"] if ended.left else []
    lines = [f"{out}: {count(total)}, {', '.join(parts)}; {ended.here} in this run"]
    return [*lines, f"page: {out / PAGE}", *(f"table: {path}" for path in ended.files if path.name != PAGE)]


def count(stacks: int) -> str:
    """So many stacks."""
    return "1 stack" if stacks == 1 else f"{stacks} stacks"


def as_event(ended: Ended, out: Path) -> dict[str, Any]:
    """What came of a batch, for other programs."""
    counts = {"done": ended.done, "failed": ended.failed, "left": ended.left, "here": ended.here}
    return {
        "event": "result",
        "out": str(out),
        **counts,
        "errors": ended.errors,
        "files": [str(path) for path in ended.files],
    }
