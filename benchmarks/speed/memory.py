"""Whether a fusion keeps to the memory that it plans with: peak memory of whole processes, beside their plan.

    python benchmarks/speed/memory.py OUT.csv FOLDER [--quick]

FOLDER holds the stacks, which are made once (see `stack`). Each case is one run of the command line, for its frames as
they are and moved, alone and with all outputs and reports, and with as little memory as it accepts. A row is printed as
soon as it is known.
"""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

HERE = Path(__file__).parent
#: Frames, width and height.
SIZES = ((7, 2048, 1536), (7, 3000, 2000), (20, 3000, 2000), (7, 6000, 4000))
#: By how many pixels the odd frames of a moved stack are shifted.
SHIFT = 6
#: The least memory that is tried, in GB, is that which the plan names in its refusal.
TOO_LITTLE = "0.2"
MAPS = ("depth", "depth-error", "index-map", "confidence", "out-of-focus", "veiled", "veil")


def moved(frames: Sequence[str], folder: Path) -> list[str]:
    """The same frames, every other one of them shifted, as files."""
    folder.mkdir(exist_ok=True)
    paths = [folder / Path(name).name for name in frames]
    for position, (name, path) in enumerate(zip(frames, paths, strict=True)):
        if not path.exists():
            by = SHIFT * (position % 2)
            picture = cv2.copyMakeBorder(cv2.imread(name), by, 0, by, 0, cv2.BORDER_REPLICATE)
            cv2.imwrite(str(path), picture[: picture.shape[0] - by, : picture.shape[1] - by])
    return [str(path) for path in paths]


def run(arguments: Sequence[str]) -> tuple[int, float, str]:
    """Status, peak memory in GB and messages of one run of the command line."""
    command = [sys.executable, "-m", "allfocus", "fuse", "--progress=json", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    return status, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9, said


def measure(name: str, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """What is planned, allowed and used."""
    status, used, said = run([*arguments, "-o", str(folder / "out.png")])
    planned = re.search(r'"memory": (\d+)', said)
    if status or planned is None:
        sys.exit(f"failed: {name}\n{said}")
    expected = int(planned[1]) / 1e9
    allowed = re.search(r"--max-memory=(\S+)GB", " ".join(arguments))
    row = {
        "stack": name,
        "planned_gb": expected,
        "allowed_gb": float(allowed[1]) if allowed else "",
        "used_gb": used,
        "used_by_planned": used / expected,
    }
    print(row, flush=True)
    return row


def least(arguments: Sequence[str], folder: Path) -> str:
    """The least memory that a fusion accepts, in GB, as its refusal names it; a tenth more, for it is rounded."""
    said = run([*arguments, f"--max-memory={TOO_LITTLE}GB", "-o", str(folder / "out.png")])[2]
    needed = re.search(r"needs about ([\d.]+) GB", said)
    return f"{float(needed[1]) + 0.1:.1f}" if needed else "0.5"


def cases(folder: Path, is_quick: bool) -> list[dict[str, Any]]:
    """Rows of all cases."""
    rows = []
    outputs = [*(f"--{name}={folder / name}.tif" for name in MAPS), f"--report={folder / 'report.html'}"]
    for count, width, height in SIZES[:1] if is_quick else SIZES:
        place = folder / f"{count}x{width}"
        numbers = map(str, (count, width, height))
        subprocess.run([sys.executable, HERE / "stack.py", place, *numbers], check=True)
        given = [str(path) for path in sorted(place.glob("*.jpg"))[:count]]
        shifted = moved(given, folder / f"{place.name}moved")
        name = f"{count} of {width * height / 1e6:.1f} MP"
        for how, frames, more in (
            ("", given, ["--align=none"]),
            (", aligned", shifted, []),
            (", aligned, all outputs", shifted, outputs),
        ):
            rows.append(measure(name + how, [*frames, *more], folder))
        limit = f"--max-memory={least([*shifted, *outputs], folder)}GB"
        rows.append(measure(f"{name}, aligned, all outputs, least memory", [*shifted, *outputs, limit], folder))
    return rows


def main() -> None:
    """Measure and write."""
    target, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rows = cases(folder, "--quick" in sys.argv)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
