"""Write what was measured: CSV files, tables as Markdown and LaTeX, and an HTML page of crops."""

import math
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from allfocus.bench import summary
from allfocus.bench.page import render_page
from allfocus.bench.rows import WITH_TRUTH, WITHOUT_TRUTH, Row, closed_gap, failed, mean, read_reference
from allfocus.bench.summary import Difference
from allfocus.errors import WriteError
from allfocus.run.atomic import check_no_input, write_file

#: Names of the files a report consists of.
FILES = CSV_NAME, MARKDOWN_NAME, PAGE_NAME, MEANS_NAME, DIFFERENCES_NAME, LATEX_NAME = (
    *("figures.csv", "report.md", "crops.html"),
    *("means.csv", "differences.csv", "tables.tex"),
)

#: What columns are called in tables, and their decimals.
TITLES = {
    "psnr_db": ("PSNR dB", 2),
    "ssim": ("SSIM", 4),
    "ring_psnr_db": ("ring PSNR dB", 2),
    "ring_ssim": ("ring SSIM", 4),
    "closed": ("closed", 2),
    "q_w": ("Q_W", 4),
    "scd": ("SCD", 4),
    "q_g": ("Q_G", 4),
    "q_mi": ("Q_MI", 4),
    "viff": ("VIFF", 4),
    "seconds": ("CPU s", 2),
}

#: Figures that get a table of scenes by methods.
SCENE_TABLES = ("psnr_db", "ssim", "ring_psnr_db", "q_w", "scd")


def write_report(rows: Sequence[Row], folder: Path, *, reference: Path | None = None, repeat: str = "") -> list[Path]:
    """Write `figures.csv`, `report.md`, `crops.html`, `means.csv`, `differences.csv` and `tables.tex`.

    Args:
        rows: from `run.evaluate`.
        folder: where they go; made if its parent exists.
        reference: CSV of what others score (scene, method, psnr_db, ssim, ring_psnr_db), shown in the same tables.
        repeat: how to get the same figures, as Markdown, see `reproduce.describe_run`.

    Returns:
        The files written.

    Raises:
        ConfigError: the reference can't be read.
        WriteError: the folder or a file can't be written.
    """
    everything = [*rows, *(read_reference(reference, rows) if reference else [])]
    make_folder(folder)
    differences = summary.find_differences(everything)
    texts = {
        CSV_NAME: render_csv(everything),
        MARKDOWN_NAME: render_markdown(everything, differences, repeat),
        PAGE_NAME: render_page(rows),
        MEANS_NAME: summary.render_means_csv(summary.find_means(everything)),
        DIFFERENCES_NAME: summary.render_differences_csv(differences),
        LATEX_NAME: summary.render_latex(everything, differences),
    }
    for name, text in texts.items():
        write_file(folder / name, text)
    return [folder / name for name in texts]


def check_files(folder: Path, reference: Path | None, inputs: Sequence[Path]) -> None:
    """Find out before the work that a reference can't be read, or that the report would be written over an input.

    Raises:
        ConfigError: the reference can't be read.
        WriteError: a file of the report is one of the inputs.
    """
    if reference is not None:
        read_reference(reference, [])
    check_no_input([folder / name for name in FILES], [*inputs, *([] if reference is None else [reference])])


@contextmanager
def report_folder(folder: Path) -> Iterator[None]:
    """Make `folder` unless it is there; enter before long work, so that a wrong place is known at once.

    When the work fails, a folder that was made here goes again, unless there is something in it.

    Raises:
        WriteError: its parent is missing, it is a file, or it can't be written to.
    """
    is_new = not folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def make_folder(folder: Path) -> None:
    """Make `folder` unless it is there, and try to write to it; raises `WriteError` if that fails."""
    try:
        folder.mkdir(exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}.part"
        probe.touch()
        probe.unlink()
    except FileNotFoundError as error:
        raise WriteError(f"folder {folder.parent} does not exist; make it first") from error
    except FileExistsError as error:
        raise WriteError(f"{folder} is a file; name a folder for the report") from error
    except OSError as error:
        raise WriteError(f"folder {folder} can't be written to: {error.strerror}") from error


def render_csv(rows: Iterable[Row]) -> str:
    """All fields of all rows but the crops, as CSV; figures that do not apply are empty."""
    names = [field.name for field in fields(Row) if field.name != "crop"]
    return summary.render_csv(names, ([getattr(row, name) for name in names] for row in rows))


def render_markdown(rows: Sequence[Row], differences: Sequence[Difference] = (), repeat: str = "") -> str:
    """Tables of means by group, of differences over all groups, and of each scene, as a Markdown page."""
    good = [row for row in rows if not row.error]
    parts = ["# Benchmark", "Definitions and caveats: docs/benchmark.md. More is better, except for CPU seconds."]
    for has_truth, title, figures in ((True, "truth", WITH_TRUTH), (False, "no truth", WITHOUT_TRUTH)):
        chosen = [row for row in good if row.has_truth == has_truth]
        if not chosen:
            continue
        parts += [f"## Scenes with {title}", "### Means", _means(chosen, figures)]
        for figure in SCENE_TABLES:
            if figure in figures:
                parts += [f"### {TITLES[figure][0]} of each scene", _by_scene(chosen, figure)]
    parts += _differences([each for each in differences if each.group in ("all", *_only_group(good))])
    if any(row.source == "reference" for row in good):
        parts.append("† from the reference table, not measured here.")
    if failed(rows):
        parts += [
            "## Failures",
            _table(["scene", "method", "error"], [[r.scene, r.method, r.error] for r in failed(rows)]),
        ]
    return "\n\n".join([*parts, *([repeat] if repeat else [])]) + "\n"


def _differences(differences: Sequence[Difference]) -> list[str]:
    """The section that says which differences are more than chance."""
    if not differences:
        return []
    head = ["group", "methods", "figure", "scenes", "difference", "95 %", "wins", "p"]
    return ["## Differences", summary.METHOD, _table(head, summary.list_differences(differences))]


def _only_group(rows: Sequence[Row]) -> list[str]:
    """The group of all rows, where there is only one."""
    groups = list(dict.fromkeys(row.group for row in rows))
    return groups if len(groups) == 1 else []


def _means(rows: Sequence[Row], figures: Sequence[str]) -> str:
    """One line for each method in each group, then over all groups."""
    columns = [*figures, "seconds"]
    with_gain = "psnr_db" in figures
    head = ["group", "method", "scenes", *(["PSNR over wta dB"] if with_gain else [])]
    lines = []
    groups = list(dict.fromkeys(row.group for row in rows))
    for group in [*groups, *(["all"] if len(groups) > 1 else [])]:
        members = [row for row in rows if group in (row.group, "all")]
        total = len({row.scene for row in members})
        for label in _labels(rows):
            own = [row for row in members if _label(row) == label]
            if not own:
                continue
            count = f"{len(own)}" if len(own) == total else f"{len(own)} of {total}"
            gain = [_format(mean(row.psnr_db - row.wta_psnr_db for row in own), 2, signed=True)] if with_gain else []
            values = [_format(_average(own, name), TITLES[name][1]) for name in columns]
            lines.append([group, label, count, *gain, *values])
    return _table([*head, *(TITLES[name][0] for name in columns)], lines)


def _average(rows: Sequence[Row], figure: str) -> float:
    """Mean of a figure; for `closed` the ratio of means, since a scene with a tiny gap would drown the others."""
    if figure != "closed":
        return mean(getattr(row, figure) for row in rows)
    return closed_gap(
        *(mean(getattr(row, name) for row in rows) for name in ("psnr_db", "wta_psnr_db", "oracle_psnr_db"))
    )


def _by_scene(rows: Sequence[Row], figure: str) -> str:
    """Scenes by methods; the best but the oracle is bold."""
    labels = _labels(rows)
    decimals = TITLES[figure][1]
    lines = []
    for scene in dict.fromkeys(row.scene for row in rows):
        values = {_label(row): getattr(row, figure) for row in rows if row.scene == scene}
        rivals = [value for label, value in values.items() if label != "oracle" and not math.isnan(value)]
        best = _format(max(rivals), decimals) if rivals else ""
        cells = [_format(values.get(label, math.nan), decimals) for label in labels]
        marked = [f"**{c}**" if c and c == best and n != "oracle" else c for n, c in zip(labels, cells, strict=True)]
        lines.append([scene, *marked])
    return _table(["scene", *labels], lines)


def _label(row: Row) -> str:
    return f"{row.method} †" if row.source == "reference" else row.method


def _labels(rows: Iterable[Row]) -> list[str]:
    """Methods in the order they first appear: yardsticks, methods, results, references."""
    return list(dict.fromkeys(_label(row) for row in rows))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---" if k == 0 else "---:" for k in range(len(head))]
    body = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(head), rule, *body])


def _format(value: float, decimals: int, *, signed: bool = False) -> str:
    if math.isnan(value):
        return ""
    return f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
