"""The examples run as they stand, on the stack that ships and on a folder."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from allfocus.io import write_image
from pictures import focal_frames

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))

NOTEBOOKS = sorted(EXAMPLES[0].parent.glob("*.ipynb"))

#: Those that run in the fast part: a fusion, and a job.
QUICK = {"fuse_folder", "watch_a_job"}

#: Files that each example writes, and a line that it prints.
MADE = {
    "channels_and_slabs": ({"red.png", "green.png", "blue.png", "slab1.png", "slab2.png"}, "slab 2: "),
    "fuse_folder": ({"sharp.png", "index.png", "confidence.png"}, "the middle of the picture comes from f"),
    "options_from_toml": (
        {"sharp.png", "depth.png", "depth_in_colours.png", "macro.toml", "wrong.toml"},
        "did you mean method?",
    ),
    "paint_over": ({"retouched.png"}, "under the brush: "),
    "three_steps": ({"band.png", "hard.png", "stack.decision"}, "composed from the file it is the same: True"),
    "watch_a_job": ({"sharp.png", "index.png", "report.json"}, "cancelled; nothing was written"),
}


def run(example: Path, folder: Path, *arguments: str) -> str:
    """What an example prints in an interpreter of its own; warnings of renamed things are errors in it."""
    source = str(Path(__file__).parent.parent / "src")
    environment = {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "error::DeprecationWarning:__main__"}
    command = [sys.executable, str(example), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_listed() -> None:
    assert [example.stem for example in EXAMPLES] == sorted(MADE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem not in QUICK else []) for path in EXAMPLES],
    ids=lambda example: example.stem,
)
def test_an_example_runs_on_a_folder(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, stack = tmp_path / "here", tmp_path / "stack"
    folder.mkdir()
    stack.mkdir()
    for number, frame in enumerate(focal_frames(80, 120, 4)):
        write_image(stack / f"f{number}.png", frame)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [str(example), str(stack)])
    runpy.run_path(str(example), run_name="__main__")
    printed = capsys.readouterr().out
    files, line = MADE[example.stem]
    assert {path.name for path in folder.iterdir()} == files
    assert line in printed


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_without_a_folder_it_is_the_stack_that_ships(example: Path) -> None:
    assert len(list(runpy.run_path(str(example))["DEMO"].glob("frame*.webp"))) == 5


@pytest.mark.slow
def test_an_example_runs_without_a_folder_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for number, frame in enumerate(focal_frames(80, 120, 5)):
        write_image(tmp_path / f"small/frame{number}.webp", frame)
    source = (EXAMPLES[0].parent / "fuse_folder.py").read_text()
    small = source.replace('Path(allfocus.__file__).parent / "demo_stack"', 'Path("small")')
    assert small != source
    (tmp_path / "example.py").write_text(small)
    assert "of 5 frames by network" in run(tmp_path / "example.py", tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = (pytest.importorskip(name, reason="needs nbclient") for name in ("nbformat", "nbclient"))
    for number, frame in enumerate(focal_frames(80, 120, 3)):
        write_image(tmp_path / f"frame{number}.webp", frame)
    source = notebook.read_text()
    small = source.replace(json.dumps('Path(allfocus.__file__).parent / "demo_stack"')[1:-1], "Path()")
    assert small != source
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent / "src"))
    book = nbformat.reads(small, as_version=4)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        output.data for cell in book.cells if cell.cell_type == "code" for output in cell.outputs if "data" in output
    ]
    assert any("<figcaption>depth" in data.get("text/html", "") for data in shown)
    assert sum("image/png" in data for data in shown) == 2
    assert {"sharp.png", "index.png"} <= {path.name for path in tmp_path.iterdir()}
    assert all(not cell.get("outputs") for cell in json.loads(source)["cells"])  # committed without what was shown
