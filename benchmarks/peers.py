"""What other tools of the registries take for the same files, beside allfocus: CPU seconds and memory.

    python benchmarks/peers.py [-o benchmarks/results] [--python FILE] [--frames FOLDER] [--tools GLOB] [--large]

Runs every tool of `study/peers.py` that is found, on the PATH or beside the interpreter of `--python`, on the stacks
that `speed` makes: whole processes, reading of JPEG files and writing of a PNG included, alignment switched off where
there is a switch, one thread each as far as they obey; medians of three. Writes OUT/peers.csv and prints it. `--large`
adds seven frames of 24 megapixels. How good their pictures are: `study/peers.py`.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "study"))

from peers import ONE_THREAD, OUTPUT, PEERS, Peer, fill_in, find_peers  # noqa: E402

#: Name, frames, width, height.
CASES = (("7 of 3.1 MP", 7, 2048, 1536), ("7 of 24 MP", 7, 6000, 4000))
RUNS = 3
#: What is compared with.
OURS = (
    Peer(name="allfocus", program="allfocus", arguments=("fuse", "{frames}", "-o", OUTPUT, "-q")),
    Peer(name="allfocus --fast", program="allfocus", arguments=("fuse", "{frames}", "-o", OUTPUT, "-q", "--fast")),
)


def measure(command: Sequence[str], place: str) -> dict[str, float] | None:
    """CPU seconds, those of children included, wall seconds and peak memory in MB; None if it fails."""
    started = time.monotonic()
    surroundings = {**os.environ, **ONE_THREAD, "XDG_DATA_HOME": place}
    process = subprocess.Popen(
        command,
        cwd=place,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        return None
    peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": time.monotonic() - started, "peak_mb": peak}


def rows_of(case: tuple[str, int, int, int], peers: dict[Peer, str], folder: Path) -> list[dict[str, Any]]:
    """A row for each tool that fuses this stack."""
    name, count, width = case[:3]
    place = folder / f"{count}x{width}"
    # in a process of its own: what this one took would be counted as its children's
    subprocess.run([sys.executable, HERE / "speed" / "stack.py", place, *map(str, case[1:])], check=True)
    frames = sorted(place.glob("*.jpg"))
    rows = []
    for peer, program in peers.items():
        with tempfile.TemporaryDirectory(prefix="peers-") as folder_of_run:
            command = [program, *fill_in(peer.arguments, frames, Path(folder_of_run) / "fused.png")]
            runs = [measure(command, folder_of_run) for _ in range(RUNS)]
        good = [run for run in runs if run is not None]
        if len(good) < RUNS:
            print(f"{name}: {peer.name} failed", flush=True)
            continue
        rows.append({"stack": name, "tool": peer.name, **{key: median(run[key] for run in good) for key in good[0]}})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter that has the tools")
    parser.add_argument("--frames", type=Path, help="folder for the stacks, which are made once; temporary without it")
    parser.add_argument("--tools", default="*")
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    # the baselines of the study are pictures to compare with, no tools
    tools = [peer for peer in PEERS if fnmatch(peer.name, arguments.tools) and peer.program != sys.executable]
    found = {**find_peers(OURS, Path(sys.executable)), **find_peers(tools, arguments.python.absolute())}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.frames or Path(temporary)
        rows = [row for case in CASES[: 2 if arguments.large else 1] for row in rows_of(case, found, folder)]
    with (arguments.output / "peers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{v:.3g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
