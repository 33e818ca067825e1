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
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Literal

from allfocus.batch.ledger_file import BEAT, are_there, begun_at, disk_errors, is_dead, is_known, open_base
from allfocus.batch.tasks import Task
from allfocus.errors import BatchError

NAME = "ledger.sqlite"
State = Literal["waiting", "running", "done", "failed"]


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


@contextmanager
def beating(ledger: Ledger) -> Iterator[None]:
    """Let the ledger know within the block that this batch lives, whatever its own thread waits for."""
    ended = Flag()

    def beat() -> None:
        own = None
        while not ended.wait(BEAT):
            with suppress(BatchError):
                own = own or Ledger(ledger.path.parent, ledger.owner)
                own.beat()
        if own is not None:
            own.close()

    thread = Thread(target=beat, name="allfocus beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
