"""Before the first frame is decoded every file is looked at, and all that is wrong is said at once, a line each."""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from allfocus.errors import BadFramesError, ReadError, StackError
from allfocus.formats.read import read_header
from allfocus.io import describe_frames, inspect_stack, read_image, read_stack, write_image
from conftest import Cli
from pictures import picture, write_pair


def write_frames(folder: Path, count: int, suffix: str = ".jpg") -> list[Path]:
    paths = [folder / f"f{k:02d}{suffix}" for k in range(count)]
    for position, path in enumerate(paths):
        write_image(path, picture(64, 96, seed=position))
    return paths


def cut(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def spoil_many(folder: Path) -> list[Path]:
    """Ten frames, of which five can't be used, each for another reason."""
    paths = write_frames(folder, 10)
    cut(paths[1])
    paths[3].write_bytes(b"no picture")
    paths[4].unlink()
    write_image(paths[6], picture(64, 97))
    write_image(paths[8], picture(64, 96, gray=True))
    return paths


def test_all_problems_are_listed_together(tmp_path: Path, cli: Cli, no_decoding: None) -> None:
    paths = spoil_many(tmp_path)
    outcome = cli("fuse", *paths, "-o", tmp_path / "out.png")
    assert outcome.code == 1
    assert outcome.out == ""
    first, *lines = outcome.err.splitlines()
    assert first == "error: 5 of 10 frames can't be used:"
    assert [line[:2] for line in lines] == ["  "] * 5
    for line, words in zip(
        lines,
        [
            "f01.jpg is cut short",
            "f03.jpg is not a picture in a known format",
            "f04.jpg does not exist",
            "frame 7 (f06.jpg) is 97x64; the stack is 96x64",
            "frame 9 (f08.jpg) is gray; frame 1 (f00.jpg) is RGB",
        ],
        strict=True,
    ):
        assert words in line


def test_several_problems_are_errors_of_reading_and_of_the_stack(tmp_path: Path) -> None:
    with pytest.raises(BadFramesError) as caught:
        read_stack(spoil_many(tmp_path))
    assert isinstance(caught.value, ReadError) and isinstance(caught.value, StackError)
    assert len(caught.value.problems) == 5
    assert str(caught.value).count("\n") == 5


def test_a_single_problem_is_the_one_line_that_it_always_was(tmp_path: Path) -> None:
    paths = write_frames(tmp_path, 5)
    write_image(paths[2], picture(10, 10))
    with pytest.raises(StackError) as caught:
        inspect_stack(paths)
    assert str(caught.value) == (
        "frame 3 (f02.jpg) is 10x10; the stack is 96x64: crop or export all frames at one size"
    )


def test_most_frames_decide_what_the_stack_is(tmp_path: Path) -> None:
    paths = write_frames(tmp_path, 5)
    write_image(paths[0], picture(10, 10))
    with pytest.raises(StackError, match=r"frame 1 \(f00\.jpg\) is 10x10; the stack is 96x64"):
        inspect_stack(paths)


def encode(kind: str) -> bytes:
    image, buffer = Image.fromarray(picture(64, 96)), BytesIO()
    if kind == "TIFF tiles":
        tifffile.imwrite(buffer, picture(64, 96), photometric="rgb", tile=(16, 16), compression="zlib")
    elif kind == "PNG 16":
        Image.fromarray(picture(64, 96, gray=True, dtype="uint16")).save(buffer, "PNG")
    else:
        image.save(buffer, kind.split()[0], **({"progressive": True} if "progressive" in kind else {}))
    return buffer.getvalue()


KINDS = ["JPEG", "JPEG progressive", "PNG", "PNG 16", "WEBP", "BMP", "TIFF", "TIFF tiles"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.98])
def test_truncation_is_found_without_decoding(tmp_path: Path, kind: str, share: float, no_decoding: None) -> None:
    data = encode(kind)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data)
    assert len(inspect_stack([tmp_path / "a", tmp_path / "b"])) == 2
    (tmp_path / "b").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ReadError, match=r"b is (damaged or )?cut short"):
        inspect_stack([tmp_path / "a", tmp_path / "b"])


def test_what_a_phone_hides_behind_a_jpeg_does_not_matter(tmp_path: Path) -> None:
    data = encode("JPEG")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(data + b"\0\0\0\x18ftypmp42" + bytes(200_000))
    assert len(inspect_stack([tmp_path / "a", tmp_path / "b"])) == 2
    assert read_image(tmp_path / "a").shape == (64, 96, 3)


def cmyk(path: Path) -> None:
    Image.new("CMYK", (96, 64)).save(path, "JPEG")


def animation(path: Path) -> None:
    frames = [Image.fromarray(picture(64, 96, seed=k)) for k in range(3)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])


def animated_webp(path: Path) -> None:
    frames = [Image.fromarray(picture(64, 96, seed=k)) for k in range(3)]
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:])


def several_pages(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((3, 64, 96), np.uint8), photometric="minisblack")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (cmyk, "CMYK colours"),
        (animation, "is an animation"),
        (animated_webp, "is an animation"),
        (several_pages, "holds 3 pages"),
    ],
)
def test_what_can_be_known_from_the_header_is_found_there(
    tmp_path: Path, make: Callable[[Path], None], words: str, no_decoding: None
) -> None:
    paths = write_frames(tmp_path, 3)
    make(paths[1])
    with pytest.raises(ReadError, match=words):
        inspect_stack(paths)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_webp_headers_say_what_pillow_says(tmp_path: Path, lossless: bool, mode: str, orientation: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation or 1
    about = {"exif": exif} if orientation else {}
    Image.fromarray(picture(64, 96)).convert(mode).save(tmp_path / "a.webp", lossless=lossless, **about)
    header = read_header(tmp_path / "a.webp")
    assert header.frame.shape == read_image(tmp_path / "a.webp").shape


@pytest.mark.parametrize("data", [b"RIFF\x10\0\0\0WEBPVP8 " + bytes(12), b"RIFF\x04\0\0\0WEBP"])
def test_webp_without_a_picture_is_damaged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.webp").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.webp is damaged"):
        read_header(tmp_path / "a.webp")


@pytest.mark.slow
def test_a_hundred_headers_take_less_than_a_second(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", picture(300, 400))
    write_image(tmp_path / "a.png", picture(300, 400, dtype="uint16"))
    write_image(tmp_path / "a.webp", picture(300, 400))
    for suffix in (".jpg", ".png", ".webp"):
        paths = [tmp_path / f"f{k}{suffix}" for k in range(100)]
        for path in paths:
            path.hardlink_to(tmp_path / f"a{suffix}")
        started = time.process_time()
        assert len(inspect_stack(paths)) == 100
        assert time.process_time() - started < 1


# --- descriptions --------------------------------------------------------------------------------


def test_descriptions_name_what_each_frame_is_and_what_is_wrong(tmp_path: Path) -> None:
    rows = describe_frames(spoil_many(tmp_path))
    assert [row.problem == "ok" for row in rows] == [k not in (1, 3, 4, 6, 8) for k in range(10)]
    good, lost, wide = rows[0], rows[4], rows[6]
    assert (good.name, good.kind, good.size, good.channels, good.depth) == ("f00.jpg", "JPEG", "96x64", "RGB", "uint8")
    assert (lost.kind, lost.size) == ("", "")
    assert lost.problem.endswith("does not exist")
    assert wide.size == "97x64" and "the stack is 96x64" in wide.problem
    assert rows[8].channels == "gray"


def dated(date: str, suffix: str) -> Image.Exif:
    """EXIF with the date on which a picture was taken; Pillow writes no EXIF directory into TIFF, only DateTime."""
    exif = Image.Exif()
    if suffix == ".tif":
        exif[306] = date
    else:
        exif[0x8769] = {36867: date}
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_descriptions_name_the_profile_and_the_date(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    for name in ("a", "b"):
        image = Image.fromarray(picture())
        image.save(
            tmp_path / f"{name}{suffix}", exif=dated("2026:11:23 10:00:00", suffix), icc_profile=profile.tobytes()
        )
    paths = [tmp_path / f"{name}{suffix}" for name in ("a", "b")]
    for rows in (describe_frames(paths), describe_frames(inspect_stack(paths))):
        assert {row.date for row in rows} == {"2026:11:23 10:00:00"}
        assert {row.profile for row in rows} == {"sRGB built-in"}


def test_a_damaged_profile_does_not_stand_in_the_way(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(picture()).save(tmp_path / name, icc_profile=b"no profile")
    assert {row.profile for row in describe_frames([tmp_path / "a.jpg", tmp_path / "b.jpg"])} == {"damaged"}


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_damaged_exif_does_not_stand_in_the_way_either(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in ("a", "b")]
    for path in paths:
        Image.fromarray(picture()).save(path, exif=b"Exif\0\0garbage garbage")
    listing = inspect_stack(paths)
    assert read_stack(listing).frame.shape == (32, 48, 3)
    assert {(row.date, row.problem) for row in describe_frames(listing)} == {("", "ok")}


@pytest.mark.parametrize("typed", [("--transforms", "gone.json"), ("--model", "gone.onnx"), ("--model", "img2.png")])
def test_a_dry_run_finds_what_is_wrong_with_files_beside_the_frames(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = write_pair(tmp_path)
    run, dry = (cli("fuse", *frames, "-o", "o.png", *typed, *more) for more in ((), ("--dry-run",)))
    assert (dry.code, dry.err) == (run.code, run.err)
    assert dry.code == 1
    assert typed[1] in dry.err
