"""HEIC and AVIF: every bit that is there, turned once, and clear words where a package is missing."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats import registry
from allfocus.formats.format import Header
from allfocus.formats.heif import Avif, describe_loss, read_avif_bits, widen
from allfocus.formats.pixels import orient
from allfocus.io import inspect_stack, read_image
from allfocus.run.install import install_hint
from conftest import Cli


def corner() -> Array:
    """A picture whose bright corner was at the top left of the sensor."""
    image = np.full((32, 48, 3), 20, np.uint8)
    image[:16, :16] = 200
    return image


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def write_heic(path: Path, image: Array, orientation: int = 1, bits: int = 8) -> None:
    mode = ("L" if image.ndim == 2 else "RGB") + (";16" if image.dtype == np.uint16 else "")
    file = pillow_heif.from_bytes(mode, (image.shape[1], image.shape[0]), image.tobytes())
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    file.save(path, quality=-1, chroma=444, exif=exif(orientation), matrix_coefficients=0)


def write_avif(path: Path, image: Array, orientation: int = 1) -> None:
    Image.fromarray(image).save(path, "AVIF", quality=95, subsampling="4:4:4", exif=exif(orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_exactly_once(tmp_path: Path, orientation: int) -> None:
    write_avif(tmp_path / "a.avif", corner(), orientation)
    found, expected = read_image(tmp_path / "a.avif"), orient(corner(), orientation)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_exactly_once(tmp_path: Path, orientation: int) -> None:
    for name in ("a.heic", "b.heic"):
        write_heic(tmp_path / name, corner(), orientation)
    found, expected = read_image(tmp_path / "a.heic"), orient(corner(), orientation)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4
    assert inspect_stack([tmp_path / "a.heic", tmp_path / "b.heic"]).frame.shape == expected.shape


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("gray", [False, True])
def test_deep_heic_keeps_its_bits_and_its_white(tmp_path: Path, bits: int, gray: bool) -> None:
    ramp = np.linspace(0, 65535, 32 * 48).round().astype(np.uint16).reshape(32, 48)
    image = ramp if gray else np.dstack([ramp, ramp[::-1], ramp[:, ::-1]])
    write_heic(tmp_path / "a.heic", image, bits=bits)
    found = read_image(tmp_path / "a.heic")
    assert found.dtype == np.uint16
    assert found.shape == image.shape
    assert found.max() == 65535
    assert np.abs(found.astype(int) - image).max() <= 3 * 65535 / (2**bits - 1)


@pytest.mark.parametrize("bits", [10, 12])
def test_widening_is_exact(bits: int) -> None:
    levels = np.arange(2**bits)
    widened = widen(levels, bits)
    assert widened[[0, -1]].tolist() == [0, 65535]
    assert np.abs(widened - levels * 65535 / (2**bits - 1)).max() <= 0.5


def test_gray_heic_is_gray(tmp_path: Path) -> None:
    write_heic(tmp_path / "a.heic", corner()[..., 0])
    assert read_image(tmp_path / "a.heic").shape == (32, 48)


@pytest.mark.parametrize(("flags", "bits"), [(0x00, 8), (0x40, 10), (0x60, 12)])
def test_bits_of_avif(tmp_path: Path, flags: int, bits: int) -> None:
    write_avif(tmp_path / "a.avif", corner())
    data = bytearray((tmp_path / "a.avif").read_bytes())
    data[data.find(b"av1C") + 6] |= flags
    (tmp_path / "a.avif").write_bytes(data)
    assert read_avif_bits(tmp_path / "a.avif") == bits


class DeepAvif(Avif):
    """AVIF of 10 bits, which nothing here can write."""

    def header(self, path: Path) -> Header:
        return replace(super().header(path), loss=describe_loss(10))


@pytest.fixture
def deep_avif() -> Iterator[None]:
    registry.register(DeepAvif())
    yield
    registry.unregister("AVIF")


@pytest.mark.parametrize(("bits", "loss"), [(8, ""), (10, "10-bit AVIF is read as 8 bit")])
def test_what_is_lost_of_deep_avif_is_named(bits: int, loss: str) -> None:
    assert describe_loss(bits) == loss


def test_deep_avif_is_read_at_8_bit_and_the_listing_says_so(tmp_path: Path, deep_avif: None) -> None:
    for name in ("a.avif", "b.avif"):
        write_avif(tmp_path / name, corner())
    listing = inspect_stack([tmp_path / "a.avif", tmp_path / "b.avif"])
    assert listing.frame.dtype == np.uint8
    assert [str(note) for note in listing.notes] == ["10-bit AVIF is read as 8 bit (a.avif and 1 more)"]
    assert listing.notes[0].frames == (0, 1)


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_that_is_cut_short_is_refused_at_once(tmp_path: Path, kind: str, share: float) -> None:
    (write_heic if kind == "heic" else write_avif)(tmp_path / f"a.{kind}", corner())
    data = (tmp_path / f"a.{kind}").read_bytes()
    (tmp_path / f"b.{kind}").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ReadError, match=rf"b\.{kind} is cut short"):
        inspect_stack([tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"])


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
def test_garbage_that_starts_right_is_named(tmp_path: Path, brand: bytes) -> None:
    (tmp_path / "a").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + b"\0\0\0\x20free" + bytes(24))
    with pytest.raises(ReadError, match="a can't be read as"):
        read_image(tmp_path / "a")


def test_without_pillow_heif_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    for name in ("a.heic", "b.heic"):
        write_heic(tmp_path / name, corner())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[heif\]"):
        read_image(tmp_path / "a.heic")
    outcome = cli("fuse", tmp_path / "a.heic", tmp_path / "b.heic", "-o", tmp_path / "out.png")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert f"a.heic is a HEIC picture; to read it: {install_hint('heif')}" in outcome.err


def test_fuse_takes_heic(tmp_path: Path, cli: Cli) -> None:
    for name in ("a.heic", "b.heic"):
        write_heic(tmp_path / name, corner(), orientation=6)
    outcome = cli("fuse", tmp_path, "--method", "laplacian", "-o", tmp_path / "out.png", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert read_image(tmp_path / "out.png").shape == (48, 32, 3)
