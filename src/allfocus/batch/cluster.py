"""The workers of a batch, by dask.distributed: some of its own, or those of the user's scheduler."""

import importlib.util
import logging
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allfocus._version import __version__
from allfocus.batch.local import GRACE, open_local
from allfocus.batch.wishes import BatchOptions
from allfocus.errors import BatchError
from allfocus.run.machine import Machine

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a scheduler has to answer, and to have a worker; and without a word until workers are looked at.
ANSWER, PATIENCE, QUIET = 10.0, 60.0, 15.0
#: Bytes of a scheduler's first words, at most.
LONGEST_GREETING = 1 << 24
#: Packages that read formats: a worker without one can't read what we can.
READERS = ("rawpy", "pillow_heif", "zarr", "czifile", "liffile", "nd2")


class Crew:
    """Workers, and how to reach them.

    Args:
        client: of the scheduler.
        where: what to call the scheduler in messages.
        threads: for the fusion of one stack; None: a worker's share.
    """

    _smallest: Machine | None

    def __init__(self, client: "Client", where: str, threads: int | None) -> None:
        self.client, self.where, self.threads = client, where, threads
        self.topic = f"allfocus-{client.id}"
        self._slots, self._looked, self._heard, self._smallest = 1, 0.0, time.monotonic(), None

    def slots(self) -> int:
        """How many stacks can be fused at a time; looked up every few seconds."""
        if time.monotonic() - self._looked > 3:
            self._slots = max(1, sum(self.client.nthreads().values()))
            self._looked = time.monotonic()
        return self._slots

    def smallest(self) -> Machine:
        """What one stack may count on in the worker that has least memory; looked up once."""
        from allfocus.batch.worker import measure_here

        if self._smallest is None:
            least = min(self.client.run(measure_here, self.threads).values(), default=0)
            self._smallest = Machine(free_memory=least, processors=self.threads or 1)
        return self._smallest

    def check(self, how_far: str, *, heard: bool) -> None:
        """Raise `BatchError` where the scheduler is gone, or its workers will never do anything again.

        Args:
            how_far: the batch is, and what to do; the end of a line.
            heard: whether there was a word from any worker since the last check.
        """
        if self.client.status != "running":
            raise BatchError(f"{self.where} is gone; {how_far}")
        if heard:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > QUIET:
            self._heard = time.monotonic()
            if are_paused(self.client.scheduler_info()["workers"].values()):
                raise BatchError(
                    f"{self.where} has workers without room: their programs alone take most of their memory limit, so "
                    f"that Dask pauses them; give them a larger --memory-limit; {how_far}"
                )


def are_paused(workers: Collection[Mapping[str, Any]]) -> bool:
    """Whether Dask has paused all workers, and none does anything, by what their scheduler knows of them."""
    return bool(workers) and all(
        worker["status"] == "paused" and not worker.get("metrics", {}).get("task_counts", {}).get("executing")
        for worker in workers
    )


@contextmanager
def open_crew(wishes: BatchOptions, out: Path, max_memory: int | None = None) -> Iterator[Crew]:
    """Yield the workers; those of our own end with the block.

    Args:
        wishes: which.
        out: the folder of outputs, which workers must be able to write to.
        max_memory: bytes that one stack may use; None: a worker's share.

    Raises:
        BatchError: the scheduler can't be reached, is of another version, or has no usable worker.
    """
    quiet_dask()
    if wishes.scheduler is not None:
        with open_scheduler(wishes.scheduler) as client:
            yield check_crew(Crew(client, wishes.scheduler, wishes.threads_per_worker), out)
        return
    with open_local(wishes, max_memory) as (client, threads):
        yield Crew(client, "the scheduler on this machine", threads)


def quiet_dask() -> None:
    """Keep stderr for our own lines: what dask has to say comes to us as errors."""
    for name in ("distributed", "tornado", "asyncio", "bokeh"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextmanager
def open_scheduler(address: str) -> "Iterator[Client]":
    """Reach a scheduler that somebody started; raises `BatchError` where it does not answer, or not in our version."""
    from distributed import Client

    client = Client.__new__(Client)
    try:
        knock(address)
        client.__init__(address, timeout=ANSWER, set_as_default=False)  # type: ignore[misc]
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BatchError(
            f"scheduler {address} can't be reached ({reason}); expected tcp://HOST:PORT of a running 'dask scheduler'"
        ) from error
    except Exception as error:
        client.status = "closed"  # else Dask tries to end in good order what never began, and says so
        own = version("distributed")
        raise BatchError(
            f"scheduler {address} speaks another language than distributed {own} ({type(error).__name__}); "
            "use the same version of distributed on both sides"
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=GRACE)


def knock(address: str) -> None:
    """Make sure that something like a scheduler is at an address, which Dask would try for long.

    Raises:
        OSError: nobody listens.
        ValueError: it is no address, or somebody else is there.
    """
    found = re.fullmatch(r"(tcp|tls|ws|wss|ucx)://\[?([^/]+?)\]?:(\d{1,5})/?", address)
    if found is None:
        raise ValueError("that is no address")
    protocol, host, port = found.groups()
    with socket.create_connection((host, int(port)), timeout=ANSWER) as line:
        if protocol != "tcp":
            return
        try:
            # Dask's servers speak first, and begin with how many bytes follow
            size = int.from_bytes(line.recv(8, socket.MSG_WAITALL), "little")
        except TimeoutError:
            size = 0
    if not 0 < size < LONGEST_GREETING:
        raise ValueError("what listens there is no scheduler of Dask")


def check_crew(crew: Crew, out: Path) -> Crew:
    """The crew, once all its workers can do the work.

    Raises:
        BatchError: a worker, or the scheduler, can't.
    """
    try:
        check_versions(crew)
        crew.client.wait_for_workers(1, timeout=PATIENCE)
        found = crew.client.run(probe, str(out))
    except TimeoutError as error:
        raise BatchError(
            f"{crew.where} has had no worker for {PATIENCE:.0f} s; start some: dask worker {crew.where}"
        ) from error
    except ModuleNotFoundError as error:
        what = f"no {error.name}" if error.name else str(error)
        raise BatchError(
            f"a worker of {crew.where} has {what}; install allfocus with its extra batch where workers run"
        ) from error
    except OSError as error:
        raise BatchError(f"{crew.where} does not answer ({str(error).partition(chr(10))[0]})") from error
    for address, facts in sorted(found.items()):
        check_worker(address, facts, out)
    return crew


def check_versions(crew: Crew) -> None:
    """Raise `BatchError` where scheduler or workers have another version of distributed."""
    versions: Any = crew.client.get_versions(check=False)
    own = versions["client"]["packages"]["distributed"]
    others = {
        "scheduler": versions["scheduler"],
        **{f"worker {name}": one for name, one in versions["workers"].items()},
    }
    for name, one in others.items():
        found = (one or {}).get("packages", {}).get("distributed")
        if found is not None and found != own:
            raise BatchError(
                f"{name} of {crew.where} has distributed {found}, here it is {own}; use the same version on all sides"
            )


def check_worker(address: str, facts: dict[str, Any], out: Path) -> None:
    """Raise `BatchError` for a worker that can't do the work."""
    if facts["version"] != __version__:
        raise BatchError(
            f"worker {address} has allfocus {facts['version']}, here it is {__version__}; install the same"
        )
    if not facts["sees_out"]:
        raise BatchError(f"worker {address} can't write to {out}; name a folder that all machines share")
    missing = [name for name in READERS if has(name) and name not in facts["readers"]]
    if missing:
        raise BatchError(
            f"worker {address} lacks {', '.join(missing)}, which is installed here; install the same extras there"
        )


def probe(out: str) -> dict[str, Any]:
    """What a worker is and has; runs there."""
    from allfocus.errors import AllFocusError
    from allfocus.run.atomic import check_folder

    try:
        check_folder(Path(out))
        sees_out = True
    except AllFocusError:
        sees_out = False
    return {"version": __version__, "sees_out": sees_out, "readers": [name for name in READERS if has(name)]}


def has(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None
