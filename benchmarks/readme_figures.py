"""Put the means of a report into the README: python benchmarks/readme_figures.py report/figures.csv README.md.

Means over the scenes with truth that at least half of the methods were measured on: PSNR over the Laplacian rule,
and SSIM; the last column says how many of them a method has.
"""

import csv
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

#: Rows of the table, best known first; `wta` is the Laplacian rule.
METHODS = {"oracle": "oracle", "network": "**allfocus**", "wta": "Laplacian rule"}
GROUPS = ("layered", "lightfield", "aymaz")
MARKS = re.compile(r"(<!-- figures.*?-->\n).*?(<!-- end of figures -->)", re.DOTALL)


def table(rows: list[dict[str, str]]) -> str:
    """The Markdown table of the rows of a report's CSV."""
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
    names = {**METHODS, **{name: name for name in others}}
    lines = [
        "| | " + " | ".join(f"{group} dB" for group in GROUPS) + " | all dB | all SSIM | scenes |",
        "|---|" + "---:|" * (len(GROUPS) + 3),
    ]
    for method, title in names.items():
        cells = []
        for group in (*GROUPS, ""):
            some = [over for scene, (over, _) in scores[method].items() if scene.startswith(group)]
            cells.append(f"{mean(some):+.2f}" if some else "")
        ssim = mean(value for _, value in scores[method].values())
        lines.append(f"| {title} | {' | '.join(cells)} | {ssim:.4f} | {len(scores[method])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite the README's table."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    report, readme = map(Path, sys.argv[1:])
    with report.open(newline="", encoding="utf-8") as file:
        figures = table(list(csv.DictReader(file)))
    text = readme.read_text(encoding="utf-8")
    readme.write_text(MARKS.sub(lambda found: f"{found[1]}{figures}{found[2]}", text), encoding="utf-8")
    print(figures)


if __name__ == "__main__":
    main()
