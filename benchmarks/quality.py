"""Means of a report for README and docs: python benchmarks/quality.py report/figures.csv, then docs/make_figures.py.

Means over the scenes with truth that at least half of the methods were measured on: PSNR over the Laplacian rule,
and SSIM; the last column says how many of them a method has. They are written to benchmarks/results/quality.csv.
"""

import csv
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

#: The first rows; `wta` is the Laplacian rule.
METHODS = {"oracle": "oracle", "network": "allfocus", "wta": "wta"}
GROUPS = ("layered", "lightfield", "aymaz")
TARGET = Path(__file__).parent / "results/quality.csv"


def means(rows: list[dict[str, str]]) -> list[list[str]]:
    """The lines of the file, of the rows of a report's CSV."""
    scores: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        if row["psnr_db"] and row["method"] not in ("laplacian", "classic"):
            over = float(row["psnr_db"]) - float(row["wta_psnr_db"])
            scores[row["method"]][row["scene"]] = over, float(row["ssim"])
    measured = Counter(scene for by_scene in scores.values() for scene in by_scene)
    for by_scene in scores.values():
        for scene in [scene for scene in by_scene if 2 * measured[scene] < len(scores)]:
            del by_scene[scene]
    others = sorted(set(scores) - set(METHODS), key=lambda name: -mean(over for over, _ in scores[name].values()))
    lines = [["method", *GROUPS, "all", "ssim", "scenes"]]
    for method, title in {**METHODS, **{name: name for name in others}}.items():
        cells = []
        for group in (*GROUPS, ""):
            some = [over for scene, (over, _) in scores[method].items() if scene.startswith(group)]
            cells.append(f"{mean(some):+.2f}" if some else "")
        ssim = mean(value for _, value in scores[method].values())
        lines.append([title, *cells, f"{ssim:.4f}", str(len(scores[method]))])
    return lines


def main() -> None:
    """Write the file."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with Path(sys.argv[1]).open(newline="", encoding="utf-8") as file:
        lines = means(list(csv.DictReader(file)))
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    print(TARGET)


if __name__ == "__main__":
    main()
