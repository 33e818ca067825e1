"""OME-Zarr out: valid, readable by others, all or none; names, sizes and colours kept from file to file."""

import itertools
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.errors import WriteError
from allfocus.formats.ome_zarr import OmeZarr
from allfocus.formats.ome_zarr_levels import halve
from allfocus.formats.registry import find_format
from allfocus.formats.scenes import Plane, Scene
from allfocus.io import OmeFile, Scale, inspect_volume, write_ome
from allfocus.options import FusionOptions
from allfocus.outputs.save import save
from allfocus.pipeline import fuse
from allfocus.volumes import fuse_volume
from conftest import Cli
from pictures import write_pair
from zarr_files import CHANNELS, make_group, planes_tczyx, write_image, write_plate

zarr = pytest.importorskip("zarr", reason="the extra microscopy is not installed")

FAST = ("--method", "laplacian", "--no-align", "-q")


def source(folder: Path) -> Path:
    write_image(make_group(folder / "in.ome.zarr"), planes_tczyx(2, 2, 3))
    return folder / "in.ome.zarr"


def scenes_of(path: Path) -> list[Scene]:
    return list(OmeZarr().scenes(path).scenes)


def validate(path: Path) -> None:
    yaozarrs = pytest.importorskip("yaozarrs", reason="the validator is not installed")
    yaozarrs.validate_zarr_store(str(path))


def facts(scene: Scene) -> tuple[Any, ...]:
    return scene.channels, scene.colors, scene.pixel_size, scene.z_step, scene.time_step


def test_a_fused_volume_is_valid_and_keeps_what_is_known(tmp_path: Path, cli: Cli) -> None:
    given = source(tmp_path)
    out = tmp_path / "out.ome.zarr"
    for _ in range(2):  # the second replaces the first
        done = cli("fuse", given, "-o", out, *FAST)
        assert (done.code, done.out) == (0, ""), done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ome.zarr", "out.ome.zarr"]
    validate(out)
    (scene,) = scenes_of(out)
    assert facts(scene) == facts(scenes_of(given)[0])
    assert dict(scene.sizes) == {"T": 2, "C": 2, "Z": 1}
    fused = fuse_volume(given, options=FusionOptions(method="laplacian", align="none"), maps=["index_map"])
    root = zarr.open_group(out, mode="r")
    assert root.attrs["allfocus"]["software"].startswith("allfocus ")
    assert "3 planes of in.ome.zarr" in root.attrs["allfocus"]["description"]
    for time, channel in itertools.product(range(2), range(2)):
        plane = Plane(t=time, c=channel, z=0)
        assert (scene.read(plane) == fused.images[0, time, channel]).all()
        assert (root["labels/index_map/0"][time, channel, 0] == fused.maps["index_map"][0, time, channel]).all()


def test_another_reader_opens_it(tmp_path: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore", reason="the second reader is not installed")
    planes = np.random.default_rng(0).integers(0, 60000, (2, 700, 900)).astype(np.uint16)
    write_ome(tmp_path / "a.ome.zarr", planes, "CYX", Scale(channels=["a", "b"], pixel_size=(0.2, 0.1)))
    validate(tmp_path / "a.ome.zarr")
    shapes = []
    for level in range(3):
        spec = {"driver": "zarr3", "kvstore": f"file://{tmp_path}/a.ome.zarr/{level}/"}
        opened = tensorstore.open(spec).result()
        shapes.append(opened.shape[-2:])
        if level == 0:
            assert (opened[0, :, 0].read().result() == planes).all()
            assert opened.chunk_layout.read_chunk.shape[-2:] == (512, 512)
    assert shapes == [(700, 900), (350, 450), (175, 225)]
    datasets = zarr.open_group(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]["datasets"]
    scales = [each["coordinateTransformations"][0]["scale"][-2:] for each in datasets]
    assert scales == [[0.2, 0.1], [0.4, 0.2], [0.8, 0.4]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32"])
def test_halves_are_means_of_four_pixels(dtype: str) -> None:
    given = np.random.default_rng(0).integers(0, 120, (5, 6)).astype(dtype)
    padded = np.vstack([given, given[-1:]]).astype(float)
    wanted = padded.reshape(3, 2, 3, 2).mean((1, 3))
    assert np.abs(halve(given) - wanted).max() <= (0 if dtype == "float32" else 0.5)


@pytest.mark.slow
def test_fields_of_a_plate_stay_a_plate(tmp_path: Path, cli: Cli) -> None:
    data = np.stack([planes_tczyx(1, 2, 3, seed=100 * k) for k in range(4)])
    write_plate(tmp_path / "in.ome.zarr", data)
    assert cli("fuse", tmp_path / "in.ome.zarr", *FAST).code == 0
    out = tmp_path / "in.fused.ome.zarr"
    validate(out)
    assert [scene.name for scene in scenes_of(out)] == ["A/1/0", "A/1/1", "B/2/0", "B/2/1"]
    assert "plate" in zarr.open_group(out, mode="r").attrs["ome"]


@pytest.mark.slow
def test_one_stack_of_several_is_chosen_by_name(tmp_path: Path, cli: Cli) -> None:
    done = cli("fuse", source(tmp_path), "--stack", "time 2, GFP", "-o", tmp_path / "a.ome.zarr", *FAST)
    assert done.code == 0, done.err
    (scene,) = scenes_of(tmp_path / "a.ome.zarr")
    assert (scene.pixel_size, scene.z_step) == ((0.1, 0.2), 0.5)


@pytest.mark.slow
def test_names_sizes_and_colours_go_to_ome_tiff_and_back(tmp_path: Path, cli: Cli) -> None:
    data = np.stack([planes_tczyx(2, 2, 3, seed=100 * k) for k in range(2)])
    root = make_group(tmp_path / "in.zarr")
    root.attrs["bioformats2raw.layout"] = 3
    for k in range(2):
        write_image(root.create_group(str(k)), data[k], name=f"place {k}")
    wanted = inspect_volume(tmp_path / "in.zarr")
    from allfocus.formats.write import write_ome_files

    scales = [
        Scale(
            channels=[name for name, _ in CHANNELS], colors=[color for _, color in CHANNELS],
            pixel_size=(0.2, 0.1), z_step=0.5, time_step=5.0, name=f"place {k}",
        )
        for k in range(2)
    ]  # fmt: skip
    planes = [each.transpose(0, 2, 1, 3, 4) for each in data]
    for name in ("a.ome.tif", "b.ome.zarr"):
        write_ome_files([OmeFile(path=tmp_path / name, planes=planes, axes="TZCYX", scales=scales)])
        found = inspect_volume(tmp_path / name)
        for fact in (
            "axes", "channel_names", "channel_colors", "position_names", "pixel_size", "z_step", "time_step",
        ):  # fmt: skip
            assert getattr(found, fact) == getattr(wanted, fact), (name, fact)
        assert all(
            (one() == other()).all()
            for mine, theirs in zip(found.stacks, wanted.stacks, strict=True)
            for one, other in zip(mine.listing.readers, theirs.listing.readers, strict=True)
        )


def test_colour_pictures_of_photos_come_back(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path)
    out = tmp_path / "photo.ome.zarr"
    assert cli("fuse", *frames, "-o", out, *FAST).code == 0
    validate(out)
    (scene,) = scenes_of(out)
    assert scene.frame.ndim == 3
    assert find_format(out).read(out).shape == scene.frame.shape


@pytest.mark.slow
def test_depth_is_in_micrometres_by_the_step_of_the_file(tmp_path: Path, cli: Cli) -> None:
    found = inspect_volume(source(tmp_path))
    assert found.stacks[0].listing.z_step == 0.5
    assert found.stacks[0].listing.pixel_size == (0.1, 0.2)


# --- what is wrong -------------------------------------------------------------------------------


def refused(cli: Cli, *arguments: object) -> str:
    done = cli("fuse", *arguments, *FAST)
    assert (done.code, done.err.count("\n")) == (1, 1), done.err
    return done.err


@pytest.mark.slow
def test_no_input_is_replaced_and_nothing_is_written_into_one(tmp_path: Path, cli: Cli) -> None:
    given = source(tmp_path)
    for out in (given, given / "out.ome.zarr", given / "0"):
        before = sorted(given.rglob("*"))
        done = cli("fuse", given, "-o", out, *FAST)
        assert done.code == 1, out
        assert sorted(given.rglob("*")) == before
    (tmp_path / "link.ome.zarr").symlink_to(given)
    assert "is one of the frames" in refused(cli, given, "-o", tmp_path / "link.ome.zarr")


@pytest.mark.slow
def test_a_folder_that_is_no_zarr_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    given, out = source(tmp_path), tmp_path / "results.zarr"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    assert "holds something else than Zarr" in refused(cli, given, "-o", out)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_a_full_disk_leaves_nothing_and_the_old_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # or the beginning of compiled modules would be kept
    planes = np.random.default_rng(0).integers(0, 60000, (300, 300)).astype(np.uint16)
    write_ome(tmp_path / "a.ome.zarr", planes, "YX")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(WriteError, match=r"a\.ome\.zarr can't be written: .*nothing was kept"):
            write_ome(tmp_path / "a.ome.zarr", planes + np.uint16(1), "YX")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = source(tmp_path)
    monkeypatch.setitem(sys.modules, "zarr", None)  # as if it were not installed
    assert "microscopy" in refused(cli, given, "-o", tmp_path / "a.ome.tif")
    assert "microscopy" in refused(cli, *write_pair(tmp_path), "-o", tmp_path / "a.ome.zarr")


def test_of_several_outputs_all_or_none_take_their_places(tmp_path: Path) -> None:
    from allfocus.run.atomic import whole_files

    old, new = tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"
    write_ome(old, np.zeros((8, 8), np.uint8), "YX")
    before = {file: file.read_bytes() for file in old.rglob("*") if file.is_file()}
    with pytest.raises(WriteError), whole_files([old, new, tmp_path / "c"]) as parts:
        for part in parts[:2]:
            part.mkdir()
            (part / "zarr.json").write_text("new")
        parts[2].write_text("new")
        (tmp_path / "c" / "inside").mkdir(parents=True)  # in whose place no file can go
    assert {file: file.read_bytes() for file in old.rglob("*") if file.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.zarr", "c"]


def test_photos_too_come_with_the_index_map_as_labels(tmp_path: Path) -> None:
    result = fuse(write_pair(tmp_path), method="laplacian", align="none")
    save(result, tmp_path / "out.ome.zarr")
    labels = zarr.open_group(tmp_path / "out.ome.zarr", mode="r")["labels/index_map/0"]
    np.testing.assert_array_equal(np.asarray(labels)[0, 0, 0], result.index_map)
    assert labels.dtype == np.uint8
    validate(tmp_path / "out.ome.zarr")


def test_micrometres_of_a_volume_that_does_not_know_them_are_refused(tmp_path: Path, cli: Cli) -> None:
    write_image(make_group(tmp_path / "in.ome.zarr"), planes_tczyx(1, 1, 3), units={})
    wanted = ("-o", tmp_path / "out.ome.zarr", "--depth", tmp_path / "d.ome.zarr", "--depth-unit", "um")
    done = cli("fuse", tmp_path / "in.ome.zarr", *wanted)
    assert (done.code, done.err) == (
        2,
        "error: depth-unit um: the distance from plane to plane is unknown; give it with --z-step\n",
    )
    assert not (tmp_path / "out.ome.zarr").exists()
