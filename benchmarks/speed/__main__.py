"""How fast allfocus is, stage by stage, how much memory it takes, and how both grow.

    python benchmarks/speed [-o benchmarks/results] [--frames FOLDER] [--quick] [--long] [--only TABLE ...]

Makes focal stacks from pictures that scikit-image ships (see `stack`), fuses them with the command line as a user
would, and writes

    OUT/speed.csv    CPU seconds, wall seconds and peak memory of whole processes, medians of three; and CPU seconds
                     relative to those of enfuse in the same minutes, if it is installed
    OUT/memory.csv   peak memory beside what was planned and allowed, see `memory`
    OUT/stages.csv   CPU seconds a megapixel and frame, by stage, beside two yardsticks from the same minutes
    OUT/growth.csv   the same figures for 2 to 100 frames, and for 1 to 100 megapixels
    OUT/growth.webp  those, drawn
    OUT/speed.md     all of it as tables

`--quick` leaves out what takes minutes: 24 megapixels and the growth; `--long` adds 100 frames of 24 megapixels.
Tables that are not measured stay as they were.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
#: Name, frames, width, height.
CASES = (
    ("pair of 0.5 MP", 2, 880, 568),
    ("7 of 3.1 MP", 7, 2048, 1536),
    ("7 of 3.1 MP, patchwork", 7, 2048, 1536),
    ("20 of 6 MP", 20, 3000, 2000),
    ("60 of 6 MP", 60, 3000, 2000),
    ("7 of 24 MP", 7, 6000, 4000),
    ("7 of 24 MP, patchwork", 7, 6000, 4000),
)
LONG = ("100 of 24 MP", 100, 6000, 4000)
Case = tuple[str, int, int, int]
#: The tables that are made.
TABLES = ("speed", "stages", "memory", "growth")
#: Runs of each case, or one of so many frames.
RUNS, MANY = 3, 50
#: Ways to fuse a case, whose frames are registered: enfuse does not align either.
WAYS = {"": (), ", halos kept": ("--halos", "keep"), ", fast": ("--fast",), ", draft": ("--draft",)}
#: Growth: numbers of frames of `GROWTH_SIZE`, and widths and heights of stacks of `GROWTH_FRAMES`.
GROWTH_COUNTS, GROWTH_SIZE = (2, 4, 7, 14, 28, 50, 100), (2048, 1536)
GROWTH_SIZES, GROWTH_FRAMES = ((1224, 816), (2048, 1536), (3000, 2000), (4896, 2448), (6000, 4000), (12240, 8160)), 3
#: Another tool's way from frames to a picture that is sharp everywhere.
ENFUSE = ("enfuse", "--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1", "--hard-mask", "-o")
STAGES = ("decode", "pyramid levels", "network", "composition", "halos", "encode", "start, alignment and all else")


def measure(arguments: Sequence[str], folder: Path) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory in MB of one run of the command line."""
    return run([sys.executable, "-m", "allfocus", "fuse", *arguments, "-o", str(folder / "out.png"), "-q"])


def run(command: Sequence[str]) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory in MB of a process."""
    started = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL if command[0] == "enfuse" else None)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": time.monotonic() - started, "peak_mb": peak}


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: median(row[key] for row in rows) for key in rows[0]}


def ask(script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What one of the scripts beside this one prints."""
    done = subprocess.run([sys.executable, HERE / script, *arguments], check=True, stdout=subprocess.PIPE)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def stack_of(case: Case, folder: Path) -> list[str]:
    """The files of a case."""
    name, count, width, height = case
    is_patchwork = "patchwork" in name
    place = folder / f"{count}x{width}{'p' if is_patchwork else ''}"
    return made(place, count, width, height, *(["patchwork"] if is_patchwork else []))


def made(folder: Path, frames: int, width: int, height: int, *kind: str) -> list[str]:
    """Files of a stack, made by a process of its own: what this one took would be counted as its children's."""
    numbers = map(str, (frames, width, height))
    subprocess.run([sys.executable, HERE / "stack.py", folder, *numbers, *kind], check=True)
    return [str(path) for path in sorted(folder.glob("*.jpg"))[:frames]]


def speed_of(case: Case, folder: Path) -> list[dict[str, Any]]:
    """Rows of one case, by `WAYS`; beside enfuse, in turn with it, for the machine has other work too."""
    name, count = case[:2]
    frames = stack_of(case, folder)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    others = []
    for _ in range(RUNS if count < MANY else 1):
        for way, how in WAYS.items():
            found[way].append(measure([*frames, "--align", "none", *how], folder))
        if shutil.which("enfuse"):
            others.append(run([*ENFUSE, str(folder / "enfuse.tif"), *frames]))
    rows = []
    for way, figures in found.items():
        row: dict[str, Any] = {"stack": name + way, **medians(figures)}
        row["enfuse_cpu_s"] = medians(others)["cpu_s"] if others else ""
        ratios = [own["cpu_s"] / other["cpu_s"] for own, other in zip(figures, others, strict=False)]
        row["times_enfuse"] = median(ratios) if ratios else ""
        rows.append(row)
        print(row, flush=True)
    return rows


def stages_of(case: Case, folder: Path) -> dict[str, Any]:
    """CPU seconds a megapixel and frame, by stage, and the yardsticks."""
    name, count, width, height = case
    frames = stack_of(case, folder)
    spent, yardsticks = ask("stages.py", [str(folder / "out.png"), *frames]), ask("yardsticks.py", frames)
    size = count * width * height / 1e6
    row: dict[str, Any] = {"stack": name, **{stage: spent["seconds"].get(stage, 0.0) / size for stage in STAGES}}
    row["all"] = sum(spent["seconds"].values()) / size
    row["pyramid"] = yardsticks["pyramid"] / size
    row["times_pyramid"] = row["all"] / row["pyramid"]
    row["looked_share"] = spent["looked"] / size
    row["gmacs_peak"] = yardsticks["multiply_adds"] / 1e9
    print(row, flush=True)
    return row


def growth(folder: Path) -> list[dict[str, Any]]:
    """CPU seconds and memory by number of frames, and by megapixels."""
    rows = []
    longest = made(folder / "growth", max(GROWTH_COUNTS), *GROWTH_SIZE)
    for count in GROWTH_COUNTS:
        # spread over the whole focus range, as a stack of that many would be
        chosen = [longest[round(k * (len(longest) - 1) / (count - 1))] for k in range(count)]
        rows.append({"by": "frames", "frames": count, "mp": 3.1, **measure(chosen, folder)})
        print(rows[-1], flush=True)
    for width, height in GROWTH_SIZES:
        frames = made(folder / f"size{width}", GROWTH_FRAMES, width, height)
        megapixels = width * height / 1e6
        rows.append({"by": "megapixels", "frames": GROWTH_FRAMES, "mp": megapixels, **measure(frames, folder)})
        print(rows[-1], flush=True)
    return rows


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """CPU seconds and peak memory over frames and over megapixels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(9, 6), constrained_layout=True)
    for column, by in enumerate(("frames", "megapixels")):
        chosen = [row for row in rows if row["by"] == by]
        across = [float(row["frames" if by == "frames" else "mp"]) for row in chosen]
        for line, (key, unit) in zip(panels, (("cpu_s", "CPU seconds"), ("peak_mb", "peak memory, MB")), strict=True):
            line[column].plot(across, [float(row[key]) for row in chosen], "o-")
            line[column].set(xlabel=by, ylabel=unit, xlim=(0, None), ylim=(0, None))
    panels[0, 0].set_title("stacks of 3.1 MP")
    panels[0, 1].set_title(f"stacks of {GROWTH_FRAMES} frames")
    figure.savefig(path, dpi=90)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows with one set of keys."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: rounded(value) for key, value in row.items()} for row in rows)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([rounded(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def rounded(value: Any) -> Any:
    """Three digits are all that a noisy machine gives."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def memory(folder: Path, *, is_quick: bool) -> list[dict[str, Any]]:
    """Rows of what `memory.py` measures."""
    target, quick = folder / "memory.csv", ["--quick"] if is_quick else []
    subprocess.run([sys.executable, HERE / "memory.py", target, folder / "memory", *quick], check=True)
    return read_csv(target)


def read_csv(path: Path) -> list[dict[str, Any]]:
    """The rows of a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "results")
    parser.add_argument("--frames", type=Path, help="folder for the stacks, which are made once; temporary without it")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="measure only these tables")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.frames or Path(temporary)
        cases = [*(CASES[:3] if arguments.quick else CASES), *([LONG] if arguments.long else [])]
        measures: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "speed": lambda: [row for case in cases for row in speed_of(case, folder)],
            "stages": lambda: [stages_of(case, folder) for case in cases if case[1] < MANY],
            "memory": lambda: memory(folder, is_quick=arguments.quick),
            "growth": lambda: [] if arguments.quick else growth(folder),
        }
        for name in arguments.only:
            if rows := measures[name]():
                write_csv(arguments.output / f"{name}.csv", rows)
    tables = {name: read_csv(path) for name in TABLES if (path := arguments.output / f"{name}.csv").exists()}
    if "growth" in tables:
        draw(tables["growth"], arguments.output / "growth.webp")
    text = "\n".join(f"## {name}\n\n{table(rows)}" for name, rows in tables.items())
    (arguments.output / "speed.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
