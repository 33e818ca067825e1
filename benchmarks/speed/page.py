"""How fast the page is: its start, its draft, tiles, strokes, cancelling, and the server's memory over a long use.

    python benchmarks/speed/page.py [-o benchmarks/results] [--frames FOLDER] [--size WIDTHxHEIGHT] [--count N]
        [--cycles N] [--strokes N]

Starts `allfocus studio` on a stack as a user would, asks what the page asks, and writes OUT/page.csv: one figure a
line, with what it should be. Where Chromium is installed the frames a second while zooming and panning are counted too.
"""

import argparse
import csv
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests")]

from stack import write_stack  # noqa: E402  (beside this script)

from allfocus.options import FusionOptions  # noqa: E402
from allfocus.plan import plan_for  # noqa: E402
from allfocus.sources.expand import list_frames  # noqa: E402
from allfocus.sources.open import open_stack  # noqa: E402
from studio_page import CHROMIUM, Studio, running  # noqa: E402  (the tests' own door to a server)

#: Notes when each frame is drawn.
COUNT = """() => {
  window.times = [];
  const tick = (time) => { times.push(time); requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""
Row = tuple[str, float, str]


def wait_for(studio: Studio, what: Callable[[dict[str, Any]], bool], seconds: float = 1200) -> float:
    """Seconds until the server's state is as wanted."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if what(studio.state()):
            return time.monotonic() - started
        time.sleep(0.05)
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


def list_tiles(size: list[int], rng: np.random.Generator, count: int) -> list[str]:
    """Places of random tiles at all levels."""
    places = []
    for _ in range(count):
        level = int(rng.integers(0, 5))
        column, row = (int(rng.integers(0, max(1, (side >> level) // 512))) for side in size)
        places.append(f"{level}/{column}/{row}")
    return list(dict.fromkeys(places))


def time_tiles(studio: Studio, rng: np.random.Generator) -> Iterator[Row]:
    """Latencies of tiles, asked for the first time and again."""
    size = studio.state()["layers"]["result"]["size"]
    places = list_tiles(size, rng, 120)
    for name, target in (("fresh", "< 150"), ("again", "< 60")):
        times = [milliseconds(lambda place=place: studio.ask("GET", f"/tiles/result/{place}")) for place in places]
        yield f"tile, {name}, p95, ms", quantiles(times, n=20)[-1], target


def make_stroke(rng: np.random.Generator, state: dict[str, Any]) -> dict[str, Any]:
    """A short stroke of a middling brush anywhere."""
    left, top, right, bottom = state["layers"]["result"]["window"]
    x, y = rng.uniform(left + 200, right - 200), rng.uniform(top + 200, bottom - 200)
    points = [[x + 12 * k, y + 5 * k] for k in range(10)]
    frame = state["frames"][int(rng.integers(0, len(state["frames"])))]["name"]
    return {"frame": frame, "points": points, "radius": 40, "hardness": 0.5}


def paint(studio: Studio, stroke: dict[str, Any]) -> None:
    """Paint a stroke, and fetch a tile that shows it."""
    status, answer = studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})
    if status != 200:
        sys.exit(answer.decode())
    left, top, *_ = studio.state()["layers"]["result"]["window"]
    x, y = stroke["points"][5]
    studio.ask("GET", f"/tiles/result/0/{int(x - left) // 512}/{int(y - top) // 512}")


def save(studio: Studio, folder: Path) -> str:
    """The digest of the saved picture."""
    status, answer = studio.ask("POST", "/api/save", {"path": "page.tif"})
    if status != 200:
        sys.exit(answer.decode())
    return hashlib.sha256((folder / "page.tif").read_bytes()).hexdigest()


def time_strokes(studio: Studio, folder: Path, count: int, rng: np.random.Generator) -> Iterator[Row]:
    """How long strokes take until they are seen, and whether undoing all of them leaves a trace."""
    state, before = studio.state(), save(studio, folder)
    paint(studio, make_stroke(rng, state))
    near = make_stroke(rng, state)
    times = [milliseconds(lambda: paint(studio, make_stroke(rng, state))) for _ in range(count)]
    again = []
    for k in range(15):
        moved = {**near, "points": [[x + 9 * k, y] for x, y in near["points"]]}
        again.append(milliseconds(lambda moved=moved: paint(studio, moved)))
    yield "stroke anywhere, median, ms", median(times), "< 150"
    yield "stroke anywhere, p95, ms", quantiles(times, n=20)[-1], ""
    yield "stroke beside the last, median, ms", median(again), "< 150"
    undo = milliseconds(lambda: studio.ask("POST", "/api/strokes", {"action": "undo", "count": 100_000}))
    yield f"undo of {count + 16} strokes, s", undo / 1000, ""
    yield "settling and saving, s", milliseconds(lambda: save(studio, folder)) / 1000, ""
    yield "undone without a trace", float(save(studio, folder) == before), "1"


def watch_memory(studio: Studio, cycles: int, rng: np.random.Generator) -> Iterator[Row]:
    """Memory of the server over many cycles of looking, painting and composing again."""
    process, found = psutil.Process(studio.process.pid), []
    for cycle in range(cycles):
        state = studio.state()
        for place in list_tiles(state["layers"]["result"]["size"], rng, 40):
            layer = list(state["layers"])[int(rng.integers(0, len(state["layers"])))]
            studio.ask("GET", f"/tiles/{layer}/{place}")
        for _ in range(5):
            paint(studio, make_stroke(rng, state))
        studio.ask("POST", "/api/strokes", {"action": "undo", "count": 5})
        if cycle % 5 == 4:
            compose = ("hard", "band")[cycle // 5 % 2]
            studio.ask("POST", "/api/run", {"options": {"compose": compose, "halos": "keep"}})
            wait_for(studio, is_ready)
        found.append(process.memory_info().rss / 1e6)
    third = max(1, len(found) // 3)
    yield (
        f"growth from the 2nd to the last third of {cycles} cycles, MB",
        (median(found[-third:]) - median(found[third : 2 * third])),
        "< 50",
    )


def count_frames(studio: Studio) -> Iterator[Row]:
    """Frames a second in the browser while it zooms and pans."""
    with suppress(ImportError):
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(studio.address)
            page.locator("#stage", has_text="Ready").wait_for(timeout=60_000)
            page.evaluate(COUNT)
            page.mouse.move(500, 400)
            for k in range(40):
                page.mouse.wheel(0, -200 if k % 8 < 4 else 200)
                page.wait_for_timeout(40)
            page.mouse.down()
            for k in range(60):
                page.mouse.move(500 + 4 * (k % 30), 400 + 3 * (k % 30))
                page.wait_for_timeout(16)
            page.mouse.up()
            times = np.diff(page.evaluate("times"))
            browser.close()
        yield "frames a second while zooming and panning, mean", 1000 / float(times.mean()), "> 30"
        yield "longest frame, p95, ms", float(np.quantile(times, 0.95)), ""


def run_all(folder: Path, stack: Path, cycles: int, strokes: int) -> Iterator[Row]:
    """All figures of one stack."""
    rng = np.random.default_rng(1)
    plan = plan_for(open_stack(list_frames([stack])), FusionOptions())
    started = time.monotonic()
    with running(stack) as studio:
        yield "start until the page is usable, s", time.monotonic() - started, "< 1.5"
        yield "draft, s", wait_for(studio, lambda state: "draft" in state["layers"] or is_ready(state)), "< 4"
        wait_for(studio, is_ready)
        yield "picture, s", time.monotonic() - started, ""
        yield from time_tiles(studio, rng)
        yield from time_strokes(studio, folder, strokes, rng)
        if CHROMIUM.exists():
            yield from count_frames(studio)
        yield from watch_memory(studio, cycles, rng)
        used = psutil.Process(studio.process.pid).memory_info().rss / 1e6
        yield "memory beyond the plan, MB", used - plan.memory / 1e6, "< 300"
        studio.ask("POST", "/api/run", {"options": {"fast": True}})
        time.sleep(1.0)
        yield "cancel, s", milliseconds(lambda: studio.ask("POST", "/api/cancel", {})) / 1000, "< 1"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--size", default="6000x4000")
    parser.add_argument("--count", type=int, default=7)
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--strokes", type=int, default=500)
    chosen = parser.parse_args()
    width, height = (int(side) for side in chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_stack(folder / "stack", chosen.count, width, height)
        chosen.output.mkdir(parents=True, exist_ok=True)
        with (chosen.output / "page.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["figure", "found", "wanted"])
            for name, value, wanted in run_all(folder, folder / "stack", chosen.cycles, chosen.strokes):
                print(f"{name}: {value:.4g} {wanted and f'(wanted {wanted})'}", flush=True)
                writer.writerow([name, f"{value:.4g}", wanted])


if __name__ == "__main__":
    main()
