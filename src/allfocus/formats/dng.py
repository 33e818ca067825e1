"""Linear DNG: one page of 16-bit light in the camera's own colours, with what turns these into a picture.

Written for RAW frames alone; read, as all DNG, by LibRaw. Tags by Adobe's Digital Negative specification 1.4.
"""

from pathlib import Path

import numpy as np

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.format import Capacity, Format, Header
from allfocus.formats.tiff_write import make_tiff
from allfocus.metadata import exif
from allfocus.metadata.carry import Metadata, parse

#: Photometric interpretation of light that needs no demosaicing.
LINEAR_RAW = 34892

#: DNG's tags.
VERSION, BACKWARD_VERSION, MODEL, BLACK, WHITE = 50706, 50707, 50708, 50714, 50717
COLOR_MATRIX, NEUTRAL, ILLUMINANT = 50721, 50728, 50778
D65 = 21

#: EXIF's tags for the maker and the name of a camera.
MAKE, MODEL_NAME = 0x010F, 0x0110

#: Types of TIFF's values, and the denominators of fractions.
BYTE, ASCII, SHORT, RATIONAL, SIGNED_RATIONAL = 1, 2, 3, 5, 10
PARTS, FINE_PARTS = 10_000, 1_000_000


class Dng(Format):
    """DNG; only written: `raw.Raw` reads it."""

    name = "DNG"
    extensions = (".dng",)
    capacity = Capacity(depths=(np.uint16,), longest=65000, gray=False, iptc=True)

    def header(self, path: Path) -> Header:
        """DNG is read as RAW."""
        raise ReadError(f"{path} is read as RAW")

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """Of a picture in the camera's own colours; raises `ValueError` for others.

        Not compressed: the specification knows no other lossless way for whole numbers than JPEG's.
        """
        colours = metadata.camera
        if colours is None:
            raise ValueError("DNG holds light in a camera's own colours, which only RAW frames have; write .tif")
        tags = [
            (VERSION, BYTE, 4, bytes([1, 4, 0, 0]), True),
            (BACKWARD_VERSION, BYTE, 4, bytes([1, 1, 0, 0]), True),
            (MODEL, ASCII, None, find_model(metadata), True),
            (BLACK, SHORT, 3, (0, 0, 0), True),
            (WHITE, SHORT, 3, (65535, 65535, 65535), True),
            (COLOR_MATRIX, SIGNED_RATIONAL, 9, fractions(np.ravel(colours.from_xyz), PARTS), True),
            (NEUTRAL, RATIONAL, 3, fractions(np.array(colours.neutral), FINE_PARTS), True),
            (ILLUMINANT, SHORT, 1, D65, True),
        ]
        stored = {"photometric": LINEAR_RAW, "compression": None, "predictor": False, "extratags": tags}
        return make_tiff(image, metadata, {"metadata": None, **stored}, kept=tuple(tag for tag, *_ in tags))


FORMATS = (Dng(),)


def find_model(metadata: Metadata) -> str:
    """Make and model of the camera: by this name RAW developers find their profiles."""
    block = parse(metadata.exif)
    tags = {} if block is None else block.directory(exif.IMAGE)
    words = [tags[tag].value.strip(b"\0 ").decode("ascii", "replace") for tag in (MAKE, MODEL_NAME) if tag in tags]
    if len(words) == 2 and words[1].lower().startswith(words[0].lower()):
        words = words[1:]
    return " ".join(words) or "unknown camera"


def fractions(values: Array, parts: int) -> tuple[int, ...]:
    """Numbers as numerators and denominators, alternating."""
    return tuple(number for value in values for number in (round(float(value) * parts), parts))
