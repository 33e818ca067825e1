"""The ledger: a SQLite file in the folder of outputs that says of every stack what has become of it.

Batches share one: each says in `owners` that it lives, and takes a task by one statement that changes it only if
nobody living has it. What a batch that died had taken is free again: at once where it ran on this machine, else when
it has been silent for `LEASE` seconds. Every transaction is on the disk before the next step, so that a crash loses no
more than what was under way.
"""

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from allfocus.batch.tasks import Task, is_same
from allfocus.errors import BatchError

NAME = "ledger.sqlite"
#: "allf", in the header of the file; and the version of its tables.
APPLICATION, VERSION = 0x616C6C66, 1
#: Seconds after which a silent batch counts as dead, between two signs of life, and that a lock is waited for.
LEASE, BEAT, BUSY = 60.0, 5.0, 30.0
#: Seconds by which the times differ at which one process is said to have begun.
SAME = 3.0
#: File systems of other machines, on which a write-ahead log does not work.
NETWORK = ("nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "afs", "ceph", "fuse.sshfs", "9p")

State = Literal["waiting", "running", "done", "failed"]

TABLES = """
CREATE TABLE tasks (
    name TEXT PRIMARY KEY, told_by TEXT NOT NULL, inputs TEXT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL,
    owner TEXT, attempts INTEGER NOT NULL DEFAULT 0, started REAL, ended REAL, seconds REAL, cpu_seconds REAL,
    peak_memory INTEGER, worker TEXT, warnings TEXT NOT NULL DEFAULT '[]', outputs TEXT NOT NULL DEFAULT '[]',
    facts TEXT NOT NULL DEFAULT '{}', thumbnail TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE owners (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, begun REAL NOT NULL, beat REAL NOT NULL
);
"""


class Ledger:
    """The ledger of one folder of outputs, opened by one thread of one batch.

    Args:
        folder: of the outputs; it is there.
        owner: who takes tasks; made up if there is none.
        read_only: whether to look only.

    Raises:
        BatchError: it is damaged, of another version, no ledger at all, or can't be written.
    """

    def __init__(self, folder: Path, owner: str | None = None, *, read_only: bool = False) -> None:
        self.path = folder / NAME
        self.owner = owner or uuid.uuid4().hex
        self._base = open_base(self.path)
        if not read_only:
            self.beat()

    def close(self) -> None:
        """Close the file; what this batch has stays its own."""
        self._base.close()

    def give_back(self) -> None:
        """Let others have what was taken and not done."""
        with self._transaction():
            self._base.execute(
                "UPDATE tasks SET state = 'waiting', owner = NULL WHERE owner = ? AND state = 'running'", (self.owner,)
            )
            self._base.execute("DELETE FROM owners WHERE id = ?", (self.owner,))

    def beat(self) -> None:
        """Say that this batch lives."""
        values = (self.owner, socket.gethostname(), os.getpid(), begun_at(os.getpid()), time.time())
        with self._transaction():
            self._base.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?)", values)

    def plan(self, tasks: Sequence[Task]) -> list[str]:
        """Enter tasks; those that are done with the same inputs and options stay done.

        Returns:
            The names of those that are to be done, in their order, and of those that another batch is doing.
        """
        wanted = []
        with self._transaction():
            alive = self._alive()
            for task in tasks:
                if not self._is_done(task, alive):
                    wanted.append(task.name)
        return wanted

    def is_done(self, task: Task) -> bool:
        """Whether a task is done, with the same inputs and options, and its outputs are there."""
        with disk_errors(self.path):
            row = self._row(task.name)
        return row is not None and row["state"] == "done" and is_known(row, task) and self._has_outputs(row)

    def is_free_for(self, task: Task) -> bool:
        """Whether no other stack has the name of a task."""
        with disk_errors(self.path):
            row = self._row(task.name)
        return row is None or [one[0] for one in json.loads(row["inputs"])] == [one[0] for one in task.inputs]

    def _row(self, name: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._base.execute("SELECT * FROM tasks WHERE name = ?", (name,)).fetchone()
        return found

    def _has_outputs(self, row: sqlite3.Row) -> bool:
        return are_there(self.path.parent, json.loads(row["outputs"]))

    def _is_done(self, task: Task, alive: Sequence[str]) -> bool:
        """Enter one task; whether nothing is left to do."""
        row, inputs = self._row(task.name), json.dumps(task.inputs)
        if row is None:
            self._base.execute(
                "INSERT INTO tasks (name, told_by, inputs, digest, state) VALUES (?, ?, ?, ?, 'waiting')",
                (task.name, task.told_by, inputs, task.digest),
            )
            return False
        same = is_known(row, task)
        if row["state"] == "done" and same and self._has_outputs(row):
            return True
        if row["state"] in ("running", "failed") and same and row["owner"] in alive:
            return False
        self._base.execute(
            "UPDATE tasks SET told_by = ?, inputs = ?, digest = ?, state = 'waiting', owner = NULL, error = '' "
            "WHERE name = ?",
            (task.told_by, inputs, task.digest, task.name),
        )
        return False

    def claim(self, names: Iterable[str], most: int) -> tuple[list[str], list[str]]:
        """Take tasks that nobody living has.

        Args:
            names: in this order; the iterator is read no further than it has to be.
            most: how many to take.

        Returns:
            The names of those that are taken now, and of those that are done or that others have.
        """
        taken, others = list[str](), list[str]()
        with self._transaction():
            alive = self._alive()
            free = f"state = 'waiting' OR (state = 'running' AND owner NOT IN ({', '.join('?' * len(alive))}))"
            left = iter(names)
            while len(taken) < most and (name := next(left, None)) is not None:
                found = self._base.execute(
                    "UPDATE tasks SET state = 'running', owner = ?, started = ?, error = '' "
                    f"WHERE name = ? AND ({free})",
                    (self.owner, time.time(), name, *alive),
                )
                (taken if found.rowcount else others).append(name)
        return taken, others

    def enter(self, begun: Sequence[str], outcomes: Mapping[str, Mapping[str, Any]]) -> None:
        """Enter what has happened to tasks that this batch had taken.

        Args:
            begun: names of those at which a worker has begun an attempt.
            outcomes: what has become of others: columns of the table, by the tasks' names.
        """
        if not begun and not outcomes:
            return
        with self._transaction():
            own = "WHERE name = ? AND owner = ? AND state = 'running'"
            for name in begun:
                self._base.execute(f"UPDATE tasks SET attempts = attempts + 1 {own}", (name, self.owner))
            for name, outcome in outcomes.items():
                values = {**outcome, "ended": time.time()}
                columns = ", ".join(f"{column} = ?" for column in values)
                plain = [json.dumps(one) if isinstance(one, list | dict) else one for one in values.values()]
                self._base.execute(f"UPDATE tasks SET {columns} {own}", (*plain, name, self.owner))

    def states(self, names: Iterable[str] | None = None) -> dict[str, State]:
        """What has become of all tasks, or of some."""
        with disk_errors(self.path):
            rows = dict(self._base.execute("SELECT name, state FROM tasks").fetchall())
        return rows if names is None else {name: rows[name] for name in names if name in rows}

    def rows(self) -> Iterator[dict[str, Any]]:
        """All that is known of every task, in the order of their names."""
        with disk_errors(self.path):
            for row in self._base.execute("SELECT * FROM tasks ORDER BY name"):
                found = dict(row)
                yield found | {key: json.loads(found[key]) for key in ("inputs", "warnings", "outputs", "facts")}

    def _alive(self) -> list[str]:
        """Batches that live; of those that don't, nothing is kept."""
        rows = self._base.execute("SELECT * FROM owners").fetchall()
        dead = [row["id"] for row in rows if row["id"] != self.owner and is_dead(row)]
        self._base.executemany("DELETE FROM owners WHERE id = ?", [(one,) for one in dead])
        return [row["id"] for row in rows if row["id"] not in dead]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All within the block is entered, or nothing; others wait."""
        with disk_errors(self.path):
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")


# --- the file ------------------------------------------------------------------------------------


def open_base(path: Path) -> sqlite3.Connection:
    """Open a ledger, or make one; raises `BatchError`."""
    with disk_errors(path):
        base = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        base.row_factory = sqlite3.Row
        base.execute(f"PRAGMA journal_mode = {'DELETE' if is_remote(path) else 'WAL'}")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("BEGIN IMMEDIATE")
        kind = base.execute("PRAGMA application_id").fetchone()[0]
        version = base.execute("PRAGMA user_version").fetchone()[0]
        is_empty = base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if is_empty and not kind:
            for statement in filter(str.strip, TABLES.split(";")):
                base.execute(statement)
            base.execute(f"PRAGMA application_id = {APPLICATION}")
            base.execute(f"PRAGMA user_version = {VERSION}")
            kind, version = APPLICATION, VERSION
        base.execute("COMMIT")
    check_kind(path, kind, version)
    return base


def check_kind(path: Path, kind: int, version: int) -> None:
    """Raise `BatchError` for another database, and for a ledger of another version."""
    if kind != APPLICATION:
        raise BatchError(f"{path} is no ledger of allfocus; move it away, or name another folder with -o")
    if version != VERSION:
        raise BatchError(
            f"{path} is a ledger of version {version}; this allfocus knows version {VERSION}: finish with the one that "
            "began it, or name another folder with -o"
        )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into a `BatchError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise BatchError(f"{path} {explain(error)}") from error


def explain(error: sqlite3.Error) -> str:
    """What is wrong with a ledger, and what to do."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith("SQLITE_FULL"):
        return "can't be written: the disk is full; make room and start again: what was done stays done"
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"is locked by another program for more than {BUSY:.0f} s; end it and start again"
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"can't be written ({error}); name a folder that can with -o"
    if code.startswith("SQLITE_IOERR"):
        return f"can't be read or written ({error}); look at the disk and start again"
    return f"is damaged ({error}); move it away to do all stacks anew, or bring back a copy of it"


def is_remote(path: Path) -> bool:
    """Whether a file lies on another machine's disk."""
    import psutil

    place, best = str(path.parent.resolve()), ("", "")
    for part in psutil.disk_partitions(all=True):
        top = part.mountpoint.rstrip("/") + "/"
        if f"{place}/".startswith(top) and len(top) > len(best[0]):
            best = top, part.fstype
    return best[1].lower() in NETWORK


def is_known(row: sqlite3.Row, task: Task) -> bool:
    """Whether a task was entered with the same inputs and options."""
    return bool(row["digest"] == task.digest) and is_same(json.loads(row["inputs"]), task.inputs)


def is_dead(row: sqlite3.Row) -> bool:
    """Whether a batch has died: its process is gone, or it has been silent for too long."""
    if row["host"] == socket.gethostname() and abs(begun_at(row["pid"]) - row["begun"]) > SAME:
        return True
    return bool(time.time() - row["beat"] > LEASE)


def begun_at(pid: int) -> float:
    """When a process began, by which it is told from a later one of the same number; 0 where there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def are_there(folder: Path, outputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the files that a task wrote are there, and as long as they were."""
    for output in outputs:
        try:
            if (folder / output["path"]).stat().st_size != output["bytes"]:
                return False
        except OSError:
            return False
    return True
