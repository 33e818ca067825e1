"""``allfocus fuse``: what it writes, and what it says about it."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from allfocus.io import read_image
from allfocus.outputs.words import MUCH_OUT_OF_FOCUS, MUCH_VEILED, quality_notes
from allfocus.result import FusionResult, QualityMasks
from conftest import Cli
from pictures import focused_pair, picture, write_pair


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


@pytest.mark.slow
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

    def describe(share: float, gap: tuple[int, int] | None) -> list[str]:
        unsharp = np.arange(100).reshape(10, 10) < 100 * share
        quality = QualityMasks(out_of_focus=unsharp, veiled=nothing, gap=gap)
        empty = np.zeros((10, 10), np.float32)
        result = FusionResult(
            image=empty,
            index_map=nothing.astype(np.uint16),
            confidence=empty,
            names=names,
            method="network",
            quality=quality,
        )
        return [f"{note} {note.frames}" for note in quality_notes(result)]

    assert "20.0% of the picture, most of it between frame 2 (b.png) and frame 3 (c.png)" in describe(0.2, (1, 2))[0]
    assert describe(0.2, (1, 2))[0].endswith("(1, 2)")
    assert "most of it next to frame 1 (a.png)" in describe(0.2, (0, 0))[0]
    assert describe(0.0, None) == describe(0.01, (0, 1)) == []


@pytest.mark.slow
def test_more_than_256_frames_need_an_index_map_of_16_bits(tmp_path: Path, cli: Cli) -> None:
    frames = np.full((300, 8, 8), 100, np.uint8)
    frames[299] = picture(8, 8, gray=True)
    tifffile.imwrite(tmp_path / "z.tif", frames, photometric="minisblack")
    maps = ["--index-map", tmp_path / "map.png"]
    outcome = cli("fuse", "--method", "laplacian", "--no-align", tmp_path / "z.tif", "-o", tmp_path / "out.png", *maps)
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


@pytest.mark.parametrize(
    "size", [(1, 1), *(pytest.param(size, marks=pytest.mark.slow) for size in ((1, 2), (3, 5000), (5000, 3)))]
)
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


@pytest.mark.parametrize("dtype", ["uint8", pytest.param("uint16", marks=pytest.mark.slow)])
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


def test_without_a_terminal_there_is_no_bar(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path)
    assert cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png").err == ""
