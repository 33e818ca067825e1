"""One task in a worker of Dask."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any

from allfocus.batch.shares import Share, Step
from allfocus.batch.steps import do_step
from allfocus.batch.tasks import Task
from allfocus.batch.work import Outcome, do_task
from allfocus.jobs import Event
from allfocus.run.allocator import keep_freed_memory
from allfocus.run.machine import Machine, measure_free_memory
from allfocus.run.streams import quiet_logs

if TYPE_CHECKING:
    from distributed import Worker

#: Seconds between two words of a worker about its stack.
TELL_EVERY = 0.5


def do_in_worker(task: Task, *, out: Path, topic: str, threads: int | None) -> Outcome:
    """Do a task in a worker of Dask: within its limits, told of by its events, until Dask gives it up."""
    with in_worker(task.name, topic, threads, is_first=True) as (listen, cancelled, name, machine):
        return do_task(task, out, listen, cancelled, worker=name, machine=machine)


def do_step_in_worker(
    share: Share, step: Step, before: Sequence[Outcome], *, topic: str, threads: int | None
) -> Outcome:
    """Do one step of a task that is shared, unless one before it has failed: then it fails by the same reason."""
    failed = next((outcome for outcome in before if outcome.state == "failed"), None)
    if failed is not None:
        return failed
    with in_worker(share.task.name, topic, threads, is_first=step.kind == "begin") as (
        listen,
        cancelled,
        name,
        machine,
    ):
        return do_step(share, step, listen, cancelled, worker=name, machine=machine)


@contextmanager
def in_worker(
    task: str, topic: str, threads: int | None, *, is_first: bool
) -> Iterator[tuple[Callable[[Event], None], Flag, str, Machine]]:
    """Yield, in a worker of Dask, who listens, what is set once Dask gives the work up, its name, and what it has."""
    from distributed import get_worker

    worker = get_worker()
    keep_freed_memory()
    key, cancelled, ended = worker.get_current_task(), Flag(), Flag()
    if is_first:
        tell(worker, topic, {"event": "begun", "task": task, "who": str(worker.name)})

    def watch() -> None:
        while not ended.wait(0.2):
            if is_given_up(worker, key):
                cancelled.set()
                return

    Thread(target=watch, name="allfocus given up", daemon=True).start()
    try:
        with quiet_logs():
            yield teller(worker, topic, task), cancelled, str(worker.name), measure_share(worker, threads)
    finally:
        ended.set()


def is_given_up(worker: "Worker", key: Any) -> bool:
    """Whether nobody wants a task any more: it was cancelled, or the batch that asked for it is gone."""
    state = worker.state.tasks.get(key)
    return state is None or state.state == "cancelled"


def measure_here(threads: int | None, dask_worker: "Worker") -> int:
    """Bytes that one stack may use in a worker; runs there."""
    return measure_share(dask_worker, threads).free_memory


def measure_share(worker: "Worker", threads: int | None) -> Machine:
    """What one stack may count on: a worker's own limit and threads, divided among the stacks it has at a time."""
    at_once = max(1, worker.state.nthreads)
    limit = getattr(worker.memory_manager, "memory_limit", None)
    free = measure_free_memory()
    return Machine(free_memory=min(free, limit or free) // at_once, processors=threads or 1)


def teller(worker: "Worker", topic: str, name: str) -> Callable[[Event], None]:
    """A listener that tells the batch now and then how far a stack is."""
    last = [0.0]

    def listen(event: Event) -> None:
        if event.kind == "progress" and time.monotonic() - last[0] >= TELL_EVERY:
            last[0] = time.monotonic()
            message = {"event": "working", "task": name, "who": str(worker.name), "stage": event.stage}
            tell(worker, topic, message | {"fraction": round(event.fraction, 3)})

    return listen


def tell(worker: "Worker", topic: str, message: dict[str, Any]) -> None:
    """Send a word to the batch; it is no matter if that fails."""
    with suppress(Exception):
        worker.loop.add_callback(worker.log_event, topic, message)
