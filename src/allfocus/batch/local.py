"""Workers that are started on this machine for a batch, and end with it."""

import logging
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process, resource_tracker
from threading import Thread
from typing import TYPE_CHECKING

import psutil

from allfocus.batch.wishes import BatchOptions
from allfocus.errors import BatchError
from allfocus.run.machine import measure_free_memory
from allfocus.run.workers import cpus

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

#: Bytes that a worker should have at least; processors beyond that stay idle rather than memory run out.
WORKER_MEMORY = 1_500_000_000
#: Share of the free memory that workers get together.
SHARE = 0.9
#: Seconds that work has to end once it is called off.
GRACE = 3.0


@contextmanager
def open_local(wishes: BatchOptions, max_memory: int | None) -> "Iterator[tuple[Client, int]]":
    """Start workers on this machine: one stack at a time each, in a process that is replaced if it dies.

    Raises:
        BatchError: they can't be started.
    """
    import dask
    from distributed import Client, LocalCluster

    if getattr(current_process(), "_inheriting", False):
        raise SystemExit(1)  # a worker that runs the script which starts it: `start_error` is what the user sees
    free = measure_free_memory()
    workers = wishes.workers or max(1, min(cpus(), int(SHARE * free) // (max_memory or WORKER_MEMORY)))
    threads = wishes.threads_per_worker or max(1, cpus() // workers)
    settings = {
        "distributed.scheduler.allowed-failures": wishes.retries,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.pause": False,
        "distributed.comm.retry.count": 0,
        # as many tasks at a worker as are handed out, which we limit: else it waits for the next word after each
        "distributed.scheduler.worker-saturation": "inf",
        # Dask watches itself for its dashboard, which is not asked for: a sixth of a processor with two workers
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.logging": {"distributed": "critical"},
    }
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of workers, and of what cleans up after a killed batch

    def make() -> LocalCluster:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=int(SHARE * free / workers),
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )

    others = set(psutil.Process().children())
    with dask.config.set(settings):
        cluster = start(make, others)
    client = Client(cluster, set_as_default=False)
    try:
        yield client, threads
    finally:
        with suppress(Exception):
            client.close(timeout=GRACE)
        close(cluster, others)


def start(make: "Callable[[], LocalCluster]", others: Collection[psutil.Process]) -> "LocalCluster":
    """Start workers, in a thread that nobody has to wait for: on a busy machine it takes long.

    Args:
        make: starts them.
        others: children of this process that are none of them.

    Raises:
        BatchError: they can't be started.
        KeyboardInterrupt: it was interrupted; those that were started are ended.
    """
    made: list[LocalCluster] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            made.append(make())
        except Exception as error:
            failed.append(error)

    thread = Thread(target=work, name="allfocus start", daemon=True)
    with interrupts_are_ours():
        thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        end_workers(others)
        thread.join(GRACE)
        for cluster in made:
            close(cluster, others)
        raise
    for error in failed:
        raise start_error(error) if isinstance(error, RuntimeError | OSError) else error
    return made[0]


def close(cluster: "LocalCluster", others: Collection[psutil.Process]) -> None:
    """End workers, by force where they don't end in good order: Dask would wait for them again when Python exits."""
    try:
        cluster.close(timeout=GRACE)
    except Exception:
        cluster.shutdown_on_close = False
    end_workers(others)


def end_workers(others: Collection[psutil.Process]) -> None:
    """Kill the workers that this process has; raises nothing."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child not in others and any("spawn_main" in word for word in child.cmdline()):
                child.kill()


def start_error(error: Exception) -> BatchError:
    """The error of workers that don't start on this machine."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return BatchError(
        f"workers can't be started on this machine ({reason}); a script must run its batch below "
        "'if __name__ == \"__main__\":', since each worker imports it"
    )


@contextmanager
def interrupts_are_ours() -> Iterator[None]:
    """Threads and processes that are started within the block never see Ctrl-C: they are ended in good order."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which lets through again what is held back, the first time that it is called
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
