"""CZI, LIF and ND2: real files against what their libraries say another way; tiles, gaps and facts on small ones."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import AllFocusError, MissingExtraError, ReadError
from allfocus.formats import czi, registry
from allfocus.formats.scenes import Plane, Scene, SceneFormat, Scenes, make_planes
from allfocus.io import inspect_stack, inspect_volume
from allfocus.sources.volume import Volume
from conftest import Cli

#: Files that microscopes wrote, which are not ours to pass on.
REAL = Path(__file__).parents[3] / "shared" / "data" / "vendor"
REAL = Path(os.environ.get("ALLFOCUS_VENDOR_FILES", REAL))


def real(name: str) -> Path:
    """A real file; the test is skipped where it is not at hand."""
    if not (REAL / name).is_file():
        pytest.skip(f"{name} is not at hand")
    return REAL / name


def decode(volume: Volume) -> Array:
    return np.stack([[reader() for reader in stack.listing.readers] for stack in volume.stacks])


@pytest.mark.slow
def test_planes_of_czi_are_what_czifile_reads_at_once() -> None:
    czifile = pytest.importorskip("czifile", reason="the extra microscopy is not installed")
    path = real("CellDivision_T3_Z5_CH2_X240_Y170.czi")
    found = inspect_volume(path)
    planes = decode(found)
    assert (planes == czifile.imread(path)[0, ..., 0].reshape(planes.shape)).all()
    assert found.channel_names == ("LED555", "LED470")
    assert found.channel_colors == ("FF7E00", "00FF33")
    assert (found.z_step, found.time_step) == (0.32, pytest.approx(60.075))
    assert found.pixel_size == pytest.approx((0.090577, 0.090577), abs=1e-6)
    packed = inspect_volume(real("CellDivision_T3_Z5_CH2_X240_Y170_comp1.czi"))
    assert (decode(packed) == planes).all()
    assert packed.pixel_size is None, "zeros are no sizes"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LeicaLASX_wavelength-sweep_example.lif", "xz-example.lif"])
def test_planes_of_lif_are_what_liffile_reads_at_once(name: str) -> None:
    liffile = pytest.importorskip("liffile", reason="the extra microscopy is not installed")
    found = inspect_volume(real(name))
    with liffile.LifFile(real(name)) as file:
        (image,) = [image for image in file.images if {"Z", "Y", "X"} <= set(image.dims)]
        order = [image.dims.index(axis) for axis in "TCλΛZYX" if axis in image.dims]
        wanted = image.asarray().transpose(order)
    planes = decode(found)
    assert (planes == wanted.reshape(planes.shape)).all()
    assert found.position_names == (image.path,)
    assert found.stacks[0].listing.notes[0].code.endswith("scenes-left-out")


# --- small ones ----------------------------------------------------------------------------------


def entry(place: dict[str, int], shape: tuple[int, int], tile: int | None, samples: Array) -> Any:
    """A subblock as czifile describes it."""
    starts = {"S": 0, "T": 0, "C": 0, "Z": 0, **place}
    sides = {"Y": shape[0], "X": shape[1]}
    dimensions = [
        SimpleNamespace(dimension=axis, start=start, size=sides.get(axis, 1)) for axis, start in starts.items()
    ]
    return SimpleNamespace(
        dimension_entries=dimensions, shape=(1, *shape, 1), stored_shape=(1, *shape, 1), dtype="<u2", compression=0,
        mosaic_index=tile, data_segment=lambda: SimpleNamespace(data=lambda raw: samples.astype("<u2").tobytes()),
    )  # fmt: skip


@pytest.fixture
def fake_czi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A CZI file of given subblocks."""
    czifile = pytest.importorskip("czifile", reason="the extra microscopy is not installed")

    def make(entries: Sequence[Any]) -> Path:
        class Fake:
            def __init__(self, path: Path, detectmosaic: bool = True) -> None:
                self.subblock_directory, self._fh = entries, None
                self.header = SimpleNamespace(metadata_position=0)

            def __enter__(self) -> "Fake":
                return self

            def __exit__(self, *error: object) -> None:
                return

        monkeypatch.setattr(czifile, "CziFile", Fake)
        path = tmp_path / "a.czi"
        path.write_bytes(b"ZISRAWFILE" + bytes(60))
        return path

    return make


def test_tiles_of_a_mosaic_lie_at_their_places_later_ones_on_top(fake_czi: Any) -> None:
    rng = np.random.default_rng(0)
    tiles = [rng.integers(1, 60000, (20, 30)) for _ in range(4)]
    entries = [
        entry({"Z": z, "Y": 100, "X": 50 + 20 * k, "M": k}, (20, 30), k, tiles[2 * z + k])
        for z in range(2) for k in (1, 0)
    ]  # fmt: skip
    planes = decode(inspect_volume(fake_czi(entries)))[0]
    assert planes.shape == (2, 20, 50)
    for z in range(2):
        assert (planes[z][:, 20:] == tiles[2 * z + 1]).all()
        assert (planes[z][:, :20] == tiles[2 * z][:, :20]).all()


def test_what_lies_between_tiles_was_not_seen(fake_czi: Any) -> None:
    whole = np.full((20, 30), 7)
    entries = [entry({"Z": z, "Y": 0, "X": 40 * k, "M": k}, (20, 30), k, whole) for z in range(2) for k in range(2)]
    plane = decode(inspect_volume(fake_czi(entries)))[0][0]
    assert plane.shape == (20, 70, 2)
    assert (plane[:, 30:40, 1] == 0).all()
    assert (plane[:, :30, 1] == 65535).all()


def test_a_missing_plane_and_strange_axes_are_named(fake_czi: Any) -> None:
    whole = np.full((20, 30), 7)
    entries = [entry({"Z": z, "Y": 0, "X": 0}, (20, 30), None, whole) for z in (0, 2)]
    with pytest.raises(ReadError, match=r"a\.czi plane 2 is missing"):
        inspect_stack(fake_czi(entries))
    entries = [entry({"H": h, "Y": 0, "X": 0}, (20, 30), None, whole) for h in range(3)]
    with pytest.raises(ReadError, match="has an axis H of 3; expected scenes, times, channels and planes only"):
        inspect_volume(fake_czi(entries))


def test_a_damaged_file_and_a_missing_package_are_one_line(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("czifile", reason="the extra microscopy is not installed")
    starts = {"a.czi": b"ZISRAWFILE", "b.lif": b"\x70\0\0\0\x50\0\0\0\x2a\x20\0\0\0<", "c.nd2": b"\xda\xce\xbe\x0a"}
    for name, start in starts.items():
        (tmp_path / name).write_bytes(start + bytes(300))
        done = cli("fuse", tmp_path / name, "-o", tmp_path / "out.ome.tif")
        assert (done.code, done.err.count("\n")) == (1, 1), done.err
        assert name in done.err
    monkeypatch.setitem(sys.modules, "czifile", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match="microscopy"):
        inspect_volume(tmp_path / "a.czi")


def test_blocks_of_high_and_low_bytes_are_put_together() -> None:
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra microscopy is not installed")
    samples = np.arange(500, dtype="<u2") * 97
    split = np.concatenate([samples.view(np.uint8)[0::2], samples.view(np.uint8)[1::2]])
    packed = b"\x03\x01\x01" + imagecodecs.zstd_encode(split.tobytes())
    assert czi.unpack_zstd(packed, 2) == samples.tobytes()
    assert czi.unpack_zstd(b"\x01" + imagecodecs.zstd_encode(samples.tobytes()), 2) == samples.tobytes()


def test_frames_of_nd2_are_found_by_their_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nd2 = pytest.importorskip("nd2", reason="the extra microscopy is not installed")
    data = np.random.default_rng(0).integers(0, 60000, (2, 2, 3, 2, 20, 30)).astype(np.uint16)  # T, P, Z, C, Y, X
    places = [{"T": t, "P": p, "Z": z} for t in range(2) for p in range(2) for z in range(3)]
    points = [SimpleNamespace(name="left"), SimpleNamespace(name=None)]

    class Fake:
        sizes, dtype, loop_indices = {"T": 2, "P": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}, np.uint16, tuple(places)
        metadata = SimpleNamespace(channels=[
            SimpleNamespace(channel=SimpleNamespace(name=name, color=color))
            for name, color in (("DAPI", (0, 0, 255, 1.0)), ("GFP", (0, 255, 0, 1.0)))
        ])  # fmt: skip
        experiment = (
            SimpleNamespace(type="TimeLoop", parameters=SimpleNamespace(periodMs=1500.0)),
            SimpleNamespace(type="XYPosLoop", parameters=SimpleNamespace(points=points)),
            SimpleNamespace(type="ZStackLoop", parameters=SimpleNamespace()),
        )

        def __init__(self, path: Path) -> None:
            self.path = path

        def __enter__(self) -> "Fake":
            return self

        def __exit__(self, *error: object) -> None:
            return

        def voxel_size(self) -> Any:
            return SimpleNamespace(x=0.1, y=0.1, z=0.3)

        def read_frame(self, number: int) -> Array:
            return data.reshape(-1, 2, 20, 30)[number]

    monkeypatch.setattr(nd2, "ND2File", Fake)
    (tmp_path / "a.nd2").write_bytes(b"\xda\xce\xbe\x0a" + bytes(60))
    found = inspect_volume(tmp_path / "a.nd2")
    assert dict(found.axes) == {"P": 2, "T": 2, "C": 2, "Z": 3}
    planes = decode(found).reshape(2, 2, 2, 3, 20, 30)
    assert (planes == data.transpose(1, 0, 3, 2, 4, 5)).all()
    assert (found.pixel_size, found.z_step, found.time_step) == ((0.1, 0.1), 0.3, 1.5)
    assert found.channel_colors == ("0000FF", "00FF00")
    assert found.position_names == ("left", "position 2")


class HeldScenes(SceneFormat):
    """A format whose files hold what a test says."""

    name = "scenes"
    extensions = (".scenes",)
    held: Scenes

    def sniff(self, start: bytes, path: Path) -> bool:
        return start.startswith(b"SCENES")

    def scenes(self, path: Path) -> Scenes:
        return self.held


@pytest.fixture
def scenes_format() -> Iterator[HeldScenes]:
    """That format, for the length of a test."""
    added = HeldScenes()
    registry.register(added)
    yield added
    registry.unregister(added.name)


def test_scenes_that_differ_are_fused_one_by_one(tmp_path: Path, scenes_format: HeldScenes, cli: Cli) -> None:
    rng = np.random.default_rng(0)

    def scene(name: str, size: tuple[int, int], step: float) -> Scene:
        data = rng.integers(0, 60000, (3, *size)).astype(np.uint16)
        sizes = {"T": 1, "C": 1, "Z": 3}
        frame = FrameInfo(shape=size, dtype=np.dtype(np.uint16))
        return Scene(name=name, sizes=sizes, frame=frame, read=lambda plane: data[plane.z], z_step=step)

    held = Scenes(scenes=[scene("large", (40, 60), 0.5), scene("small", (30, 50), 2.0)])
    scenes_format.held = held
    path = tmp_path / "a.scenes"
    path.write_bytes(b"SCENES")
    done = cli("fuse", path, "-o", tmp_path / "a.ome.tif")
    assert done.code == 1
    assert "2 scenes that differ: large is 60x40, 3 planes" in done.err
    assert "--stack 'large'" in done.err
    more = ("--method", "laplacian", "--no-align", "-q")
    assert cli("fuse", path, "--stack", "small", "-o", tmp_path / "b.ome.tif", *more).code == 0
    assert [stack.listing.z_step for stack in inspect_volume(path).stacks] == [0.5, 2.0]
    assert make_planes(path, "scenes", held).differ
    listed = cli("info", path)
    assert "60x40" in listed.out
    assert "scenes differ" in listed.out


def test_a_plane_that_is_gone_is_one_line(tmp_path: Path) -> None:
    def fail(plane: Plane) -> Array:
        raise OSError("Input/output error")

    frame = FrameInfo(shape=(20, 30), dtype=np.dtype(np.uint16))
    held = Scenes(scenes=[Scene(sizes={"T": 1, "C": 1, "Z": 2}, frame=frame, read=fail)])
    reader = make_planes(tmp_path / "a.lif", "LIF", held).stacks[0].readers[1]
    assert reader is not None
    with pytest.raises(AllFocusError, match=r"a\.lif: plane 2, channel 1, time 1 can't be read as LIF: Input"):
        reader()
