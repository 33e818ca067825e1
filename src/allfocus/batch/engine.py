"""The engine: takes tasks from the ledger, hands them to workers a few at a time, and enters what came of them."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from allfocus.batch.cluster import Crew
from allfocus.batch.graph import submit_share
from allfocus.batch.ledger import Ledger, beating
from allfocus.batch.progress import Progress
from allfocus.batch.shares import Share, may_be_shared, plan_share
from allfocus.batch.tasks import Task, is_same, look_again
from allfocus.batch.work import Outcome
from allfocus.batch.worker import do_in_worker
from allfocus.errors import BatchError

if TYPE_CHECKING:
    from distributed import Future

#: Told of what happens, as data: see `Engine`.
Listener = Callable[[dict[str, Any]], None]
#: Does one task in a worker, as `do_in_worker`.
Work = Callable[..., Outcome]

#: Seconds of work that are handed out ahead, and how many tasks a slot may have at least and at most.
AHEAD, LEAST, MOST = 2.0, 2, 64
#: Seconds that are waited for more to happen once something has.
GATHER = 0.01
#: Seconds between two looks at what other batches do, and that workers have to end what was called off.
LOOK_EVERY, GRACE = 1.0, 4.0


class Engine:
    """One run of a batch.

    Listeners are told of `progress` (done, failed, total, fraction, eta), of each `task` that has ended (name, state,
    seconds, worker, error), and of each worker that is `working` (worker, task, stage, fraction).

    Args:
        tasks: all of the batch.
        out: the folder of outputs.
        ledger: of that folder, where the tasks are entered.
        crew: the workers.
        listen: told of what happens.
        retries: how often a task is tried again that may pass.
        hashed: whether files are known by their content.
        work: what does a task.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        out: Path,
        ledger: Ledger,
        crew: Crew,
        listen: Listener = lambda event: None,
        *,
        retries: int = 2,
        hashed: bool = False,
        work: Work = do_in_worker,
    ) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._out, self._ledger, self._crew, self._listen = out, ledger, crew, listen
        self._retries, self._hashed, self._work = retries, hashed, work
        self._events: Queue[tuple[str, Any]] = Queue()
        self._futures: dict[str, Future[Any]] = {}
        self._tries: dict[str, int] = {}
        self._begun: set[tuple[str, int]] = set()
        self._left: deque[str] = deque()
        self._elsewhere: set[str] = set()
        self._mean = AHEAD
        self.progress = Progress(total=len(tasks))

    def run(self, wanted: Iterable[str]) -> None:
        """Do the tasks of these names, unless others do them.

        Raises:
            BatchError: the scheduler is gone, the disk is full, or the ledger can't be written.
            KeyboardInterrupt: it was interrupted; what was under way has been called off.
        """
        self._left = deque(wanted)
        self.progress.done = self.progress.total - len(self._left)
        self._crew.client.subscribe_topic(self._crew.topic, self._hear)
        self._tell()
        self._ledger.beat()
        try:
            with beating(self._ledger):
                while self._left or self._futures or self._elsewhere:
                    self._hand_out()
                    self._take_in(self._wait())
                    self._look_elsewhere()
        finally:
            self._call_off()
            self._ledger.give_back()

    # --- handing out ---

    def _hand_out(self) -> None:
        """Give workers as much as keeps them busy, and no more."""
        per_slot = min(MOST, max(LEAST, int(AHEAD / max(self._mean, 1e-3))))
        room = self._crew.slots() * per_slot
        free = room - len(self._futures)
        if 4 * free < room or not self._left:  # one entry in the ledger for many short tasks
            return
        names, others = self._ledger.claim(iterate(self._left), free)
        self._elsewhere.update(others)
        self._submit(names)

    def _submit(self, names: Sequence[str]) -> None:
        """Hand tasks to the scheduler, all at once, which costs it least."""
        if not names:
            return
        for name in names:
            self._tries[name] = self._tries.get(name, 0) + 1
        shares = {name: share for name in names if (share := self._share(self._tasks[name])) is not None}
        alone = [name for name in names if name not in shares]
        futures = self._crew.client.map(
            self._work,
            [self._tasks[name] for name in alone],
            key=[self._key(name) for name in alone],
            pure=False,
            out=self._out,
            topic=self._crew.topic,
            threads=self._crew.threads,
        )
        ends = [submit_share(self._crew, share, self._key(name)) for name, share in shares.items()]
        for name, future in zip([*alone, *shares], [*futures, *ends], strict=True):
            self._futures[name] = future
            future.add_done_callback(partial(self._end, name))

    def _key(self, name: str) -> str:
        """What Dask knows an attempt at a task by."""
        return f"{self._crew.topic}-{self._tries[name]}-{name}"

    def _share(self, task: Task) -> Share | None:
        """How to share a task that is too large for a worker; None: it is done as one."""
        return plan_share(task, self._out, self._crew.smallest()) if may_be_shared(task) else None

    def _end(self, name: str, future: "Future[Any]") -> None:
        """A task has ended; comes in a thread of Dask's."""
        self._events.put(("ended", name))

    # --- taking in ---

    def _hear(self, event: tuple[float, Any]) -> None:
        """A word of a worker; comes in a thread of Dask's."""
        self._events.put(("word", event[1]))

    def _wait(self) -> list[tuple[str, Any]]:
        """What has happened, as soon as something has."""
        found = []
        with suppress(Empty):
            found.append(self._events.get(timeout=LOOK_EVERY if self._futures else 0.05 * (not self._left) + 0.2))
            time.sleep(GATHER)  # for what comes with it: one entry in the ledger for all
            while True:
                found.append(self._events.get_nowait())
        if self._futures:
            done = f"{self.progress.done} of {self.progress.total} stacks are done: start again to go on"
            self._crew.check(done, heard=bool(found))
        return found

    def _take_in(self, events: Sequence[tuple[str, Any]]) -> None:
        """Enter what came of tasks, and pass on what workers said."""
        ended = dict.fromkeys(name for kind, name in events if kind == "ended")
        outcomes = self._read([name for name in ended if name in self._futures])
        again = {name for name, outcome in outcomes.items() if outcome.may_pass and self._tries[name] <= self._retries}
        final = {name: outcome for name, outcome in outcomes.items() if name not in again}
        words = [word for kind, word in events if kind == "word"]
        begun = [word["task"] for word in words if word["event"] == "begun"]
        self._ledger.enter(begun, {name: outcome.columns() for name, outcome in final.items()})
        for name in outcomes:
            del self._futures[name]
        for name, outcome in final.items():
            self._count(name, outcome)
        for word in words:
            self._pass_on(word)
        full = next((name for name, outcome in outcomes.items() if outcome.is_disk_full), None)
        if full is not None:
            raise BatchError(
                f"{self._out}: no room on the disk for {full}; {self.progress.done} of {self.progress.total} stacks "
                "are done: make room and start again"
            )
        self._submit(sorted(again))

    def _read(self, names: Sequence[str]) -> dict[str, Outcome]:
        """What came of tasks that have ended."""
        well = [name for name in names if self._futures[name].status == "finished"]
        try:
            found = dict(zip(well, self._crew.client.gather([self._futures[name] for name in well]), strict=True))
        except Exception:  # a worker that had the outcome is gone: one by one, which waits for another to make it anew
            found = {}
        for name in names:
            if name not in found:
                found[name] = self._read_one(name)
        return {name: self._recheck(name, outcome) for name, outcome in found.items()}

    def _read_one(self, name: str) -> Outcome:
        """What came of one task, or of the worker that did it."""
        try:
            outcome: Outcome = self._futures[name].result()
        except Exception as error:
            return explain(error, self._crew)
        return outcome

    def _recheck(self, name: str, outcome: Outcome) -> Outcome:
        """The outcome, unless the frames changed meanwhile."""
        task = self._tasks[name]
        if outcome.state == "done" and not is_same(look_again(task, hashed=self._hashed).inputs, task.inputs):
            return replace(outcome, state="failed", error="its frames changed while it was fused; start again")
        return outcome

    def _count(self, name: str, outcome: Outcome) -> None:
        """Count one task that has ended, and tell of it."""
        self.progress.here += 1
        self.progress.done += outcome.state == "done"
        self.progress.failed += outcome.state == "failed"
        if outcome.state == "done":
            self._mean += (outcome.seconds - self._mean) / min(self.progress.done, 20)
        told = {"event": "task", "name": name, "state": outcome.state, "seconds": round(outcome.seconds, 2)}
        self._listen({**told, "worker": outcome.worker, "error": " ".join(outcome.error.split())})
        self._tell()

    def _pass_on(self, word: dict[str, Any]) -> None:
        """A word of a worker; one that begins a task for the second time has taken it from one that is gone."""
        word = {("worker" if name == "who" else name): value for name, value in word.items() if name != "worker"}
        if word["event"] != "begun":
            self._listen(word)
            return
        tried = (word["task"], self._tries.get(word["task"], 0))
        if tried in self._begun and word["task"] in self._futures:
            self._listen({"event": "retry", "task": word["task"], "worker": word["worker"]})
        self._begun.add(tried)

    def _tell(self) -> None:
        self._listen(self.progress.as_event())

    # --- others, and the end ---

    def _look_elsewhere(self) -> None:
        """See what other batches have done of what they took, and take what they left."""
        if not self._elsewhere or self._left:
            return
        states = self._ledger.states(self._elsewhere)
        ended = {name: state for name, state in states.items() if state in ("done", "failed")}
        self.progress.done += sum(state == "done" for state in ended.values())
        self.progress.failed += sum(state == "failed" for state in ended.values())
        self._elsewhere -= set(ended)
        if ended:
            self._tell()
        if not self._futures:
            self._left.extend(sorted(self._elsewhere))
            self._elsewhere.clear()
            time.sleep(LOOK_EVERY if self._left else 0)

    def _call_off(self) -> None:
        """Call off what is under way, and give it a moment to end."""
        futures = list(self._futures.values())
        if not futures:
            return
        with suppress(Exception):
            self._crew.client.cancel(futures, force=True)
        time.sleep(min(GRACE, 1.0))


def iterate(names: deque[str]) -> Iterator[str]:
    """Names, each taken off as it is asked for."""
    while names:
        yield names.popleft()


def explain(error: Exception, crew: Crew) -> Outcome:
    """What came of a task that its worker could not answer for."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        lost = (
            "the worker that fused it was lost again and again, as happens when memory runs out; use fewer --workers, "
            "or workers with more memory"
        )
        return Outcome(state="failed", error=lost)
    if isinstance(error, ModuleNotFoundError):
        return Outcome(
            state="failed", error=f"a worker of {crew.where} has no {error.name}; install allfocus[batch] there"
        )
    return Outcome(state="failed", error=f"internal error ({type(error).__name__}: {error})", may_pass=True)
