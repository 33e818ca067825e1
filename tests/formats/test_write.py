"""Files appear whole or not at all, whatever is written; OME-TIFF says what its planes are."""

import errno
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus.core.color import Array
from allfocus.errors import ReadError, WriteError
from allfocus.formats.ome_file import UNITS, OmeFile
from allfocus.formats.ome_tiff import needs_bigtiff, write_planes
from allfocus.io import (
    Metadata,
    Picture,
    Scale,
    check_outputs,
    finish_metadata,
    read_image,
    read_metadata,
    srgb_profile,
    write_image,
    write_images,
    write_ome,
)
from allfocus.run.atomic import write_file
from conftest import Cli
from pictures import picture, write_pair


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def planes_of(*shape: int, dtype: str = "uint16") -> Array:
    """Planes that differ from each other."""
    count = int(np.prod(shape[:-2], dtype=int))
    flat = [picture(*shape[-2:], gray=True, dtype=dtype, seed=seed) for seed in range(count)]
    return np.stack(flat).reshape(shape)


def valid_ome(path: Path) -> Any:
    """What another reader understands of the XML in a file, which is held against the OME schema first."""
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata
    assert xml is not None
    import ome_types

    ome_types.validate_xml(xml)
    return ome_types.from_xml(xml).images[0]


# --- OME-TIFF ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("axes", "shape", "sizes"),
    [
        ("YX", (32, 48), (1, 1, 1)),
        ("CYX", (3, 32, 48), (1, 3, 1)),
        ("CYX", (1, 32, 48), (1, 1, 1)),
        ("ZYX", (4, 32, 48), (1, 1, 4)),
        ("TCYX", (2, 3, 32, 48), (2, 3, 1)),
        ("TCZYX", (2, 3, 4, 8, 8), (2, 3, 4)),
        ("CTZYX", (3, 2, 4, 8, 8), (2, 3, 4)),
    ],
)
def test_planes_come_back_and_the_xml_is_valid(
    tmp_path: Path, axes: str, shape: tuple[int, ...], sizes: tuple[int, int, int], dtype: str
) -> None:
    planes = planes_of(*shape, dtype=dtype)
    write_ome(tmp_path / "a.ome.tif", planes, axes)
    pixels = valid_ome(tmp_path / "a.ome.tif").pixels
    assert (pixels.size_t, pixels.size_c, pixels.size_z) == sizes
    assert (pixels.size_y, pixels.size_x) == shape[-2:]
    assert pixels.type.value == {"float32": "float"}.get(dtype, dtype)
    back = tifffile.imread(tmp_path / "a.ome.tif")
    assert back.dtype == dtype
    assert np.array_equal(back.reshape(shape), planes)


def test_names_sizes_and_heights_are_said(tmp_path: Path) -> None:
    scale = Scale(
        channels=("DAPI", "Größe <2>"),
        pixel_size=(0.25, 0.2),
        z_step=1.5,
        z_positions=[10.0, 11.5, 13.0] * 2,
        unit="µm",
        description='fused from 12 frames & "more"',
    )
    write_ome(tmp_path / "a.ome.tiff", planes_of(2, 3, 16, 16), "CZYX", scale)
    image = valid_ome(tmp_path / "a.ome.tiff")
    pixels = image.pixels
    assert [channel.name for channel in pixels.channels] == ["DAPI", "Größe <2>"]
    assert (pixels.physical_size_y, pixels.physical_size_x, pixels.physical_size_z) == (0.25, 0.2, 1.5)
    assert {unit.value for unit in (pixels.physical_size_x_unit, pixels.physical_size_y_unit)} == {"µm"}
    assert [(plane.the_c, plane.the_z, plane.position_z) for plane in pixels.planes][3:5] == [(1, 0, 10), (1, 1, 11.5)]
    assert pixels.planes[0].position_z_unit.value == "µm"
    assert image.description == scale.description


def test_rgb_is_one_channel_of_three_samples(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", np.stack([picture(), picture(seed=1)]), "CYXS", Scale(channels=("one", "other")))
    channels = valid_ome(tmp_path / "a.ome.tif").pixels.channels
    assert [(channel.name, channel.samples_per_pixel) for channel in channels] == [("one", 3), ("other", 3)]
    assert np.array_equal(tifffile.imread(tmp_path / "a.ome.tif")[1], picture(seed=1))


@pytest.mark.parametrize("gray", [False, True])
def test_a_picture_with_such_a_name_becomes_ome_tiff_with_all_metadata(tmp_path: Path, gray: bool) -> None:
    image = picture(gray=gray, dtype="uint16")
    profile = None if gray else srgb_profile()
    metadata = finish_metadata(Metadata(icc=profile, dpi=(300, 300)), frames=9, size=(32, 48))
    assert write_image(tmp_path / "a.OME.TIF", image, metadata) == ()
    channels = valid_ome(tmp_path / "a.OME.TIF").pixels.channels
    assert [channel.samples_per_pixel for channel in channels] == [1 if gray else 3]
    assert np.array_equal(read_image(tmp_path / "a.OME.TIF"), image)
    found = read_metadata(tmp_path / "a.OME.TIF")
    assert (found.icc, found.dpi) == (profile, (300, 300))


def test_large_planes_become_bigtiff(tmp_path: Path) -> None:
    planes = planes_of(2, 32, 48)
    for name, limit in (("small.ome.tif", planes.nbytes), ("large.ome.tif", planes.nbytes - 1)):
        path = tmp_path / name
        write_planes(path, OmeFile(path=path, planes=[planes], axes="CYX"), large=limit)
    with tifffile.TiffFile(tmp_path / "small.ome.tif") as small, tifffile.TiffFile(tmp_path / "large.ome.tif") as large:
        assert (small.is_bigtiff, large.is_bigtiff) == (False, True)
    assert np.array_equal(tifffile.imread(tmp_path / "large.ome.tif"), planes)


def test_files_of_nearly_4_gib_are_bigtiff_by_default() -> None:
    def plane(height: int) -> Array:
        return np.broadcast_to(np.uint8(0), (height, 2**20))  # of that size, but of no memory

    assert [needs_bigtiff([plane(height)]) for height in (4096 - 64, 4096 - 63)] == [False, True]
    assert needs_bigtiff([plane(2048), plane(2048)])  # the positions of a file count together


@pytest.mark.parametrize(
    ("planes", "axes", "scale", "words"),
    [
        (np.zeros((4, 4), np.int64), "YX", Scale(), "planes are int64; expected uint8"),
        (np.zeros((2, 4, 4), np.uint8), "YX", Scale(), r"shape \(2, 4, 4\) with axes 'YX'"),
        (np.zeros((2, 4, 4), np.uint8), "QYX", Scale(), "a letter of TCZYXS"),
        (np.zeros((4, 4, 2), np.uint8), "YXC", Scale(), "expected them to end in YX"),
        (np.zeros((4, 4, 2), np.uint8), "YXS", Scale(), "expected them to end in YX"),
        (np.zeros((2, 4, 4), np.uint8), "CYX", Scale(channels=("a",)), "1 channel names for 2 channels"),
        (np.zeros((2, 4, 4), np.uint8), "ZYX", Scale(z_positions=(1.0,)), "1 positions for 2 planes"),
    ],
)
def test_planes_that_are_not_what_is_said_are_refused(
    tmp_path: Path, planes: Array, axes: str, scale: Scale, words: str
) -> None:
    with pytest.raises(WriteError, match=words):
        write_ome(tmp_path / "a.ome.tif", planes, axes, scale)
    assert names_in(tmp_path) == []


def test_the_units_are_those_of_the_schema() -> None:
    from ome_types.model import UnitsLength

    assert {unit.value for unit in UnitsLength} == UNITS


def test_a_unit_that_ome_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="'parsnips' is no unit of OME"):
        write_ome(tmp_path / "a.ome.tif", planes_of(4, 4), "YX", Scale(pixel_size=(1, 1), unit="parsnips"))
    with pytest.raises(WriteError, match=r"no name for planes; expected it to end in \.ome\.tif"):
        write_ome(tmp_path / "a.tif", planes_of(4, 4), "YX")


# --- whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.ome.tif", "a.png"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_whatever_happens_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, step: str
) -> None:
    (tmp_path / name).write_bytes(b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(step, fail)
    expected = (WriteError, "nothing was kept") if isinstance(error, OSError) else (KeyboardInterrupt, "^$")
    with pytest.raises(expected[0], match=expected[1]):
        if name == "a.png":
            write_images([(tmp_path / name, picture()), (tmp_path / "b.tif", picture())])
        else:
            write_ome(tmp_path / name, planes_of(4, 4), "YX")
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_a_disk_that_fills_up_inside_the_encoder_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(file: tifffile.TiffWriter, *_: object, **__: object) -> None:
        assert names_in(tmp_path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tifffile.TiffWriter.write", half)
    with pytest.raises(WriteError, match=r"a\.ome\.tif can't be written: No space left on device"):
        write_ome(tmp_path / "a.ome.tif", planes_of(4, 4), "YX")
    assert names_in(tmp_path) == []


def test_an_ome_name_is_guarded_like_any_other(tmp_path: Path, cli: Cli) -> None:
    near, far = write_pair(tmp_path, suffix=".ome.tif")
    before = Path(near).read_bytes()
    (tmp_path / "soft.ome.tif").symlink_to(near)
    (tmp_path / "hard.ome.tif").hardlink_to(near)
    for name in (Path(near).name, "soft.ome.tif", "hard.ome.tif"):
        with pytest.raises(WriteError, match="is one of the frames"):
            check_outputs([tmp_path / name], [Path(near), Path(far)])
    outcome = cli("fuse", near, far, "--method", "laplacian", "-o", tmp_path / "hard.ome.tif")
    assert (outcome.code, Path(near).read_bytes()) == (1, before)
    outcome = cli("fuse", near, far, "--method", "laplacian", "-o", tmp_path / "new.ome.tif")
    assert (outcome.code, outcome.err) == (0, "")
    valid_ome(tmp_path / "new.ome.tif")


def test_pairs_and_pictures_go_together(tmp_path: Path) -> None:
    profile = srgb_profile()
    notes = write_images(
        [
            (tmp_path / "a.png", picture()),
            Picture(tmp_path / "b.png", picture(), Metadata(icc=profile)),
            Picture(path=tmp_path / "c.png", image=picture(gray=True), metadata=Metadata(icc=profile)),
        ]
    )
    assert [str(note) for note in notes] == [
        "c.png: the ICC profile is for RGB and the picture is gray; the profile was left out"
    ]
    assert [read_metadata(tmp_path / f"{name}.png").icc for name in "abc"] == [None, profile, None]


def test_metadata_that_can_not_be_encoded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"a\.tif can't be encoded: no EXIF header"):
        write_image(tmp_path / "a.tif", picture(), Metadata(exif=b"no EXIF at all"))
    assert names_in(tmp_path) == []


# --- what can be written -------------------------------------------------------------------------


def rgba(dtype: str = "uint8") -> Array:
    """A picture that is transparent here and there."""
    return np.dstack([picture(dtype=dtype), picture(gray=True, dtype=dtype, seed=7)])


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".png", "uint8"),
        (".png", "uint16"),
        (".webp", "uint8"),
        (".tif", "uint8"),
        (".tif", "uint16"),
        (".tif", "float32"),
    ],
)
def test_alpha_is_written_right_where_the_format_holds_it(tmp_path: Path, suffix: str, dtype: str) -> None:
    path, image = tmp_path / f"a{suffix}", rgba(dtype)
    assert write_image(path, image) == ()
    if suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            assert tiff.pages.first.extrasamples == (2,)  # unassociated alpha
        back = tifffile.imread(path)
    elif dtype == "uint16":
        back = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    else:
        with Image.open(path) as stored:
            back = np.array(stored)
    assert back.dtype == dtype
    assert np.array_equal(back, image)
    with pytest.raises(ReadError, match="transparent pixels"):
        read_image(path)
    image[..., 3] = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    write_image(path, image)
    assert np.array_equal(read_image(path), image[..., :3])


@pytest.mark.parametrize("name", ["a.jpg", "a.ome.tif"])
def test_alpha_is_refused_where_the_format_has_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match=rf"{name} can't be encoded: it has shape \(32, 48, 4\), and .* no alpha"):
        write_image(tmp_path / name, rgba())
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".ome.tif"])
def test_one_channel_is_written_as_gray(tmp_path: Path, suffix: str) -> None:
    for name, image in (("a", picture(gray=True)[..., None]), ("b", picture(gray=True))):
        write_image(tmp_path / f"{name}{suffix}", image)
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), read_image(tmp_path / f"b{suffix}"))
    assert read_image(tmp_path / f"a{suffix}").ndim == 2


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tif"])
def test_big_endian_samples_are_written_right(tmp_path: Path, suffix: str) -> None:
    image = picture(dtype="uint16")
    write_image(tmp_path / f"a{suffix}", image.astype(">u2"))
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros(9, np.uint8), r"has shape \(9,\); expected \(H, W\) gray, \(H, W, 3\) RGB or"),
        (np.zeros((4, 4, 2), np.uint8), r"has shape \(4, 4, 2\); expected"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"has shape \(2, 4, 4, 3\); expected"),
        (np.zeros((0, 4), np.uint8), r"has shape \(0, 4\), which holds no pixels"),
        (np.zeros((4, 4), np.complex64), r"has shape \(4, 4\) and complex64 samples; expected whole or real numbers"),
        (np.zeros((4, 4), bool), r"has shape \(4, 4\) and bool samples"),
        (np.full((4, 4), np.inf, np.float32), r"has shape \(4, 4\) and holds infinite"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(tmp_path: Path, suffix: str, image: Array, words: str) -> None:
    with pytest.raises(WriteError, match=words):
        write_image(tmp_path / f"a{suffix}", image)
    assert names_in(tmp_path) == []


def test_notes_of_written_pictures_have_codes(tmp_path: Path) -> None:
    deep = picture(gray=True, dtype="uint16")
    notes = write_images([(tmp_path / "a.webp", deep), (tmp_path / "b.png", deep)])
    assert [note.code for note in notes] == ["bit-depth-reduced"]
    assert [str(note) for note in notes] == [
        "a.webp: uint16 samples were rounded to uint8",
    ]


def test_a_file_of_bytes_or_text_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path / "a.txt", "größer\n")
    write_file(tmp_path / "b.bin", b"\0\1")
    assert ((tmp_path / "a.txt").read_bytes(), (tmp_path / "b.bin").read_bytes()) == ("größer\n".encode(), b"\0\1")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match=r"a\.txt can't be written: No space left on device"):
        write_file(tmp_path / "a.txt", "new")
    assert names_in(tmp_path) == ["a.txt", "b.bin"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "größer\n"


# --- samples of other types ----------------------------------------------------------------------


def ramp(low: float, high: float, dtype: str) -> Array:
    """Gray (32, 32) from one number to another."""
    return np.linspace(low, high, 32 * 32).reshape(32, 32).astype(dtype)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float16", "float64"])
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_tiff_keeps_numbers_of_all_types(tmp_path: Path, dtype: str, suffix: str) -> None:
    image = ramp(-100 if dtype[0] != "u" else 0, 127, dtype)
    notes = write_image(tmp_path / f"a{suffix}", image)
    found = tifffile.imread(tmp_path / f"a{suffix}")
    has_half = suffix == ".tif" or dtype != "float16"
    assert (not notes) == has_half
    assert found.dtype == (dtype if has_half else "float32") and np.array_equal(found, image)


@pytest.mark.parametrize(("suffix", "white", "kind"), [(".png", 65535, "uint16"), (".webp", 255, "uint8")])
@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(120, 4020, "float32"), (-500, 3400, "int16"), (-3, 0.5, "float64")]
)
def test_numbers_that_a_format_does_not_hold_are_stretched(
    tmp_path: Path, suffix: str, white: int, kind: str, low: float, high: float, dtype: str
) -> None:
    notes = write_image(tmp_path / f"a{suffix}", ramp(low, high, dtype))
    found = read_image(tmp_path / f"a{suffix}")
    assert f"{dtype} samples from {low} to {high} were stretched to 0 to {white} ({kind})" in str(notes[0])
    assert (found.dtype, found.min(), found.max()) == (kind, 0, white)


@pytest.mark.parametrize(("dtype", "high", "kind"), [("int32", 60000, "uint16"), ("int64", 200, "uint8")])
def test_whole_numbers_that_fit_stay_what_they_are(tmp_path: Path, dtype: str, high: int, kind: str) -> None:
    notes = write_image(tmp_path / "a.png", ramp(0, high, dtype))
    assert f"{dtype} samples from 0 to {high} were written as {kind}" in str(notes[0])
    assert np.array_equal(read_image(tmp_path / "a.png"), ramp(0, high, kind))


@pytest.mark.parametrize(
    ("high", "words", "brightest"),
    [(300, "from 0 to 300 were stretched", 255), (4095, "stretched", 255), (9000, "they use 36 of its 256", 35)],
)
def test_dark_numbers_keep_levels_in_8_bits_or_it_is_said(
    tmp_path: Path, high: int, words: str, brightest: int
) -> None:
    notes = write_image(tmp_path / "a.webp", ramp(0, high, "uint16"))
    assert words in str(notes[0])
    assert read_image(tmp_path / "a.webp").max() == brightest


def test_nan_is_kept_in_floats_and_black_elsewhere(tmp_path: Path) -> None:
    image = ramp(0, 1, "float32")
    image[:4] = np.nan
    assert not write_image(tmp_path / "a.tif", image)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), image, equal_nan=True)
    notes = write_image(tmp_path / "a.png", image)
    assert "pixels without a value are 0" in str(notes[0])
    assert (read_image(tmp_path / "a.png")[:4] == 0).all()


@pytest.mark.parametrize("given", [None, "words", b"bytes", print])
def test_what_is_no_array_is_no_picture(tmp_path: Path, given: object) -> None:
    with pytest.raises(WriteError, match="expected a picture as an array, found"):
        write_image(tmp_path / "out.png", given)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_address_is_no_place_for_an_output(tmp_path: Path, cli: Cli) -> None:
    outcome = cli("fuse", *write_pair(tmp_path), "-o", "s3://lab/out.ome.zarr", "--method", "laplacian", "--no-align")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "s3://lab/out.ome.zarr is an address; write to a folder" in outcome.err
