"""OME-Zarr in: versions, layouts, axes and units; what is missing or damaged; no more is read than needed."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.errors import AllFocusError, ReadError, StackError
from allfocus.io import inspect_volume
from allfocus.sources.volume import Volume
from conftest import Cli
from zarr_files import describe, make_group, planes_tczyx, write_image, write_plate

zarr = pytest.importorskip("zarr", reason="the extra microscopy is not installed")

LAYOUTS: list[tuple[str, dict[str, Any]]] = [
    ("0.4", {}),
    ("0.4", {"chunks": (1, 1, 3, 40, 56)}),
    ("0.5", {}),
    ("0.5", {"chunks": (1, 1, 1, 16, 16), "shards": (1, 1, 2, 48, 64)}),
]


def write(place: Path, data: Array, version: str = "0.4", **more: Any) -> Path:
    write_image(make_group(place, version), data, version, **more)
    return place


def decode(volume: Volume) -> Array:
    """All planes, by position, time, channel and height."""
    planes = np.stack([[reader() for reader in stack.listing.readers] for stack in volume.stacks])
    return planes.reshape(*(volume.axes[axis] for axis in "PTCZ"), *planes.shape[2:])


def chunks_of(place: Path) -> list[Path]:
    """Files of chunks and shards, in order."""
    known = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
    return sorted(file for file in place.rglob("*") if file.is_file() and file.name not in known)


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "storage"), LAYOUTS)
def test_every_version_and_layout_gives_its_planes_sizes_and_names(
    tmp_path: Path, version: str, storage: dict[str, Any]
) -> None:
    data = planes_tczyx()
    found = inspect_volume(write(tmp_path / "a.ome.zarr", data, version, **storage))
    assert dict(found.axes) == {"P": 1, "T": 2, "C": 2, "Z": 4}
    assert (decode(found)[0] == data).all()
    assert (found.pixel_size, found.z_step, found.time_step) == ((0.1, 0.2), 0.5, 5.0)
    assert found.channel_names == ("DAPI", "GFP")
    assert found.channel_colors == ("0000FF", "00FF00")


@pytest.mark.parametrize("axes", ["zyx", "czyx", "tzyx", "zcyx", "zxy"])
def test_axes_come_in_any_order_and_number(tmp_path: Path, axes: str) -> None:
    data = planes_tczyx()
    index = tuple(slice(None) if axis in axes else 0 for axis in "tczyx")
    kept = "".join(axis for axis in "tczyx" if axis in axes)
    given = data[index].transpose([kept.index(axis) for axis in axes])
    found = inspect_volume(write(tmp_path / "a.zarr", given, axes=axes, chunks=given.shape))
    wanted = data[tuple(slice(None) if axis in axes else slice(0, 1) for axis in "tczyx")]
    assert (decode(found)[0] == wanted).all()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_fields_of_a_plate_are_positions(tmp_path: Path, version: str) -> None:
    data = np.stack([planes_tczyx(1, 2, 3, seed=100 * k) for k in range(4)])
    write_plate(tmp_path / "plate.ome.zarr", data, version)
    found = inspect_volume(tmp_path / "plate.ome.zarr")
    assert found.position_names == ("A/1/0", "A/1/1", "B/2/0", "B/2/1")
    assert (decode(found) == data).all()
    well = inspect_volume(tmp_path / "plate.ome.zarr" / "B" / "2")
    assert (decode(well) == data[2:]).all()
    field = inspect_volume(tmp_path / "plate.ome.zarr" / "B" / "2" / "1")
    assert (decode(field)[0] == data[3]).all()


@pytest.mark.slow
def test_a_lost_well_and_a_damaged_field_leave_the_others(tmp_path: Path, cli: Cli) -> None:
    data = np.stack([planes_tczyx(1, 1, 3, seed=k) for k in range(4)])
    path = tmp_path / "plate.zarr"
    write_plate(path, data)
    shutil.rmtree(path / "B" / "2")
    (path / "A" / "1" / "1" / ".zattrs").write_text("{")
    out = tmp_path / "a.tif"
    done = cli("fuse", path, "-o", tmp_path / "all.ome.zarr")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "plate.zarr: A/1/1/.zattrs is damaged" in done.err
    assert "--stack 'A/1/0'" in done.err
    assert "B/2 is missing" in cli("fuse", path, "--stack", "B/2", "-o", out).err
    assert cli("fuse", path, "--stack", "A/1/0", "-o", out, "--method", "laplacian", "--no-align").code == 0
    listed = cli("info", path)
    assert listed.code == 0
    assert listed.out.count("3 missing") == 2


@pytest.mark.parametrize("listed", [True, False])
def test_series_of_bioformats2raw_are_positions(tmp_path: Path, listed: bool) -> None:
    root = make_group(tmp_path / "a.zarr")
    root.attrs["bioformats2raw.layout"] = 3
    data = [planes_tczyx(1, 1, 3, seed=k) for k in range(2)]
    for number, each in enumerate(data):
        write_image(root.create_group(str(number)), each, name=f"series {number}")
    if listed:
        root.create_group("OME").attrs["series"] = ["1", "0"]
    found = inspect_volume(tmp_path / "a.zarr")
    assert found.position_names == (("series 1", "series 0") if listed else ("series 0", "series 1"))
    assert (decode(found)[0 if not listed else 1] == data[0]).all()


def test_a_zip_file_is_read_as_its_folder(tmp_path: Path) -> None:
    data = planes_tczyx(1, 1)
    write(tmp_path / "a.ome.zarr", data, "0.5")
    shutil.make_archive(str(tmp_path / "b.ome.zarr"), "zip", tmp_path / "a.ome.zarr")
    assert (decode(inspect_volume(tmp_path / "b.ome.zarr.zip"))[0] == data).all()


def test_channels_called_red_green_and_blue_are_colour_pictures(tmp_path: Path) -> None:
    data = (planes_tczyx(1, 3) // 256).astype(np.uint8)
    group = make_group(tmp_path / "a.zarr")
    write_image(group, data)
    group.attrs["omero"] = {"channels": [{"label": name, "color": color} for name, color in zip(
        ("Red", "Green", "Blue"), ("FF0000", "00FF00", "0000FF"), strict=True)]}  # fmt: skip
    found = inspect_volume(tmp_path / "a.zarr")
    assert found.axes["C"] == 1
    assert (decode(found)[0, 0, 0] == np.moveaxis(data[0], 0, -1)).all()


# --- only what is needed -------------------------------------------------------------------------


class Counting(SimpleHTTPRequestHandler):
    """Serves files and counts how often each is asked for, and the bytes of chunks."""

    asked: list[str]

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_file():
            self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Counting,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_of_a_plate_on_the_net_only_the_chunks_of_one_field_are_read(
    tmp_path: Path, served: tuple[str, list[str]]
) -> None:
    pytest.importorskip("aiohttp", reason="the extra microscopy is not installed")
    address, asked = served
    data = np.stack([planes_tczyx(1, 2, 3, seed=100 * k) for k in range(4)])
    write_plate(tmp_path / "plate.ome.zarr", data)
    found = inspect_volume(f"{address}/plate.ome.zarr")
    assert not [name for name in asked if chunk_at(name)], "looking at it reads no chunk"
    stack = found.stacks[5]
    assert stack.label == "B/2/0, GFP"
    read = np.stack([reader() for reader in stack.listing.readers])
    assert (read == data[2, 0, 1]).all()
    chunks = [name for name in asked if chunk_at(name)]
    assert len(chunks) == len(set(chunks)) == 3 * 3 * 2, "each chunk of the stack once"
    assert all("/B/2/0/0/0.1." in name for name in chunks)


def chunk_at(name: str) -> bool:
    """Whether an address is that of a chunk."""
    return name.rpartition("/")[2][0].isdigit()


def test_a_chunk_of_several_planes_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspect_volume(write(tmp_path / "a.zarr", planes_tczyx(1, 1, 4), chunks=(1, 1, 4, 20, 56)))
    asked: list[str] = []
    from zarr.storage import LocalStore

    get = LocalStore.get

    async def counting(self: Any, key: str, *more: Any, **others: Any) -> Any:
        asked.append(key)
        return await get(self, key, *more, **others)

    monkeypatch.setattr(LocalStore, "get", counting)
    decode(found)
    assert sorted(asked) == ["0/0.0.0.0.0", "0/0.0.0.1.0"]


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("version", "storage"), LAYOUTS)
def test_a_lost_chunk_or_shard_is_named(tmp_path: Path, version: str, storage: dict[str, Any]) -> None:
    place = write(tmp_path / "a.ome.zarr", planes_tczyx(), version, **storage)
    chunks_of(place)[1].unlink()
    with pytest.raises(ReadError, match=r"a\.ome\.zarr: plane \d, channel \d, time \d lacks .*copy it anew"):
        decode(inspect_volume(place))


def test_chunks_that_were_never_stored_are_dark(tmp_path: Path) -> None:
    data = planes_tczyx(1, 1)
    data[..., :16, :32] = 0  # Zarr stores no chunk that is all zeros
    place = write(tmp_path / "a.zarr", data)
    assert len(chunks_of(place)) == 4 * (3 * 2 - 1)
    assert (decode(inspect_volume(place))[0] == data).all()


@pytest.mark.parametrize(("version", "storage"), LAYOUTS)
def test_a_chunk_or_shard_that_is_cut_short_is_one_line(tmp_path: Path, version: str, storage: dict[str, Any]) -> None:
    place = write(tmp_path / "a.ome.zarr", planes_tczyx(), version, **storage)
    victim = chunks_of(place)[0]
    victim.write_bytes(victim.read_bytes()[:-20])
    with pytest.raises(
        ReadError, match=r"plane 1, channel 1, time 1 can't be read as OME-Zarr|0\.0\.0\.0\.0 is cut short"
    ):
        decode(inspect_volume(place))


def test_units_of_nonsense_leave_sizes_out_with_a_note(tmp_path: Path) -> None:
    place = write(
        tmp_path / "a.zarr", planes_tczyx(1, 1), units={"z": "furlongs", "y": "micrometer", "x": "micrometer"}
    )
    found = inspect_volume(place)
    assert found.z_step is None
    assert found.pixel_size == (0.1, 200.0)
    assert [str(note) for note in found.stacks[0].listing.notes] == [
        "a.zarr: the step along z is 0.5 furlongs, which is no length; it is left out"
    ]


def test_no_height_is_told_as_too_few_planes(tmp_path: Path) -> None:
    place = write(tmp_path / "a.zarr", planes_tczyx(1, 2, 2)[0, :, 0], axes="cyx")
    with pytest.raises(StackError, match="has 1 plane; fusing needs at least 2"):
        inspect_volume(place)


def wrong_version(place: Path) -> None:
    describe(zarr.open_group(place, mode="r+"), {"multiscales": [{}]}, "0.9")


def no_image(place: Path) -> None:
    zarr.open_group(place, mode="r+").attrs.clear()


def no_array(place: Path) -> None:
    shutil.rmtree(place / "0")


def no_metadata(place: Path) -> None:
    for name in (".zgroup", ".zattrs"):
        (place / name).unlink()


def broken_json(place: Path) -> None:
    (place / ".zattrs").write_text('{"multiscales": [')


def other_zarr(place: Path) -> None:
    (place / ".zgroup").write_text('{"zarr_format": 4}')


def strange_axis(place: Path) -> None:
    attributes = zarr.open_group(place, mode="r+").attrs
    image = attributes["multiscales"][0]
    image["axes"][0] = {"name": "angle", "type": "other"}
    attributes["multiscales"] = [image]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (wrong_version, r"is OME-Zarr 0\.9; expected 0\.1 to 0\.5"),
        (no_image, r"is Zarr and no OME-Zarr"),
        (no_array, r"a\.zarr/0 is missing, though its group names it"),
        (no_metadata, r"has neither zarr\.json nor \.zgroup"),
        (broken_json, r"\.zattrs is damaged"),
        (other_zarr, r"is Zarr 4; expected version 2 or 3"),
        (strange_axis, r"has axes angle, c, z, y, x; expected each of t, c, z, y and x"),
    ],
)
def test_bad_hierarchies_end_in_one_clear_line(tmp_path: Path, cli: Cli, damage: Any, said: str) -> None:
    place = write(tmp_path / "a.zarr", planes_tczyx(1, 1))
    damage(place)
    with pytest.raises(AllFocusError, match=said):
        inspect_volume(place)
    done = cli("fuse", place, "-o", tmp_path / "out.ome.zarr")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("error: ")
    assert not (tmp_path / "out.ome.zarr").exists()


@pytest.mark.filterwarnings("ignore")
def test_an_address_that_nobody_answers_is_one_clear_line(tmp_path: Path, cli: Cli) -> None:
    pytest.importorskip("aiohttp", reason="the extra microscopy is not installed")
    done = cli("fuse", "http://127.0.0.1:9/plate.ome.zarr", "-o", tmp_path / "out.ome.zarr")
    assert done.code == 1
    assert done.err.startswith("error: http://127.0.0.1:9/plate.ome.zarr can't be reached")
    assert done.err.count("\n") == 1


def test_an_address_with_nothing_behind_it_says_so(served: tuple[str, list[str]], tmp_path: Path, cli: Cli) -> None:
    address = f"{served[0]}/no.ome.zarr"
    done = cli("info", address)
    assert done.code == 1
    assert done.err == f"error: {address}: nothing is there (no zarr.json and no .zgroup); check the address\n"


def test_drafts_are_read_from_the_smaller_levels_of_the_file(tmp_path: Path, cli: Cli) -> None:
    from allfocus.sources.draft import reduce_volume

    rng = np.random.default_rng(0)
    data = rng.integers(0, 60_000, (3, 1400, 1401), np.uint16)
    group = make_group(tmp_path / "a.ome.zarr", "0.5")
    write_image(group, data, "0.5", axes="zyx", chunks=(1, 512, 512))
    about = dict(group.attrs["ome"])
    (own,) = about["multiscales"][0]["datasets"]
    steps = own["coordinateTransformations"][0]["scale"]
    small = np.full((3, 700, 700), 777, np.uint16)
    group.create_array("1", data=small, chunks=(1, 700, 700))

    def say(*factors: float) -> None:
        scales = [[steps[0], *(factor * step for step in steps[1:])] for factor in (1, *factors)]
        levels = [
            {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
            for k, scale in enumerate(scales)
        ]
        group.attrs["ome"] = about | {"multiscales": [about["multiscales"][0] | {"datasets": levels}]}

    say(2)
    draft = reduce_volume(inspect_volume(tmp_path / "a.ome.zarr")).stacks[0].listing
    assert draft.frame.size[0] < 700
    assert set(np.unique(draft.readers[0]())) == {777}
    np.testing.assert_array_equal(inspect_volume(tmp_path / "a.ome.zarr").stacks[0].listing.readers[1](), data[1])
    for factors in ((2.2,), (0.5,), ()):  # not what the array is; larger; none
        say(*factors)
        assert reduce_volume(inspect_volume(tmp_path / "a.ome.zarr")).stacks[0].listing.readers[0]().mean() > 20_000
    shutil.rmtree(tmp_path / "a.ome.zarr" / "1")
    say(2)
    assert reduce_volume(inspect_volume(tmp_path / "a.ome.zarr")).stacks[0].listing.readers[0]().mean() > 20_000
