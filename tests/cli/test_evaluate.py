"""``allfocus evaluate``: reports, pictures of other tools, and what it refuses."""

import json
from pathlib import Path

import pytest

from allfocus.io import write_image
from conftest import Cli
from pictures import picture, write_pair


def write_scenes(folder: Path) -> Path:
    frames = write_pair(folder, height=64, width=64)
    write_image(folder / "truth.png", picture(64, 64))
    names = [Path(frame).name for frame in frames]
    scenes = [{"name": f"group/{letter}", "frames": names, "truth": "truth.png"} for letter in "ab"]
    (folder / "scenes.json").write_text(json.dumps(scenes))
    return folder / "scenes.json"


def test_evaluate_writes_a_report_and_prints_its_tables(tmp_path: Path, cli: Cli) -> None:
    scenes = write_scenes(tmp_path)
    (tmp_path / "peers.csv").write_text("scene,method,psnr_db,ssim,ring_psnr_db\ngroup/a,other,12.34,,\n")
    typed = ["--method", "laplacian", "--only", "*/a", "--reference", tmp_path / "peers.csv"]
    outcome = cli("evaluate", scenes, "-o", tmp_path / "report", *typed)
    assert (outcome.code, outcome.err) == (0, "")
    assert "12.34" in outcome.out
    assert "group/b" not in outcome.out
    written = {path.name for path in (tmp_path / "report").iterdir()}
    assert {str(tmp_path / "report" / name) in outcome.out for name in written} == {True}
    assert "laplacian" in (tmp_path / "report" / "figures.csv").read_text()


def test_evaluate_measures_the_pictures_of_other_tools(tmp_path: Path, cli: Cli) -> None:
    scenes = write_scenes(tmp_path)
    (tmp_path / "theirs").mkdir()
    write_image(tmp_path / "theirs" / "group__a.png", picture(64, 64, seed=1))
    outcome = cli("evaluate", scenes, "-o", tmp_path / "report", "--results", f"them={tmp_path / 'theirs'}")
    assert outcome.code == 1  # there is no picture for the second scene
    assert outcome.err.startswith("error: 1 of 6 measurements failed")
    assert outcome.err.count("\n") == 1
    assert "them" in outcome.out


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["gone.json"], "gone.json can't be read"),
        (["scenes.json", "--only", "z*"], "none of 2 scenes is called like z*"),
        (["scenes.json", "--method", "magic"], "unknown method 'magic'"),
        (["scenes.json", "--results", "them"], "expected NAME=FOLDER"),
        (["scenes.json", "--reference", "gone.csv"], "gone.csv can't be read"),
        (["scenes.json", "-o", "new/report"], "new does not exist"),
    ],
)
def test_evaluate_refuses_in_one_line(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, typed: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path)
    outcome = cli("evaluate", *([] if "-o" in typed else ["-o", "report"]), *typed)
    assert (outcome.code, outcome.out) == (2 if "magic" in typed or "them" in typed else 1, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert not (tmp_path / "report").exists()
