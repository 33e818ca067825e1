"""Batches as users run them: killed, resumed, shared, on a scheduler of their own."""

import importlib.util
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from allfocus.batch import local
from allfocus.batch.ledger import NAME
from batch.stacks import write_stack, write_tree

#: It is looked for and not loaded, as every process of a run of tests reads this file.
is_missing = importlib.util.find_spec("distributed") is None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(is_missing, reason="the extra batch is not installed")]


#: Fusions that take a moment.
QUICK = ("--method", "laplacian", "--align", "none", "--halos", "keep")


def start(root: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "allfocus", "batch", str(root), "-o", str(out), *QUICK, *more]
    command += ["--progress", "json"]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # whoever starts the tests in the background may have made them deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(process: "subprocess.Popen[str]", kind: str) -> dict[str, Any]:
    """Read events up to the next of a kind."""
    assert process.stderr is not None
    for line in process.stderr:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == kind:
            return event
    raise AssertionError(f"the batch ended without {kind}")


def read(out: Path, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / NAME)) as base:
        return base.execute(f"SELECT {columns} FROM tasks ORDER BY name").fetchall()


def test_a_killed_batch_is_taken_up_by_two_and_each_stack_is_fused_once(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    folders = write_tree(root, 8, side=120)
    shutil.rmtree(folders[0])
    cut = root / "plate0" / "cut.ome.tif"  # of which tifffile has much to say
    tifffile.imwrite(cut, np.zeros((3, 60, 90), np.uint16), photometric="minisblack", metadata={"axes": "ZYX"})
    cut.write_bytes(cut.read_bytes()[:14_000])
    killed = start(root, out, "--workers", "1")
    for _ in range(2):
        wait_for(killed, "task")
    killed.kill()
    killed.communicate()
    fused = [name for name, state in read(out, "name, state") if state == "done"]
    before = {name: (out / name).stat().st_mtime_ns for name in fused}
    assert before

    both = [start(root, out, "--workers", "1") for _ in range(2)]
    ended = [(*process.communicate(), process.returncode) for process in both]
    assert [code for _, _, code in ended] == [1, 1]
    assert all("8 stacks, 7 fused, 1 failed" in said for said, _, _ in ended)
    rows = read(out, "name, state, error, attempts")
    assert [state for _, state, _, _ in rows].count("done") == 7
    (broken,) = [row for row in rows if row[1] == "failed"]
    assert "cut.ome.tif is cut short" in broken[2]
    assert all(line.startswith("{") for _, said, _ in ended for line in said.splitlines())
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before  # what was done was not done again
    assert not list(out.rglob("*.part"))
    assert (out / "index.html").is_file()
    assert (out / "summary.csv").read_text().count("\n") == 9


def test_ctrl_c_ends_a_batch_in_seconds_and_in_good_order(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 40)
    batch = start(tmp_path / "in", tmp_path / "out", "--workers", "1")
    wait_for(batch, "task")
    children = psutil.Process(batch.pid).children(recursive=True)
    begun = time.monotonic()
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does it, to all of the group
    _, said = batch.communicate()
    assert time.monotonic() - begun < 10
    assert batch.returncode == 130
    assert "Traceback" not in said
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines[-1]["event"] == "interrupted"
    assert "40 stacks are fused; start again to go on" in lines[-1]["message"]
    assert {state for (state,) in read(tmp_path / "out", "state")} == {"done", "waiting"}
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_a_watch_that_programs_follow_greets_and_ends_in_lines_of_json(tmp_path: Path) -> None:
    write_stack(tmp_path / "in")
    command = [sys.executable, "-m", "allfocus", "watch", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *QUICK]
    watch = subprocess.Popen(
        [*command, "--settle", "0.1", "--progress", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watch.stderr is not None
    first = watch.stderr.readline()
    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=30)
    assert [json.loads(line)["event"] for line in [first, *said.splitlines()]]


def test_ctrl_c_does_not_wait_for_workers_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "GRACE", 0.05)
    monkeypatch.setattr(local, "end_workers", lambda others: None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = threading.Event()
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        local.start(lambda: ended.wait(30), ())  # type: ignore[arg-type, return-value]
    assert time.monotonic() - begun < 5
    ended.set()
    signal.signal(signal.SIGINT, before)


@contextmanager
def running(*arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A program of Dask's, as a lab starts it."""
    code = "import sys; from dask.__main__ import main; sys.exit(main())"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in [process, *children]:
            one.kill()
        process.wait()


def test_a_scheduler_with_two_workers_of_which_one_dies(tmp_path: Path) -> None:
    root, out, contact = tmp_path / "in", tmp_path / "out", tmp_path / "scheduler.json"
    write_tree(root, 3, side=300)
    with running("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)):
        while not contact.exists():
            time.sleep(0.05)
        address = json.loads(contact.read_text())["address"]
        common = ("worker", address, "--nthreads", "1", "--memory-limit", "1.5GB", "--no-dashboard", "--no-nanny")
        place = ("--local-directory", str(tmp_path))
        with running(*common, *place, "--name", "one") as one, running(*common, *place, "--name", "two") as two:
            batch = start(root, out, "--scheduler", address, "--align", "auto")
            {"one": one, "two": two}[wait_for(batch, "working")["worker"]].kill()
            said, _ = batch.communicate()
    assert batch.returncode == 0
    assert "3 stacks, 3 fused" in said
    assert read(out, "max(attempts)") == [(2,)]  # that of the worker that died


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    write_stack(tmp_path / "in/stack")
    batch = start(tmp_path / "in", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1")
    _, said = batch.communicate()
    assert batch.returncode == 1
    assert said.count("\n") == 1
    assert "tcp://127.0.0.1:1 can't be reached" in said


def test_a_script_that_its_workers_would_run_too_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from allfocus.batch.cluster import open_crew\n"
        "from allfocus.batch.wishes import BatchOptions\n"
        "with open_crew(BatchOptions(workers=1), Path()):\n"
        "    print('started')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "below 'if __name__ == \"__main__\":'" in done.stderr.splitlines()[-1]
    assert done.stderr.count("Traceback") == 1
