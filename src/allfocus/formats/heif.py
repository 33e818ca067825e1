"""HEIC and AVIF: what phones take photos in. HEIC needs the extra `heif`; Pillow decodes AVIF, at 8 bit."""

from pathlib import Path
from typing import Any

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import MissingExtraError, ReadError
from allfocus.run.install import install_hint


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


def read_heic(path: Path) -> Array:
    """Samples (H, W) or (H, W, C) of the main picture in a HEIC file: uint8, or uint16 where it has 10 or 12 bits.

    libheif turns it as the file says; its EXIF orientation repeats that and is to be ignored (ISO/IEC 23008-12).
    """
    image = open_heic(path)
    samples = np.asarray(image)
    return samples if samples.dtype == np.uint8 else widen(samples, int(image.info["bit_depth"]))


def widen(samples: Array, bits: int) -> Array:
    """Samples of so many bits, which libheif moves to the upper end of 16, such that white is 65535."""
    white = 2**bits - 1
    table = (np.arange(white + 1, dtype=np.uint32) * 65535 + white // 2) // white
    widened: Array = table.astype(np.uint16)[samples >> (16 - bits)]
    return widened


def open_avif(path: Path) -> Any:
    """Open an AVIF file with Pillow; raises `ReadError` where this Pillow was built without it."""
    from PIL import features

    if not features.check("avif"):
        raise ReadError(f"{path} is an AVIF picture, which this Pillow can't decode; update it: pip install -U pillow")
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(path)


def avif_bits(path: Path) -> int:
    """Bits of a sample: 8, 10 or 12, from the AV1 configuration (AV1-ISOBMFF, section 2.3.3); 8 where there is none."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    place = start.find(b"av1C")
    if place < 0 or place + 7 > len(start) or not start[place + 6] & 0x40:
        return 8
    return 12 if start[place + 6] & 0x20 else 10
