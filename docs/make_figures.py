"""Put what was measured, benchmarks/results/*.csv, into the tables of README and docs.

    python docs/make_figures.py           rewrites the tables
    python docs/make_figures.py --check   fails where a page shows other figures than those files

A table stands between `<!-- table NAME -->` and `<!-- end of table -->`; NAME is a key of TABLES. `make docs` and a
test check all of them.
"""

import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results"
MARKS = re.compile(r"(<!-- table ([\w-]+)[^>]*-->\n).*?(<!-- end of table -->)", re.DOTALL)

#: What methods and tools are called in tables.
TITLES = {
    "allfocus": "**allfocus**",
    "allfocus_halos_keep": "allfocus, `--halos keep`",
    "wta": "Laplacian rule",
    "openfocus_v3": "openfocus, its network V3",
}

#: Methods of the table in README.
SHORT = frozenset({"oracle", "allfocus", "allfocus_halos_keep", "wta", "openfocus_v3", "enfuse"})

Row = dict[str, str]


def rows(name: str) -> list[Row]:
    """The lines of one file of results."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(head: list[str], lines: list[list[str]], words: int = 1) -> str:
    """A Markdown table whose columns hold numbers, but for the first ones."""
    rule = "|" + "---|" * words + "---:|" * (len(head) - words)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def number(text: str) -> str:
    """A number to three digits, without an exponent."""
    return f"{float(text):.3g}" if float(text) < 1000 else f"{float(text):.0f}"


def speed() -> str:
    """What fusions cost, beside enfuse."""
    lines = [
        [row["stack"], *costs(row), *map(number, (row["enfuse_cpu_s"], row["times_enfuse"]))] for row in rows("speed")
    ]
    return table(["stack", "CPU s", "wall s", "peak MB", "enfuse, CPU s", "ratio"], lines)


def memory() -> str:
    """What memory is planned, allowed and used."""
    keys = ["planned_gb", "allowed_gb", "used_gb"]
    lines = [[row["stack"], *(number(row[key]) if row[key] else "" for key in keys)] for row in rows("memory")]
    return table(["stack", "planned, GB", "allowed, GB", "used, GB"], lines)


def peers() -> str:
    """What other tools cost on the same files."""
    lines = [[row["stack"], TITLES.get(row["tool"], row["tool"]).strip("*"), *costs(row)] for row in rows("peers")]
    return table(["stack", "tool", "CPU s", "wall s", "peak MB"], lines, 2)


def costs(row: Row) -> list[str]:
    """Time and memory of a row."""
    return [number(row[name]) for name in ("cpu_s", "wall_s", "peak_mb")]


def stages() -> str:
    """Where the time goes, by stage."""
    names = {
        **{name: name for name in ("decode", "pyramid levels", "network", "composition", "halos", "encode")},
        "start, alignment and all else": "all else",
        "all": "all",
        "pyramid": "pyramid",
    }
    lines = [
        [row["stack"], *(f"{1000 * float(row[name]):.0f}" for name in names), f"{float(row['times_pyramid']):.1f}"]
        for row in rows("stages")
    ]
    return table(["CPU ms a megapixel and frame", *names.values(), "all / pyramid"], lines)


def growth(by: str, title: str, count: str) -> Callable[[], str]:
    """What makes the table of how costs grow."""

    def make() -> str:
        some = [row for row in rows("growth") if row["by"] == by]
        lines = [
            [name, *(number(row[key]) for row in some)] for name, key in (("CPU s", "cpu_s"), ("peak MB", "peak_mb"))
        ]
        return table([title, *(number(row[count]) for row in some)], lines)

    return make


def quality(only: frozenset[str] | None = None) -> str:
    """PSNR over the Laplacian rule, and SSIM, of some methods or all."""
    groups = ["layered", "lightfield", "aymaz", "all"]
    lines = [
        [TITLES.get(row["method"], row["method"]), *(row[group] for group in groups), row["ssim"], row["scenes"]]
        for row in rows("quality")
        if only is None or row["method"] in only
    ]
    return table(["", *(f"{group} dB" for group in groups), "all SSIM", "scenes"], lines)


TABLES: dict[str, Callable[[], str]] = {
    "speed": speed,
    "peers": peers,
    "stages": stages,
    "memory": memory,
    "growth-frames": growth("frames", "frames of 3.1 MP", "frames"),
    "growth-megapixels": growth("megapixels", "megapixels of 3 frames", "mp"),
    "quality": quality,
    "quality-short": lambda: quality(SHORT),
}


def filled(text: str) -> str:
    """A page with its tables made anew."""
    return MARKS.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def stale() -> list[Path]:
    """Pages that show other figures than were measured."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    return [page for page, text in texts.items() if filled(text) != text]


def main() -> None:
    """Check, or write."""
    pages = stale()
    if "--check" in sys.argv[1:] and pages:
        names = ", ".join(str(page.relative_to(ROOT)) for page in pages)
        sys.exit(f"{names}: figures differ from benchmarks/results; run python docs/make_figures.py")
    for page in pages:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
