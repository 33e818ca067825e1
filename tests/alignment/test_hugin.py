"""Projects of Hugin: written so that Hugin warps as we do, and read with all that makes a homography."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.alignment import load_transforms
from allfocus.alignment.alignment import Alignment, make_identity
from allfocus.alignment.hugin import dump_project, make_matrix, read_project
from allfocus.alignment.motion import Matrix, make_motion, map_points, measure_displacement, to_pixels
from allfocus.errors import AlignmentError
from allfocus.options import MotionModel
from conftest import Cli

SIZE = (40, 60)

#: Parameters of motions, see `motion.GENERATORS`.
MOTIONS: dict[MotionModel, list[float]] = {
    "translation": [0.03, -0.02],
    "similarity": [0.03, -0.02, 0.1, 0.05],
    "affine": [0.03, -0.02, 0.01, 0.02, 0.003, 0.02],
    "homography": [0.03, -0.02, 0.01, 0.02, 0.0, 0.0, 0.02, -0.01],
}


def alignment_of(matrix: Matrix, model: MotionModel) -> Alignment:
    return replace(make_identity(2, reference=1), model=model, matrices=np.stack([matrix, np.eye(3)]))


@pytest.mark.parametrize("model", [*MOTIONS])
def test_motions_come_back(tmp_path: Path, model: MotionModel) -> None:
    matrix = to_pixels(make_motion(MOTIONS[model]), SIZE)
    text, error = dump_project(alignment_of(matrix, model), ["a.png", "b.png"], SIZE)
    (tmp_path / "t.pto").write_text(text)
    again = load_transforms(tmp_path / "t.pto", 2, SIZE)
    assert again.reference == 1
    apart = measure_displacement(again.matrices[0], matrix, SIZE).max()
    assert apart == pytest.approx(error, abs=1e-6)
    assert apart < (1e-6 if model in ("translation", "similarity") else 0.05)


def test_what_hugin_can_not_express_is_measured() -> None:
    stretch = np.diag([1.1, 1.0, 1.0])
    _, error = dump_project(alignment_of(stretch, "affine"), ["a", "b"], SIZE)
    assert 0.5 < error < 3


def project(*images: str, tail: str = "") -> str:
    return "\n".join(["# hugin project file", 'p f0 w60 h40 v50 n"TIFF"', "m i0", *images, tail, ""])


def test_links_of_hugin_are_followed_and_images_switched_off_left_out() -> None:
    text = project(
        '#-hugin  cropFactor=1\ni w60 h40 f0 v40 r5 p0 y1 d2 e0 a0 Va1 S0,60,0,40 Eev12.5 n"C:\\x y\\1 v99.jpg"',
        '#-hugin  cropFactor=1 disabled\ni w60 h40 f0 v=0 r0 p0 y0 n"2.jpg"',
        'i w60 h40 f0 v=0 r=0 p=0 y-1 TrX0.1 TrY0 TrZ-.05 n"3.jpg"',
    )
    document = read_project(text)
    first, second, third = (np.array(frame["matrix"]) for frame in document["frames"])
    assert (document["reference"], document["width"], document["height"]) == (0, 60, 40)
    np.testing.assert_allclose(first, np.eye(3), atol=1e-12)
    assert [frame["left_out"] is None for frame in document["frames"]] == [True, False, True]
    expected = [
        make_matrix({"v": 40, "r": 5, "y": 1, "d": 2}, SIZE),
        make_matrix({"v": 40}, SIZE),
        make_matrix({"v": 40, "r": 5, "y": -1, "TrX": 0.1, "TrZ": -0.05}, SIZE),
    ]
    for found, wanted in ((second, expected[1]), (third, expected[2])):
        assert measure_displacement(found @ expected[0], wanted, SIZE).max() < 1e-9


def test_the_reference_of_the_project_counts() -> None:
    images = ('i w60 h40 f0 v50 r0 p0 y0 n"1"', 'i w60 h40 f0 v50 r0 p0 y0 d3 n"2"')
    document = read_project(project(*images, tail="#hugin_optimizeReferenceImage 1"))
    assert document["reference"] == 1
    assert document["model"] == "translation"
    np.testing.assert_allclose(
        map_points(np.array(document["frames"][0]["matrix"]), np.zeros((1, 2))), [[-3, 0]], atol=1e-9
    )


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("i w60 h40 f2 v50", r"image 2 is not rectilinear \(f2\); only f0 can be used"),
        ("i w60 h40 f0 v50 b-0.01", r"image 2 has a lens distortion \(b-0.01\), which moves no picture as a whole"),
        ("i w60 h40 f0 v50 Tpy3", r"image 2 has a tilted plane \(Tpy3\)"),
        ("i w61 h40 f0 v50", "its images differ in size"),
        ("i w60 h40 f0 v=7", "v=7 stands for no earlier image"),
        ("i w60 h40 f0 v=0.5", "v=0.5 stands for no earlier image"),
        ("i w60 h40 f0", "image 2 has no size or no field of view"),
        ("i w60 h40 f0 v50 y120", "image 2 looks another way than the reference"),
        ("i w60 h40 f0 v50 d1e30", "expected a number from"),
    ],
)
def test_what_is_no_homography_is_refused_in_one_line(tmp_path: Path, image: str, words: str) -> None:
    path = tmp_path / "t.pto"
    path.write_text(project('i w60 h40 f0 v50 r0 p0 y0 n"1"', image))
    with pytest.raises(AlignmentError, match=words) as caught:
        load_transforms(path, 2, SIZE)
    assert "\n" not in str(caught.value)


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.pto"
    for content, words in ((b"{}", "no lines of images"), (b"\xff\xfe", "can't be read: not a text")):
        path.write_bytes(content)
        with pytest.raises(AlignmentError, match=words):
            load_transforms(path, 2, SIZE)
    path.write_text(project('i w60 h40 f0 v50 n"1"'))
    with pytest.raises(AlignmentError, match="is for 1 frames; the stack has 2"):
        load_transforms(path, 2, SIZE)


def moved_stack(folder: Path) -> list[Path]:
    """Two frames of one picture, the second turned and moved."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((140, 180, 3), np.float32), (0, 0), 2)
    base = np.rint(255 * (noise - noise.min()) / (noise.max() - noise.min())).astype(np.uint8)
    turned = cv2.warpAffine(base, cv2.getRotationMatrix2D((90, 70), 2, 1.01), (180, 140), flags=cv2.INTER_CUBIC)
    paths = [folder / "1.png", folder / "2.png"]
    for path, picture in zip(paths, (base, turned), strict=True):
        cv2.imwrite(str(path), picture[20:-20, 20:-20])
    return paths


@pytest.mark.slow
def test_a_project_is_written_and_used_again(tmp_path: Path, cli: Cli) -> None:
    base = (
        "fuse",
        *moved_stack(tmp_path),
        "--method",
        "laplacian",
        "--align",
        "similarity",
        "--halos",
        "keep",
        "-q",
        "--exposure",
        "keep",
    )
    assert cli(*base, "-o", tmp_path / "one.png", "--save-transforms", tmp_path / "t.pto").code == 0
    assert 'n"1.png"' in (tmp_path / "t.pto").read_text()
    done = cli(*base, "-o", tmp_path / "two.png", "--transforms", tmp_path / "t.pto")
    assert (done.code, done.err) == (0, "")
    one, two = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("one.png", "two.png"))
    assert one.shape == two.shape
    assert np.abs(one - two).max() <= 1


@pytest.mark.slow
def test_hugin_warps_as_we_do(tmp_path: Path, cli: Cli) -> None:
    if shutil.which("nona") is None:
        pytest.skip("needs nona, of the package hugin-tools")
    paths = moved_stack(tmp_path)
    words = ("align", *paths, "-o", tmp_path / "ours", "--save-transforms", tmp_path / "t.pto", "--format", "png", "-q")
    assert cli(*words).code == 0
    subprocess.run(
        ["nona", "-z", "NONE", "-m", "TIFF_m", "-o", "hugin", "t.pto"], cwd=tmp_path, check=True, capture_output=True
    )
    matrices = load_transforms(tmp_path / "t.pto", 2, (100, 140)).matrices
    for k, path in enumerate(paths):
        theirs = cv2.imread(str(tmp_path / f"hugin000{k}.tif"), cv2.IMREAD_UNCHANGED)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        ours = cv2.warpPerspective(cv2.imread(str(path)), matrices[k], (140, 100), flags=flags)
        inside = theirs[..., 3] > 0
        assert np.abs(theirs[..., :3].astype(int) - ours)[inside].mean() < 1.5  # another interpolation
