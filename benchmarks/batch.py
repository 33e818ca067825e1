"""What a batch costs, and what it survives: the figures of docs/batch.md.

python benchmarks/batch.py tasks            # 10,000 tasks without work: scheduler and ledger alone
python benchmarks/batch.py overhead         # processor time of a batch against single runs, and 1 worker against 2
python benchmarks/batch.py kills            # mixed stacks, some broken, killed five times and taken up again
"""

import argparse
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ALLFOCUS = [sys.executable, "-m", "allfocus"]
BROKEN = ("cut short", "empty", "other size")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tasks", "overhead", "kills"))
    parser.add_argument("--count", type=int, help="tasks or stacks (default: 10000, 16 or 200)")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], help="folders of frames to mix in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="allfocus-batch-") as folder:
        work = Path(folder)
        if options.what == "tasks":
            measure_tasks(work, options.count or 10_000)
        elif options.what == "overhead":
            measure_overhead(work, options.count or 16)
        else:
            measure_kills(work, options.count or 200, options.scenes)


# --- tasks without work --------------------------------------------------------------------------


def measure_tasks(work: Path, count: int) -> None:
    """The time that scheduler and ledger take for each task."""
    from allfocus.batch.cluster import open_crew
    from allfocus.batch.engine import Engine
    from allfocus.batch.ledger import Ledger
    from allfocus.batch.tasks import Task
    from allfocus.batch.wishes import BatchOptions
    from allfocus.jobs import JobRequest
    from allfocus.outputs.wishes import Outputs

    # workers import what they do, as they do of allfocus
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    sys.path.insert(0, str(Path(__file__).parent))
    nothing = importlib.import_module("batch").nothing
    request = JobRequest(frames=(), outputs=Outputs())
    tasks = [Task(name=f"{k:06d}", request=request, told_by="names", inputs=(), digest="") for k in range(count)]
    ledger = Ledger(work)
    begun = time.perf_counter()
    wanted = ledger.plan(tasks)
    planned = time.perf_counter() - begun
    with open_crew(BatchOptions(workers=2), work) as crew:
        engine = Engine(tasks, work, ledger, crew, work=nothing)
        begun, cpu = time.perf_counter(), time.process_time()
        engine.run(wanted)
        taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
    states = set(ledger.states().values())
    show(
        tasks=count,
        states=sorted(states),
        plan_ms=planned / count * 1e3,
        ms=taken / count * 1e3,
        cpu_ms=cpu / count * 1e3,
    )


def nothing(task: Any, *, out: Path, topic: str, threads: int | None) -> Any:
    """A task without work."""
    from allfocus.batch.work import Outcome

    return Outcome(state="done", worker="0")


# --- processor time ------------------------------------------------------------------------------


def measure_overhead(work: Path, count: int) -> None:
    """Processor seconds of single runs and of a batch of the same stacks; the time that one and two workers take."""
    folders = [write_stack(work / "in" / f"s{k:03d}", k, 640) for k in range(count)]
    single = time_children(
        *([*ALLFOCUS, "fuse", str(folder), "-o", str(work / f"{folder.name}.png"), "--quiet"] for folder in folders)
    )
    found = {"single": single}
    for workers in (1, 2):
        command = [*ALLFOCUS, "batch", str(work / "in"), "-o", str(work / f"out{workers}"), "--quiet"]
        more = ["--workers", str(workers), "--threads-per-worker", "1"]
        found[f"workers_{workers}"] = time_children([*command, *more])
        with closing(sqlite3.connect(work / f"out{workers}" / "ledger.sqlite")) as base:
            (sums,) = base.execute("SELECT sum(cpu_seconds), min(started), max(ended), max(peak_memory) FROM tasks")
            found[f"ledger_{workers}"] = {"cpu": sums[0], "wall": sums[2] - sums[1], "peak_mb": sums[3] / 1e6}
    show(stacks=count, **found)


def time_children(*commands: list[str]) -> dict[str, float]:
    """Seconds by the clock and of all processors that programs take, one after the other."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": time.perf_counter() - begun}


# --- kills ---------------------------------------------------------------------------------------


def measure_kills(work: Path, count: int, scenes: list[Path]) -> None:
    """Kill a batch five times at random moments, and take it up again each time."""
    rng = random.Random(5)
    broken = write_mixed(work / "in", count, scenes)
    command = [*ALLFOCUS, "batch", str(work / "in"), "-o", str(work / "out"), "--progress", "json"]
    done_before: dict[str, int] = {}
    for _ in range(5):
        batch = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert batch.stderr is not None
        wanted = rng.randint(1, max(2, count // 12))
        ended = 0
        for line in batch.stderr:
            ended += json.loads(line)["event"] == "task"
            if ended >= wanted:
                break
        time.sleep(rng.random())
        batch.send_signal(signal.SIGKILL)
        batch.communicate()
        done_before |= {name: when for name, when in times(work / "out").items() if name not in done_before}
    last = subprocess.run(command, capture_output=True, text=True, check=False)
    with closing(sqlite3.connect(work / "out" / "ledger.sqlite")) as base:
        rows = base.execute("SELECT name, state, attempts, error FROM tasks").fetchall()
    now = times(work / "out")
    show(
        code=last.returncode,
        said=last.stdout.splitlines()[0],
        tasks=len(rows),
        states={state: sum(row[1] == state for row in rows) for state in {row[1] for row in rows}},
        broken=broken,
        failed={row[0]: row[3] for row in rows if row[1] == "failed"},
        done_twice=[name for name, when in done_before.items() if now.get(name) != when],
        most_attempts=max(row[2] for row in rows),
        left_behind=[path.name for path in (work / "out").rglob("*.part")],
    )


def times(out: Path) -> dict[str, int]:
    """When the picture of each stack that is done was written."""
    with closing(sqlite3.connect(out / "ledger.sqlite")) as base:
        names = [name for (name,) in base.execute("SELECT name FROM tasks WHERE state = 'done'")]
    return {name: (out / name).stat().st_mtime_ns for name in names}


def write_mixed(root: Path, count: int, scenes: list[Path]) -> int:
    """Stacks of several sizes and formats, copies of scenes among them; returns how many are broken."""
    broken = 0
    for k in range(count):
        folder = root / f"plate{k % 7}" / f"well{k:03d}"
        if scenes and k % 4 == 3:
            shutil.copytree(scenes[k // 4 % len(scenes)], folder)
            continue
        write_stack(folder, k, 60 + 10 * (k % 9), (".png", ".jpg", ".tif")[k % 3])
        if k % 20 == 1:
            broken += 1
            damage(sorted(folder.iterdir())[1], BROKEN[k // 20 % 3])
    return broken


def damage(path: Path, how: str) -> None:
    """Break one frame."""
    content = path.read_bytes()
    if how == "other size":
        cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    else:
        path.write_bytes(content[: len(content) // 3] if how == "cut short" else b"")


def write_stack(folder: Path, seed: int, side: int, suffix: str = ".png") -> Path:
    """Three to five frames of a plane that recedes from left to right."""
    folder.mkdir(parents=True)
    rng, count = np.random.default_rng(seed), 3 + seed % 3
    sharp = cv2.GaussianBlur(rng.integers(0, 256, (side, side, 3)).astype(np.float32), (0, 0), 0.8)
    columns = np.linspace(0, 1, side)
    for frame in range(count):
        away = np.abs(columns - (frame + 0.5) / count)[None, :, None] * 3
        blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
        share = np.clip(away, 0, 1)
        cv2.imwrite(str(folder / f"z{frame}{suffix}"), ((1 - share) * sharp + share * blurred).astype(np.uint8))
    return folder


def show(**figures: object) -> None:
    """Print figures, with what the machine was doing beside."""
    print(json.dumps({**figures, "processors": os.cpu_count(), "load": os.getloadavg()[0]}, indent=1))


if __name__ == "__main__":
    main()
