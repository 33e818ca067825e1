"""Which files make a stack: folders, OME-TIFF sets and scenes are told apart, and one of them can be chosen."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus import fuse
from allfocus.core.color import Array
from allfocus.errors import AlignmentError, OptionError, ReadError, StackError
from allfocus.io import inspect_stack, list_frames, open_stack, write_image
from allfocus.metadata.ome_xml import read_ome_facts
from allfocus.sources.stacks import choose_stack, find_stacks
from conftest import Cli
from pictures import focal_frames, picture

LAPLACIAN = ("--method", "laplacian", "--halos", "keep")
QUICK = (*LAPLACIAN, "--no-align")


def write_dated(folder: Path, frames: Sequence[Array], minute: int, first: int = 1, every: int = 2) -> list[Path]:
    """JPEG files IMG_0001 and so on, taken one after the other."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"IMG_{first + k:04d}.jpg" for k in range(len(frames))]
    for k, (path, frame) in enumerate(zip(paths, frames, strict=True)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:{minute:02d}:{every * k:02d}"
        Image.fromarray(frame).save(path, quality=95, exif=exif)
    return paths


def touch(*paths: Path) -> list[Path]:
    for path in paths:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    return list(paths)


# --- folders -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_folders_are_two_stacks(tmp_path: Path, cli: Cli) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        for k, frame in enumerate(focal_frames(48, 64, 3, seed=seed)):
            write_image(tmp_path / name / f"img{k}.png", frame)
    typed = (tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out.png", *QUICK)
    outcome = cli("fuse", *typed)
    assert outcome.code == 1 and outcome.err.count("\n") == 1
    for words in ("2 stacks, told apart by their folders", f"1: {tmp_path}/one (3 files)", "--stack 1"):
        assert words in outcome.err
    assert cli("fuse", *typed, "--stack", "2").out.startswith(f"{tmp_path}/out.png: 3 frames")
    assert cli("fuse", *typed, "--stack", tmp_path / "one").code == 0
    assert "6 frames" in cli("fuse", *typed, "--stack", "together", "--keep-all").out
    assert cli("fuse", *typed, "--stack", "3").code == 2


def test_a_frame_in_each_of_several_folders_is_one_stack(tmp_path: Path) -> None:
    paths = touch(tmp_path / "near" / "a.jpg", tmp_path / "far" / "a.jpg")
    assert [stack.paths for stack in find_stacks(paths)] == [tuple(paths)]


def test_folders_that_number_the_planes_are_one_stack(tmp_path: Path) -> None:
    paths = [tmp_path / f"ZStep_{z}" / f"A01_s{s}.tif" for s in (1, 2) for z in (1, 2, 10)]
    stacks = find_stacks(sorted(touch(*paths), key=str))
    assert [stack.name for stack in stacks] == ["ZStep_*/A01_s1.tif", "ZStep_*/A01_s2.tif"]
    assert [path.parent.name for path in stacks[0].paths] == ["ZStep_1", "ZStep_2", "ZStep_10"]
    assert list_frames([stacks[1].typed]) and {*list_frames([stacks[1].typed])} == {*stacks[1].paths}


def test_channels_in_several_folders_are_told_apart_too(tmp_path: Path) -> None:
    paths = [tmp_path / f / f"e_w{w}_z{z}.tif" for f in ("Pos0", "Pos1") for w in (1, 2) for z in (1, 2)]
    stacks = find_stacks(touch(*paths))
    assert len(stacks) == 4
    assert stacks[0].typed == str(tmp_path / "Pos0" / "e_w1_z*.tif")


# --- names ---------------------------------------------------------------------------------------


def write_channels(folder: Path, seeds: Sequence[int] = (1, 2)) -> list[Path]:
    """Two channels as MetaMorph names them."""
    for channel, seed in enumerate(seeds, start=1):
        for z, frame in enumerate(focal_frames(48, 64, 3, gray=True, dtype="uint16", seed=seed), start=1):
            write_image(folder / f"exp_w{channel}_z{z}.tif", frame)
    return list_frames([folder])


@pytest.mark.slow
def test_channels_are_refused_with_what_to_type(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_channels(folder)
    outcome = cli("fuse", folder, "-o", tmp_path / "out.tif", *LAPLACIAN)
    assert (outcome.code, outcome.out) == (1, "") and not (tmp_path / "out.tif").exists()
    typed = f"{folder}/exp_w1_z*.tif"
    for words in ("1: exp_w1_z*.tif (3 files); 2: exp_w2_z*.tif (3 files)", f"--stack 1 or type '{typed}'"):
        assert words in outcome.err
    assert cli("fuse", typed, "-o", tmp_path / "typed.tif", *QUICK).code == 0
    assert cli("fuse", folder, "-o", tmp_path / "chosen.tif", "--stack", "exp_w1_z*.tif", *QUICK).code == 0
    assert (tmp_path / "typed.tif").read_bytes() == (tmp_path / "chosen.tif").read_bytes()
    with pytest.raises(StackError, match="2 stacks"):
        fuse(folder)
    with pytest.raises(OptionError, match="stack 7: expected a number from 1 to 2, together, or one of exp_w1"):
        open_stack(folder, stack=7)


def test_names_that_count_something_else_are_noted(tmp_path: Path) -> None:
    for k in (1, 2, 4):
        write_image(tmp_path / f"a_ch{k:02d}.png", picture(seed=k))
    notes = [str(note) for note in inspect_stack(tmp_path).notes]
    assert notes == [
        "the names count channels; they are taken for the planes of one focal stack",
        "by their numbers frames are missing: a_ch03.png",
    ]


# --- OME-TIFF ------------------------------------------------------------------------------------

HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def write_set(folder: Path, name: Callable[[int, int], str], channels: int = 2, companion: bool = False) -> list[Path]:
    """A picture of some channels and three planes, each in a file of its own, or described by a file of its own."""
    names = {(c, z): name(c, z) for c in range(channels) for z in range(3)}
    uuids = {key: f"urn:uuid:{UUID(int=k)}" for k, key in enumerate(names, start=2)}
    data = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" FirstC="{c}" FirstT="0" PlaneCount="1">'
        f'<UUID FileName="{names[c, z]}">{uuids[c, z]}</UUID></TiffData>'
        for c, z in names
    )
    named = "".join(
        f'<Channel ID="c:{c}" Name="{n}" SamplesPerPixel="1"/>' for c, n in enumerate(("GFP", "DAPI")[:channels])
    )
    pixels = (
        '<Image ID="Image:0"><Pixels ID="P:0" DimensionOrder="XYZCT" Type="uint16" SizeX="64" SizeY="48" SizeZ="3" '
        f'SizeC="{channels}" SizeT="1" PhysicalSizeX="0.1" PhysicalSizeY="0.1">{named}{data}</Pixels></Image></OME>'
    )
    stacks = [focal_frames(48, 64, 3, gray=True, dtype="uint16", seed=c) for c in range(channels)]
    if companion:
        (folder / "e.companion.ome").write_text(f'{HEAD} UUID="urn:uuid:{UUID(int=1)}">{pixels}')
    for (c, z), file in names.items():
        short = f'<BinaryOnly MetadataFile="e.companion.ome" UUID="urn:uuid:{UUID(int=1)}"/></OME>'
        xml = f'{HEAD} UUID="{uuids[c, z]}">{short if companion else pixels}'
        tifffile.imwrite(folder / file, stacks[c][z], description=xml, metadata=None, photometric="minisblack")
    return [folder / file for file in names.values()]


def plain_name(channel: int, z: int) -> str:
    """A name by which channels can't be told from planes."""
    return f"{3 * channel + z:02d}.ome.tif"


@pytest.mark.slow
def test_the_files_of_a_set_are_one_volume(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    paths = write_set(folder, plain_name)
    for typed, output in (
        ([folder], "in.fused.ome.tif"),
        (paths, "in/in.fused.ome.tif"),
        (paths[:1], "in/00.fused.ome.tif"),
    ):
        for _ in range(2):  # what the first run wrote is no frame of the second
            outcome = cli("fuse", *typed, *QUICK)
            assert outcome.code == 0, outcome.err
            assert "2 channels, 3 planes to 2 pictures" in outcome.out
        with tifffile.TiffFile(tmp_path / output) as tiff:
            facts = read_ome_facts(tiff.ome_metadata or "")
        assert facts["channel_names"] == ("GFP", "DAPI")
        assert facts["pixel_size"] == (0.1, 0.1)


def test_a_part_of_a_set_is_told_apart_by_its_xml(tmp_path: Path) -> None:
    paths = write_set(tmp_path, plain_name)
    with pytest.raises(StackError, match=r"told apart by their OME-XML: 1: GFP \(2 files\); 2: DAPI \(2 files\)"):
        inspect_stack([*paths[:2], *paths[3:5]])
    assert list(inspect_stack(paths, "DAPI").names) == ["03.ome.tif", "04.ome.tif", "05.ome.tif"]
    assert list(inspect_stack([paths[2], paths[0]]).names) == ["00.ome.tif", "02.ome.tif"]  # by their height


def test_two_sets_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    paths = write_set(tmp_path, plain_name) + write_set(tmp_path, lambda channel, z: f"{50 + 3 * channel + z}.ome.tif")
    write_image(tmp_path / "overview.png", picture())
    stacks = find_stacks([*paths, tmp_path / "overview.png"])
    assert [stack.name for stack in stacks] == [
        "00.ome.tif GFP", "00.ome.tif DAPI", "50.ome.tif GFP", "50.ome.tif DAPI", "overview.png",
    ]  # fmt: skip
    assert [len(stack.paths) for stack in stacks] == [3, 3, 3, 3, 1]


def test_a_set_of_one_channel_is_a_stack(tmp_path: Path) -> None:
    write_set(tmp_path, plain_name, channels=1)
    assert len(inspect_stack(tmp_path)) == 3


def test_files_that_a_set_lacks_are_named(tmp_path: Path, cli: Cli) -> None:
    paths = write_set(tmp_path, plain_name)
    paths[4].unlink()
    for typed in (tmp_path, paths[0]):
        outcome = cli("fuse", typed, "-o", tmp_path / "out.ome.tif")
        assert outcome.code == 1
        assert "one of 6 files of a set, of which 1 is missing: 04.ome.tif" in outcome.err
    assert len(inspect_stack(paths[:3])) == 3  # its own channel is whole


def test_a_companion_file_tells_channels_apart(tmp_path: Path) -> None:
    paths = write_set(tmp_path, plain_name, companion=True)
    with pytest.raises(StackError, match="OME-XML: 1: GFP"):
        inspect_stack(tmp_path)
    assert len(inspect_stack(tmp_path, 2)) == 3
    paths[1].unlink()
    with pytest.raises(ReadError, match=r"missing: 01\.ome\.tif"):
        inspect_stack(tmp_path)


# --- scenes --------------------------------------------------------------------------------------


def test_a_pause_before_another_scene_divides_a_folder(tmp_path: Path) -> None:
    beetle, fly = (focal_frames(96, 128, 4, seed=seed) for seed in (1, 2))
    paths = write_dated(tmp_path, beetle, 0) + write_dated(tmp_path, fly, 5, first=5)
    first, second = find_stacks(paths)
    assert (first.name, second.name) == ("IMG_0001.jpg to IMG_0004.jpg", "IMG_0005.jpg to IMG_0008.jpg")
    assert choose_stack(paths, "2").paths == tuple(paths[4:])
    with pytest.raises(StackError, match="told apart by their scenes"):
        inspect_stack(paths)


def test_a_pause_within_a_stack_does_not(tmp_path: Path) -> None:
    frames = focal_frames(96, 128, 6, seed=1)
    paths = write_dated(tmp_path, frames[:3], 0) + write_dated(tmp_path, frames[3:], 5, first=4)
    assert len(inspect_stack(paths)) == 6


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(2, 2), (4, 3)])
def test_scenes_without_dates_are_told_apart_when_they_are_aligned(
    tmp_path: Path, counts: tuple[int, int], cli: Cli
) -> None:
    frames = [frame for seed, count in enumerate(counts) for frame in focal_frames(96, 128, count, seed=seed)]
    for k, frame in enumerate(frames):
        write_image(tmp_path / f"IMG_{k:04d}.png", frame)
    with pytest.raises(AlignmentError, match="the frames show 2 scenes: 1: IMG_0000"):
        fuse(tmp_path, method="laplacian", halos="keep")
    outcome = cli("fuse", tmp_path, "--stack", "together", "-o", tmp_path / "out.tif", *LAPLACIAN)
    assert outcome.code == 0


@pytest.mark.slow
def test_a_few_frames_of_another_scene_are_left_out_and_not_counted(tmp_path: Path, cli: Cli) -> None:
    frames = [*focal_frames(96, 128, 3, seed=1), picture(96, 128, seed=9)]
    for k, frame in enumerate(frames):
        write_image(tmp_path / f"IMG_{k:04d}.png", frame)
    outcome = cli("fuse", tmp_path, "-o", tmp_path / "out.tif", *LAPLACIAN)
    assert "3 of 4 frames" in outcome.out
    assert "IMG_0003.png was left out" in outcome.out


@pytest.mark.slow
def test_photos_of_a_scene_each_are_refused(tmp_path: Path) -> None:
    frames = [cv2.resize(picture(12, 16, seed=seed), (128, 96), interpolation=cv2.INTER_CUBIC) for seed in range(3)]
    for k, frame in enumerate(frames):
        write_image(tmp_path / f"IMG_{k:04d}.png", frame)
    with pytest.raises(AlignmentError, match="the 3 frames show a scene each"):
        fuse(tmp_path, method="laplacian", halos="keep")
    assert fuse(tmp_path, method="laplacian", stack="together", halos="keep").frame_count == 3


def test_the_shortest_stack_has_no_pause(tmp_path: Path) -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    assert len(find_stacks(write_dated(tmp_path, list(frames), 0, every=30))) == 1
