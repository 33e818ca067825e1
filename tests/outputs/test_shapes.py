"""Surfaces, stereo pictures and scale bars as a user asks for them: by jobs, by `save`, on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import allfocus
from allfocus.cli import main
from allfocus.errors import AllFocusError, OptionError, WriteError
from allfocus.formats.ome_tiff import Scale
from allfocus.formats.write import write_ome
from allfocus.io import read_image, write_image
from allfocus.outputs.wishes import Outputs, add_listed
from pictures import focal_frames
from surfaces import load

SIZES = {"pixel_size": 0.5, "z_step": 2.0}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of a picture that recedes from left to right."""
    folder = tmp_path_factory.mktemp("stack")
    for number, frame in enumerate(focal_frames(96, 128, 3)):
        write_image(folder / f"f{number}.png", frame)
    return folder


@pytest.fixture(scope="module")
def result(stack: Path) -> allfocus.FusionResult:
    return allfocus.fuse(stack, depth=True)


def command(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    code = main(["fuse", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.slow
def test_all_of_them_by_the_command_line(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {
        "--surface": "s.stl",
        "--stereo": "s.png",
        "--anaglyph": "a.jpg",
        "--rocking": "r.webp",
        "--scale-bar": "b.tif",
    }
    words = [word for flag, name in names.items() for word in (flag, tmp_path / name)]
    sizes = ["--pixel-size", 0.5, "--z-step", 2, "--no-align"]
    code, output = command(capsys, stack, "-o", tmp_path / "o.png", *words, *sizes, "--report", tmp_path / "r.json")
    assert code == 0, output
    assert "s.stl: in micrometres, 0 is in focus in f0.png" in output
    assert "nearest is what is in focus in f2.png (--near)" in output
    mesh = load(tmp_path / "s.stl")
    assert np.allclose(mesh.extents[:2], [63.5, 47.5])
    assert mesh.bounds[0][2] >= 0
    assert 2 < mesh.bounds[1][2] <= 4
    assert read_image(tmp_path / "s.png").shape == (96, 256, 3)
    assert read_image(tmp_path / "a.jpg").shape == (96, 128, 3)
    with Image.open(tmp_path / "r.webp") as moving:
        assert moving.n_frames == 24
    picture, bar = read_image(tmp_path / "o.png"), read_image(tmp_path / "b.tif")
    assert np.array_equal(picture[:48], bar[:48])
    assert not np.array_equal(picture, bar)
    document = json.loads((tmp_path / "r.json").read_text())
    shows = {item["shows"] for item in document["outputs"]}
    assert shows == {"image", "surface", "stereo", "anaglyph", "rocking", "scale bar"}


@pytest.mark.slow
def test_up_is_near_and_near_can_be_said(result: allfocus.FusionResult, tmp_path: Path) -> None:
    left_is_up = {}
    for near in ("first", "last"):
        path = tmp_path / f"{near}.ply"
        allfocus.save(result, tmp_path / "o.png", surface=path, near=near)
        points = load(path).vertices
        left, right = (points[part, 2].mean() for part in (points[:, 0] < 20, points[:, 0] > 108))
        left_is_up[near] = left > right
    assert left_is_up == {"first": True, "last": False}


def test_without_calibration_it_is_in_pixels_of_a_height_that_is_said(
    result: allfocus.FusionResult, tmp_path: Path
) -> None:
    path = tmp_path / "s.ply"
    allfocus.save(result, tmp_path / "o.png", surface=path, surface_height=50)
    mesh = load(path)
    assert np.allclose(mesh.extents[:2], [127, 95])
    assert 40 < mesh.extents[2] <= 64
    assert b"unit: pixels, one frame is 32 pixels high" in path.read_bytes()[:400]
    allfocus.save(result, tmp_path / "o.png", surface=path, surface_height=50, z_step=3)
    assert b"unit: pixels" in path.read_bytes()[:400]


def test_unknown_depth_is_a_hole_and_said_and_nothing_else_is_lost(
    result: allfocus.FusionResult, tmp_path: Path
) -> None:
    from dataclasses import replace

    assert result.depth is not None
    depth = result.depth.copy()
    depth[20:40, 30:60] = np.nan
    path = tmp_path / "s.glb"
    notes = allfocus.save(
        replace(result, depth=depth), tmp_path / "o.png", surface=path, surface_solid=True, surface_triangles=5000
    )
    assert [note.code for note in notes] == ["surface-reduced", "surface-holes"]
    mesh = load(path, force="mesh")
    assert mesh.is_watertight
    assert len(mesh.faces) <= 5000
    blank = replace(result, depth=np.full_like(depth, np.nan))
    path.unlink()
    notes = allfocus.save(blank, tmp_path / "o2.png", surface=path, stereo=tmp_path / "s.png")
    assert [note.code for note in notes] == ["surface-skipped"]
    assert not path.exists()
    assert (tmp_path / "o2.png").exists()
    assert (tmp_path / "s.png").exists()


def test_stereo_keeps_sixteen_bits_and_the_profile(tmp_path: Path) -> None:
    frames = focal_frames(64, 96, 2, dtype="uint16")
    made = allfocus.fuse(frames, depth=True, align="none")
    allfocus.save(made, tmp_path / "o.tif", stereo=tmp_path / "s.tif", anaglyph=tmp_path / "a.png", stereo_view="cross")
    assert read_image(tmp_path / "s.tif").dtype == np.uint16
    assert read_image(tmp_path / "a.png").dtype == np.uint16
    allfocus.save(made, tmp_path / "o.tif", stereo=tmp_path / "p.tif")
    cross, parallel = read_image(tmp_path / "s.tif"), read_image(tmp_path / "p.tif")
    assert np.array_equal(cross[:, :96], parallel[:, 96:])


@pytest.mark.slow
def test_what_can_not_be_is_said_before_the_work_starts(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {
        ("--surface", "s.obj"): "surfaces are written as .stl or .ply or .glb",
        ("--rocking", "r.gif"): "moving pictures are written as .mp4 or .webp",
        ("--stereo", "s.xyz"): "expected one of",
        ("--scale-bar", "b.png"): "scale-bar: the size of a pixel is unknown; give it with --pixel-size",
        ("--surface", "no/s.stl"): "does not exist",
    }
    for (flag, name), message in refused.items():
        for more in ([], ["--dry-run"]):
            code, output = command(capsys, stack, "-o", tmp_path / "o.png", flag, tmp_path / name, *more)
            assert code == (1 if "does not exist" in message else 2)
            assert message in output
    for flag in ("--surface", "--stereo", "--anaglyph", "--rocking"):
        name = tmp_path / ("s.glb" if flag == "--surface" else "s.webp")
        code, output = command(capsys, stack, "-o", tmp_path / "o.png", flag, name, "--method", "laplacian")
        assert "only the network makes it" in output
    assert not list(tmp_path.iterdir())
    with pytest.raises(WriteError, match="two outputs go to"):
        allfocus.Job(
            allfocus.JobRequest(
                frames=[str(stack)],
                outputs=Outputs(image=tmp_path / "o.png", anaglyph=tmp_path / "s.png", stereo=tmp_path / "s.png"),
            )
        ).check()
    for wrong in ({"parallax": 50}, {"surface_triangles": 3}, {"near": "left"}, {"pixel_size": -1}):
        with pytest.raises(AllFocusError):
            allfocus.save(allfocus.fuse(focal_frames(32, 32, 2), method="laplacian"), tmp_path / "o.png", **wrong)


def test_stereo_beyond_what_jpeg_holds_is_refused(tmp_path: Path) -> None:
    from allfocus.outputs.files import check_sizes

    with pytest.raises(WriteError, match="65535 pixels a side"):
        check_sizes(Outputs(stereo=tmp_path / "s.jpg"), (10, 33_000))


def test_lists_of_outputs_name_them() -> None:
    made = add_listed(Outputs(image=Path("a.jpg")), "image,surface,stereo,anaglyph,rocking,scale-bar")
    assert made.named == {
        "image": Path("a.jpg"),
        "surface": Path("a_surface.glb"),
        "stereo": Path("a_stereo.png"),
        "anaglyph": Path("a_anaglyph.png"),
        "rocking": Path("a_rocking.mp4"),
        "scale bar": Path("a_scale-bar.png"),
    }
    assert set(made.texts) == {Path("a_surface.glb"), Path("a_rocking.mp4")}


def test_a_result_without_depth_says_what_to_do(tmp_path: Path) -> None:
    plain = allfocus.fuse(focal_frames(32, 32, 2), method="laplacian")
    for name in ("surface", "stereo", "anaglyph", "rocking"):
        with pytest.raises(OptionError, match=f"{name}: the result has no depth"):
            allfocus.save(plain, tmp_path / "o.png", **{name: tmp_path / "x.glb"})
    assert not list(tmp_path.iterdir())


def test_what_was_made_of_a_stack_is_no_frame_of_it(stack: Path, result: allfocus.FusionResult, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(stack, tmp_path / "again")
    names = ("surface.glb", "stereo.png", "anaglyph.jpg", "rocking.webp", "scale_bar.tif")
    allfocus.save(result, folder / "o.png", **{Path(name).stem: folder / name for name in names}, **SIZES)
    listing = allfocus.open_stack(folder)
    assert list(listing.names) == ["f0.png", "f1.png", "f2.png"]


def write_volume(path: Path, times: int = 1, channels: int = 1) -> Path:
    """An OME-TIFF of gray planes that recede from left to right, at every time and in every channel."""
    planes = np.stack(focal_frames(64, 96, 3, gray=True, dtype="uint16"))
    scale = Scale(channels=tuple("abc"[:channels]), pixel_size=(0.25, 0.25), z_step=2.0)
    write_ome(path, np.stack([np.stack([planes] * channels)] * times), "TCZYX", scale)
    return path


@pytest.mark.slow
def test_volumes_get_a_surface_for_each_depth_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_volume(tmp_path / "v.ome.tif", times=2)
    code, output = command(capsys, source, "-o", tmp_path / "o.ome.tif", "--surface", tmp_path / "s.stl")
    assert code == 0, output
    assert {path.name for path in tmp_path.iterdir()} == {"v.ome.tif", "o.ome.tif", "s_t1.stl", "s_t2.stl"}
    assert "s_t2.stl: in micrometres, the last plane is nearest (--near)" in output
    first, second = (load(tmp_path / f"s_t{number}.stl") for number in (1, 2))
    assert np.allclose(first.extents[:2], [95 * 0.25, 63 * 0.25])
    assert np.array_equal(first.vertices, second.vertices)
    left, right = (first.vertices[part, 2].mean() for part in (first.vertices[:, 0] < 4, first.vertices[:, 0] > 20))
    assert left < 1 < 3 < right < 4.01


@pytest.mark.slow
@pytest.mark.parametrize(("more", "names"), [([], ["s_c1.ply", "s_c2.ply"]), (["--channel-for-focus", "a"], ["s.ply"])])
def test_channels_share_a_surface_where_one_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], names: list[str]
) -> None:
    source = write_volume(tmp_path / "v.ome.tif", channels=2)
    code, output = command(capsys, source, "-o", tmp_path / "o.ome.tif", "--surface", tmp_path / "s.ply", *more)
    assert code == 0, output
    assert sorted(path.name for path in tmp_path.glob("s*")) == names
    blocked = tmp_path / names[-1]
    blocked.unlink()
    blocked.mkdir()
    code, output = command(capsys, source, "-o", tmp_path / "o.ome.tif", "--surface", tmp_path / "s.ply", *more)
    assert code == 1
    assert f"{blocked} is a folder" in output


@pytest.mark.slow
def test_a_volume_of_one_stack_names_the_surface_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_volume(tmp_path / "v.ome.tif")
    code, output = command(capsys, source, "-o", tmp_path / "o.ome.tif", "--surface", tmp_path / "s.glb")
    assert code == 0, output
    assert (tmp_path / "s.glb").exists()
    code, output = command(capsys, source, "-o", tmp_path / "o.ome.tif", "--stereo", tmp_path / "s.png")
    assert code == 2
    assert "stereo: not made of volumes" in output
