"""What the figures of many scenes come to: means with intervals, differences with tests, as CSV, LaTeX and Markdown."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np

from allfocus.bench.rows import WITH_TRUTH, WITHOUT_TRUTH, Row
from allfocus.metrics.statistics import RESAMPLES, SEED, Interval, adjust, bootstrap, signed_rank_test

#: Figures that are summed up; `closed` is a ratio of means, and stands in the tables alone.
FIGURES = tuple(name for name in (*WITH_TRUTH, *WITHOUT_TRUTH) if name != "closed")

#: Columns of the tables that papers print, their titles and decimals.
PRINTED = {
    True: {
        "psnr_db": ("PSNR", 2),
        "ssim": ("SSIM", 4),
        "ring_psnr_db": ("ring PSNR", 2),
        "ring_ssim": ("ring SSIM", 4),
    },
    False: {"q_w": ("$Q_W$", 4), "scd": ("SCD", 4), "q_g": ("$Q_G$", 4), "q_mi": ("$Q_{MI}$", 4), "viff": ("VIFF", 4)},
}

#: A difference is called one where chance gives a larger one less often than so.
SIGNIFICANT = 0.05

#: What LaTeX reads as more than a letter.
SPECIAL = {"\\": r"\textbackslash{}", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\textasciitilde{}", "^": r"\^{}"}

#: What stands above the table of differences, and in the LaTeX file.
METHOD = (
    f"Intervals: 95 %, percentile bootstrap over the scenes, {RESAMPLES} resamples, seed {SEED}. p: Wilcoxon's "
    "signed-rank test, two-sided, adjusted by Holm's rule for the tests of its group."
)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A figure of a method over the scenes of a group."""

    group: str
    method: str
    figure: str
    scenes: int
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far `method` is above `other` in a figure, over the scenes of a group that both have.

    Attributes:
        wins: scenes where it is the better one.
        p: of the paired test; `adjusted`: for the number of tests.
    """

    group: str
    method: str
    other: str
    figure: str
    scenes: int
    wins: int
    interval: Interval
    p: float
    adjusted: float = math.nan


def list_groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows with figures by their group, and all of them if there are several groups."""
    good = [row for row in rows if not row.error]
    groups = {name: [row for row in good if row.group == name] for name in dict.fromkeys(row.group for row in good)}
    return {**groups, "all": good} if len(groups) > 1 else groups


def list_methods(rows: Sequence[Row]) -> list[str]:
    """Methods in the order they first appear."""
    return list(dict.fromkeys(row.method for row in rows))


def get_figures(rows: Sequence[Row], method: str, figure: str) -> dict[str, float]:
    """What a method reached on each scene where the figure applies."""
    found = {row.scene: getattr(row, figure) for row in rows if row.method == method}
    return {scene: value for scene, value in found.items() if not math.isnan(value)}


def find_means(rows: Sequence[Row]) -> list[Mean]:
    """All means, by group, method and figure."""
    return [
        Mean(group=group, method=method, figure=figure, scenes=len(values), interval=bootstrap([*values.values()]))
        for group, members in list_groups(rows).items()
        for method in list_methods(members)
        for figure in FIGURES
        if (values := get_figures(members, method, figure))
    ]


def find_differences(rows: Sequence[Row]) -> list[Difference]:
    """The first method that is measured against each other one but the oracle, in each figure and group."""
    first = next((name for name in list_methods(rows) if name not in ("wta", "oracle")), None)
    found = []
    for group, members in list_groups(rows).items():
        others = [name for name in list_methods(members) if name not in (first, "oracle")] if first else []
        pairs = [compare(group, members, first or "", other, figure) for other in others for figure in FIGURES]
        known = [pair for pair in pairs if pair is not None]
        adjusted = adjust([each.p for each in known])
        found += [replace(each, adjusted=p) for each, p in zip(known, adjusted, strict=True)]
    return found


def compare(group: str, rows: Sequence[Row], method: str, other: str, figure: str) -> Difference | None:
    """Two methods in one figure; None unless they share two scenes."""
    first, second = (get_figures(rows, name, figure) for name in (method, other))
    apart = [first[scene] - second[scene] for scene in first if scene in second]
    apart = [value for value in apart if math.isfinite(value)]
    if len(apart) < 2:
        return None
    return Difference(
        group=group,
        method=method,
        other=other,
        figure=figure,
        scenes=len(apart),
        wins=sum(value > 0 for value in apart),
        interval=bootstrap(apart),
        p=signed_rank_test(apart),
    )


# --- CSV -----------------------------------------------------------------------------------------


def render_means_csv(means: Iterable[Mean]) -> str:
    """Means with the ends of their intervals."""
    head = ["group", "method", "figure", "scenes", "mean", "low", "high"]
    return render_csv(head, ([m.group, m.method, m.figure, m.scenes, *m.interval] for m in means))


def render_differences_csv(differences: Iterable[Difference]) -> str:
    """Differences with the ends of their intervals and their tests."""
    head = ["group", "method", "other", "figure", "scenes", "wins", "difference", "low", "high", "p", "p_holm"]
    lines = (
        [d.group, d.method, d.other, d.figure, d.scenes, d.wins, *d.interval, d.p, d.adjusted] for d in differences
    )
    return render_csv(head, lines)


def render_csv(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A CSV file; what is unknown is empty."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    for line in lines:
        writer.writerow([format_value(value) for value in line])
    return buffer.getvalue()


def format_value(value: object) -> object:
    """A cell of a CSV file; empty for what is unknown."""
    return ("" if math.isnan(value) else f"{value:.6g}") if isinstance(value, float) else value


# --- Markdown ------------------------------------------------------------------------------------


def list_differences(differences: Sequence[Difference]) -> list[list[str]]:
    """Lines of a table: group, methods, figure, scenes, difference, interval, wins, p."""
    return [
        [
            each.group,
            f"{each.method} - {each.other}",
            each.figure,
            str(each.scenes),
            f"{each.interval.mean:+.4g}",
            "" if math.isnan(each.interval.low) else f"{each.interval.low:+.4g} to {each.interval.high:+.4g}",
            f"{each.wins} of {each.scenes}",
            format_chance(each.adjusted),
        ]
        for each in differences
    ]


def format_chance(p: float) -> str:
    """A value of p as papers print it."""
    return "" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


# --- LaTeX ---------------------------------------------------------------------------------------


def render_latex(rows: Sequence[Row], differences: Sequence[Difference]) -> str:
    r"""A table for each group, with and without truth, for `\input` into a paper that loads booktabs.

    The best method but the oracle is bold; half widths of intervals stand behind the mean; a star marks methods that
    the first one differs from.
    """
    parts = [f"% made by allfocus evaluate; needs \\usepackage{{booktabs}}\n% {METHOD}"]
    for group, members in list_groups(rows).items():
        for has_truth, printed in PRINTED.items():
            chosen = [row for row in members if row.has_truth == has_truth]
            if chosen:
                parts.append(render_tabular(group, chosen, printed, differences))
    return "\n\n".join(parts) + "\n"


def render_tabular(
    group: str, rows: Sequence[Row], printed: dict[str, tuple[str, int]], differences: Sequence[Difference]
) -> str:
    """One table of means."""
    methods = list_methods(rows)
    values = {(m, f): bootstrap([*get_figures(rows, m, f).values()]) for m in methods for f in printed}
    marked = {(d.other, d.figure) for d in differences if d.group == group and d.adjusted < SIGNIFICANT}
    rivals = [method for method in methods if method != "oracle"]
    best = {
        figure: np.nanmax([-np.inf, *(round(values[method, figure].mean, places) for method in rivals)])
        for figure, (_, places) in printed.items()
    }
    lines = []
    for method in methods:
        cells = [escape(method)]
        for figure, (_, places) in printed.items():
            is_best = method != "oracle" and round(values[method, figure].mean, places) == best[figure]
            cells.append(format_cell(values[method, figure], places, is_best, (method, figure) in marked))
        lines.append(" & ".join(cells) + r" \\")
    titles = " & ".join(["method", *(title for title, _ in printed.values())])
    count = len({row.scene for row in rows})
    return "\n".join(
        [
            f"% {group}: {count} scenes",
            rf"\begin{{tabular}}{{l{'r' * len(printed)}}}",
            r"\toprule",
            rf"{titles} \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def format_cell(interval: Interval, places: int, is_best: bool, is_marked: bool) -> str:
    """A mean, the half width of its interval, and what it is marked with."""
    if math.isnan(interval.mean):
        return "--"
    number = f"{interval.mean:.{places}f}" if math.isfinite(interval.mean) else r"$\infty$"
    number = rf"\textbf{{{number}}}" if is_best else number
    width = (interval.high - interval.low) / 2
    spread = "" if math.isnan(width) else rf" {{\scriptsize$\pm${width:.{places}f}}}"
    return number + ("$^*$" if is_marked else "") + spread


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(SPECIAL.get(character, character) for character in text)
