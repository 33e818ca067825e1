"""The file of a ledger: opened or made, its errors in words, and whether those who wrote in it live."""

import json
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from allfocus.batch.tasks import Task, count_bytes, is_same
from allfocus.errors import BatchError

#: "allf", in the header of the file; and the version of its tables.
APPLICATION, VERSION = 0x616C6C66, 1
#: Seconds after which a silent batch counts as dead, between two signs of life, and that a lock is waited for.
LEASE, BEAT, BUSY = 60.0, 5.0, 30.0
#: Seconds by which the times differ at which one process is said to have begun.
SAME = 3.0
#: File systems of other machines, on which a write-ahead log does not work.
NETWORK = ("nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "afs", "ceph", "fuse.sshfs", "9p")

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
            if count_bytes(folder / output["path"]) != output["bytes"]:
                return False
        except OSError:
            return False
    return True
