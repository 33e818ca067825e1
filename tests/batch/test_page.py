"""The table and the page of a batch: what they say, in what order, and that nothing in them is taken for code."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from allfocus.batch.page import render
from allfocus.batch.summary import COLUMNS, make_csv, summarize, write_tables

HOSTILE = "<script>alert(1)</script>&\"'=\n.png"


def row(name: str, state: str = "done", **more: Any) -> dict[str, Any]:
    facts = {"frames": 3, "width": 40, "height": 30, "confidence": 0.75, "out_of_focus": 0.125}
    outputs = [{"path": name, "shows": "image", "bytes": 1, "sha256": "00"}]
    plain = {"told_by": "folders", "inputs": [["/in/a.png", 1, 2, ""]], "attempts": 1, "seconds": 1.5, "cpu_seconds": 1}
    known = {"ended": 1e9, "peak_memory": 10**8, "worker": "0", "warnings": [], "thumbnail": "data:x", "error": ""}
    return {"name": name, "state": state, "facts": facts, "outputs": outputs, **plain, **known, **more}


def test_failures_come_first_and_say_why() -> None:
    rows = [row("a.png"), row("z.png", "failed", error="frame 2 is cut\nshort", outputs=[], facts={}, thumbnail="")]
    page = render(rows, "night")
    assert page.index("z.png") < page.index("a.png")
    assert "frame 2 is cut short" in page
    assert "75.0%" in page
    assert "12.5%" in page


def test_names_are_no_code_and_nothing_is_loaded() -> None:
    page = render([row(HOSTILE, warnings=[HOSTILE], error=HOSTILE)], HOSTILE)
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert "'sha256-" in page
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "onclick" not in page
    assert "%3Cscript%3E" in page


def test_the_table_has_a_line_for_each_stack_and_no_formulas() -> None:
    rows = [row("a.png", warnings=["one", "two"]), row("=cmd()", "failed", error="x\ny", ended=None, seconds=None)]
    lines = list(csv.DictReader(io.StringIO(make_csv(map(summarize, rows)))))
    assert [tuple(line) for line in lines] == [COLUMNS, COLUMNS]
    assert (lines[0]["warnings"], lines[0]["confidence"], lines[0]["sha256"]) == ("one; two", "0.75", "00")
    assert lines[1]["name"] == "'=cmd()"
    assert (lines[1]["error"], lines[1]["seconds"]) == ("x y", "")


def test_parquet_holds_the_same_where_pyarrow_is_installed(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    files = write_tables([summarize(row("a.png"))], tmp_path)
    assert [path.name for path in files] == ["summary.csv", "summary.parquet"]
    assert parquet.read_table(files[1]).to_pylist()[0]["confidence"] == 0.75
