"""The program as a whole: its help, its version, wrong usage."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from allfocus import __version__
from allfocus.cli import main
from allfocus.io import write_image
from conftest import Cli
from pictures import picture


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").out == f"allfocus {__version__}\n"
    said = cli("--version", "--verbose").out
    assert said.startswith(f"allfocus {__version__}\nPython {platform.python_version()}")
    assert all(
        word in said for word in (platform.platform(), "processors: ", " GB free of ", "numpy 2", "ExecutionProvider")
    )
    assert "pytest" not in said
    assert cli("--verbose").code == 2
    for typed in ([], ["--help"]):
        outcome = cli(*typed)
        assert outcome.code == 0
        assert all(command in outcome.out for command in ("fuse", "train", "evaluate", "demo"))
    help_of_fuse = cli("fuse", "--help").out
    assert all(panel in help_of_fuse for panel in ("Fusion", "Alignment", "More output", "Time and memory"))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("allfocus ba", {"batch"}),
        ("allfocus fuse --halo", {"--halos"}),
        ("allfocus fuse stack --halos ", {"remove", "keep"}),
        ("allfocus align x --align tr", {"translation"}),
    ],
)
def test_a_shell_that_asks_is_told_what_may_follow(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, typed: str, offered: set[str]
) -> None:
    words = {
        "bash": {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": typed},
        "fish": {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    for shell, given in words.items():
        monkeypatch.setenv("_ALLFOCUS_COMPLETE", f"complete_{shell}")
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        outcome = cli()
        assert (outcome.code, outcome.err) == (0, "")
        found = set(re.findall(r"(?<![\w-])(?:--)?[a-z][a-z-]+", re.sub(r"_arguments", "", outcome.out)))
        assert offered <= found, (shell, outcome.out)
        assert "usage" not in outcome.out.lower()


@pytest.mark.parametrize(("typed", "words"), [("fues", "Did you mean 'fuse'"), ("--nonsense", "No such option")])
def test_wrong_usage_is_one_line_and_exit_2(cli: Cli, typed: str, words: str) -> None:
    outcome = cli(typed)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ("allfocus tr", ["train"]),
        ("allfocus fuse --meth", ["--method"]),
        ("allfocus fuse --method ", ["network", "laplacian"]),
        ("allfocus fuse --compose h", ["hard"]),
    ],
)
def test_shells_are_told_what_can_be_typed_next(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: str, answers: list[str]
) -> None:
    asked = {"_ALLFOCUS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 0
    assert capfd.readouterr().out.split() == answers


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from allfocus.cli import main; main(['--help']); main(['fuse', '--help']);"
        "heavy = {'torch', 'onnxruntime', 'cv2', 'numpy', 'PIL', 'tifffile'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["fuse", "a.png", "-o", "x.xyz"], 2),
        (["fuse", "a.png", "-o", "x.png", "--options", "wrong.toml"], 2),
        (["fuse", "a.png", "-o", "x.png", "--options", "wrong.json"], 2),
        (["fuse", "a.png", "-o", "x.png", "--options", "gone.toml"], 1),
        (["align", "a.png", "-o", "out", "--options", "wrong.toml"], 2),
        (["batch", ".", "-o", "out", "--dry-run", "--index-map", "m.jpg"], 2),
        (["watch", ".", "-o", "out", "--index-map", "m.jpg"], 2),
        (["watch", ".", "-o", "out", "--name", "{foo}"], 2),
        (["watch", ".", "-o", "out", "--outputs", "foo"], 2),
    ],
)
def test_a_wrong_value_is_exit_2_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, typed: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, picture(16, 24))
    (tmp_path / "wrong.toml").write_text('methd = "network"')
    (tmp_path / "wrong.json").write_text('{"max_memory": "abc"}')
    outcome = cli(*[word for part in typed for word in ([part, "b.png"] if part == "a.png" else [part])])
    assert outcome.code == code, outcome.err
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_fits_a_terminal_or_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    from allfocus.run.tables import draw_table

    titles, rows = (
        ["", "stack", "size", "profile", "pixel in µm"],
        [["1", "a long name of a stack", "80x60", "", "0.5"]],
    )
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    for width, is_table in (("80", True), ("40", True), ("30", False)):
        monkeypatch.setenv("COLUMNS", width)
        drawn = re.sub(r"\x1b\[[\d;]*m", "", draw_table(titles, rows))
        assert "profile" not in drawn  # nothing is known of it
        assert "pixel in µm" in drawn  # never cut
        assert drawn.startswith("   stack") == is_table
    assert drawn == "1, stack a long name of a stack, size 80x60, pixel in µm 0.5"
