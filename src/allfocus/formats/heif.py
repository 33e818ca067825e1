"""HEIC and AVIF: what phones take photos in. HEIC needs the extra `heif`; Pillow decodes AVIF, at 8 bit."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.filebytes import map_file
from allfocus.formats.format import Development, Format, Header
from allfocus.formats.isobmff import AVIF_BRANDS, HEIF_BRANDS, check_picture, read_brands
from allfocus.formats.pixels import check_pixels, describe_frame, inspect_pillow, read_orientation, read_pillow, widen
from allfocus.metadata.blocks import Blocks
from allfocus.run.install import install_hint


class Heic(Format):
    """HEIC (ISO/IEC 23008-12), 8 to 12 bit; only read, by pillow-heif.

    libheif turns the picture; its EXIF orientation repeats that and is to be ignored.
    """

    name = "HEIC"
    extensions = (".heic", ".heif", ".hif")
    by_cameras = True
    extra = "heif"

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its brands."""
        brands = read_brands(start)
        return bool(brands) and brands[0] in HEIF_BRANDS and not AVIF_BRANDS.intersection(brands)

    def is_readable(self) -> bool:
        """Whether pillow-heif is installed."""
        return find_spec("pillow_heif") is not None

    def check(self, path: Path) -> None:
        """See `check_picture`."""
        with map_file(path) as data:
            check_picture(data, path.name)

    def header(self, path: Path) -> Header:
        """Read by pillow-heif."""
        image = open_heic(path)
        check_pixels(image.size[0], image.size[1], path.name)
        is_gray = image.mode.startswith(("L", "I"))
        depth = np.uint8 if int(image.info["bit_depth"]) == 8 else np.uint16
        return Header(format=self, frame=describe_frame(image.size[1], image.size[0], is_gray, depth))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by pillow-heif: uint8, or uint16 where it has 10 or 12 bits."""
        image = open_heic(path)
        samples, bits = np.asarray(image), int(image.info["bit_depth"])
        return samples if samples.dtype == np.uint8 else widen(samples >> (16 - bits), bits)

    def blocks(self, path: Path) -> Blocks:
        """As pillow-heif finds them."""
        return make_blocks(open_heic(path).info)


class Avif(Format):
    """AVIF; only read, by Pillow, at 8 bit."""

    name = "AVIF"
    extensions = (".avif",)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its brands: the major one may be that of HEIF at large."""
        brands = read_brands(start)
        return bool(brands) and brands[0] in HEIF_BRANDS | AVIF_BRANDS and bool(AVIF_BRANDS.intersection(brands))

    def check(self, path: Path) -> None:
        """See `check_picture`."""
        with map_file(path) as data:
            check_picture(data, path.name)

    def header(self, path: Path) -> Header:
        """Read by Pillow."""
        with open_avif(path) as image:
            frame = inspect_pillow(image, path.name, np.uint8, read_orientation(image.getexif))
        return Header(format=self, frame=frame, loss=describe_loss(read_avif_bits(path)))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow."""
        with open_avif(path) as image:
            return read_pillow(image, path.name)

    def blocks(self, path: Path) -> Blocks:
        """As Pillow finds them."""
        with open_avif(path) as image:
            return make_blocks(image.info)


FORMATS = (Avif(), Heic())


def make_blocks(info: dict[Any, Any]) -> Blocks:
    """What a decoder found beside the pixels."""
    return Blocks(icc=info.get("icc_profile"), exif=info.get("exif"), xmp=info.get("xmp"))


def open_heic(path: Path) -> Any:
    """Open a HEIC file without decoding it; `pillow_heif.HeifFile` has no type annotations of its own.

    Raises:
        MissingExtraError: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(f"{path} is a HEIC picture; to read it: {install_hint('heif')}") from error
    return pillow_heif.open_heif(path, convert_hdr_to_8bit=False)


def open_avif(path: Path) -> Any:
    """Open an AVIF file with Pillow; raises `ReadError` where this Pillow was built without it."""
    from PIL import features

    if not features.check("avif"):
        raise ReadError(f"{path} is an AVIF picture, which this Pillow can't decode; update it: pip install -U pillow")
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(path)


def read_avif_bits(path: Path) -> int:
    """Bits of a sample: 8, 10 or 12, from the AV1 configuration (AV1-ISOBMFF, section 2.3.3); 8 where there is none."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    place = start.find(b"av1C")
    if place < 0 or place + 7 > len(start) or not start[place + 6] & 0x40:
        return 8
    return 12 if start[place + 6] & 0x20 else 10


def describe_loss(bits: int) -> str:
    """What reading AVIF with samples of `bits` loses; empty at 8."""
    return f"{bits}-bit AVIF is read as 8 bit" if bits > 8 else ""
