"""Microscope stacks: axes by name, a focal stack for each position, time and channel, sizes in micrometres."""

from itertools import permutations, product
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import tifffile

from allfocus import fuse_volume
from allfocus.core.color import Array
from allfocus.errors import ReadError, StackError
from allfocus.io import describe_frames, inspect_stack, inspect_volume, read_frame, read_stack
from conftest import Cli

SIZES = {"T": 2, "C": 3, "Z": 4}


def plane(time: int = 0, channel: int = 0, z: int = 0, position: int = 0, dtype: str = "uint16") -> Array:
    """A plane (8, 12) that tells its place."""
    value = 1 + z + 10 * channel + 50 * time + 100 * position
    image = np.full((8, 12), value, dtype) if dtype != "float32" else np.full((8, 12), value / 256, dtype)
    image[0, 0] = 0
    return image


def volume(axes: str, dtype: str = "uint16") -> Array:
    """Planes in the order of these axes, slowest first."""
    shape = [SIZES[axis] for axis in axes]
    planes = []
    for place in np.ndindex(*shape):
        at = dict(zip(axes, place, strict=True))
        planes.append(plane(at.get("T", 0), at.get("C", 0), at.get("Z", 0), dtype=dtype))
    return np.stack(planes).reshape(*shape, 8, 12)


def write_ome(path: Path, axes: str, dtype: str = "uint16", **metadata: object) -> None:
    tifffile.imwrite(
        path, volume(axes, dtype), ome=True, photometric="minisblack", metadata={"axes": f"{axes}YX", **metadata}
    )


@pytest.mark.parametrize("axes", ["".join(order) for order in permutations("TCZ")])
def test_every_order_on_disk_gives_the_same_stacks(tmp_path: Path, axes: str) -> None:
    write_ome(tmp_path / "a.ome.tif", axes)
    found = inspect_volume(tmp_path / "a.ome.tif")
    assert found.axes == {"P": 1, "T": 2, "C": 3, "Z": 4}
    assert [(stack.time, stack.channel) for stack in found.stacks] == list(product(range(2), range(3)))
    for stack in found.stacks:
        for z, frame in enumerate(read_stack(stack.listing).frames):
            assert np.array_equal(frame, plane(stack.time, stack.channel, z))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("imagej", [False, True])
def test_a_plain_z_stack_is_a_stack(tmp_path: Path, dtype: str, imagej: bool) -> None:
    options = {"imagej": True} if imagej else {"ome": True}
    tifffile.imwrite(tmp_path / "z.tif", volume("Z", dtype), metadata={"axes": "ZYX"}, **options)  # type: ignore[arg-type]
    listing = inspect_stack([tmp_path / "z.tif"])
    assert list(listing.names) == [f"z.tif plane {k + 1}" for k in range(4)]
    assert all(np.array_equal(read_frame(listing, k), plane(z=k, dtype=dtype)) for k in range(4))
    assert {row.kind for row in describe_frames(listing)} == {"TIFF"}


def test_names_and_sizes_of_ome(tmp_path: Path) -> None:
    about = {
        "Channel": {"Name": ["DAPI", "GFP", "Cy5"]},
        "PhysicalSizeX": 103, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.103, "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.0005, "PhysicalSizeZUnit": "mm",
    }  # fmt: skip
    write_ome(tmp_path / "a.ome.tif", "TCZ", **about)
    found = inspect_volume(tmp_path / "a.ome.tif")
    assert found.channel_names == ("DAPI", "GFP", "Cy5")
    assert found.pixel_size == pytest.approx((0.103, 0.103))
    assert found.z_step == pytest.approx(0.5)
    assert found.unit == "µm"
    assert found.ome_xml is not None and "DAPI" in found.ome_xml
    assert [stack.label for stack in found.stacks[:4]] == ["time 1, DAPI", "time 1, GFP", "time 1, Cy5", "time 2, DAPI"]
    assert found.stacks[1].listing.names[2] == "a.ome.tif time 1, GFP plane 3"
    assert str(found) == "2 times, 3 channels, 4 planes"


def test_names_and_sizes_of_imagej(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", volume("TZC"), imagej=True, resolution=(5.0, 4.0),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": 1.5},
    )  # fmt: skip
    found = inspect_volume(tmp_path / "a.tif")
    assert found.channel_names == ("channel 1", "channel 2", "channel 3")
    assert found.pixel_size == pytest.approx((0.2, 0.25))
    assert found.z_step == 1.5
    for stack in found.stacks:
        frames = [read_frame(stack.listing, z) for z in range(4)]
        assert all(np.array_equal(frame, plane(stack.time, stack.channel, z)) for z, frame in enumerate(frames))


def test_a_file_without_sizes_has_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("Z"), photometric="minisblack", metadata=None)
    found = inspect_volume(tmp_path / "a.tif")
    assert (found.pixel_size, found.z_step, found.ome_xml) == (None, None, None)
    assert found.stacks[0].listing.names[0] == "a.tif page 1"


def test_positions_are_series_of_their_own(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for position in range(2):
            planes = np.stack([plane(z=z, position=position) for z in range(4)])
            about = {"axes": "ZYX", "Name": f"well {position}"}
            file.write(planes, photometric="minisblack", metadata=about)
    found = inspect_volume(tmp_path / "a.ome.tif")
    assert found.axes["P"] == 2
    assert [stack.label for stack in found.stacks] == ["well 0", "well 1"]
    for stack in found.stacks:
        assert np.array_equal(read_frame(stack.listing, 3), plane(z=3, position=stack.position))


def test_rgb_stacks_keep_their_colours(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 8, 12, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", colours, ome=True, photometric="rgb", metadata={"axes": "ZYXS"})
    assert np.array_equal(np.stack(read_stack([tmp_path / "a.ome.tif"]).frames), colours)
    tifffile.imwrite(tmp_path / "b.tif", colours, imagej=True, photometric="rgb", metadata={"axes": "ZYXS"})
    assert np.array_equal(np.stack(read_stack([tmp_path / "b.tif"]).frames), colours)


def test_pyramids_are_read_at_full_size(tmp_path: Path) -> None:
    full = np.random.default_rng(0).integers(0, 65536, (3, 64, 64), np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(full, subifds=1, photometric="minisblack", metadata={"axes": "ZYX"}, tile=(32, 32))
        file.write(full[:, ::2, ::2], subfiletype=1, photometric="minisblack", tile=(32, 32))
    assert np.array_equal(np.stack(read_stack([tmp_path / "a.ome.tif"]).frames), full)


def write_companions(folder: Path) -> list[Path]:
    """One plane a file, each naming all others: what microscopes write for large stacks."""
    paths = [folder / f"p{z}.ome.tif" for z in range(4)]
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f"<UUID FileName={quoteattr(path.name)}>urn:uuid:{z}</UUID></TiffData>"
        for z, path in enumerate(paths)
    )
    pixels = (
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="12" SizeY="8" SizeZ="4" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels>'
    )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    for z, path in enumerate(paths):
        xml = (
            f'<?xml version="1.0"?><OME xmlns="{schema}" UUID="urn:uuid:{z}"><Image ID="Image:0">{pixels}</Image></OME>'
        )
        tifffile.imwrite(path, plane(z=z), description=xml, metadata=None, photometric="minisblack")
    return paths


def test_one_file_of_several_stands_for_all_of_them(tmp_path: Path) -> None:
    paths = write_companions(tmp_path)
    for given in ([paths[2]], paths):
        frames = read_stack(given).frames
        assert all(np.array_equal(frame, plane(z=z)) for z, frame in enumerate(frames))


def test_a_missing_companion_is_named(tmp_path: Path) -> None:
    paths = write_companions(tmp_path)
    paths[3].unlink()
    with pytest.raises(
        ReadError, match=r"one of 4 files of a set, of which 1 is missing: p3\.ome\.tif; keep all files of the picture"
    ):
        inspect_stack([paths[0]])


def write_planned(path: Path, sizes: str, places: list[tuple[int, int]], channels: int = 1) -> None:
    """An OME-TIFF of planes (channel, z) in the order given, and its sizes as XML says them."""
    parts = "".join(
        f'<TiffData FirstC="{c}" FirstZ="{z}" IFD="{k}" PlaneCount="1"/>' for k, (c, z) in enumerate(places)
    )
    pixels = (
        f'<Pixels ID="Pixels:7" DimensionOrder="XYZCT" Type="uint16" SizeX="12" SizeY="8" SizeZ="4" SizeC="{channels}" '
        f'SizeT="1" {sizes}>' + '<Channel ID="Channel:7:3" SamplesPerPixel="1"/>' * channels + f"{parts}</Pixels>"
    )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    xml = f'<?xml version="1.0"?><OME xmlns="{schema}"><Image ID="Image:9">{pixels}</Image></OME>'
    with tifffile.TiffWriter(path) as file:
        for k, (c, z) in enumerate(places):
            file.write(plane(channel=c, z=z), description=None if k else xml, metadata=None, photometric="minisblack")


def test_planes_in_any_order_come_in_that_of_their_heights(tmp_path: Path) -> None:
    write_planned(tmp_path / "a.ome.tif", "", [(0, 2), (0, 0), (0, 3), (0, 1)])
    frames = read_stack([tmp_path / "a.ome.tif"]).frames
    assert all(np.array_equal(frame, plane(z=z)) for z, frame in enumerate(frames))


def test_a_stack_that_lacks_a_plane_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_planned(path, "", [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 3)], channels=2)
    with pytest.raises(ReadError, match=r"channel 2 plane 3 is missing; .* such as --stack 'channel 1'"):
        fuse_volume(path)
    with pytest.raises(ReadError, match=r"channel 2 plane 3 is missing"):
        inspect_stack([path], "channel 2")
    assert len(inspect_stack([path], "channel 1")) == 4


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ('PhysicalSizeX="2" PhysicalSizeXUnit="furlong" PhysicalSizeY="2"', "x is 2 furlong"),
        ('PhysicalSizeZ="-3" PhysicalSizeZUnit="mm"', "z is -3 mm"),
        ('PhysicalSizeZ="0.5" PhysicalSizeZUnit="reference frame"', "z is 0.5 reference frame"),
    ],
)
def test_units_of_nonsense_are_left_out_with_a_note(tmp_path: Path, sizes: str, said: str) -> None:
    write_planned(tmp_path / "a.ome.tif", sizes, [(0, z) for z in range(4)])
    found = inspect_volume(tmp_path / "a.ome.tif")
    (note,) = found.stacks[0].listing.notes
    assert str(note) == f"a.ome.tif: the step along {said}, which is no length; it is left out"
    assert (found.pixel_size, found.z_step) == (None, None)


def test_units_of_nonsense_in_notes_of_imagej_too(tmp_path: Path) -> None:
    def write(unit: str, spacing: object) -> list[str]:
        metadata = {"axes": "ZYX", "unit": unit, "spacing": spacing}
        tifffile.imwrite(tmp_path / "a.tif", volume("Z"), imagej=True, resolution=(5, 5), metadata=metadata)
        found = inspect_volume(tmp_path / "a.tif")
        assert found.z_step is None
        return [str(note) for note in found.stacks[0].listing.notes]

    assert write("pixel", 2) == []
    assert write("um", "nan") == []
    assert [line.partition(", which")[0] for line in write("furlong", 2)] == [
        "a.tif: the step along x is 0.2 furlong",
        "a.tif: the step along z is 2 furlong",
    ]


def test_single_pictures_are_told_from_stacks(tmp_path: Path, cli: Cli) -> None:
    tifffile.imwrite(tmp_path / "A01_z0.tif", plane())
    assert "1 single picture\n" in cli("info", tmp_path).out
    for z in (1, 3):
        tifffile.imwrite(tmp_path / f"A01_z{z}.tif", plane(z=z))
    listed = cli("info", tmp_path)
    assert "1 stack\n" in listed.out
    assert "1 missing" in listed.out


def test_several_channels_are_refused_as_one_stack_with_their_numbers(tmp_path: Path, cli: Cli) -> None:
    write_ome(tmp_path / "a.ome.tif", "TCZ")
    with pytest.raises(ReadError, match=r"several channels or times \(2 times, 3 channels, 4 planes\)"):
        inspect_stack([tmp_path / "a.ome.tif"])


def test_channels_of_one_plane_are_no_stack(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", "C")
    with pytest.raises(StackError, match="has 1 plane; fusing needs at least 2"):
        inspect_volume(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("axes", ["T", "TC"])
def test_times_without_planes_are_taken_for_planes_and_that_is_said(tmp_path: Path, axes: str) -> None:
    write_ome(tmp_path / "a.ome.tif", axes)
    found = inspect_volume(tmp_path / "a.ome.tif")
    assert (found.axes["T"], found.axes["Z"]) == (1, 2)
    assert len(found.stacks) == found.axes["C"]
    assert all("times are taken for the planes" in str(stack.listing.notes[0]) for stack in found.stacks)
    for stack in found.stacks:
        for time in range(2):
            expected = plane(time=time, channel=stack.channel)
            np.testing.assert_array_equal(read_frame(stack.listing, time), expected)


def test_unknown_axes_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume("TZ"), photometric="minisblack", metadata={"axes": "AZYX"})
    with pytest.raises(ReadError, match=r"a\.tif has an axis A of 2"):
        inspect_volume(tmp_path / "a.tif")


def test_pictures_written_one_after_the_other_are_a_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for z in range(4):
            file.write(plane(z=z), photometric="minisblack")
    assert all(np.array_equal(f, plane(z=z)) for z, f in enumerate(read_stack([tmp_path / "a.tif"]).frames))


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_a_volume_that_is_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    planes = np.random.default_rng(0).integers(0, 65536, (4, 64, 64), np.uint16)
    options = {kind: True}
    tifffile.imwrite(tmp_path / "a.tif", planes, metadata={"axes": "ZYX"}, **options)  # type: ignore[arg-type]
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: 3 * len(data) // 4])
    with pytest.raises(ReadError, match="cut short"):
        inspect_stack([tmp_path / "a.tif"])


@pytest.mark.slow
def test_a_thousand_planes_are_looked_at_quickly_and_each_is_found(tmp_path: Path) -> None:
    planes = np.arange(1000, dtype=np.uint16)[:, None, None] * np.ones((8, 12), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="minisblack", metadata=None)
    listing = inspect_stack([tmp_path / "a.tif"])
    assert [int(read_frame(listing, k)[0, 0]) for k in (0, 1, 500, 999)] == [0, 1, 500, 999]
