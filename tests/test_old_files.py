"""Files that version 0.1.0 wrote are opened, or refused in one line that says what to do."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import allfocus
from allfocus.io import read_image
from conftest import Cli

OLD = Path(__file__).parent / "files_of_0_1_0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files, in the current folder."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def test_a_decision_makes_its_picture(old: Path) -> None:
    registered = allfocus.align("frames", align="none")
    picture = allfocus.compose(registered, allfocus.load_decision("stack.decision")).image
    assert np.array_equal(picture, allfocus.fuse("frames", align="none", method="laplacian").image)


def test_transforms_register_as_they_did(old: Path, cli: Cli) -> None:
    outcome = cli("fuse", "frames", "-o", "again.png", "--method", "laplacian", "--transforms", "transforms.json")
    assert outcome.code == 0, outcome.err
    assert np.array_equal(read_image(old / "again.png"), read_image(old / "aligned.png"))


def test_a_project_makes_its_picture(old: Path, cli: Cli) -> None:
    outcome = cli("fuse", "--project", "stack.allfocus.json", "-o", "again.png")
    assert outcome.code == 0, outcome.err
    assert np.array_equal(read_image(old / "again.png"), read_image(old / "painted.png"))


def test_a_ledger_is_opened(old: Path) -> None:
    pytest.importorskip("distributed", reason="batches need the extra batch")
    from allfocus.batch.ledger import Ledger

    ledger = Ledger(old)
    ledger.close()
    with closing(sqlite3.connect(old / "ledger.sqlite")) as base:
        assert base.execute("select state from tasks").fetchall() == [("done",)]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("stack.allfocus.json", ["fuse", "--project", "stack.allfocus.json", "-o", "x.png"]),
        ("transforms.json", ["fuse", "frames", "--transforms", "transforms.json", "-o", "x.png"]),
    ],
)
def test_files_of_later_versions_are_refused_in_one_line(old: Path, cli: Cli, name: str, arguments: list[str]) -> None:
    text = (old / name).read_text()
    (old / name).write_text(text.replace("transforms 1", "transforms 9").replace("project 1", "project 9"))
    outcome = cli(*arguments)
    assert outcome.code == 1
    assert name in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (old / "x.png").exists()


def test_a_model_of_the_first_weeks_is_refused_with_its_version(old: Path, cli: Cli) -> None:
    outcome = cli("fuse", "frames", "--model", "format3.onnx", "-o", "x.png")
    assert outcome.code == 1
    assert "made by allfocus 0.1.0; update allfocus or train it again" in outcome.err


def test_a_model_makes_its_picture(old: Path, cli: Cli) -> None:
    assert allfocus.load_model(old / "tiny.onnx").card.version == "0.1.0"
    outcome = cli("fuse", "frames", "--model", "tiny.onnx", "--no-align", "-o", "sharp.png")
    assert outcome.code == 0, outcome.err
    made = read_image(old / "by_model.png").astype(int)
    assert np.abs(read_image(old / "sharp.png") - made).max() <= 1  # processors differ in the last bit of a convolution


@pytest.mark.slow
def test_training_goes_on_from_a_model(old: Path) -> None:
    pytest.importorskip("torch")
    from allfocus.train.onnx.weights import load_start

    start = load_start(old / "tiny.onnx")
    assert start.recipe.network.width == 8
    assert set(start.network().state_dict()) == set(start.weights)
