"""Volumes in, OME-TIFF out: every plane what fusing its stack alone gives, or all channels by the focus of one."""

import typing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from allfocus.alignment import estimate_alignment, transfer_alignment
from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.core.weights import pick
from allfocus.decision.laplacian import decide_by_laplacian
from allfocus.errors import ConfigError, StackError
from allfocus.io import inspect_volume
from allfocus.metadata import ome_carry as ome_kept
from allfocus.options import COMPOSITIONS, FusionOptions
from allfocus.pipeline import align, compose, decide, fuse
from allfocus.run.machine import Machine
from allfocus.volumes import fuse_volume
from conftest import Cli
from pictures import focal_frames

TIMES, CHANNELS, PLANES = 2, 3, 7
NAMES = ["DAPI", "GFP", "Cy5"]
SIZES = {
    "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "nm",
    "PhysicalSizeZ": 0.5, "PhysicalSizeZUnit": "µm",
}  # fmt: skip
LAPLACIAN = FusionOptions(method="laplacian", align="none")


def planes_of(time: int, channel: int, dtype: str = "uint16", position: int = 0) -> list[Array]:
    """The planes of one stack; in the second channel the focus goes the other way."""
    planes = focal_frames(36, 52, PLANES, gray=True, dtype=dtype, seed=1 + time + 10 * channel + 100 * position)
    return planes[::-1] if channel == 1 else planes


def volume_of(axes: str, dtype: str = "uint16", position: int = 0) -> Array:
    """All planes in the order of these axes, slowest first."""
    shape = {"T": TIMES, "C": CHANNELS, "Z": PLANES}
    stacks = np.stack(
        [[planes_of(t, c, dtype, position) for c in range(CHANNELS)] for t in range(TIMES)]
    )  # T, C, Z, Y, X
    ordered = np.moveaxis(stacks, (0, 1, 2), [axes.index(axis) for axis in "TCZ"])
    assert ordered.shape[:3] == tuple(shape[axis] for axis in axes)
    return ordered


def write_volume(path: Path, axes: str = "TZC", dtype: str = "uint16", **more: object) -> Path:
    about = {"axes": f"{axes}YX", "Channel": {"Name": NAMES}, **SIZES, **more}
    tifffile.imwrite(path, volume_of(axes, dtype), ome=True, photometric="minisblack", metadata=about)
    return path


def read_ome(path: Path) -> tuple[Array, Any]:
    """Planes and OME-XML of a file, which is held against the schema first."""
    with tifffile.TiffFile(path) as tiff:
        xml, planes = tiff.ome_metadata, tiff.series[0].asarray(squeeze=False)
        assert tiff.series[0].get_axes(squeeze=False)[:5] == "TCZYX"
    return planes.reshape(planes.shape[:5]), ome_of(xml)


def ome_of(xml: str | None) -> Any:
    """OME-XML as objects, if the schema allows it."""
    import ome_types  # a second's work, for those tests alone that need it

    assert xml is not None
    ome_types.validate_xml(xml)
    return ome_types.from_xml(xml)


# --- each channel for itself -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axes", "dtype", "more"),
    [
        ("TZC", "uint16", ["--no-align"]),
        ("TCZ", "uint8", ["--no-align"]),
        ("ZCT", "float32", ["--no-align"]),
        pytest.param("CTZ", "uint16", ["--align", "translation"], marks=pytest.mark.slow),
    ],
)
def test_each_plane_is_what_its_stack_alone_gives(
    tmp_path: Path, cli: Cli, axes: str, dtype: str, more: list[str]
) -> None:
    source = write_volume(tmp_path / "a.ome.tif", axes, dtype)
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", "--method", "laplacian", *more)
    assert said.code == 0, said.err
    planes, _ = read_ome(tmp_path / "b.ome.tif")
    assert planes.shape == (TIMES, CHANNELS, 1, 36, 52)
    assert planes.dtype == dtype
    options = FusionOptions(method="laplacian", keep_canvas=True, align=more[-1].removeprefix("--no-align") or "none")
    for t, c in np.ndindex(TIMES, CHANNELS):
        alone = fuse(planes_of(t, c, dtype), options=options)
        assert np.array_equal(planes[t, c, 0], alone.image)


@pytest.mark.slow
def test_the_file_says_what_it_is(tmp_path: Path, cli: Cli) -> None:
    source = write_volume(tmp_path / "a.ome.tif", TimeIncrement=2.5, TimeIncrementUnit="min")
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", "--method", "laplacian", "--no-align")
    assert "2 times, 3 channels, 7 planes to 6 pictures, 52x36 gray uint16, laplacian" in said.out
    _, ome = read_ome(tmp_path / "b.ome.tif")
    pixels = ome.images[0].pixels
    assert [channel.name for channel in pixels.channels] == NAMES
    assert (pixels.size_t, pixels.size_c, pixels.size_z) == (TIMES, CHANNELS, 1)
    assert (pixels.physical_size_x, pixels.physical_size_y) == (0.2, 0.25)
    assert {pixels.physical_size_x_unit.value, pixels.physical_size_y_unit.value} == {"µm"}
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (2.5, "min")
    assert pixels.type.value == "uint16"
    assert ome.images[0].description == "fused by allfocus from 7 planes of a.ome.tif, 0.5 µm apart"


def test_what_comes_out_can_be_inspected_again(tmp_path: Path) -> None:
    planes = np.stack([planes_of(0, 0), planes_of(0, 2)], axis=1)
    tifffile.imwrite(tmp_path / "a.tif", planes, imagej=True, metadata={"axes": "ZCYX"}, resolution=(5.0, 4.0))
    result = fuse_volume(tmp_path / "a.tif", options=LAPLACIAN, maps=["index_map", "confidence"])
    assert result.images.shape == (1, 1, 2, 36, 52)
    for c, channel in enumerate((0, 2)):
        index_map, confidence = decide_by_laplacian(planes_of(0, channel))
        assert np.array_equal(result.maps["index_map"][0, 0, c], index_map)
        assert np.array_equal(result.maps["confidence"][0, 0, c], confidence)


def test_a_plain_imagej_stack_becomes_ome_tiff(tmp_path: Path, cli: Cli) -> None:
    about = {"axes": "ZYX", "unit": "um", "spacing": 1.5}
    tifffile.imwrite(tmp_path / "z.tif", np.stack(planes_of(0, 0)), imagej=True, resolution=(5.0, 4.0), metadata=about)
    said = cli("fuse", tmp_path / "z.tif", "-o", tmp_path / "s.ome.tif", "--method", "laplacian", "--no-align")
    assert said.code == 0, said.err
    planes, ome = read_ome(tmp_path / "s.ome.tif")
    assert np.array_equal(planes[0, 0, 0], pick(planes_of(0, 0), decide_by_laplacian(planes_of(0, 0))[0]))
    pixels = ome.images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_y) == pytest.approx((0.2, 0.25))


@pytest.mark.slow
def test_positions_become_images_of_one_file(tmp_path: Path, cli: Cli) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for position in range(2):
            about = {"axes": "TCZYX", "Name": f"well <{position}>", "Channel": {"Name": NAMES}}
            file.write(volume_of("TCZ", position=position), photometric="minisblack", metadata=about)
    said = cli("fuse", tmp_path / "a.ome.tif", "-o", tmp_path / "b.ome.tif", "--method", "laplacian", "--no-align")
    assert said.code == 0, said.err
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tiff:
        assert [image.name for image in ome_of(tiff.ome_metadata).images] == ["well <0>", "well <1>"]
        for position, series in enumerate(tiff.series):
            found = series.asarray().reshape(TIMES, CHANNELS, 36, 52)
            frames = planes_of(1, 2, position=position)
            assert np.array_equal(found[1, 2], pick(frames, decide_by_laplacian(frames)[0]))


def test_rgb_volumes_stay_rgb(tmp_path: Path, cli: Cli) -> None:
    planes = np.stack([focal_frames(32, 40, 3, seed=time) for time in range(2)])
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, ome=True, photometric="rgb", metadata={"axes": "TZYXS"})
    said = cli("fuse", tmp_path / "a.ome.tif", "-o", tmp_path / "b.ome.tif", "--method", "laplacian", "--no-align")
    assert said.code == 0, said.err
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tiff:
        ome_of(tiff.ome_metadata)
        found = tiff.series[0].asarray()
    assert np.array_equal(found[1], pick(planes[1], decide_by_laplacian(planes[1])[0]))


# --- one channel for all ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["GFP", "2"])
def test_one_channel_decides_for_all(tmp_path: Path, cli: Cli, channel: str) -> None:
    source, index = write_volume(tmp_path / "a.ome.tif"), tmp_path / "i.ome.tif"
    arguments = ("--method", "laplacian", "--no-align", "--channel-for-focus", channel, "--index-map", index)
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", *arguments)
    assert said.code == 0, said.err
    assert "laplacian, all by the focus of GFP" in said.out
    planes, _ = read_ome(tmp_path / "b.ome.tif")
    maps, ome = read_ome(index)
    assert maps.shape == (TIMES, 1, 1, 36, 52)
    assert [each.name for each in ome.images[0].pixels.channels] == ["GFP"]
    for t, c in np.ndindex(TIMES, CHANNELS):
        decision, own = (decide_by_laplacian(planes_of(t, k))[0] for k in (1, c))
        assert np.array_equal(maps[t, 0, 0], decision)
        assert np.array_equal(planes[t, c, 0], pick(planes_of(t, c), decision))
        assert c == 1 or (decision != own).mean() > 0.5  # it would have decided otherwise


def test_what_is_out_of_focus_is_said_of_the_worst_pictures_in_one_line(tmp_path: Path, cli: Cli) -> None:
    volume = volume_of("TZC")
    volume[1, :, 2] = cv2.GaussianBlur(volume[1, 0, 2], (0, 0), 6)  # one picture of six: sharp in no plane
    metadata = {"axes": "TZCYX", "Channel": {"Name": NAMES}}
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, ome=True, photometric="minisblack", metadata=metadata)
    found = fuse_volume(tmp_path / "a.ome.tif", align="none")
    assert [picture.label for picture in found.quality] == [stack.label for stack in found.volume.stacks]
    worst = max(found.quality, key=lambda picture: picture.out_of_focus)
    assert worst.label == found.volume.stacks[-1].label
    stack = [np.ascontiguousarray(plane) for plane in volume[1, :, 2]]
    alone = fuse(stack, align="none", halos="keep", keep_canvas=True).quality
    assert alone is not None and alone.out_of_focus.mean() == pytest.approx(worst.out_of_focus)
    outcome = cli("fuse", tmp_path / "a.ome.tif", "-o", tmp_path / "o.ome.tif", "--no-align")
    (line,) = [line for line in outcome.out.splitlines() if "out of focus in every frame" in line]
    assert f"out of focus in every frame: {worst.out_of_focus:.1%} of {worst.label}" in line
    assert "of 6 pictures)" in line


@pytest.mark.parametrize("how", COMPOSITIONS)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_weights_are_the_same_in_every_channel(tiny_model: Path, how: Any, noise: float) -> None:
    rng = np.random.default_rng(0)
    noisy = [frame + rng.normal(0, noise, frame.shape) for frame in focal_frames(70, 90, 4, gray=True, dtype="float32")]
    frames = [np.clip(frame * 65535, 0, 65535).round().astype(np.uint16) for frame in noisy]
    negatives = FocalStack(frames=[65535 - frame for frame in frames])
    options = FusionOptions(model=tiny_model, compose=how, align="none")
    registered = align(frames, options=options)
    channels = [align(negatives, like=registered, align="none"), align(frames, like=registered, align="none")]
    decision = decide(registered, options=options)
    result = compose(registered, decision, channels=channels, options=options)
    assert np.array_equal(result.image, fuse(frames, options=options).image)
    negative, same = result.channels
    assert np.array_equal(same, result.image)
    # mixing is linear: what is as far below white as the other is above black stays so
    assert np.abs(65535 - negative.astype(int) - result.image).max() <= 2


@pytest.mark.slow
def test_channels_move_as_the_frames_do_and_keep_their_own_brightness() -> None:
    texture = np.random.default_rng(3).random((160, 200), np.float32)
    scene = cv2.GaussianBlur(texture, (0, 0), 1.5) * 2 - 0.5
    shifted = [np.roll(scene, 3 * k, axis=1)[:, 20:-20] for k in range(3)]
    dimmed = [plane * share for plane, share in zip(shifted, (0.8, 1.0, 1.0), strict=True)]
    frames, other = (
        FocalStack(frames=[np.clip(plane * 60000, 0, 65535).astype(np.uint16) for plane in planes])
        for planes in (shifted, dimmed)
    )
    alignment = estimate_alignment(frames)
    carried = transfer_alignment(other, alignment, "match")
    assert np.array_equal(carried.matrices, alignment.matrices)
    assert [exposure.is_same for exposure in alignment.exposures] == [True] * 3
    assert [exposure.is_same for exposure in carried.exposures] == [False, True, True]
    assert carried.exposures[0].gain[0] == pytest.approx(0.8**2.2, rel=0.1)
    assert all(exposure.is_same for exposure in transfer_alignment(other, alignment, "keep").exposures)
    registered = align(frames, method="laplacian")
    channel = align(other, like=registered)
    result = compose(registered, decide(registered, method="laplacian"), channels=[channel])
    assert result.channels[0].shape == result.image.shape
    middle = (slice(20, -20), slice(20, -20))
    assert np.abs(result.channels[0][middle].astype(int) - result.image[middle]).mean() < 1500


def test_channels_must_be_as_many_and_as_large() -> None:
    frames = planes_of(0, 0)
    registered = align(frames, options=LAPLACIAN)
    with pytest.raises(StackError, match="expected"):
        align(FocalStack(frames=frames[1:]), like=registered)


# --- depth -----------------------------------------------------------------------------------------


def test_depth_is_in_micrometres(tmp_path: Path, cli: Cli, tiny_model: Path) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    options = ("--model", tiny_model, "--no-align", "--channel-for-focus", "1")
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", *options, "--depth", tmp_path / "d.ome.tif")
    assert said.code == 0, said.err
    assert "d.ome.tif: depth in µm above the first plane" in said.out
    depth, ome = read_ome(tmp_path / "d.ome.tif")
    assert ome.images[0].pixels.type.value == "float"
    assert ome.images[0].description == "depth in µm above the first plane"
    alone = fuse(planes_of(1, 0), options=FusionOptions(model=tiny_model, align="none", depth=True))
    assert alone.depth is not None
    np.testing.assert_allclose(depth[1, 0, 0], alone.depth * 0.5, rtol=1e-6)


def test_depth_without_a_step_is_in_planes_and_says_so(tmp_path: Path, cli: Cli, tiny_model: Path) -> None:
    planes = np.stack([planes_of(0, 0)[:3], planes_of(0, 2)[:3]])
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, ome=True, photometric="minisblack", metadata={"axes": "CZYX"})
    options = ("--model", tiny_model, "--no-align", "--depth", tmp_path / "d.ome.tif")
    said = cli("fuse", tmp_path / "a.ome.tif", "-o", tmp_path / "b.ome.tif", *options)
    assert "d.ome.tif: depth in planes above the first, which is 0" in said.out
    assert read_ome(tmp_path / "d.ome.tif")[0].shape[:2] == (1, 2)


# --- what is kept of the source --------------------------------------------------------------------

ABOUT = """<Instrument ID="Instrument:7"><Microscope Model="Ti2" Type="Inverted"/>
<Objective ID="Objective:9" Model="Plan Apo" LensNA="1.4" NominalMagnification="60" Immersion="Oil"/></Instrument>"""
USED = """<AcquisitionDate>2024-05-06T07:08:09</AcquisitionDate><InstrumentRef ID="Instrument:7"/>
<ObjectiveSettings ID="Objective:9" Medium="Oil" RefractiveIndex="1.515"/>"""


def write_described(path: Path, about: str = ABOUT, used: str = USED, **channel: list[object]) -> Path:
    """A volume with instrument, date and colours."""
    xml = tifffile.OmeXml()
    planes = volume_of("TCZ")
    told: dict[str, Any] = {"Name": "cells", "Channel": {"Name": NAMES, **channel}}
    xml.addimage("uint16", planes.shape, (planes.size // 36 // 52, 1, 1, 36, 52, 1), axes="TCZYX", **told)
    text = xml.tostring().replace("<Image ", f"{about}<Image ", 1).replace("<Pixels ", f"{used}<Pixels ", 1)
    tifffile.imwrite(path, planes, description=text.encode(), metadata=None, photometric="minisblack")
    return path


@pytest.mark.slow
def test_colours_objective_and_date_are_kept(tmp_path: Path, cli: Cli) -> None:
    colours = [0x0000FFFF, 0x00FF00FF, -16776961]
    source = write_described(tmp_path / "a.ome.tif", Color=colours, EmissionWavelength=[460, 520, 670])
    ome_of(inspect_volume(source).ome_xml)
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", "--method", "laplacian", "--no-align")
    assert said.code == 0, said.err
    _, ome = read_ome(tmp_path / "b.ome.tif")
    image, objective = ome.images[0], ome.instruments[0].objectives[0]
    assert image.name == "cells"
    assert (objective.model, objective.lens_na, objective.immersion.value) == ("Plan Apo", 1.4, "Oil")
    assert ome.instruments[0].microscope.model == "Ti2"
    assert image.objective_settings.id == objective.id
    assert image.instrument_ref.id == ome.instruments[0].id
    assert image.acquisition_date.isoformat().startswith("2024-05-06T07:08:09")
    assert [channel.emission_wavelength for channel in image.pixels.channels] == [460, 520, 670]
    assert [channel.color.as_rgb_tuple()[:3] for channel in image.pixels.channels][:2] == [(0, 0, 255), (0, 255, 0)]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2024-12-31T23:59:59.123Z", True),
        ("2024-02-29T00:00:00+05:30", True),
        ("2023-02-29T00:00:00", False),
        ("2024-05-06", False),
        ("2024-05-06T25:00:00", False),
    ],
)
def test_dates_are_those_of_the_calendar(text: str, is_one: bool) -> None:
    assert ome_kept.is_date(text) == is_one


@pytest.mark.slow
def test_what_is_not_valid_is_left_out(tmp_path: Path, cli: Cli) -> None:
    about = ABOUT.replace("1.4", "high").replace('"Oil"', '"Honey"')
    used = USED.replace("2024-05-06T", "yesterday ").replace("Objective:9", "Objective:none")
    source = write_described(tmp_path / "a.ome.tif", about, used, EmissionWavelength=["blue", 0, 670])
    said = cli("fuse", source, "-o", tmp_path / "b.ome.tif", "--method", "laplacian", "--no-align")
    assert said.code == 0, said.err
    _, ome = read_ome(tmp_path / "b.ome.tif")
    assert (ome.instruments[0].objectives[0].lens_na, ome.images[0].acquisition_date) == (None, None)
    assert ome.images[0].objective_settings is None
    assert [channel.emission_wavelength for channel in ome.images[0].pixels.channels] == [None, None, 670]


@pytest.mark.parametrize(
    ("known", "owner"),
    [
        (ome_kept.CHANNEL, "Channel"),
        (ome_kept.OBJECTIVE, "Objective"),
        (ome_kept.MICROSCOPE, "Microscope"),
        (ome_kept.SETTINGS, "ObjectiveSettings"),
    ],
)
def test_words_that_are_kept_are_those_of_the_schema(known: dict[str, str], owner: str) -> None:
    from ome_types import model

    checked = 0
    fields = {name.replace("_", "").lower(): field for name, field in getattr(model, owner).model_fields.items()}
    for name, looks in known.items():
        kinds = typing.get_args(fields[name.lower()].annotation)
        words = {word.value for kind in kinds if hasattr(kind, "__members__") for word in kind}
        if words and not name.endswith("Unit"):
            assert set(looks.split("|")) <= words
            checked += 1
    assert checked


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "b.png"], "2 times, 3 channels, 7 planes are OME-TIFF; name it b.ome.tif"),
        (["-o", "b.ome.tif", "--index-map", "i.png"], "OME-TIFF; name it i.ome.tif"),
        (["-o", "b.ome.tif", "--channel-for-focus", "RFP"], "expected one of DAPI, GFP, Cy5, or a number from 1"),
        (["-o", "b.ome.tif", "--channel-for-focus", "4"], "channel-for-focus 4: expected one of DAPI"),
        (["-o", "b.ome.tif", "--channel-for-focus", "0"], "channel-for-focus 0: expected one of DAPI"),
        (["-o", "b.ome.tif", "--depth-preview", "p.png"], "depth-preview: not made of volumes"),
        (["-o", "b.ome.tif", "--save-transforms", "t.json"], "save-transforms: not made of volumes"),
        (["-o", "b.ome.tif", "--method", "laplacian", "--depth", "d.ome.tif"], "only the network makes it"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write_volume(tmp_path / "a.ome.tif")
    monkeypatch.chdir(tmp_path)
    said = cli("fuse", "a.ome.tif", *arguments)
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.tif"]


def test_a_channel_for_what_has_none_is_refused(tmp_path: Path, cli: Cli) -> None:
    tifffile.imwrite(tmp_path / "z.tif", np.stack(planes_of(0, 0)), imagej=True, metadata={"axes": "ZYX"})
    said = cli("fuse", tmp_path / "z.tif", "-o", tmp_path / "b.png", "--channel-for-focus", "1")
    assert (said.code, said.err) == (2, "error: channel-for-focus 1: z.tif has one channel only; leave it out\n")


def test_numbers_of_channels_are_checked_in_python_too(tmp_path: Path) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    with pytest.raises(ConfigError, match="channel_for_focus 3: expected 0 to 2"):
        fuse_volume(source, options=LAPLACIAN, channel_for_focus=3)
    with pytest.raises(ConfigError, match="maps height: expected some of index_map"):
        fuse_volume(source, options=LAPLACIAN, maps=["height"])  # type: ignore[list-item]


# --- how it goes about it --------------------------------------------------------------------------


def test_progress_runs_over_all_stacks(tmp_path: Path, cli: Cli) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    seen: list[tuple[str, int, int]] = []
    fuse_volume(source, options=LAPLACIAN, channel_for_focus=0, progress=lambda *step: seen.append(step))
    assert [step for step in seen if step[0].endswith("read") and step[1] == step[2]] == [
        ("1/2 read", 21, 21),
        ("2/2 read", 21, 21),
    ]
    assert seen[-1] == ("2/2 fuse", 1, 1)


@pytest.mark.slow
def test_large_results_lie_in_files(tmp_path: Path) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    options = FusionOptions(method="laplacian", align="none", spool=tmp_path)
    result = fuse_volume(source, options=options, machine=Machine(kept_in_memory=1000))
    assert not result.images.flags.owndata
    assert np.array_equal(result.images, fuse_volume(source, options=LAPLACIAN).images)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.tif"]


def test_maps_alone_are_written_without_the_pictures(tmp_path: Path, cli: Cli) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    outcome = cli(
        "fuse", source, "-o", tmp_path / "b.ome.tif", "--outputs", "index", "--method", "laplacian", "--no-align"
    )
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.tif", "b_index.ome.tif"]


def test_a_volume_has_a_default_output_too(tmp_path: Path, cli: Cli) -> None:
    source = write_volume(tmp_path / "a.ome.tif")
    outcome = cli("fuse", source, "--method", "laplacian", "--no-align")
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fused.ome.tif", "a.ome.tif"]
    dry = cli("fuse", source, "--method", "laplacian", "--dry-run")
    assert dry.code == 0
    assert "a.ome.tif: 2 times, 3 channels, 7 planes, 6 stacks" in dry.out
