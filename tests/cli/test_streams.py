"""Streams that are closed, full or broken: the picture is made all the same, and the exit code says what happened."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Cli
from pictures import write_pair


def run(folder: Path, redirection: str, *more: str) -> subprocess.CompletedProcess[str]:
    """The command line in a shell, with its streams redirected; the exit code is that of allfocus."""
    frames = [str(folder / name) for name in ("img2.png", "img10.png")]
    typed = ["fuse", *frames, "--method", "laplacian", "-o", str(folder / "o.png"), *more]
    words = " ".join(f"'{word}'" for word in [sys.executable, "-m", "allfocus", *typed])
    return subprocess.run(
        ["bash", "-c", f"{words} {redirection}; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code"),
    [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), ("2>/dev/full", 0), (">/dev/full", 1), ("| true", None)],
)
def test_the_picture_is_made_whatever_becomes_of_the_streams(
    tmp_path: Path, redirection: str, code: int | None
) -> None:
    write_pair(tmp_path)
    done = run(tmp_path, redirection)
    assert done.returncode in ((0, 141) if code is None else (code,))  # a pipe may be closed before or after
    assert (tmp_path / "o.png").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["img10.png", "img2.png", "o.png"]
    if redirection == ">/dev/full":
        assert done.stderr == "error: stdout: No space left on device; all else was done\n"
    elif "2>" not in redirection:
        assert done.stderr == ""


@pytest.mark.slow
def test_progress_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path)
    assert run(tmp_path, "2>&1 >/dev/null | true", "--progress", "json", "--max-memory", "2GB").returncode == 0
    assert (tmp_path / "o.png").is_file()


@pytest.mark.parametrize(
    "typed", [("fuse", ""), ("fuse", "{a}", "{b}", "-o", ""), ("fuse", "{a}", "{b}", "--model=", "-o", "{o}")]
)
def test_an_empty_word_is_wrong_usage(tmp_path: Path, cli: Cli, typed: tuple[str, ...]) -> None:
    a, b = write_pair(tmp_path)
    outcome = cli(*(word.format(a=a, b=b, o=tmp_path / "o.png") for word in typed))
    assert outcome.code == 2
    assert "an argument is empty" in outcome.err


@pytest.mark.parametrize("field", ["model", "spool", "transforms"])
@pytest.mark.parametrize("value", ["", "a\\u0000b"])
def test_an_empty_field_of_an_option_file_is_one_line(tmp_path: Path, cli: Cli, field: str, value: str) -> None:
    a, b = write_pair(tmp_path)
    (tmp_path / "o.json").write_text(f'{{"{field}": "{value}"}}')
    outcome = cli("fuse", a, b, "-o", tmp_path / "o.png", "--options", tmp_path / "o.json")
    assert outcome.code == 2
    assert f"{field}: expected a path" in outcome.err


def test_links_in_a_circle_are_one_line(tmp_path: Path, cli: Cli) -> None:
    a, b = write_pair(tmp_path)
    for one, other in (("x.png", "y.png"), ("y.png", "x.png")):
        (tmp_path / one).symlink_to(other)
    outcome = cli("fuse", a, tmp_path / "x.png", "-o", tmp_path / "o.png")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    outcome = cli("fuse", a, b, "-o", tmp_path / "x.png")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert (tmp_path / "x.png").is_symlink()


def test_a_file_that_says_how_to_fuse_is_never_written_to(tmp_path: Path, cli: Cli) -> None:
    a, b = write_pair(tmp_path)
    (tmp_path / "o.json").write_text('{"method": "laplacian"}')
    typed = ("fuse", a, b, "-o", tmp_path / "o.png", "--options", tmp_path / "o.json")
    for flag in ("--report", "--save-transforms"):
        outcome = cli(*typed, flag, tmp_path / "o.json")
        assert outcome.code == 1
        assert "o.json is one of the frames, or of the files that say" in outcome.err
    assert (tmp_path / "o.json").read_text() == '{"method": "laplacian"}'
