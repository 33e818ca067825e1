"""The program as a whole: its help, its version, wrong usage."""

import platform
import subprocess
import sys

import pytest

from allfocus import __version__
from conftest import Cli


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


@pytest.mark.parametrize(("typed", "words"), [("fues", "Did you mean 'fuse'"), ("--nonsense", "No such option")])
def test_wrong_usage_is_one_line_and_exit_2(cli: Cli, typed: str, words: str) -> None:
    outcome = cli(typed)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from allfocus.cli import main; main(['--help']); main(['fuse', '--help']);"
        "heavy = {'torch', 'onnxruntime', 'cv2', 'numpy', 'PIL', 'tifffile'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
