"""``allfocus train`` at the door: what it refuses before any work."""

import sys
from pathlib import Path

import pytest

from allfocus.io import write_image
from allfocus.run.install import install_hint
from conftest import Cli
from pictures import picture


def test_train_without_its_extra_says_what_to_install(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("allfocus.train")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python does with None: no such module
    write_image(tmp_path / "photo.png", picture(100, 100))
    outcome = cli("train", tmp_path, "-o", tmp_path / "mine.onnx")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"error: training needs torch; {install_hint('train')}\n"


def test_what_is_wrong_with_the_names_is_said_before_torch_loads(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    gone, photo = tmp_path / "gone", tmp_path / "photo.png"
    write_image(photo, picture(100, 100))
    assert f"{gone} does not exist" in cli("train", gone, "-o", tmp_path / "mine.onnx").err
    assert "expected a name that ends in .onnx" in cli("train", photo, "-o", tmp_path / "mine.txt").err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["photo.png", "-o", "mine.txt"], "mine.txt: expected a name that ends in .onnx"),
        (["photo.png", "-o", "new/mine.onnx"], "new does not exist"),
        (["gone.png", "-o", "mine.onnx"], "gone.png does not exist"),
        (["photo.png", "-o", "mine.onnx", "--recipe", "gone.toml"], "recipe gone.toml can't be read"),
        (["photo.png", "-o", "mine.onnx", "--recipe", "wrong.toml"], "did you mean crop?"),
        (["photo.png", "-o", "mine.onnx", "--resume", "gone.pt"], "gone.pt"),
        (["garbage.png", "-o", "mine.onnx"], "garbage.png"),
    ],
)
def test_train_refuses_in_one_line(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, typed: list[str], words: str
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    write_image(Path("photo.png"), picture(100, 100))
    Path("garbage.png").write_bytes(b"no picture")
    Path("wrong.toml").write_text("[data]\ncrpo = 64\n")
    before = set(tmp_path.iterdir())
    outcome = cli("train", *typed, "--device", "cpu", "--quiet")
    assert outcome.code == (2 if "mine.txt" in typed else 1)
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert set(tmp_path.iterdir()) == before
