"""Linear DNG of RAW stacks: the same picture, with the white balance and the colours of the camera."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from allfocus.core.color import srgb_to_linear, to_unit
from allfocus.errors import WriteError
from allfocus.io import read_image, write_image
from allfocus.metadata.camera import CameraColours
from conftest import Cli
from pictures import write_pair
from raw_files import NEUTRAL, TO_XYZ, smooth_colors, write_dng

rawpy = pytest.importorskip("rawpy", reason="RAW needs the extra raw")

FUSE = ("--method", "laplacian", "--no-align", "--halos", "keep", "-q")

#: What a camera of colours far from sRGB's sees of X, Y and Z.
OTHER = ((0.9, -0.3, -0.1), (-0.4, 1.2, 0.2), (-0.1, 0.2, 0.6))


def write_stack(folder: Path, *, orientation: int = 1) -> list[Path]:
    paths = [folder / f"{k}.dng" for k in range(2)]
    for path in paths:
        write_dng(path, smooth_colors(), orientation=orientation)
    return paths


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_same_picture_opens_with_the_cameras_colours(tmp_path: Path, cli: Cli, orientation: int) -> None:
    paths = write_stack(tmp_path, orientation=orientation)
    done = cli("fuse", *paths, "-o", tmp_path / "x.dng", *FUSE)
    assert (done.code, done.err) == (0, "")
    assert cli("fuse", *paths, "-o", tmp_path / "x.tif", *FUSE).code == 0
    with rawpy.imread(str(tmp_path / "x.dng")) as raw, rawpy.imread(str(paths[0])) as first:
        assert raw.camera_whitebalance[:3] == pytest.approx(first.camera_whitebalance[:3], rel=1e-4)
        np.testing.assert_allclose(raw.color_matrix, first.color_matrix, atol=2e-3)
        light = raw.postprocess(
            use_camera_wb=True, output_bps=16, gamma=(1, 1), no_auto_bright=True, adjust_maximum_thr=0
        )
    wanted = read_image(tmp_path / "x.tif")
    assert light.shape == wanted.shape
    assert np.abs(light.astype(int) - wanted).max() <= 16
    again = srgb_to_linear(to_unit(read_image(tmp_path / "x.dng")))
    assert np.abs(again - to_unit(wanted)).max() < 5e-4


@pytest.mark.slow
def test_it_is_whole_by_the_book(tmp_path: Path, cli: Cli) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    assert cli("fuse", *write_stack(tmp_path), "-o", tmp_path / "x.dng", *FUSE).code == 0
    words = ["exiftool", "-validate", "-all", "-j", "-n", "-a", str(tmp_path / "x.dng")]
    (found,) = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert str(found["Validate"]).split()[0] == "0"  # neither errors nor warnings
    assert found["UniqueCameraModel"] == "Nobody Synthetic"
    assert found["PhotometricInterpretation"] == 34892
    assert found["DNGVersion"] == "1 4 0 0"
    assert [float(word) for word in found["AsShotNeutral"].split()] == pytest.approx(NEUTRAL, abs=1e-4)
    matrix = np.array([float(word) for word in found["ColorMatrix1"].split()]).reshape(3, 3)
    np.testing.assert_allclose(matrix, np.diag(NEUTRAL) @ np.linalg.inv(TO_XYZ), atol=2e-3)


def test_what_was_fused_is_no_frame_of_the_next_run(tmp_path: Path, cli: Cli) -> None:
    write_stack(tmp_path)
    for _ in range(2):
        done = cli("fuse", tmp_path, "-o", tmp_path / "x.dng", *FUSE)
        assert (done.code, done.err) == (0, "")


def test_colours_of_a_camera_come_back_by_what_develops_them() -> None:
    colours = CameraColours(white_balance=(2.0, 1.0, 1.5), from_xyz=OTHER)
    assert colours.from_linear(np.ones((1, 1, 3))).ravel() == pytest.approx((0.5, 1, 2 / 3))
    light = np.random.default_rng(0).uniform(0.3, 0.6, (4, 5, 3))
    matrix = np.array(OTHER) @ TO_XYZ
    develop = np.linalg.inv(matrix / matrix.sum(axis=1, keepdims=True))
    np.testing.assert_allclose((colours.from_linear(light) * (2.0, 1.0, 1.5)) @ develop.T, light, atol=1e-5)


def test_only_the_picture_of_raw_frames_is_dng(tmp_path: Path, cli: Cli) -> None:
    pair = write_pair(tmp_path)
    done = cli("fuse", *pair, "-o", tmp_path / "x.dng", *FUSE)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "DNG holds light in a camera's own colours, and these are frames that are not RAW; write .tif" in done.err
    raw = write_stack(tmp_path)
    done = cli("fuse", *raw, "-o", tmp_path / "x.tif", "--stereo", tmp_path / "y.dng", "-q")
    assert (done.code, "only the picture itself and slabs can be DNG" in done.err) == (1, True)
    assert not [*tmp_path.glob("[xy].*")]
    with pytest.raises(WriteError, match=r"x.dng can't be encoded: DNG holds light in a camera's own colours"):
        write_image(tmp_path / "x.dng", np.zeros((4, 5, 3), np.uint16))


def test_slabs_are_dng_too(tmp_path: Path, cli: Cli) -> None:
    paths = [*write_stack(tmp_path), tmp_path / "2.dng", tmp_path / "3.dng"]
    for path in paths[2:]:
        write_dng(path, smooth_colors())
    done = cli("fuse", *paths, "-o", tmp_path / "x.dng", "--slab", "2", *FUSE)
    assert (done.code, done.err) == (0, "")
    assert len([*tmp_path.glob("x*.dng")]) == 3
