"""The page of a batch: one file that shows every stack, failures first, from the disk and without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from allfocus.batch.summary import CSV
from allfocus.outputs.report.html import read_static, render_document, text
from allfocus.run.atomic import write_file

PAGE = "index.html"
STATIC = Path(__file__).parent / "static"
#: Columns: their titles, and whether they hold numbers.
HEADS = (
    ("", False), ("stack", False), ("state", False), ("confidence", True), ("out of focus", True), ("veiled", True),
    ("frames", True), ("size", True), ("seconds", True), ("memory", True), ("what to know", False),
)  # fmt: skip
#: The order of states.
ORDER = ("failed", "running", "waiting", "done")


def write_page(rows: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Write the page; returns where it is.

    Args:
        rows: of the ledger.
        out: the folder of outputs.

    Raises:
        WriteError: it can't be written.
    """
    write_file(out / PAGE, render(rows, out.name))
    return out / PAGE


def render(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """The page, with all thumbnails inside."""
    ordered = sorted(rows, key=lambda row: (ORDER.index(row["state"]), row["name"]))
    counts = {state: sum(row["state"] == state for row in rows) for state in ORDER}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    states = "".join(f'<option value="{state}">{state}</option>' for state in ORDER if counts[state])
    heads = "".join(make_head(name, is_number) for name, is_number in HEADS)
    body = f"""<h1>{text(title)}</h1>
<p>{len(rows)} stacks: {said or "none"}. The same as a table: <a href="{CSV}">{CSV}</a>.</p>
<div class="tools">
<label>Filter <input id="words" type="search" placeholder="name, reason, ..."></label>
<label>State <select id="state"><option value="">all</option>{states}</select></label>
<span id="shown" role="status"></span>
</div>
<div class="wide" tabindex="0" role="region" aria-label="table of stacks">
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{"".join(map(make_row, ordered))}</tbody>
</table>
</div>"""
    return render_document(
        f"{title} – focus stacks",
        body,
        read_static(STATIC / "batch.css"),
        script=read_static(STATIC / "batch.js"),
        without_script=".tools { display: none; }",
    )


def make_head(name: str, is_number: bool) -> str:
    """The head of one column; a click sorts by it."""
    kind = ' class="number"' if is_number else ""
    return (
        f'<th scope="col"{kind}><button type="button">{name}</button></th>' if name else '<th scope="col">picture</th>'
    )


def make_row(row: Mapping[str, Any]) -> str:
    """One stack."""
    facts, state = row["facts"], row["state"]
    outputs = {one["shows"]: one["path"] for one in row["outputs"]}
    link = outputs.get("image") or next(iter(outputs.values()), "")
    address = quote(link)
    name = f'<a href="{address}">{text(row["name"])}</a>' if link else text(row["name"])
    thumb = f'<img loading="lazy" alt="" src="{text(row["thumbnail"])}">' if row["thumbnail"] else ""
    width, height = facts.get("width"), facts.get("height")
    size = "" if not width else f"{width} × {height}"
    memory = row["peak_memory"]
    words = row["error"] if row["error"] else "; ".join(row["warnings"])
    cells = [
        f"<td>{f'<a href={chr(34)}{address}{chr(34)}>{thumb}</a>' if link and thumb else thumb}</td>",
        f'<td class="name">{name}{more_links(outputs, link)}</td>',
        f'<td class="state">{state}</td>',
        number(facts.get("confidence"), "{:.1%}"),
        number(facts.get("out_of_focus"), "{:.1%}"),
        number(facts.get("veiled"), "{:.1%}"),
        number(facts.get("frames"), "{}"),
        f'<td class="number" data-value="{width * height if width else ""}">{size}</td>',
        number(row["seconds"], "{:.1f}"),
        number(memory, "{:,.0f} MB", 1e-6),
        f'<td class="text">{text(" ".join(words.split()))}</td>',
    ]
    return f'<tr class="{state}" data-state="{state}">{"".join(cells)}</tr>\n'


def more_links(outputs: Mapping[str, str], picture: str) -> str:
    """Links to the maps and reports of a stack."""
    links = [f'<a href="{quote(path)}">{text(shows)}</a>' for shows, path in outputs.items() if path != picture]
    return f"<br><small>{', '.join(links)}</small>" if links else ""


def number(value: float | None, form: str, factor: float = 1) -> str:
    """A cell with a number, which is sorted by its value."""
    shown = "" if value is None else form.format(value * factor)
    return f'<td class="number" data-value="{"" if value is None else value}">{shown}</td>'
