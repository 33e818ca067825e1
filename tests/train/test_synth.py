"""``allfocus synth``: scenes with their truth, the same for the same seed, and read by ``allfocus evaluate``."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from allfocus.bench.folders import find_scenes
from allfocus.core.color import Array
from conftest import Cli

pytest.importorskip("torch", reason="rendering needs the extra train")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    noise = np.random.default_rng(0).random((80, 96, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    cv2.imwrite(str(path), np.rint(255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())))
    return path


SMALL = ("--size", "72x64", "--frames", "3", "--blur", "3-6", "-q")


@pytest.fixture(scope="module")
def scenes(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one scene of each kind."""
    from allfocus.cli import main

    folder = tmp_path_factory.mktemp("synth") / "scenes"
    assert main(["synth", str(photo), "-o", str(folder), "-n", "3", "--seed", "7", *SMALL]) == 0
    return folder


def read(path: Path) -> Array:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in json.loads((folder / "scenes.json").read_text())}


def test_each_kind_has_its_files(scenes: Path) -> None:
    assert [*entries(scenes)] == ["veil/001", "layered/001", "shuffle/001"]
    for name, entry in entries(scenes).items():
        pictures = [*entry["frames"], entry["truth"], *entry["maps"].values()]
        assert all(read(scenes / path).shape[:2] == (64, 72) for path in pictures)
        assert len(entry["frames"]) == 3
        assert 3 <= entry["blur_radius"] <= 6
        assert ("depth" in entry["maps"]) == (name != "shuffle/001")
    assert read(scenes / "veil/001/depth.png").dtype == np.uint16
    assert len([*(scenes / "layered/001/veils").iterdir()]) == 3


def test_the_best_frame_shows_the_truth(scenes: Path) -> None:
    for name, most in (("shuffle/001", 0.51), ("veil/001", 12), ("layered/001", 12)):
        frames = np.stack([read(scenes / path) for path in entries(scenes)[name]["frames"]]).astype(np.float32)
        index, truth = read(scenes / name / "index.png"), read(scenes / name / "truth.png")
        best = np.take_along_axis(frames, index[None, ..., None].astype(np.int64), 0)[0]
        clear = np.ones(index.shape, bool)
        if name != "shuffle/001":
            clear = (read(scenes / name / "veil.png") == 0) & (read(scenes / name / "near_mask.png") % 255 == 0)
        error = np.abs(best - truth)[clear].mean()
        assert error <= most
        worst = np.abs(frames - truth).mean(axis=3)[:, clear].max(axis=0).mean()
        assert error < worst / 2


def test_near_things_are_near_and_veil_what_is_behind(scenes: Path) -> None:
    depth, near = read(scenes / "veil/001/depth.png"), read(scenes / "veil/001/near_mask.png")
    assert depth[near == 255].min() > 2 * depth[near == 0].max()
    last = read(scenes / "veil/001/veils/frame_02.png")  # focused on what is far
    assert last[near == 255].max() == 0
    beside = cv2.dilate(near, np.ones((5, 5), np.uint8)) > 250
    assert last[beside & (near == 0)].mean() > 20


def test_the_same_seed_gives_the_same_bytes_however_many_scenes(
    scenes: Path, photo: Path, tmp_path: Path, cli: Cli
) -> None:
    done = cli("synth", photo, "-o", tmp_path / "again", "-n", "1", "--kind", "veil", "--seed", "7", *SMALL)
    assert (done.code, done.err) == (0, "")
    for file in (tmp_path / "again" / "veil").rglob("*.png"):
        assert file.read_bytes() == (scenes / file.relative_to(tmp_path / "again")).read_bytes()
    assert cli("synth", photo, "-o", tmp_path / "other", "-n", "1", "--kind", "veil", "--seed", "8", *SMALL).code == 0
    truths = [(tmp_path / name / "veil/001/truth.png").read_bytes() for name in ("again", "other")]
    assert truths[0] != truths[1]


def test_16_bits_are_16_bits(photo: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("synth", photo, "-o", tmp_path / "deep", "-n", "1", "--bits", "16", *SMALL).code == 0
    frame = read(tmp_path / "deep/veil/001/frames/frame_00.png")
    assert frame.dtype == np.uint16
    assert (frame % 257 != 0).mean() > 0.5


def test_evaluate_finds_the_scenes(scenes: Path) -> None:
    found = find_scenes(scenes)
    assert [(scene.group, len(scene.frames), scene.border) for scene in found] == [
        ("veil", 3, 12),
        ("layered", 3, 12),
        ("shuffle", 3, 12),
    ]
    assert all(scene.truth is not None for scene in found)


@pytest.mark.slow
def test_evaluate_reads_it_at_once(scenes: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli("evaluate", scenes, "-o", tmp_path / "report", "--method", "laplacian", "-q")
    assert (done.code, done.err) == (0, "")
    assert "| shuffle/001 |" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--kind", "rain"], 2, "kind rain: expected some of veil, layered, shuffle"),
        (["--frames", "1"], 2, "frames 1: expected 2 to 64"),
        (["--frames", "5-3"], 2, "frames 5 to 3: expected 2 to 64, the smaller first"),
        (["--frames", "many"], 2, "frames many: expected a number, or two such as 2-8"),
        (["--size", "64.5"], 2, "size 64.5: expected whole numbers"),
        (["--size", "4096"], 2, "size 4096: expected 64 to 2048"),
        (["--blur", "90"], 2, "blur 90: expected 0.5 to 64"),
        (["--bits", "12"], 2, "bits 12: expected 8 or 16"),
        (["-n", "0"], 2, "n 0: expected 1 to 100000"),
    ],
)
def test_wrong_values_are_said_and_nothing_is_made(
    photo: Path, tmp_path: Path, cli: Cli, words: list[str], code: int, message: str
) -> None:
    done = cli("synth", photo, "-o", tmp_path / "scenes", *words)
    assert (done.code, message in done.err, [*tmp_path.iterdir()]) == (code, True, [])


def test_a_folder_that_holds_something_is_left_alone(photo: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    done = cli("synth", photo, "-o", tmp_path)
    assert (done.code, "holds something already" in done.err) == (1, True)
    done = cli("synth", tmp_path / "lost.png", "-o", tmp_path / "scenes")
    assert (done.code, "lost.png does not exist" in done.err) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
