"""Copies that were interrupted, files of full length that are zero from some byte on; what libraries say."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus import ReadError, fuse
from allfocus.core.color import Array
from allfocus.formats.quiet import catch_lines
from allfocus.io import read_image
from allfocus.sources.inspect import inspect_stack, read_stack
from pictures import focal_frames

FRAMES = focal_frames(48, 64, 3)


def by_pillow(kind: str, **options: object) -> Callable[[Array], bytes]:
    """What writes a picture with Pillow."""

    def encode(image: Array) -> bytes:
        buffer = BytesIO()
        Image.fromarray(image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


def by_tifffile(image: Array) -> bytes:
    """An uncompressed TIFF file whose directory comes first."""
    buffer = BytesIO()
    tifffile.imwrite(buffer, image)
    return buffer.getvalue()


def torn(data: bytes, share: float) -> bytes:
    """A file of the same length that is zero from a byte on."""
    kept = int(share * len(data))
    return data[:kept] + bytes(len(data) - kept)


def write_torn(folder: Path, encode: Callable[[Array], bytes], suffix: str, share: float = 0.55) -> list[Path]:
    """Frames, the second of which is torn."""
    paths = [folder / f"{k}{suffix}" for k in range(len(FRAMES))]
    for path, frame in zip(paths, FRAMES, strict=True):
        path.write_bytes(torn(encode(frame), share) if path.stem == "1" else encode(frame))
    return paths


@pytest.mark.parametrize(("encode", "suffix"), [(by_tifffile, ".tif"), (by_pillow("BMP"), ".bmp")])
def test_uncompressed_frames_that_are_torn_are_not_used_there(
    tmp_path: Path, encode: Callable[[Array], bytes], suffix: str
) -> None:
    result = fuse(write_torn(tmp_path, encode, suffix), method="laplacian", align="none")
    assert [(note.code, note.frames) for note in result.notes] == [("frame-torn", (1,))]
    rows = result.index_map if suffix == ".tif" else result.index_map[::-1]
    assert (rows[:20] == 1).any() and not (rows[30:] == 1).any()
    assert result.image.shape == FRAMES[0].shape and (result.image.max(axis=-1) > 0).all()


@pytest.mark.slow
def test_what_a_torn_frame_lacks_is_not_cropped_away(tmp_path: Path) -> None:
    paths = write_torn(tmp_path, by_tifffile, ".tif")
    whole = fuse([by for by in paths if by.stem != "1"], method="laplacian", align="translation")
    result = fuse(paths, method="laplacian", align="translation")
    assert result.image.shape == whole.image.shape
    assert not (result.index_map[30:] == 1).any()


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("WEBP", ".webp", {"lossless": True}),
        ("WEBP", ".webp", {"quality": 98}),
        ("PNG", ".png", {}),
        ("JPEG", ".jpg", {"quality": 98}),
        ("AVIF", ".avif", {"quality": 98}),
    ],
)
def test_compressed_files_that_are_torn_are_refused(
    tmp_path: Path, kind: str, suffix: str, options: dict[str, object]
) -> None:
    paths = write_torn(tmp_path, by_pillow(kind, **options), suffix)
    with pytest.raises(ReadError, match=rf"1\{suffix} is (damaged|cut short)"):
        inspect_stack(paths)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("scheme", ["tiff_lzw", "tiff_adobe_deflate", "zstd", "packbits", "lzma"])
def test_compressed_tiff_that_is_torn_is_refused(tmp_path: Path, scheme: str, share: float) -> None:
    paths = write_torn(tmp_path, by_pillow("TIFF", compression=scheme), ".tif", share)
    with pytest.raises(ReadError, match=r"1\.tif (is|can't|has)"):
        read_stack(paths)


def framed(frame: Array, rows: int) -> Array:
    """The frame with black at its bottom."""
    frame = frame.copy()
    frame[-rows:] = 0
    return frame


def test_black_borders_and_backgrounds_are_no_damage() -> None:
    slanted = FRAMES[1].copy()
    for row in range(48):
        slanted[row, max(0, 100 - 2 * row) :] = 0
    alone = np.zeros_like(FRAMES[1])
    alone[10:20, 10:20] = FRAMES[1][10:20, 10:20]
    for changed in (framed(FRAMES[1], 9), slanted, alone, np.zeros_like(alone)):
        result = fuse([FRAMES[0], changed, FRAMES[2]], method="laplacian", align="none")
        assert "frame-torn" not in [note.code for note in result.notes]
    alike = [np.where(np.arange(48 * 64).reshape(48, 64, 1) > 2000, 0, frame).astype(np.uint8) for frame in FRAMES]
    assert not fuse(alike, method="laplacian", align="none").notes


# --- what libraries say --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["tiff_lzw", "zstd", "jpeg"])
def test_damaged_strips_give_one_line_of_ours(tmp_path: Path, scheme: str, capfd: pytest.CaptureFixture[str]) -> None:
    image = np.random.default_rng(0).integers(0, 8, (96, 128, 3), np.uint8)
    data = bytearray(by_pillow("TIFF", compression=scheme)(image))
    middle = len(data) // 2
    data[middle : middle + 999] = bytes(999) if scheme == "zstd" else b"\xff" * 999
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.tif can't be read as TIFF: .+"):
        read_image(tmp_path / "a.tif")
    sys.stderr.write("still there\n")
    assert capfd.readouterr().err == "still there\n"


def test_nothing_of_stderr_is_lost_while_libraries_are_listened_to(capfd: pytest.CaptureFixture[str]) -> None:
    with catch_lines() as lines:
        with catch_lines() as inner:
            os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\n")
        os.write(2, b"a line of somebody else\ntempfile.tif: Using code not yet in table.\n")
    assert inner == ["libpng warning: iCCP: known incorrect sRGB profile"]
    assert "tempfile.tif: Using code not yet in table." in lines
    assert capfd.readouterr().err == "a line of somebody else\n"


def test_what_is_said_while_a_library_works_is_seen_at_once() -> None:
    code = """
import os, sys
from allfocus.formats.quiet import catch_lines
catching = catch_lines()
catching.__enter__()
os.write(2, b"libpng error: of a decoder that never returns\\n")
sys.stderr.write("error: ours\\n")
os._exit(1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: ours\n")
