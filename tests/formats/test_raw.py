"""RAW: one development for all frames, linear light kept in proportion, turned once, and clear words without rawpy."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from allfocus.core.color import Array, FloatArray, srgb_to_linear, to_unit
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.pixels import orient
from allfocus.formats.raw import make_encoding
from allfocus.io import describe_frames, find_kind, inspect_stack, read_frame, read_image, read_stack, write_image
from allfocus.run.install import install_hint
from conftest import Cli
from raw_files import smooth_colors, write_dng


def light(picture: Array) -> FloatArray:
    """Linear light in what was read."""
    return srgb_to_linear(to_unit(picture))


def test_values_are_those_of_the_scene(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", smooth_colors())
    picture = read_image(tmp_path / "a.dng")
    assert picture.dtype == np.uint16
    assert np.abs(light(picture) - smooth_colors())[4:-4, 4:-4].max() < 0.004


def test_frames_of_different_brightness_keep_their_ratio(tmp_path: Path) -> None:
    for position, share in enumerate((1.0, 0.5, 0.25)):
        write_dng(tmp_path / f"{position}.dng", smooth_colors() * share)
    frames = [light(frame)[4:-4, 4:-4] for frame in read_stack(sorted(tmp_path.iterdir())).frames]
    assert np.abs(frames[1] / frames[0] - 0.5).max() < 0.01
    assert np.abs(frames[2] / frames[0] - 0.25).max() < 0.01


def test_the_middle_frame_sets_white_balance_and_levels_for_all(tmp_path: Path) -> None:
    write_dng(tmp_path / "0.dng", smooth_colors(), claimed=(0.9, 1.0, 0.3), black=256)
    write_dng(tmp_path / "1.dng", smooth_colors())
    write_dng(tmp_path / "2.dng", smooth_colors(), claimed=(0.3, 1.0, 0.9))
    stack = read_stack([tmp_path / f"{k}.dng" for k in range(3)])
    for frame in stack.frames:
        assert np.abs(light(frame) - smooth_colors())[4:-4, 4:-4].max() < 0.004
    alone = light(read_image(tmp_path / "0.dng"))
    assert np.abs(alone - smooth_colors()).max() > 0.1  # by itself it would be taken at its word


def test_different_white_levels_do_not_change_the_scale(tmp_path: Path) -> None:
    write_dng(tmp_path / "0.dng", smooth_colors() * 0.5)
    write_dng(tmp_path / "1.dng", smooth_colors() * 0.5)
    with tifffile.TiffFile(tmp_path / "1.dng", mode="r+") as file:
        file.pages.first.tags[50717].overwrite(2048)
    one, other = (light(frame) for frame in read_stack([tmp_path / "1.dng", tmp_path / "0.dng"]).frames)
    assert np.abs(one - other).max() < 1e-4


def test_dark_frames_are_not_brightened(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", smooth_colors() * 0.01)
    assert np.abs(light(read_image(tmp_path / "a.dng")) - 0.01 * smooth_colors())[4:-4, 4:-4].max() < 5e-4


def test_what_is_too_bright_is_clipped_without_a_tint(tmp_path: Path) -> None:
    bright = np.full((64, 96, 3), 1.9, np.float32)
    write_dng(tmp_path / "a.dng", bright)
    assert (read_image(tmp_path / "a.dng")[8:-8, 8:-8] > 65000).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_exactly_once(tmp_path: Path, orientation: int) -> None:
    corner = np.full((64, 96, 3), 0.05, np.float32)
    corner[:32, :32] = 0.6
    write_dng(tmp_path / "a.dng", corner, orientation=orientation)
    seen, expected = light(read_image(tmp_path / "a.dng"))[..., 1], orient(corner[..., 1], orientation)
    assert seen.shape == expected.shape
    assert np.abs(seen - expected).mean() < 0.02
    write_dng(tmp_path / "b.dng", corner, orientation=orientation)
    assert inspect_stack([tmp_path / "a.dng", tmp_path / "b.dng"]).frame.size == expected.shape


def test_the_encoding_loses_less_than_two_steps_of_light() -> None:
    linear = np.arange(65536) / 65535
    back = srgb_to_linear(to_unit(make_encoding()))
    assert np.abs(back - linear).max() * 65535 < 2
    assert (np.diff(make_encoding().astype(int)) >= 0).all()
    assert make_encoding()[[0, 65535]].tolist() == [0, 65535]


def test_a_listing_says_that_it_was_light(tmp_path: Path) -> None:
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, smooth_colors())
    listing = inspect_stack([tmp_path / "a.dng", tmp_path / "b.dng"])
    assert listing.is_linear
    assert listing.frame.dtype == np.uint16
    assert read_frame(listing, 1).shape == listing.frame.shape
    assert {row.kind for row in describe_frames(listing)} == {"RAW"}
    write_image(tmp_path / "c.tif", read_image(tmp_path / "a.dng"))
    write_image(tmp_path / "d.tif", read_image(tmp_path / "a.dng"))
    assert not inspect_stack([tmp_path / "c.tif", tmp_path / "d.tif"]).is_linear


def test_a_dng_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", smooth_colors())
    (tmp_path / "a.dng").rename(tmp_path / "a.tif")
    assert find_kind(tmp_path / "a.tif") == "RAW"


def test_a_raw_file_that_is_cut_short_is_found_before_any_is_decoded(tmp_path: Path) -> None:
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, smooth_colors())
    data = (tmp_path / "b.dng").read_bytes()
    (tmp_path / "b.dng").write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match=r"b\.dng is cut short"):
        inspect_stack([tmp_path / "a.dng", tmp_path / "b.dng"])


@pytest.mark.parametrize("data", [b"FUJIFILMCCD-RAW " + bytes(4000), b"IIU\0" + bytes(range(256)) * 8])
def test_damaged_raw_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.raf").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.raf can't be read as RAW"):
        read_image(tmp_path / "a.raf")


def test_without_rawpy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, smooth_colors())
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[raw\]"):
        read_image(tmp_path / "a.dng")
    outcome = cli("fuse", tmp_path / "a.dng", tmp_path / "b.dng", "-o", tmp_path / "out.tif")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert f"a.dng is a RAW picture; to read it: {install_hint('raw')}" in outcome.err


def test_fuse_takes_raw(tmp_path: Path, cli: Cli) -> None:
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, smooth_colors())
    outcome = cli("fuse", tmp_path, "--method", "laplacian", "-o", tmp_path / "out.tif", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert read_image(tmp_path / "out.tif").dtype == np.uint16
