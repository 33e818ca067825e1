"""What a photographer types: outputs beside the picture, slabs, reports, a dry run, aligned frames, kept metadata."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import to_unit
from allfocus.errors import ConfigError
from allfocus.io import linear_srgb_profile, read_image, read_metadata, srgb_profile, write_image
from allfocus.outputs.slabs import parse_slabs
from allfocus.outputs.wishes import Outputs, add_listed
from conftest import Cli
from moved_scenes import make_parameters, move_camera, scene
from pictures import focal_frames
from raw_files import write_dng
from scenes import still_life, tilted_plane

#: A fusion of nothing but its rule, for what is not about registration or halos.
QUICK = ["--method", "laplacian", "--no-align", "--halos", "keep"]

MAKE, SOFTWARE, DESCRIPTION, ORIENTATION = 0x010F, 0x0131, 0x010E, 0x0112


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of a receding scene, each a little larger than the one before."""
    folder = tmp_path_factory.mktemp("made")
    for k, frame in enumerate(tilted_plane(still_life(2), 5, 12.0)):
        seen = frame[:, :160]
        after, _ = move_camera(seen, make_parameters(0.01 * (k - 2), 0, 0, seen.shape[:2]))
        write_image(folder / f"img{k}.png", after)
    return folder


@pytest.fixture
def stack(made: Path, tmp_path: Path) -> Path:
    """A copy of these frames that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "stack"))


@pytest.mark.slow
def test_outputs_are_named_after_the_picture(stack: Path, tmp_path: Path, cli: Cli) -> None:
    base = ["fuse", *QUICK, stack, "-o", tmp_path / "sharp.jpg"]
    outcome = cli(*base, "--outputs", "index, confidence", "--confidence", tmp_path / "mine.tif")
    assert outcome.code == 0, outcome.err
    made = {path.name for path in tmp_path.iterdir()} - {"stack"}
    assert made == {"sharp_index.png", "mine.tif"}  # the picture is not in the list
    assert cli(*base, "--outputs", "image,index").code == 0
    assert (tmp_path / "sharp.jpg").exists()
    assert cli(*base, "--outputs", "index", "--slab", "3:1").code == 0
    assert (tmp_path / "sharp_slab02.jpg").exists()
    wrong = cli(*base, "--outputs", "image,depths")
    assert wrong.code == 2
    assert "outputs 'depths': expected some of image, index" in wrong.err


def test_outputs_beside_ome_tiff_are_ome_tiff_too() -> None:
    found = add_listed(Outputs(image=Path("a/cells.ome.tif")), "image,index")
    assert found.index_map == Path("a/cells_index.ome.tif")


@pytest.mark.parametrize(
    ("text", "frames", "expected"),
    [
        ("4:1", 7, [(0, 4), (3, 7)]),
        ("4:1", 8, [(0, 4), (3, 7), (6, 8)]),
        ("3", 7, [(0, 3), (3, 7)]),  # one frame alone is no slab
        ("10:2", 5, [(0, 5)]),
        ("2:1", 4, [(0, 2), (1, 3), (2, 4)]),
    ],
)
def test_slabs_cover_the_stack(text: str, frames: int, expected: list[tuple[int, int]]) -> None:
    slabs = parse_slabs(text, frames)
    assert [(slab.start, slab.stop) for slab in slabs] == expected
    assert {position for slab in slabs for position in slab} == set(range(frames))


@pytest.mark.parametrize("text", ["", "a", "1:0", "4:4", "3:5", "4:1:1", "-4:1"])
def test_slabs_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"slab .*expected"):
        parse_slabs(text, 9)


@pytest.mark.slow
def test_slabs_lie_over_the_whole(stack: Path, tmp_path: Path, cli: Cli) -> None:
    outcome = cli(
        "fuse", "--method", "laplacian", "--halos", "keep", stack, "-o", tmp_path / "out.tif", "--slab", "3:1"
    )
    assert outcome.code == 0, outcome.err
    whole, first, second = (read_image(tmp_path / name) for name in ("out.tif", "out_slab01.tif", "out_slab02.tif"))
    assert whole.shape == first.shape == second.shape
    # each slab is the whole where its frames are the sharp ones, top or bottom
    ends = slice(0, len(whole) // 4), slice(-len(whole) // 4, None)
    gaps = [np.abs(whole.astype(int) - slab) for slab in (first, second)]
    assert gaps[0][ends[0]].mean() < 0.3 * gaps[1][ends[0]].mean()
    assert gaps[1][ends[1]].mean() < 0.3 * gaps[0][ends[1]].mean()
    refused = cli("fuse", stack, "-o", tmp_path / "out.tif", "--slab", "3:1", "--keep-canvas")
    assert refused.code == 2
    assert "--keep-canvas" in refused.err


@pytest.mark.slow
def test_reports_for_people_and_for_programs(stack: Path, tmp_path: Path, cli: Cli) -> None:
    reports = ["--report", tmp_path / "r.html", "--report", tmp_path / "r.json"]
    outcome = cli("fuse", "--method", "laplacian", "--halos", "keep", stack, "-o", tmp_path / "out.png", *reports)
    assert outcome.code == 0, outcome.err
    facts = json.loads((tmp_path / "r.json").read_text())
    assert [frame["name"] for frame in facts["frames"]] == [f"img{k}.png" for k in range(5)]
    assert facts["alignment"]["model"] == "similarity"
    assert facts["outputs"] == [{"shows": "image", "path": str(tmp_path / "out.png")}]
    assert "img4.png" in (tmp_path / "r.html").read_text()
    refused = cli("fuse", "--method", "laplacian", stack, "-o", tmp_path / "x.png", "--report", tmp_path / "r.pdf")
    assert refused.code == 2
    assert "reports are written as .html or .json" in refused.err
    assert not (tmp_path / "x.png").exists()


def test_a_dry_run_says_what_each_frame_is_and_writes_nothing(stack: Path, tmp_path: Path, cli: Cli) -> None:
    before = sorted(tmp_path.rglob("*"))
    outcome = cli("fuse", stack, "-o", tmp_path / "out.png", "--dry-run")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert sum(line.startswith("img") and "PNG" in line and "160x256" in line for line in lines) == 5
    assert lines[-1].startswith("plan: 5 frames of 160x256")
    assert sorted(tmp_path.rglob("*")) == before
    (stack / "img1.png").write_bytes(b"garbage")
    (stack / "img3.png").write_bytes((stack / "img3.png").read_bytes()[:5000])
    spoiled = cli("fuse", stack, "-o", tmp_path / "out.png", "--dry-run")
    assert spoiled.code == 1
    assert "2 of 5 frames can't be used" in spoiled.err
    assert "img1.png" in spoiled.out
    assert "img3.png" in spoiled.out


def test_all_problems_are_said_at_once(stack: Path, tmp_path: Path, cli: Cli) -> None:
    (stack / "img1.png").write_bytes(b"garbage")
    (stack / "img3.png").write_bytes((stack / "img3.png").read_bytes()[:5000])
    outcome = cli("fuse", stack, "-o", tmp_path / "nowhere" / "out.png")
    assert outcome.code == 1
    first, *lines = outcome.err.splitlines()
    assert first == "error: 3 problems:"
    for word in ("nowhere does not exist", "img1.png", "img3.png"):
        assert any(word in line for line in lines)
    alone = cli("fuse", *sorted(stack.glob("img[024].png")), "-o", tmp_path / "nowhere" / "out.png")
    assert alone.err.count("\n") == 1
    assert "nowhere does not exist" in alone.err


@pytest.mark.slow
def test_aligned_frames_are_written_for_other_programs(stack: Path, tmp_path: Path, cli: Cli) -> None:
    outcome = cli("align", stack, "-o", tmp_path / "aligned", "--save-transforms", tmp_path / "t.json")
    assert outcome.code == 0, outcome.err
    frames = [read_image(path) for path in sorted((tmp_path / "aligned").iterdir())]
    assert len(frames) == 5
    assert len({frame.shape for frame in frames}) == 1
    again = cli("fuse", "--method", "laplacian", "--halos", "keep", tmp_path / "aligned", "-o", tmp_path / "out.png")
    assert again.code == 0, again.err
    assert "alignment: " not in again.out
    onto = cli("align", stack, "-o", stack, "--format", "png")
    assert onto.code == 1
    assert "is one of the frames" in onto.err


def test_the_picture_keeps_what_the_reference_says(tmp_path: Path, cli: Cli) -> None:
    for k, frame in enumerate(focal_frames(64, 96, 3)):
        exif = Image.Exif()
        exif[MAKE], exif[ORIENTATION] = f"Maker {k}", 6
        turned = Image.fromarray(np.ascontiguousarray(np.rot90(frame)))
        turned.save(tmp_path / f"img{k}.jpg", quality=98, exif=exif, icc_profile=srgb_profile(), dpi=(300, 300))
    for suffix in ("png", "tif", "jpg", "webp"):
        path = tmp_path / f"out.{suffix}"
        outcome = cli("fuse", *QUICK, *sorted(tmp_path.glob("img*")), "-o", path)
        assert outcome.code == 0, outcome.err
        assert read_image(path).shape == (64, 96, 3)
        kept = read_metadata(path)
        assert kept.icc == srgb_profile()
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + kept.exif if kept.exif else b"")
        assert exif[MAKE] == "Maker 1"  # the middle frame
        assert exif[ORIENTATION] == 1
        assert str(exif[SOFTWARE]).startswith("allfocus")
        assert "3 frames" in str(exif[DESCRIPTION])


def test_raw_frames_become_linear_light_where_the_format_holds_it(tmp_path: Path, cli: Cli) -> None:
    pytest.importorskip("rawpy", reason="needs the extra: raw")
    for k in range(2):
        write_dng(tmp_path / f"img{k}.dng", scene(1, (64, 96)))
    for suffix in ("tif", "png"):
        typed = ["fuse", *QUICK, *sorted(tmp_path.glob("*.dng"))]
        outcome = cli(*typed, "-o", tmp_path / f"out.{suffix}")
        assert outcome.code == 0, outcome.err
    light, encoded = read_image(tmp_path / "out.tif"), read_image(tmp_path / "out.png")
    assert (light.dtype, encoded.dtype) == (np.uint16, np.uint16)
    assert read_metadata(tmp_path / "out.tif").icc == linear_srgb_profile()
    assert read_metadata(tmp_path / "out.png").icc == srgb_profile()
    from allfocus.core.color import srgb_to_linear

    np.testing.assert_allclose(to_unit(light), srgb_to_linear(to_unit(encoded)), atol=2 / 65535)


@pytest.mark.slow
def test_without_a_name_the_picture_lies_beside_the_stack(stack: Path, tmp_path: Path, cli: Cli) -> None:
    outcome = cli("fuse", *QUICK, stack)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{tmp_path / 'stack.fused.png'}: 5 frames")
    again = cli("fuse", *QUICK, *sorted(stack.iterdir()))
    assert again.code == 0, again.err
    assert (stack / "stack.fused.png").exists()


def test_a_folder_of_folders_names_them(stack: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "empty").mkdir()
    outcome = cli("fuse", tmp_path)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert (
        f"holds no pictures, but folders: empty, stack; give one of them, such as {tmp_path / 'empty'}" in outcome.err
    )
