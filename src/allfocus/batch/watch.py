"""A folder that is watched: stacks grow while they are shot, get a draft after each frame, and are fused once."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

from allfocus.batch.draft import Drafter, as_event
from allfocus.batch.files import is_one_picture
from allfocus.batch.find import TreeStack
from allfocus.batch.growing import Arrival, Current, Growing, label, split
from allfocus.batch.labels import clean, strip
from allfocus.batch.ledger import Ledger, beating
from allfocus.batch.names import name_outputs
from allfocus.batch.run import Ended, Work, finish, make_folder
from allfocus.batch.tasks import Task, describe_input, make_task
from allfocus.batch.wishes import BatchOptions, WatchOptions
from allfocus.batch.work import do_task
from allfocus.errors import AllFocusError, Cancelled, ReadError
from allfocus.formats.read import read_header
from allfocus.formats.write import write_image
from allfocus.jobs import JobRequest
from allfocus.outputs.wishes import check_wishes
from allfocus.sources.expand import natural_key
from allfocus.sources.listing import stamp

#: Seconds between two looks at the folder, and that work has to end once it is called off.
LOOK_EVERY, GRACE = 0.2, 10.0
#: Endings of files that are still being written.
UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".lock")
DRAFTS = "drafts"


class Watcher:
    """Watches one folder and those below it; each folder has a stack of its own that grows.

    Listeners are told of each `draft`, of each `stack` that is complete, and of each `task` that has ended.

    Args:
        folder: to watch.
        out: for pictures, drafts, ledger, table and page.
        request: what is the same for all stacks; files of its outputs are patterns.
        wishes: when a stack is complete, and the pattern of the pictures' names; None: the first frame's name.
        listed: outputs beside each picture, as `--outputs` takes them.
        listen: told of what happens.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        request: JobRequest,
        wishes: WatchOptions,
        listed: str | None = None,
        listen: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> None:
        if not folder.is_dir():
            raise ReadError(f"{folder} is no folder; expected the folder that frames are written to")
        sample = TreeStack(root=folder, folder=folder, label="stack", paths=(folder / "frame.png",), told_by="time")
        (outputs,) = name_outputs([sample], out.absolute(), wishes.name, request.outputs, listed)
        check_wishes(outputs, request.options, request.slab)  # known now, not only when a stack is complete
        self._folder, self._out, self._request = folder.absolute(), out.absolute(), request
        self._wishes, self._listed, self._listen = wishes, listed, listen
        self._seen: dict[Path, Arrival] = {}
        self._done: dict[str, tuple[int, int]] = {}
        self._growing: dict[Path, Growing] = {}
        self._drafter = Drafter(request.options)
        self._waiting: deque[Task] = deque()
        self._tasks: dict[str, Task] = {}
        self._complete_ones: list[Growing] = []
        self._cancelled, self._current = Flag(), Current()
        self.here = 0

    def run(self, until: Callable[[], bool] = lambda: False) -> Ended:
        """Watch until Ctrl-C, or until `until` says so.

        Returns:
            What came of the stacks that were complete.

        Raises:
            BatchError: the ledger can't be used.
            WriteError: the folder of outputs can't be written to.
        """
        make_folder(self._out)
        ledger = Ledger(self._out)
        try:
            self._remember(ledger)
            with beating(ledger), suppress(KeyboardInterrupt):
                while not until():
                    self._look()
                    self._draft()
                    self._complete(ledger)
                    self._work(ledger)
                    time.sleep(LOOK_EVERY)
            self._stop(ledger)
            work = Work(out=self._out, tasks=tuple(self._tasks.values()), left_over=(), wishes=BatchOptions())
            return finish(ledger, work, self.here)
        finally:
            ledger.close()

    @property
    def unfinished(self) -> int:
        """Frames of stacks that are not complete."""
        return sum(len(one.paths) for one in self._growing.values())

    # --- what comes ---

    def _remember(self, ledger: Ledger) -> None:
        """Know the frames of stacks that are done."""
        for row in ledger.rows():
            if row["state"] == "done":
                self._done |= {path: (size, time_ns) for path, size, time_ns, _ in row["inputs"]}

    def _look(self) -> None:
        """See which files are new and whole, in the order in which they came."""
        now, is_first = time.time(), not self._seen
        ready = []
        for path in self._list():
            here, known = stamp(path), self._seen.get(path)
            if known is None or known.stamp != here:
                # what lay there before is told apart by when it was written
                since = min(now, here[1] / 1e9) if is_first and here is not None else now
                if known is None or not known.is_read:
                    self._seen[path] = Arrival(stamp=here, since=since)
                continue
            if (
                not known.is_read
                and now - known.since >= self._wishes.settle
                and self._is_whole(path, now - known.since)
            ):
                known.is_read = True
                ready.append((known.since, natural_key(path), path))
        for since, _, path in sorted(ready, key=lambda one: one[:2]):
            self._take(path, since)

    def _list(self) -> list[Path]:
        """Files in the folder and below that may be frames, but for those of stacks that are done."""
        found, left = [], [self._folder]
        while left:
            with suppress(OSError):
                for path in sorted(left.pop().iterdir(), key=natural_key):
                    if path.name[0] == "." or path == self._out or path.name.lower().endswith(UNFINISHED):
                        continue
                    if path.is_dir() and not is_one_picture(path):
                        left.append(path)
                    elif not self._is_done(path):
                        found.append(path)
        return found

    def _is_done(self, path: Path) -> bool:
        """Whether a file belongs to a stack that is done, and has not changed since."""
        known = self._done.get(str(path))
        return known is not None and known == describe_input(path, hashed=False)[1:3]

    def _is_whole(self, path: Path, quiet: float) -> bool:
        """Whether a file can be read as it is; one that has not changed for long is taken for what it is."""
        try:
            if not is_one_picture(path):
                return False
            read_header(path)
        except AllFocusError:
            return quiet >= self._wishes.gap
        return True

    def _take(self, path: Path, came: float) -> None:
        """Add a frame to the stack that grows in its folder, or begin a new one."""
        grown = self._growing.get(path.parent)
        if grown is not None and came - grown.last >= self._wishes.gap:
            self._complete_ones.append(grown)
            grown = None
        if grown is None:
            grown = self._growing[path.parent] = Growing(folder=path.parent)
        grown.paths.append(path)
        grown.last = max(grown.last, came)
        if self._wishes.frames is not None and len(grown.paths) >= self._wishes.frames:
            self._complete_ones.append(self._growing.pop(path.parent))

    # --- drafts ---

    def _draft(self) -> None:
        """Make a draft of every stack that has grown, and say where another frame would help."""
        for grown in [*self._complete_ones, *self._growing.values()]:
            if len(grown.paths) == grown.drafted:
                continue
            grown.drafted = len(grown.paths)
            paths = sorted(grown.paths, key=natural_key)
            name = label(grown)
            draft = self._drafter.make(paths)
            file = None
            if draft is not None:
                file = self._out / DRAFTS / f"{name}.jpg"
                with suppress(AllFocusError, OSError):
                    file.parent.mkdir(exist_ok=True)
                    write_image(file, draft.image)
            self._listen(dict(as_event(name, paths, draft, file)))

    # --- complete stacks ---

    def _complete(self, ledger: Ledger) -> None:
        """Enter the stacks that are complete."""
        now = time.time()
        for folder, grown in list(self._growing.items()):
            if now - grown.last >= self._wishes.gap and not self._is_coming(folder):
                self._complete_ones.append(self._growing.pop(folder))
        for grown in self._complete_ones:
            self._drafter.forget(grown.paths)
            (self._out / DRAFTS / f"{label(grown)}.jpg").unlink(missing_ok=True)
            for stack in split(grown):
                self._enter(stack, ledger)
        self._complete_ones.clear()

    def _is_coming(self, folder: Path) -> bool:
        """Whether a file in a folder is still being written."""
        return any(path.parent == folder and not one.is_read and path.exists() for path, one in self._seen.items())

    def _enter(self, paths: Sequence[Path], ledger: Ledger) -> None:
        """Make a task of a stack."""
        if len(paths) < 2:
            self._listen({"event": "left over", "path": str(paths[0]), "reason": "one frame; a stack has at least 2"})
            return
        first = strip(paths[0].name)
        folder = paths[0].parent.relative_to(self._folder)
        for number in range(1, 10_000):
            name = clean(first if number == 1 else f"{first}_{number}")
            stack = TreeStack(root=self._folder, folder=folder, label=name, paths=tuple(paths), told_by="time")
            (outputs,) = name_outputs([stack], self._out, self._wishes.name, self._request.outputs, self._listed)
            task = make_task(stack, outputs, self._out, self._request)
            if ledger.is_free_for(task):
                break
        self._tasks[task.name] = task
        is_new = bool(ledger.plan([task]))
        self._listen(
            {"event": "stack", "name": task.name, "frames": len(paths), "state": "complete" if is_new else "done"}
        )
        if is_new:
            self._waiting.append(task)

    def _work(self, ledger: Ledger) -> None:
        """Enter what came of the stack that was fused, and begin the next."""
        current = self._current
        if current.thread is not None and not current.thread.is_alive():
            self._finish(current, ledger)
        if self._current.thread is None and self._waiting:
            task = self._waiting.popleft()
            taken, _ = ledger.claim([task.name], 1)
            if not taken:
                return
            ledger.enter([task.name], {})
            self._current = Current(task=task)
            self._current.thread = Thread(target=self._fuse, args=(self._current,), name="allfocus watch", daemon=True)
            self._current.thread.start()

    def _fuse(self, current: Current) -> None:
        """Fuse one stack, in a thread of its own."""
        assert current.task is not None
        with suppress(Cancelled):
            current.outcome = do_task(current.task, self._out, lambda event: None, self._cancelled, worker="watch")

    def _finish(self, current: Current, ledger: Ledger) -> None:
        """Enter what came of a stack."""
        self._current = Current()
        task, outcome = current.task, current.outcome
        if task is None or outcome is None:
            return
        ledger.enter([], {task.name: outcome.columns()})
        self.here += 1
        told = {"event": "task", "name": task.name, "state": outcome.state, "seconds": round(outcome.seconds, 2)}
        picture = str(task.request.outputs.base)
        self._listen(
            {**told, "picture": picture, "error": " ".join(outcome.error.split()), "notes": list(outcome.warnings)}
        )

    def _stop(self, ledger: Ledger) -> None:
        """Call off what is under way, and give back what was not done."""
        self._cancelled.set()
        if self._current.thread is not None:
            with suppress(KeyboardInterrupt):
                self._current.thread.join(GRACE)
            if self._current.outcome is not None:
                self._finish(self._current, ledger)
        ledger.give_back()
