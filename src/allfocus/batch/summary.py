"""What came of a batch, as a table: summary.csv, and summary.parquet where pyarrow is installed."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from allfocus.run.atomic import fill_file, write_file

CSV, PARQUET = "summary.csv", "summary.parquet"
#: Columns that are numbers.
NUMBERS = (
    "frames", "used", "pictures", "width", "height", "confidence", "out_of_focus", "veiled", "seconds", "cpu_seconds",
    "peak_memory", "attempts",
)  # fmt: skip
#: All columns, in their order.
COLUMNS = (
    "name",
    "state",
    *NUMBERS,
    "method",
    "alignment",
    "worker",
    "ended",
    "picture",
    "warnings",
    "error",
    "first_frame",
    "sha256",
)


def summarize(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the table, from a row of the ledger."""
    facts, outputs, inputs = row["facts"], row["outputs"], row["inputs"]
    picture = next((one for one in outputs if one["shows"] == "image"), outputs[0] if outputs else {})
    found = {**{name: facts.get(name) for name in COLUMNS}, **{name: row[name] for name in COLUMNS if name in row}}
    found["warnings"] = "; ".join(row["warnings"])
    found["error"] = " ".join(row["error"].split())
    found["picture"], found["sha256"] = picture.get("path", ""), picture.get("sha256", "")
    found["ended"] = (
        "" if row["ended"] is None else datetime.fromtimestamp(row["ended"], UTC).isoformat(timespec="seconds")
    )
    found["first_frame"] = inputs[0][0] if inputs else ""
    for name in ("seconds", "cpu_seconds"):
        found[name] = None if found[name] is None else round(found[name], 3)
    return found


def write_tables(lines: Sequence[Mapping[str, Any]], out: Path) -> list[Path]:
    """Write the tables; returns where they are.

    Raises:
        WriteError: one can't be written.
    """
    write_file(out / CSV, make_csv(lines))
    if find_spec("pyarrow") is None:
        return [out / CSV]
    write_parquet(lines, out / PARQUET)
    return [out / CSV, out / PARQUET]


def make_csv(lines: Iterable[Mapping[str, Any]]) -> str:
    """The table as RFC 4180 has it, in which no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for line in lines:
        table.writerow(["" if line[name] is None else tame(line[name]) for name in COLUMNS])
    return text.getvalue()


def tame(value: Any) -> Any:
    """A text that spreadsheets take for a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def write_parquet(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = ("frames", "used", "pictures", "width", "height", "peak_memory", "attempts")
    kinds = {
        name: pa.int64() if name in whole else pa.float64() if name in NUMBERS else pa.string() for name in COLUMNS
    }
    table = pa.table({name: pa.array([line[name] for line in lines], kind) for name, kind in kinds.items()})
    fill_file(path, lambda file: pq.write_table(table, file))
