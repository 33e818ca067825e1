"""The command line: what it writes and prints, how it stops, what it loads."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from allfocus import __version__
from allfocus.io import read_image, write_image
from allfocus.outputs.words import MUCH_OUT_OF_FOCUS, MUCH_VEILED, quality_notes
from allfocus.result import FusionResult, QualityMasks
from allfocus.run.install import install_hint
from conftest import Cli
from pictures import focused_pair, picture, write_pair

# --- fuse ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".png", "uint8"), (".png", "uint16"), (".tif", "uint16"), (".tif", "float32")]
)
def test_the_laplacian_rule_keeps_depth_and_channels_and_finds_the_sharp_halves(
    tmp_path: Path, cli: Cli, suffix: str, dtype: str, gray: bool
) -> None:
    frames = write_pair(tmp_path, suffix, gray=gray, dtype=dtype)
    out = tmp_path / f"out{suffix}"
    assert cli("fuse", "--method", "laplacian", *frames, "-o", out).code == 0
    sharp, fused = picture(gray=gray, dtype=dtype), read_image(out)
    assert (fused.dtype, fused.shape) == (sharp.dtype, sharp.shape)
    assert np.array_equal(fused[:, :16], sharp[:, :16])
    assert np.array_equal(fused[:, -16:], sharp[:, -16:])


def test_a_folder_is_fused_in_natural_order_and_the_maps_say_so(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    write_pair(folder)
    maps = ["--index-map", tmp_path / "map.png", "--confidence", tmp_path / "sure.tif"]
    outcome = cli("fuse", "--method", "laplacian", folder, "-o", tmp_path / "out.png", *maps)
    assert outcome.code == 0
    assert outcome.err == ""
    index_map, confidence = read_image(tmp_path / "map.png"), read_image(tmp_path / "sure.tif")
    assert (index_map.dtype, index_map.shape) == (np.uint8, (32, 48))
    assert (index_map[:, :16] == 0).all()  # img2, sharp on the left, comes before img10
    assert (index_map[:, -16:] == 1).all()
    assert (confidence.dtype, confidence.shape) == (np.uint16, (32, 48))
    summary, legend, note = outcome.out.splitlines()
    assert "2 frames, 48x32 RGB uint8, laplacian" in summary
    assert note == "note: alignment skipped: no two frames match (1 of 2)"  # each is blurred where the other is sharp
    assert legend == f"{tmp_path / 'map.png'}: 0 = img2.png, 1 = img10.png"


def test_masks_of_what_is_sharp_in_no_frame_and_what_is_veiled(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path, height=64, width=96)
    unsharp, veiled = tmp_path / "unsharp.png", tmp_path / "veiled.tif"
    outcome = cli("fuse", *frames, "-o", tmp_path / "out.png", "--out-of-focus", unsharp, "--veiled", veiled)
    assert outcome.code == 0
    for path, much, line in (
        (unsharp, MUCH_OUT_OF_FOCUS, "note: out of focus in every frame: "),
        (veiled, MUCH_VEILED, "note: veiled by the blur of nearer things: "),
    ):
        mask = read_image(path)
        assert (mask.dtype, mask.shape) == (np.uint8, (64, 96))
        assert set(np.unique(mask)) <= {0, 255}
        share = (mask > 0).mean()
        assert (f"{line}{share:.1%} of the picture" in outcome.out) == (share >= much)
    refused = cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "c.png", "--out-of-focus", unsharp)
    assert refused.code == 2
    assert "only the network" in refused.err
    assert not (tmp_path / "c.png").exists()


def test_the_gap_between_two_frames_is_named_by_their_files() -> None:
    nothing = np.zeros((10, 10), np.bool_)
    names = ("a.png", "b.png", "c.png")

    def told(share: float, gap: tuple[int, int] | None) -> list[str]:
        unsharp = np.arange(100).reshape(10, 10) < 100 * share
        quality = QualityMasks(out_of_focus=unsharp, veiled=nothing, gap=gap)
        empty = np.zeros((10, 10), np.float32)
        result = FusionResult(
            image=empty, index_map=empty, confidence=empty, names=tuple(names), method="network", quality=quality
        )
        return [f"{note} {note.frames}" for note in quality_notes(result)]

    assert "20.0% of the picture, most of it between frame 2 (b.png) and frame 3 (c.png)" in told(0.2, (1, 2))[0]
    assert told(0.2, (1, 2))[0].endswith("(1, 2)")
    assert "most of it next to frame 1 (a.png)" in told(0.2, (0, 0))[0]
    assert told(0.0, None) == told(0.01, (0, 1)) == []


def test_more_than_256_frames_need_an_index_map_of_16_bits(tmp_path: Path, cli: Cli) -> None:
    frames = np.full((300, 8, 8), 100, np.uint8)
    frames[299] = picture(8, 8, gray=True)
    tifffile.imwrite(tmp_path / "z.tif", frames, photometric="minisblack")
    maps = ["--index-map", tmp_path / "map.png"]
    outcome = cli("fuse", "--method", "laplacian", tmp_path / "z.tif", "-o", tmp_path / "out.png", *maps)
    assert outcome.code == 0
    index_map = read_image(tmp_path / "map.png")
    assert index_map.dtype == np.uint16
    assert (index_map == 299).all()
    assert "0 = z.tif page 1, 1 = z.tif page 2, ..., 299 = z.tif page 300" in outcome.out


def test_a_format_that_loses_depth_is_mentioned(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path, dtype="uint16")
    outcome = cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.jpg")
    assert outcome.code == 0
    assert "note: out.jpg: uint16 samples were rounded to uint8" in outcome.out


def test_quiet_prints_nothing(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path)
    outcome = cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5000), (5000, 3)])
@pytest.mark.parametrize("method", ["network", "laplacian"])
@pytest.mark.parametrize("gray", [False, True])
def test_pictures_of_any_shape_can_be_fused(
    tmp_path: Path, cli: Cli, size: tuple[int, int], method: str, gray: bool
) -> None:
    frames = write_pair(tmp_path, height=size[0], width=size[1], gray=gray)
    outcome = cli("fuse", "--method", method, *frames, "-o", tmp_path / "out.png")
    assert (outcome.code, outcome.err) == (0, "")
    fused, expected = read_image(tmp_path / "out.png"), read_image(Path(frames[0]))
    assert (fused.shape, fused.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_network_is_the_default_and_finds_the_sharp_halves(tmp_path: Path, cli: Cli, dtype: str) -> None:
    frames = write_pair(tmp_path, height=96, width=128, dtype=dtype)
    outcome = cli("fuse", *frames, "-o", tmp_path / "out.png")
    assert (outcome.code, outcome.err) == (0, "")
    assert ", network, " in outcome.out
    sharp, fused = picture(96, 128, dtype=dtype), read_image(tmp_path / "out.png")
    white = np.iinfo(dtype).max
    near, far = (read_image(Path(frame)) for frame in frames)
    distances = [np.abs(frame / white - sharp / white).mean() for frame in (near, far, fused)]
    assert fused.dtype == sharp.dtype
    assert distances[2] < min(distances[:2]) / 3


def test_an_older_output_is_replaced(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path)
    (tmp_path / "out.png").write_bytes(b"old")
    assert cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png").code == 0
    assert read_image(tmp_path / "out.png").shape == (32, 48, 3)


def test_the_pair_of_the_tests_is_what_it_says() -> None:
    sharp = picture()
    near, far = focused_pair(sharp)
    assert np.array_equal(near[:, :24], sharp[:, :24])
    assert np.array_equal(far[:, 24:], sharp[:, 24:])
    assert not np.array_equal(near[:, 24:], sharp[:, 24:])


# --- the program ---------------------------------------------------------------------------------


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").out == f"allfocus {__version__}\n"
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


# --- train, evaluate, demo ------------------------------------------------------------------------


def test_train_without_its_extra_says_what_to_install(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("allfocus.train")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python does with None: no such module
    outcome = cli("train", tmp_path, "-o", tmp_path / "mine.onnx")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"error: training needs torch; {install_hint('train')}\n"


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
    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert set(tmp_path.iterdir()) == before


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
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert not (tmp_path / "report").exists()


def test_demo_hands_its_folder_on_and_prints_the_report(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allfocus.demo.run", lambda folder, progress: f"all in {folder}")
    outcome = cli("demo", "-o", tmp_path / "demo")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"all in {tmp_path / 'demo'}\n", "")
    assert cli("demo", "-o", tmp_path / "demo", "--quiet").out == ""


# --- being stopped -------------------------------------------------------------------------------

#: Runs the program, but hangs where the given function is called, saying so.
#: A shell's background jobs start deaf to Ctrl-C, and so would what a test run among them starts.
HANGING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
def hang(*_, **__):
    print("hanging", flush=True)
    time.sleep(60)
import {module}
{module}.{name} = hang
from allfocus.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["os.fsync", "allfocus.jobs.register"])
def test_ctrl_c_half_way_leaves_nothing(tmp_path: Path, where: str, number: int) -> None:
    frames = write_pair(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    module, _, name = where.rpartition(".")
    program = [sys.executable, "-c", HANGING.format(module=module, name=name)]
    process = subprocess.Popen(
        [*program, "fuse", "--method", "laplacian", *frames, "-o", str(tmp_path / "out.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    during = sorted(path.name for path in tmp_path.iterdir())
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (len(during) > len(before)) == (where == "os.fsync")  # there was something to clean up


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_does_not_wait_for_the_workers(tmp_path: Path, number: int) -> None:
    frames = write_pair(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    program = [sys.executable, "-c", HANGING.format(module="allfocus.composition.compositor", name="blend_alike")]
    process = subprocess.Popen(
        [*program, "fuse", *frames, "-o", str(tmp_path / "out.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    started = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 5  # the workers would take a minute
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_closed_pipe_is_no_error_message(tmp_path: Path) -> None:
    frames = write_pair(tmp_path)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "allfocus", "fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (tmp_path / "out.png").exists()


def test_without_a_terminal_there_is_no_bar(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path)
    assert cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png").err == ""
