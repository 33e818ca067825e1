"""Frames of different colours are brought to those of the reference, and it is said, or refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus import fuse, save
from allfocus.core.color import Array, FloatArray, from_unit, to_unit
from allfocus.errors import StackError
from allfocus.formats.read import read_profile
from allfocus.io import inspect_stack, linear_srgb_profile, read_image, read_metadata, read_stack, srgb_profile
from allfocus.metadata.colours import are_same, convert_unit, read_colours
from allfocus.metadata.icc import COLORANTS, build_profile, make_curve, make_gray_profile
from allfocus.metadata.profiles import ADOBE_GAMMA, ADOBE_PRIMARIES, find_colorants, profile_of_codes
from pictures import picture

ADOBE = build_profile("Adobe", make_curve(0, (ADOBE_GAMMA,)), find_colorants(*ADOBE_PRIMARIES))
P3 = profile_of_codes(12, 13)
GAMMA18 = build_profile("1.8", make_curve(0, (1.8,)))


def shown(values: FloatArray, source: bytes, target: bytes) -> FloatArray:
    return convert_unit(values, read_colours(source), read_colours(target))


def scene(dtype: str = "uint8") -> FloatArray:
    """Colours that sRGB holds, with room around them."""
    return 0.1 + 0.7 * to_unit(picture(dtype=dtype))


def write_png(path: Path, image: Array, **chunks: bytes) -> Path:
    """A PNG file with just these chunks of metadata."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + row.astype(image.dtype.newbyteorder(">")).tobytes() for row in image)
    head = struct.pack(">IIBBBBB", *image.shape[1::-1], 8 * image.itemsize, 0 if image.ndim == 2 else 2, 0, 0, 0)
    extra = b"".join(chunk(name.encode(), body) for name, body in chunks.items())
    parts = chunk(b"IHDR", head), extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def write_as(path: Path, profile: bytes | None, dtype: str = "uint8") -> Path:
    """The scene in the colours of a profile."""
    image = from_unit(shown(scene(dtype), srgb_profile(), profile or srgb_profile()), dtype)
    icc = {"iCCP": b"x\0\0" + zlib.compress(profile)} if profile else {}
    return write_png(path, image, **icc)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("profile", [ADOBE, P3, GAMMA18, linear_srgb_profile()])
def test_frames_are_brought_to_the_reference_in_full_depth(tmp_path: Path, profile: bytes, dtype: str) -> None:
    paths = [write_as(tmp_path / f"{k}.png", own, dtype) for k, own in enumerate((profile, srgb_profile(), profile))]
    listing = inspect_stack(paths)
    assert [note.frames for note in listing.notes] == [(0, 2)]
    assert "colours of 2 frames" in str(listing.notes[0])
    step = 1 / 255 if dtype == "uint8" else 1 / 65535
    for frame in read_stack(listing):
        wrong = np.abs(to_unit(frame) - scene(dtype))
        assert wrong.max() < (9 if profile == linear_srgb_profile() else 5) * step


def test_the_reference_that_is_asked_for_decides(tmp_path: Path) -> None:
    paths = [write_as(tmp_path / f"{k}.png", own) for k, own in enumerate((ADOBE, srgb_profile(), srgb_profile()))]
    result = fuse(paths, method="laplacian", reference=0)
    save(result, tmp_path / "out.png")
    assert read_metadata(tmp_path / "out.png").icc == ADOBE
    expected = shown(scene(), srgb_profile(), ADOBE)
    assert np.abs(to_unit(read_image(tmp_path / "out.png")) - expected).max() < 0.01


def test_dates_and_names_make_no_difference_and_no_profile_is_srgb(tmp_path: Path) -> None:
    other = ADOBE[:24] + bytes(range(12)) + ADOBE[36:84] + bytes(range(16)) + ADOBE[100:]
    assert are_same(ADOBE, other, is_gray=False)
    assert are_same(None, srgb_profile(), is_gray=False)
    assert not are_same(ADOBE, srgb_profile(), is_gray=False)
    paths = [write_as(tmp_path / f"{k}.png", own) for k, own in enumerate((ADOBE, other))]
    assert inspect_stack(paths).notes == ()
    paths = [write_as(tmp_path / f"{k}.png", own) for k, own in enumerate((None, srgb_profile()))]
    listing = inspect_stack(paths)
    assert [str(note) for note in listing.notes] == ["0.png has no colour profile and counts as sRGB"]


def test_colours_that_can_not_be_converted_are_refused(tmp_path: Path) -> None:
    paths = [write_as(tmp_path / f"{k}.png", srgb_profile()) for k in range(3)]
    write_png(paths[2], from_unit(scene(), "uint8"), cICP=bytes((9, 16, 0, 1)))
    with pytest.raises(StackError, match=r"frame 3 \(2\.png\) has the colours of .* can't be converted \(high dynamic"):
        inspect_stack(paths)
    write_png(paths[2], from_unit(scene(), "uint8"), iCCP=b"x\0\0" + zlib.compress(ADOBE[:300]))
    with pytest.raises(StackError, match=r"frame 3 .* a damaged profile \(cut short\).*: export all frames with one"):
        inspect_stack(paths)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.png", "out.tif", "out.jpg", "out.webp"])
def test_colours_of_a_png_are_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    p3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    image = from_unit(scene(), "uint8")
    for chunks, expected in (
        ({"gAMA": struct.pack(">I", 55556)}, GAMMA18),
        ({"gAMA": struct.pack(">I", 55556), "cHRM": p3}, build_profile("", make_curve(0, (1.8,)), find_p3())),
        ({"cICP": bytes((12, 13, 0, 1))}, P3),
        ({"sRGB": b"\0", "gAMA": struct.pack(">I", 55556)}, srgb_profile()),
        ({"gAMA": struct.pack(">I", 2**31)}, None),
    ):
        paths = [write_png(tmp_path / f"{k}.png", image, **chunks) for k in range(2)]
        save(fuse(paths, method="laplacian"), tmp_path / name)
        assert are_same(read_metadata(tmp_path / name).icc, expected, is_gray=False)


def find_p3() -> tuple[tuple[float, ...], ...]:
    return find_colorants((0.3127, 0.3290), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06))


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.webp"])
def test_gray_keeps_its_curve(tmp_path: Path, name: str) -> None:
    image = picture(gray=True)
    paths = [write_png(tmp_path / f"{k}.png", image, gAMA=struct.pack(">I", 55556)) for k in range(2)]
    save(fuse(paths, method="laplacian"), tmp_path / name)
    icc = read_metadata(tmp_path / name).icc
    assert icc is not None
    is_gray = not name.endswith("webp")
    assert are_same(icc, make_gray_profile("", make_curve(0, (1.8,))) if is_gray else GAMMA18, is_gray=is_gray)


@pytest.mark.slow
def test_code_points_stay_in_png(tmp_path: Path) -> None:
    image = from_unit(scene(), "uint16")
    paths = [write_png(tmp_path / f"{k}.png", image, cICP=bytes((9, 16, 0, 1))) for k in range(2)]
    save(fuse(paths, method="laplacian"), tmp_path / "out.png")
    assert b"cICP\x09\x10\x00\x01" in (tmp_path / "out.png").read_bytes()


def test_adobe_rgb_in_exif_is_heeded(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    Image.fromarray(picture()).save(tmp_path / "a.jpg", exif=exif.tobytes())
    assert are_same(read_profile(tmp_path / "a.jpg"), ADOBE, is_gray=False)
    exif[0x8769] = {0xA001: 1}
    Image.fromarray(picture()).save(tmp_path / "a.jpg", exif=exif.tobytes())
    assert read_profile(tmp_path / "a.jpg") is None


def test_primaries_become_the_published_colorants() -> None:
    found = find_colorants((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
    np.testing.assert_allclose(found, COLORANTS, atol=5e-4)
