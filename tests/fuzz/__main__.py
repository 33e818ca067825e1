"""Fuzzed files of every kind, for some minutes: `make fuzz MINUTES=5`. Prints inputs, failures and rate.

A failure is anything but an `AllFocusError`, more than 10 seconds, more than 1 GB, or the end of the process. Every
file is made from a small sound one and two numbers, the seed and its own: `--seed 3 --start 12345 --count 1` makes it
again.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fuzz.seeds import make_seeds

#: Seconds that one file may take; the first takes longer, since libraries are loaded.
LONGEST, FIRST = 10.0, 60.0


class Worker:
    """The process that reads files, and what it said last."""

    def __init__(self, folder: Path, seed: int, start: int) -> None:
        command = [sys.executable, "-m", "fuzz.worker", str(folder), str(seed), str(start)]
        paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths})
        self._rest, self._lines = b"", list[bytes]()

    def listen(self, seconds: float) -> dict[str, object] | None:
        """The next thing that it says; None where it says nothing for so long, or has ended."""
        assert self._process.stdout is not None
        while not self._lines:
            if not select.select([self._process.stdout], [], [], seconds)[0]:
                return None
            read = self._process.stdout.read1(1 << 16)
            if not read:
                return None
            *self._lines, self._rest = (self._rest + read).split(b"\n")
        return dict(json.loads(self._lines.pop(0)))

    def end(self) -> str:
        """Kill it; returns how it had ended, if it had."""
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return f"hung for {LONGEST:g} seconds" if ended is None else f"ended the process ({ended})"


def fuzz(folder: Path, keep: Path, *, seconds: float, seed: int, start: int, count: int | None) -> tuple[int, int]:
    """Fuzz for so long, or so many files; returns how many files were read and how many of them failed."""
    (folder / "seeds").mkdir()
    (folder / "now").mkdir()
    make_seeds(folder / "seeds")
    until, number, done, failures = time.monotonic() + seconds, start, 0, Counter[str]()
    name = ""
    while time.monotonic() < until and (count is None or done < count):
        worker, patience = Worker(folder, seed, number), FIRST
        while time.monotonic() < until:
            said = worker.listen(patience)
            if said is None:
                note(failures, keep, folder, seed, number, name, worker.end())
                done, number = done + 1, number + 1
                break
            if "failed" in said:
                note(failures, keep, folder, seed, number, name, str(said["why"]))
            elif patience == LONGEST:
                done += 1
            if count is not None and done >= count:
                break
            if "next" in said:
                number, name, patience = int(str(said["next"])), str(said["name"]), LONGEST
        worker.end()
    return done, sum(failures.values())


def note(failures: Counter[str], keep: Path, folder: Path, seed: int, number: int, name: str, why: str) -> None:
    """Print a failure, and keep the file; of failures that end alike the first few."""
    kind = f"{name}: {why.strip().splitlines()[-1][:160]}"
    failures[kind] += 1
    if failures[kind] <= 3:
        keep.mkdir(parents=True, exist_ok=True)
        path = keep / f"{seed}-{number}-{name}"
        if name:
            path.write_bytes((folder / "now" / name).read_bytes())
        say(f"{kind}\n  --seed {seed} --start {number} --count 1, kept as {path}\n{why}")


def say(text: str) -> None:
    """Print at once, also into a file."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Parse, fuzz and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        done, failed = fuzz(
            Path(folder), given.keep, seconds=60 * given.minutes, seed=given.seed, start=given.start, count=given.count
        )
    spent = time.monotonic() - began
    say(f"{done} inputs, {failed} failures, {done / spent:.0f} a second, {spent:.0f} s, seed {given.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
