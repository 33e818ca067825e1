"""What the ledger keeps, who may take what, and what it says when it is damaged."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from allfocus.batch.ledger import NAME, Ledger
from allfocus.batch.ledger_file import LEASE, VERSION
from allfocus.batch.tasks import Task
from allfocus.errors import BatchError
from allfocus.jobs import JobRequest
from allfocus.outputs.wishes import Outputs


def make(name: str, size: int = 5, digest: str = "d") -> Task:
    request = JobRequest(frames=(Path("/in/a.png"),), outputs=Outputs(image=Path(name)))
    return Task(name=name, request=request, told_by="folders", inputs=(("/in/a.png", size, 7, ""),), digest=digest)


def done(ledger: Ledger, name: str) -> None:
    (ledger.path.parent / name).write_bytes(b"12345")
    outcome: dict[str, Any] = {"state": "done", "outputs": [{"path": name, "shows": "image", "bytes": 5, "sha256": ""}]}
    ledger.enter([name], {name: outcome})


def test_what_is_done_stays_done_and_what_changed_is_done_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.plan([make("a"), make("b")]) == ["a", "b"]
    assert ledger.claim(["a", "b"], 2) == (["a", "b"], [])
    done(ledger, "a")
    ledger.enter(["b"], {"b": {"state": "failed", "error": "broken"}})
    ledger.give_back()
    again = Ledger(tmp_path)
    assert again.plan([make("a"), make("b")]) == ["b"]  # what failed is tried again
    assert again.plan([make("a", size=6)]) == ["a"]
    assert again.plan([make("a", digest="other")]) == ["a"]


def test_an_output_that_is_gone_or_shorter_is_made_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.plan([make("a")])
    ledger.claim(["a"], 1)
    done(ledger, "a")
    assert ledger.plan([make("a")]) == []
    (tmp_path / "a").write_bytes(b"123")
    assert ledger.plan([make("a")]) == ["a"]


def test_two_batches_never_have_one_task(tmp_path: Path) -> None:
    tasks = [make(name) for name in "abcdef"]
    one, other = Ledger(tmp_path), Ledger(tmp_path)
    one.plan(tasks)
    assert other.plan(tasks) == list("abcdef")
    assert one.claim(iter("abcdef"), 2)[0] == ["a", "b"]
    assert other.claim(iter("abcdef"), 2) == (["c", "d"], ["a", "b"])
    assert Ledger(tmp_path).plan(tasks) == list("abcdef")  # another start takes nothing away
    assert one.claim(iter("cdef"), 9) == (["e", "f"], ["c", "d"])


def test_an_outcome_of_a_task_that_another_has_by_now_is_not_entered(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path), Ledger(tmp_path)
    one.plan([make("a")])
    one.claim(["a"], 1)
    one.give_back()
    other.claim(["a"], 1)
    done(one, "a")
    assert other.states() == {"a": "running"}


def test_what_a_dead_batch_had_is_free_again(tmp_path: Path) -> None:
    dead = Ledger(tmp_path)
    dead.plan([make("a")])
    dead.claim(["a"], 1)
    alive = Ledger(tmp_path)
    assert alive.claim(["a"], 1) == ([], ["a"])
    forge(tmp_path, f"UPDATE owners SET pid = 0 WHERE id = '{dead.owner}'")
    assert alive.claim(["a"], 1) == (["a"], [])


def test_a_batch_on_another_machine_is_dead_once_it_is_silent(tmp_path: Path) -> None:
    far = Ledger(tmp_path)
    far.plan([make("a")])
    far.claim(["a"], 1)
    forge(tmp_path, f"UPDATE owners SET host = 'elsewhere' WHERE id = '{far.owner}'")
    here = Ledger(tmp_path)
    assert here.claim(["a"], 1) == ([], ["a"])
    forge(tmp_path, f"UPDATE owners SET beat = beat - {LEASE + 1} WHERE id = '{far.owner}'")
    assert here.claim(["a"], 1) == (["a"], [])


def forge(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / NAME) as base:
        base.execute(statement)
    base.close()


def test_a_ledger_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    forge(tmp_path, f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(BatchError, match=f"version {VERSION + 1}.*knows version {VERSION}"):
        Ledger(tmp_path)


@pytest.mark.parametrize("content", [b"no database" * 200, b"SQLite format 3\0" + os.urandom(5000)])
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(BatchError, match="damaged"):
        Ledger(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_another_database_is_no_ledger(tmp_path: Path) -> None:
    forge(tmp_path, "CREATE TABLE other (x)")
    with pytest.raises(BatchError, match="no ledger of allfocus"):
        Ledger(tmp_path)
