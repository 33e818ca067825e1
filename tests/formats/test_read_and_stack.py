"""Every format comes back as it was, is turned the right way up, and is never half read."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from allfocus.core.color import Array
from allfocus.errors import ReadError, StackError, WriteError
from allfocus.formats.pixels import check_pixels, orient
from allfocus.io import check_output, check_outputs, list_frames, read_image, read_stack, write_image, write_images
from allfocus.run.context import Run
from allfocus.sources.expand import natural_key
from pictures import picture

SMALL = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

CASES = [
    (suffix, dtype, gray)
    for suffix, dtypes in {
        ".png": ("uint8", "uint16"),
        ".tif": ("uint8", "uint16", "float32"),
        ".TIFF": ("uint8",),
        ".webp": ("uint8",),
    }.items()
    for dtype in dtypes
    for gray in (False, True)
    if (suffix, gray) != (".webp", True)
]


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "dtype", "gray"), CASES)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (32, 48)])
def test_lossless_formats_return_what_was_written(
    tmp_path: Path, suffix: str, dtype: str, gray: bool, size: tuple[int, int]
) -> None:
    image = picture(*size, gray=gray, dtype=dtype)
    assert write_image(tmp_path / f"a{suffix}", image) == ()
    assert same(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.slow
@SMALL
@given(
    height=st.integers(1, 20), width=st.integers(1, 20), gray=st.booleans(),
    dtype=st.sampled_from(["uint8", "uint16"]), suffix=st.sampled_from([".png", ".tif"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_round_trips_at_any_size(
    tmp_path: Path, height: int, width: int, gray: bool, dtype: str, suffix: str, seed: int
) -> None:
    image = picture(height, width, gray=gray, dtype=dtype, seed=seed)
    write_image(tmp_path / f"a{suffix}", image)
    assert same(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize("gray", [False, True])
def test_jpeg_is_close_and_keeps_full_colour_resolution(tmp_path: Path, gray: bool) -> None:
    image = cv2.GaussianBlur(picture(64, 64, gray=gray), (0, 0), 2)
    assert write_image(tmp_path / "a.jpg", image) == ()
    back = read_image(tmp_path / "a.jpg")
    assert back.shape == image.shape
    assert np.abs(back.astype(int) - image).mean() < 1.5
    with Image.open(tmp_path / "a.jpg") as stored:
        assert gray or {layer[1:3] for layer in stored.layer} == {(1, 1)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("suffix", "dtype", "stored"),
    [
        (".jpg", "uint16", "uint8"),
        (".webp", "uint16", "uint8"),
        (".webp", "float32", "uint8"),
        (".png", "float32", "uint16"),
    ],
)
def test_a_depth_that_the_format_lacks_is_rounded_and_said(
    tmp_path: Path, suffix: str, dtype: str, stored: str
) -> None:
    image = picture(dtype=dtype)
    (note,) = write_image(tmp_path / f"a{suffix}", image)
    assert dtype in str(note) and stored in str(note)
    back = read_image(tmp_path / f"a{suffix}")
    assert back.dtype == stored
    if suffix != ".jpg":
        white = {"uint8": 255, "uint16": 65535, "float32": 1}
        assert np.abs(back / white[stored] - image / white[dtype]).max() <= 0.51 / white[stored]


def test_webp_has_no_gray_and_stores_it_as_rgb_without_a_word(tmp_path: Path) -> None:
    image = picture(gray=True)
    assert write_image(tmp_path / "a.webp", image) == ()
    assert same(read_image(tmp_path / "a.webp"), np.dstack([image] * 3))


def test_tiff_names_the_software_and_is_compressed(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.zeros((64, 64, 3), np.uint16))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].aspage().software == "allfocus"
    assert (tmp_path / "a.tif").stat().st_size < 64 * 64 * 6 / 4


# --- what cameras and programs write -------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_pillow_says(orientation: int) -> None:
    image = picture(4, 6)
    tagged = Image.fromarray(image)
    tagged.getexif()[0x0112] = orientation
    assert same(orient(image, orientation), np.array(ImageOps.exif_transpose(tagged)))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_orientations_that_mean_nothing_are_ignored(orientation: int) -> None:
    assert same(orient(picture(), orientation), picture())


def write_jpeg(path: Path, image: Array, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(path, "JPEG", quality=100, subsampling=0, exif=exif)


def write_png8(path: Path, image: Array, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(path, "PNG", exif=exif)


def write_webp(path: Path, image: Array, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(path, "WEBP", lossless=True, exif=exif)


def write_tiff16(path: Path, image: Array, orientation: int) -> None:
    tifffile.imwrite(path, image.astype(np.uint16) * 257, extratags=[(274, 3, 1, orientation, True)], photometric="rgb")


def write_lzw8(path: Path, image: Array, orientation: int) -> None:
    Image.fromarray(image).save(path, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})


def write_lzw16(path: Path, image: Array, orientation: int) -> None:
    gray = Image.fromarray(image[..., 0].astype(np.uint16) * 257)
    gray.save(path, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("write", [write_jpeg, write_png8, write_webp, write_tiff16, write_lzw8, write_lzw16])
def test_orientation_is_applied_exactly_once(
    tmp_path: Path, write: Callable[[Path, Array, int], None], orientation: int
) -> None:
    image = np.zeros((16, 24, 3), np.uint8)
    image[:8, :8] = 200  # the corner that was at the top left of the sensor
    write(tmp_path / "a", image, orientation)
    back = read_image(tmp_path / "a").astype(float)
    seen = (back if back.ndim == 2 else back.mean(axis=2)) / np.iinfo(read_image(tmp_path / "a").dtype).max
    expected = orient(image[..., 0], orientation) / 255
    assert seen.shape == expected.shape
    assert np.abs(seen - expected).max() < 0.05


def png16(samples: Array, colour_type: int) -> bytes:
    """A 16-bit PNG written by hand: an independent reference for the reader."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_16_bit_png_keeps_all_its_bits_and_the_order_of_its_channels(tmp_path: Path) -> None:
    image = picture(dtype="uint16")
    opaque = np.full((*image.shape[:2], 1), 65535, np.uint16)
    for colour_type, samples, expected in [
        (0, image[..., 0], image[..., 0]),
        (2, image, image),
        (4, np.concatenate([image[..., :1], opaque], axis=2), image[..., 0]),
        (6, np.concatenate([image, opaque], axis=2), image),
    ]:
        (tmp_path / "a.png").write_bytes(png16(samples, colour_type))
        assert same(read_image(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("colour_type", [4, 6])
def test_16_bit_alpha_one_step_below_opaque_is_refused(tmp_path: Path, colour_type: int) -> None:
    samples = np.full((4, 4, 2 if colour_type == 4 else 4), 65535, np.uint16)
    samples[2, 2, -1] -= 1
    (tmp_path / "a.png").write_bytes(png16(samples, colour_type))
    with pytest.raises(ReadError, match="transparent"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_opaque_alpha_is_dropped_and_other_alpha_refused(tmp_path: Path, mode: str, suffix: str) -> None:
    if (mode, suffix) == ("PA", "tif"):
        mode = "RGBA"
    gray = Image.fromarray(picture(gray=True))
    image = gray.convert("LA" if mode == "PA" else mode).convert(mode)
    path = tmp_path / f"a.{suffix}"
    image.save(path) if mode != "PA" else image.convert("RGBA").save(path)
    assert np.array_equal(read_image(path).reshape(32, 48, -1)[..., 0], np.array(gray))
    half = Image.new("L", image.size, 255)
    half.putpixel((3, 3), 254)
    veiled = image.convert("RGBA" if mode == "PA" else mode)
    veiled.putalpha(half)
    veiled.save(path)
    with pytest.raises(ReadError, match="transparent pixels; flatten"):
        read_image(path)


def test_transparent_colour_of_a_palette_or_gray_png_counts_as_alpha(tmp_path: Path) -> None:
    gray = Image.fromarray(picture(gray=True))
    for image, colour in ((gray, 0), (gray.quantize(8), 3), (gray.convert("RGB"), (0, 0, 0))):
        image.save(tmp_path / "a.png", transparency=colour)
        with pytest.raises(ReadError, match="transparent"):
            read_image(tmp_path / "a.png")
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "a.png", transparency=(1, 2, 3))
    assert (read_image(tmp_path / "a.png") == 9).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_palettes_become_rgb_and_bits_become_gray(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(picture()).quantize(16)
    image.save(tmp_path / f"p.{suffix}")
    assert same(read_image(tmp_path / f"p.{suffix}"), np.array(image.convert("RGB")))
    bits = picture(gray=True) > 99
    Image.fromarray(bits).save(tmp_path / f"b.{suffix}")
    assert same(read_image(tmp_path / f"b.{suffix}"), bits.astype(np.uint8) * 255)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_refused_with_its_name(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / f"a.{suffix}")
    with pytest.raises(ReadError, match="CMYK colours; expected gray or RGB: convert it"):
        read_image(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "jpeg"])
def test_tiff_compressions_of_8_bit(tmp_path: Path, compression: str) -> None:
    image = cv2.GaussianBlur(picture(64, 64), (0, 0), 3)
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
    distance = np.abs(read_image(tmp_path / "a.tif").astype(int) - image)
    assert distance.max() <= (12 if compression == "jpeg" else 0)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_lzw_tiff_keeps_deep_samples(tmp_path: Path, dtype: str, gray: bool) -> None:
    image = picture(dtype=dtype, gray=gray)
    cv2.imwrite(str(tmp_path / "a.tif"), image if gray else image[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert same(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("lzw", [False, True])
def test_tiff_whose_zero_is_white_is_turned(tmp_path: Path, dtype: str, lzw: bool) -> None:
    image = picture(gray=True, dtype=dtype)
    cv2.imwrite(str(tmp_path / "a.tif"), image, [cv2.IMWRITE_TIFF_COMPRESSION, 5 if lzw else 1])
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].aspage().tags[262].overwrite(0)
    assert same(read_image(tmp_path / "a.tif"), np.iinfo(dtype).max - image)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"compression": "zlib", "predictor": True},
    ],
    ids=str,
)
def test_tiff_layouts(tmp_path: Path, options: dict[str, object]) -> None:
    image = picture(dtype="uint16")
    stored = np.moveaxis(image, 2, 0) if "planarconfig" in options else image
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)  # type: ignore[arg-type]
    assert same(read_image(tmp_path / "a.tif"), image)


def test_sample_types_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 8), np.complex64))
    with pytest.raises(ReadError, match=r"a.tif has complex64 samples; expected .*: convert it"):
        read_image(tmp_path / "a.tif")


def test_the_hidden_second_picture_of_a_phone_jpeg_is_ignored(tmp_path: Path) -> None:
    first, second = Image.fromarray(picture(16, 16)), Image.fromarray(picture(8, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.jpg").shape == (16, 16, 3)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animations_are_refused(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(picture(8, 8, seed=k)) for k in range(3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ReadError, match="animation"):
        read_image(tmp_path / f"a.{suffix}")


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    image = picture()
    write_image(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "photo.jpg")
    assert same(read_image(tmp_path / "photo.jpg"), image)


@pytest.mark.slow
def test_large_photos_are_read_and_absurd_sizes_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (18_000, 10_000)).save(path)  # 180 megapixels: above Pillow's own limit
    assert read_image(path).shape == (10_000, 18_000)
    check_pixels(15_000, 10_000, "a.jpg")
    with pytest.raises(ReadError, match="above 1000 megapixels"):
        check_pixels(100_000, 100_000, "a.png")


# --- damage --------------------------------------------------------------------------------------


def encode(kind: str, image: Array) -> bytes:
    buffer = BytesIO()
    if kind.startswith("JPEG"):
        Image.fromarray(image).save(buffer, "JPEG", quality=90, progressive=kind == "JPEG progressive")
    elif kind == "PNG":
        Image.fromarray(image).save(buffer, "PNG")
    elif kind == "PNG 16":
        return png16(image.astype(np.uint16) * 257, 2)
    elif kind == "WebP":
        Image.fromarray(image).save(buffer, "WEBP", lossless=True)
    elif kind == "TIFF LZW":
        Image.fromarray(image).save(buffer, "TIFF", compression="tiff_lzw")
    else:
        tifffile.imwrite(buffer, image, photometric="rgb", compression="zlib" if kind == "TIFF deflate" else None)
    return buffer.getvalue()


KINDS = ["JPEG", "JPEG progressive", "PNG", "PNG 16", "WebP", "TIFF", "TIFF deflate", "TIFF LZW"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of tags that are cut off
@pytest.mark.parametrize("kind", KINDS)
@SMALL
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.5)
@example(share=0.999)
def test_a_file_cut_short_anywhere_is_refused_or_whole(tmp_path: Path, kind: str, share: float) -> None:
    data = encode(kind, picture(40, 40))
    (tmp_path / "whole").write_bytes(data)
    (tmp_path / "cut").write_bytes(data[: int(share * len(data))])
    try:
        found = read_image(tmp_path / "cut")
    except ReadError as error:
        assert "cut" in str(error)
        assert "\n" not in str(error)
    else:
        assert share > 0.99 and same(found, read_image(tmp_path / "whole"))


# WebP, LZW and uncompressed TIFF have neither end marker nor checksum that could tell.
@pytest.mark.parametrize("kind", ["JPEG", "JPEG progressive", "PNG", "PNG 16", "TIFF deflate"])
def test_a_copy_interrupted_half_way_and_filled_with_zeros_is_refused(tmp_path: Path, kind: str) -> None:
    data = encode(kind, picture(64, 64))
    half = len(data) // 2
    (tmp_path / "a").write_bytes(data[:half] + bytes(len(data) - half))
    with pytest.raises(ReadError):
        read_image(tmp_path / "a")


@SMALL
@given(
    junk=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0+"]),
)
def test_garbage_is_a_read_error_whatever_it_pretends_to_be(tmp_path: Path, junk: bytes, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start + junk)
    with pytest.raises(ReadError, match="a"):
        read_image(tmp_path / "a")


# --- lists and stacks ----------------------------------------------------------------------------


@given(numbers=st.lists(st.integers(0, 10**6), unique=True), stem=st.sampled_from(["img", "IMG_", "a-1-b", ""]))
def test_numbers_in_names_sort_as_numbers(numbers: list[int], stem: str) -> None:
    paths = [Path(f"{stem}{number}.jpg") for number in numbers]
    assert sorted(paths, key=natural_key) == [Path(f"{stem}{number}.jpg") for number in sorted(numbers)]


@pytest.mark.slow
@given(names=st.lists(st.text(st.sampled_from("aAbäÄßİı١२②10. _-~\u0301漢😀"), min_size=1), unique=True))
def test_any_names_can_be_sorted_and_the_order_does_not_depend_on_how_they_came(names: list[str]) -> None:
    paths = [Path("x") / f"_{name}" for name in names]
    backwards = paths[::-1]
    assert sorted(paths, key=natural_key) == sorted(backwards, key=natural_key)


def test_a_folder_stands_for_the_pictures_in_it(tmp_path: Path) -> None:
    for name in ("img10.PNG", "img2.jpeg", "Img1.tif", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "deeper.png").mkdir()
    assert [path.name for path in list_frames([tmp_path])] == ["Img1.tif", "img2.jpeg", "img10.PNG"]
    given_names = [tmp_path / "img10.PNG", tmp_path / "img2.jpeg"]
    assert [path.name for path in list_frames(given_names)] == ["img2.jpeg", "img10.PNG"]


def test_a_frame_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(ReadError, match="given 2 times"):
        list_frames([tmp_path / "a.png", tmp_path])


def test_a_stack_keeps_names_and_tells_its_progress(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    write_images([(path, picture()) for path in paths])
    told: list[tuple[str, int, int]] = []
    stack = read_stack(paths, Run(progress=lambda *event: told.append(event)))
    assert list(stack.names) == ["a.png", "b.png"]
    assert told == [("read", 0, 2), ("read", 1, 2), ("read", 2, 2)]


def test_frames_that_do_not_fit_are_found_before_any_is_decoded(tmp_path: Path, no_decoding: None) -> None:
    write_image(tmp_path / "a.png", picture())
    write_image(tmp_path / "b.png", picture(16, 16))
    with pytest.raises(StackError, match=r"frame 2 \(b.png\) is 16x16; the stack is 48x32"):
        read_stack([tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("gray", [True, False])
def test_pages_of_one_tiff_are_a_stack(tmp_path: Path, gray: bool, compression: str | None) -> None:
    pages = [picture(gray=gray, dtype="uint16", seed=k) for k in range(4)]
    photometric = "minisblack" if gray else "rgb"
    tifffile.imwrite(tmp_path / "z.tif", np.stack(pages), photometric=photometric, compression=compression)
    stack = read_stack([tmp_path / "z.tif"])
    assert all(same(frame, page) for frame, page in zip(stack.frames, pages, strict=True))
    assert stack.names[3] == "z.tif page 4"
    with pytest.raises(ReadError, match="holds 4 pages"):
        read_image(tmp_path / "z.tif")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pages_that_tifffile_leaves_to_others_are_the_right_pages(tmp_path: Path, dtype: str) -> None:
    pages = [Image.fromarray(picture(gray=True, dtype=dtype, seed=k)) for k in range(3)]
    pages[0].save(tmp_path / "z.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    stack = read_stack([tmp_path / "z.tif"])
    assert all(same(frame, np.array(page)) for frame, page in zip(stack.frames, pages, strict=True))


def test_channels_and_times_are_no_focal_stack(tmp_path: Path) -> None:
    planes = np.zeros((3, 2, 8, 8), np.uint8)
    tifffile.imwrite(tmp_path / "zc.tif", planes, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(ReadError, match="several channels or times"):
        read_stack([tmp_path / "zc.tif"])
    tifffile.imwrite(tmp_path / "z.tif", planes[:, 0], imagej=True, metadata={"axes": "ZYX"})
    assert len(read_stack([tmp_path / "z.tif"])) == 3


def test_the_preview_inside_a_tiff_is_not_a_frame(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(picture(), photometric="rgb")
        tiff.write(picture(8, 8), photometric="rgb", subfiletype=1)
    assert read_image(tmp_path / "a.tif").shape == (32, 48, 3)


# --- writing -------------------------------------------------------------------------------------


def test_all_or_none_are_written(tmp_path: Path) -> None:
    good, too_wide = tmp_path / "a.png", tmp_path / "b.webp"
    with pytest.raises(WriteError, match="at most 16383 pixels"):
        write_images([(good, picture()), (too_wide, np.zeros((1, 16384, 3), np.uint8))])
    assert list(tmp_path.iterdir()) == []


def test_an_older_result_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", picture(seed=1))

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / "a.png", picture(seed=2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert same(read_image(tmp_path / "a.png"), picture(seed=1))


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    write_image(tmp_path / "old.png", picture(seed=1))
    (tmp_path / "link.png").symlink_to(tmp_path / "old.png")
    write_image(tmp_path / "link.png", picture(seed=2))
    assert (tmp_path / "link.png").is_symlink()
    assert same(read_image(tmp_path / "old.png"), picture(seed=2))


def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_image(tmp_path / "a.png", picture())
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["a", "a.gif", "a.png.bak", ".png"])
def test_unknown_endings_name_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match=r"expected one of \.png, \.jpg, .*\.tif"):
        check_output(tmp_path / name)


def test_an_output_is_no_input_not_even_through_links(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture())
    (tmp_path / "soft.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    for name in ("a.png", "soft.png", "hard.png"):
        with pytest.raises(WriteError, match="is one of the frames"):
            check_outputs([tmp_path / name], [tmp_path / "a.png"])
    check_outputs([tmp_path / "new.png"], [tmp_path / "a.png"])
    with pytest.raises(WriteError, match="two outputs"):
        check_outputs([tmp_path / "x.png", tmp_path / "." / "x.png"], [])


def test_bmp_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (31, 23, 3), np.uint8)
    whole, cut = tmp_path / "whole.bmp", tmp_path / "cut.bmp"
    Image.fromarray(picture).save(whole)
    cut.write_bytes(whole.read_bytes()[:1000])
    assert np.array_equal(read_image(whole), picture)
    with pytest.raises(ReadError, match=r"cut\.bmp can't be read as BMP"):
        read_image(cut)
