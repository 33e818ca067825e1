"""HEIC and AVIF: what phones take photos in. HEIC needs the extra `heif`; Pillow decodes AVIF, at 8 bit."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import MissingExtraError, ReadError
from allfocus.formats.filebytes import Data, map_file
from allfocus.formats.format import Development, Format, Header
from allfocus.formats.isobmff import AVIF_BRANDS, HEIF_BRANDS, check_picture, find_codes, read_brands
from allfocus.formats.pixels import (
    check_bulk,
    check_pixels,
    describe_frame,
    drop_opaque_alpha,
    inspect_pillow,
    read_orientation,
    read_pillow,
    widen,
)
from allfocus.formats.several import Animation
from allfocus.metadata import ifd
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.budget import LIMIT, Budget
from allfocus.metadata.profiles import profile_of_codes
from allfocus.run.install import install_hint

#: How many blocks that may be EXIF are looked at in a file.
MOST_STARTS = 64


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
        is_gray = image.mode.startswith(("L", "I"))
        depth = np.uint8 if int(image.info["bit_depth"]) == 8 else np.uint16
        return Header(format=self, frame=describe_frame(image.size[1], image.size[0], is_gray, depth))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by pillow-heif: uint8, or uint16 where it has 10 or 12 bits."""
        image = open_heic(path)
        samples, bits = np.asarray(image), int(image.info["bit_depth"])
        return samples if samples.dtype == np.uint8 else widen(samples >> (16 - bits), bits)

    def count_frames(self, path: Path) -> int:
        """How many full pictures it holds, such as those of a burst."""
        return len(find_alike(open_heic(path)))

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """Decodes any of its full pictures."""
        image = open_heic(path)
        alike = find_alike(image)

        def read(position: int) -> Array:
            part = image[alike[position]]
            samples, bits = np.asarray(part), int(part.info["bit_depth"])
            samples = samples if samples.dtype == np.uint8 else widen(samples >> (16 - bits), bits)
            return drop_opaque_alpha(samples)

        return read

    def blocks(self, path: Path) -> Blocks:
        """As pillow-heif finds them."""
        return make_blocks(open_heic(path).info, path)


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
            frame = inspect_pillow(image, path.name, np.uint8, read_orientation(lambda: make_blocks(image.info, path)))
        return Header(format=self, frame=frame, loss=describe_loss(read_avif_bits(path)))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow."""
        with open_avif(path) as image:
            return read_pillow(image, path.name, read_orientation(lambda: make_blocks(image.info, path)))

    def count_frames(self, path: Path) -> int:
        """How many pictures an animation has; 1 for others."""
        with open_avif(path) as image:
            return int(image.n_frames)

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """See `Animation`."""
        from PIL.AvifImagePlugin import AvifImageFile

        return Animation(AvifImageFile, path).read

    def blocks(self, path: Path) -> Blocks:
        """As Pillow finds them."""
        with open_avif(path) as image:
            return make_blocks(image.info, path)


FORMATS = (Avif(), Heic())


def find_alike(image: Any) -> list[int]:
    """Positions of the pictures in a HEIC file that are of the size and the colours of the main one, that one first."""
    main = image.primary_index
    others = [k for k in range(len(image)) if k != main and (image[k].size, image[k].mode) == (image.size, image.mode)]
    return [main, *others]


def make_blocks(info: dict[Any, Any], path: Path) -> Blocks:
    """What a decoder found beside the pixels; without a profile, one for the code points in the file.

    Raises:
        ValueError: it exceeds a budget.
    """
    budget = Budget()
    for block in (info.get(key) for key in ("icc_profile", "exif", "xmp")):
        budget.take(len(block or b""))
    icc = info.get("icc_profile")
    if not icc:
        with map_file(path) as data:
            codes = find_codes(data)
        icc = None if codes is None else profile_of_codes(*codes)
    return Blocks(icc=icc, exif=info.get("exif"), xmp=info.get("xmp"))


def open_heic(path: Path) -> Any:
    """Open a HEIC file without decoding it; `pillow_heif.HeifFile` has no type annotations of its own.

    Raises:
        MissingExtraError: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(f"{path} is a HEIC picture; to read it: {install_hint('heif')}") from error
    image = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    check_pixels(image.size[0], image.size[1], path.name)
    check_bulk(path.stat().st_size, image.size[0] * image.size[1], path.name)
    return image


def open_avif(path: Path) -> Any:
    """Open an AVIF file with Pillow; raises `ReadError` where this Pillow was built without it."""
    from PIL import features

    if not features.check("avif"):
        raise ReadError(f"{path} is an AVIF picture, which this Pillow can't decode; update it: pip install -U pillow")
    from PIL.AvifImagePlugin import AvifImageFile

    with map_file(path) as data:
        check_shared_tags(data, path.name)
    return AvifImageFile(path)


def check_shared_tags(data: Data, name: str) -> None:
    """Raise `ReadError` where tags of an EXIF block share bytes: Pillow takes such a block apart as it opens a file."""
    places = [found.start() for found in islice(re.finditer(rb"II\*\0|MM\0\*", data), MOST_STARTS)]
    for start in places:
        with suppress(ValueError):
            if ifd.measure_values(partial(read_from, data, start)) > len(data) + LIMIT:
                raise ReadError(f"{name} has EXIF whose tags share bytes; save it anew, without metadata")
    if len(places) == MOST_STARTS:
        raise ReadError(f"{name} has {len(places)} blocks of EXIF or more; expected one")


def read_from(data: Data, start: int, place: int, size: int) -> bytes:
    """So many bytes of a block that starts somewhere in a file."""
    return data[start + place : start + place + size]


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
