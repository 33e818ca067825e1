"""Being stopped half-way: by Ctrl-C, by the system, by a closed pipe."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pictures import write_pair

#: Runs the program, but hangs where the given function is called, saying so.
#: A shell's background jobs start deaf to Ctrl-C, and so would what a test run among them starts.
HANGING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
def hang(*_, **__):
    print("hanging", flush=True)
    time.sleep(60)
import {module}
{module}.{name} = hang
from allfocus.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("os.fsync", signal.SIGINT),
        pytest.param("os.fsync", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("allfocus.jobs.job.register", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("allfocus.jobs.job.register", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_half_way_leaves_nothing(tmp_path: Path, where: str, number: int) -> None:
    frames = write_pair(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    module, _, name = where.rpartition(".")
    program = [sys.executable, "-c", HANGING.format(module=module, name=name)]
    process = subprocess.Popen(
        [*program, "fuse", "--method", "laplacian", *frames, "-o", str(tmp_path / "out.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    during = sorted(path.name for path in tmp_path.iterdir())
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (len(during) > len(before)) == (where == "os.fsync")  # there was something to clean up


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_does_not_wait_for_the_workers(tmp_path: Path, number: int) -> None:
    frames = write_pair(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    program = [sys.executable, "-c", HANGING.format(module="allfocus.composition.compositor", name="blend_alike")]
    process = subprocess.Popen(
        [*program, "fuse", *frames, "-o", str(tmp_path / "out.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    started = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 5  # the workers would take a minute
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.slow
def test_a_closed_pipe_is_no_error_message(tmp_path: Path) -> None:
    frames = write_pair(tmp_path)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "allfocus", "fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (tmp_path / "out.png").exists()
