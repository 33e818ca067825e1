"""How fast the page is: its start, its draft, tiles, strokes, cancelling, and the server's memory over a long use.

    python benchmarks/speed/page.py [-o benchmarks/results] [--frames FOLDER] [--size WIDTHxHEIGHT] [--count N]
        [--minutes M] [--strokes N]

Starts `allfocus studio` on a stack as a user would, asks what the page asks, and writes OUT/page.csv: one figure a
line, with what it should be, and how many processes wanted a processor then. Where others work on the machine too,
processor seconds tell more than the clock. Where Chromium is installed, strokes are painted there, and the frames that
it shows while it zooms and pans are counted in its performance log.
"""

import argparse
import csv
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests")]

from page_browser import look_and_paint  # noqa: E402  (beside this script)
from stack import write_stack  # noqa: E402

from allfocus.options import FusionOptions  # noqa: E402
from allfocus.plan import plan_for  # noqa: E402
from allfocus.sources.expand import list_frames  # noqa: E402
from allfocus.sources.open import open_stack  # noqa: E402
from studio_page import CHROMIUM, Studio, running  # noqa: E402  (the tests' own door to a server)

#: A figure, what it is, and what it should be.
Row = tuple[str, float, str]


def used(process: psutil.Process) -> float:
    """Processor seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def most_memory(process: psutil.Process) -> int:
    """Bytes of memory that a process had at once, at most; now, where the system does not tell."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found.group(1)) * 1024 if found else int(process.memory_info().rss)


def wait_for(
    studio: Studio, what: Callable[[dict[str, Any]], bool], seconds: float = 1200, every: float = 0.1
) -> float:
    """Seconds until the server's state is as wanted."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if what(studio.state()):
            return time.monotonic() - started
        time.sleep(every)
    sys.exit("the page did not get there")


def is_ready(state: dict[str, Any]) -> bool:
    """Whether the picture is there; ends where it never will be."""
    if state["state"] == "failed":
        sys.exit(state["error"])
    return bool(state["state"] == "ready")


def milliseconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.monotonic()
    act()
    return 1000 * (time.monotonic() - started)


def post(studio: Studio, path: str, values: dict[str, Any]) -> None:
    """Ask for something that must be done."""
    status, answer = studio.ask("POST", path, values)
    if status != 200:
        sys.exit(answer.decode())


def list_tiles(size: list[int], rng: np.random.Generator, count: int) -> list[str]:
    """Places of random tiles at all levels."""
    places = []
    for _ in range(count):
        level = int(rng.integers(0, 5))
        column, row = (int(rng.integers(0, max(1, (side >> level) // 512))) for side in size)
        places.append(f"{level}/{column}/{row}")
    return list(dict.fromkeys(places))


def time_tiles(studio: Studio, rng: np.random.Generator) -> Iterator[Row]:
    """Latencies of tiles that nobody has asked for yet; a browser keeps them then."""
    size, process = studio.state()["layers"]["result"]["size"], psutil.Process(studio.process.pid)
    places, before = list_tiles(size, rng, 120), used(process)
    times = [milliseconds(lambda place=place: studio.ask("GET", f"/tiles/result/{place}")) for place in places]
    yield "tile, fresh, p95, ms", quantiles(times, n=20)[-1], "< 150"
    yield "tile, fresh, processor ms each", 1000 * (used(process) - before) / len(places), ""


def make_stroke(rng: np.random.Generator, state: dict[str, Any], *, of_all: bool = False) -> dict[str, Any]:
    """A short stroke of a middling brush anywhere, from a frame; or half of the time from another source."""
    left, top, right, bottom = state["layers"]["result"]["window"]
    x, y = rng.uniform(left + 200, right - 200), rng.uniform(top + 200, bottom - 200)
    points = [[x + 12 * k, y + 5 * k] for k in range(10)]
    frame = state["frames"][int(rng.integers(0, len(state["frames"])))]["name"]
    source = {"frame": frame}
    if of_all and rng.random() < 0.5:
        source = {"source": state["sources"][int(rng.integers(0, len(state["sources"])))]}
    return {**source, "points": points, "radius": 40, "hardness": 0.5}


def paint(studio: Studio, stroke: dict[str, Any], corner: list[int]) -> None:
    """Paint a stroke, and fetch a tile that shows it."""
    post(studio, "/api/strokes", {"action": "add", "stroke": stroke})
    x, y = stroke["points"][5]
    studio.ask("GET", f"/tiles/result/0/{int(x - corner[0]) // 512}/{int(y - corner[1]) // 512}")


def time_strokes(studio: Studio, count: int, rng: np.random.Generator) -> Iterator[Row]:
    """How long the server takes for strokes: half of them anywhere, half beside each other."""
    state, process = studio.state(), psutil.Process(studio.process.pid)
    corner = state["layers"]["result"]["window"]
    near = make_stroke(rng, state)
    for name in ("anywhere", "in one place"):
        times, before, memory = [], used(process), process.memory_info().rss
        for _ in range(count // 2):
            stroke = make_stroke(rng, state)
            if name != "anywhere":
                by = rng.uniform(-120, 120, 2)
                stroke["points"] = [[x + by[0], y + by[1]] for x, y in near["points"]]
                studio.ask("GET", "/api/at?x={}&y={}&radius=40".format(*stroke["points"][0]))  # as the mouse does
            times.append(milliseconds(lambda stroke=stroke: paint(studio, stroke, corner)))
        yield f"stroke {name}, server, median, ms", median(times), "< 150"
        yield f"stroke {name}, server, processor ms each", 1000 * (used(process) - before) / len(times), ""
        yield f"memory of {len(times)} strokes {name}, MB", (process.memory_info().rss - memory) / 1e6, ""


def time_many(studio: Studio, action: str, strokes: int) -> Iterator[Row]:
    """How long it takes to take back all strokes, or to paint them again; halos are removed anew afterwards."""
    process = psutil.Process(studio.process.pid)
    before, memory = used(process), process.memory_info().rss
    spent = milliseconds(lambda: studio.ask("POST", "/api/strokes", {"action": action, "count": 100_000}))
    yield f"{action} of {strokes} strokes, s", spent / 1000, ""
    yield f"{action} of {strokes} strokes, processor s", used(process) - before, ""
    yield f"memory of {action}, MB", (process.memory_info().rss - memory) / 1e6, ""


def digest(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(studio: Studio, path: Path) -> str:
    """The digest of the picture that the page saves."""
    post(studio, "/api/save", {"path": path.name})
    return digest(path)


def run_command(*typed: object) -> tuple[float, float]:
    """Seconds by the clock, and of the processors, of the command line."""
    command = [sys.executable, "-m", "allfocus", *map(str, typed), "-q"]
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    _, status, spent = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return time.monotonic() - started, spent.ru_utime + spent.ru_stime


def use_long(studio: Studio, minutes: float, rng: np.random.Generator) -> Iterator[Row]:
    """Memory of the server while somebody looks, paints, undoes and composes again for some minutes."""
    process, found, cycle = psutil.Process(studio.process.pid), list[float](), 0
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until or cycle < 6:
        state, cycle = studio.state(), cycle + 1
        for place in list_tiles(state["layers"]["result"]["size"], rng, 40):
            layer = list(state["layers"])[int(rng.integers(0, len(state["layers"])))]
            studio.ask("GET", f"/tiles/{layer}/{place}")
        for _ in range(5):
            paint(studio, make_stroke(rng, state, of_all=True), state["layers"]["result"]["window"])
        post(studio, "/api/strokes", {"action": "undo", "count": 5})
        if cycle % 5 == 0:
            post(studio, "/api/run", {"options": {"compose": ("hard", "band")[cycle // 5 % 2]}})
            wait_for(studio, is_ready)
        found.append(process.memory_info().rss / 1e6)
    third = max(1, len(found) // 3)
    grown = median(found[-third:]) - median(found[third : 2 * third])
    yield f"memory, growth from the 2nd to the last third of {cycle} cycles in {minutes:g} minutes, MB", grown, "< 50"


def cancel(studio: Studio) -> Iterator[Row]:
    """How soon a run that is called off has ended, and what goes on afterwards."""
    process = psutil.Process(studio.process.pid)
    post(studio, "/api/run", {"options": {"align": "affine"}})
    time.sleep(3)
    yield "cancel, s", milliseconds(lambda: post(studio, "/api/cancel", {})) / 1000, "< 1"
    before = used(process)
    time.sleep(2)
    yield "processor seconds in the two seconds after", used(process) - before, "< 0.1"


def run_all(folder: Path, stack: Path, minutes: float, strokes: int) -> Iterator[Row]:
    """All figures of one stack."""
    rng = np.random.default_rng(1)
    plan = plan_for(open_stack(list_frames([stack])), FusionOptions())
    project, picture = folder / "painted.allfocus.json", folder / "page.tif"
    clock, processor = run_command("fuse", stack, "-o", folder / "fused.tif")
    yield "allfocus fuse, s", clock, ""
    yield "allfocus fuse, processor s", processor, ""
    started = time.monotonic()
    with running(stack) as studio:
        process = psutil.Process(studio.process.pid)
        studio.ask("GET", "/")
        yield "start until the page is shown, s", time.monotonic() - started, ""
        wait_for(studio, lambda state: bool(state["frames"]), every=0.02)
        yield "start until the page is usable, s", time.monotonic() - started, "< 1.5"
        yield "start until the page is usable, processor s", used(process), ""
        yield "draft, s", wait_for(studio, lambda state: "draft" in state["layers"] or is_ready(state)), "< 4"
        drafted = used(process)
        yield "draft, processor s", drafted, ""
        wait_for(studio, is_ready)
        yield "picture, s", time.monotonic() - started, f"< {1.1 * clock:.3g}"
        yield "picture without the draft, processor s", used(process) - drafted, f"< {1.1 * processor:.3g}"
        wait_for(studio, lambda state: state["doubts"] is not None)
        yield from time_tiles(studio, rng)
        before = save(studio, picture)
        yield "saves what allfocus fuse writes", float(before == digest(folder / "fused.tif")), "1"
        if CHROMIUM.exists():
            yield from look_and_paint(studio)
        post(studio, "/api/strokes", {"action": "undo", "count": 100_000})
        yield from time_strokes(studio, strokes, rng)
        painted = save(studio, picture)
        post(studio, "/api/project", {"path": project.name})
        post(studio, "/api/project", {"path": f"{stack.name}.allfocus.json"})  # where it goes on
        yield from time_many(studio, "undo", strokes)
        yield f"undo of {strokes} strokes leaves no trace", float(save(studio, picture) == before), "1"
        yield from time_many(studio, "redo", strokes)
        yield f"redo of {strokes} strokes gives the same", float(save(studio, picture) == painted), "1"
        post(studio, "/api/strokes", {"action": "undo", "count": 100_000})
        yield from use_long(studio, minutes, rng)
        beyond = (most_memory(process) - plan.memory) / 1e6
        yield "memory beyond the plan, at most since the start, MB", beyond, "< 300"
        yield from cancel(studio)
    run_command("fuse", "--project", project, "-o", folder / "again.tif")
    yield "allfocus fuse --project writes the page's bytes", float(digest(folder / "again.tif") == painted), "1"
    with running(project) as studio:
        wait_for(studio, is_ready)
        yield "opened again it is the same", float(save(studio, picture) == painted), "1"


def look_at_large(folder: Path) -> Iterator[Row]:
    """How 60 megapixels are zoomed and panned."""
    write_stack(folder / "large", 2, 9504, 6336)
    with running(folder / "large", "--method", "laplacian", "--align", "none") as studio:
        wait_for(studio, is_ready)
        for name, value, wanted in look_and_paint(studio):
            yield f"60 megapixels: {name}", value, wanted


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--frames", type=Path, help="a folder of frames, instead of those that are made")
    parser.add_argument("--size", default="6000x4000")
    parser.add_argument("--count", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--strokes", type=int, default=500)
    chosen = parser.parse_args()
    width, height = (int(side) for side in chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if chosen.frames is None:
            write_stack(folder / "stack", chosen.count, width, height)
        else:
            (folder / "stack").mkdir()
            for path in sorted(chosen.frames.iterdir()):
                (folder / "stack" / path.name).hardlink_to(path)
        chosen.output.mkdir(parents=True, exist_ok=True)
        with (chosen.output / "page.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["figure", "found", "wanted", "busy"])
            rows = run_all(folder, folder / "stack", chosen.minutes, chosen.strokes)
            large = look_at_large(folder) if chosen.frames is None and CHROMIUM.exists() else ()
            for name, value, wanted in chain(rows, large):
                busy = os.getloadavg()[0]
                print(f"{name}: {value:.4g} {wanted and f'(wanted {wanted})'} [{busy:.1f}]", flush=True)
                writer.writerow([name, f"{value:.4g}", wanted, f"{busy:.1f}"])
                file.flush()


if __name__ == "__main__":
    main()
