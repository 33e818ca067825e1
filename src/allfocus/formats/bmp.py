"""BMP, the bitmaps of Windows."""

from pathlib import Path

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from allfocus.core.color import Array
from allfocus.formats.filebytes import Data, check_length, map_file
from allfocus.formats.format import Development, Format, Header
from allfocus.formats.pixels import inspect_pillow, read_pillow


class Bmp(Format):
    """BMP; only read."""

    name = "BMP"
    extensions = (".bmp",)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By two letters, which is why this format is asked last."""
        return start.startswith(b"BM")

    def check(self, path: Path) -> None:
        """See `check_rows`."""
        with map_file(path) as data:
            check_rows(data, path.name)

    def header(self, path: Path) -> Header:
        """Read by Pillow."""
        with BmpImageFile(path) as image:
            frame = inspect_pillow(image, path.name, np.uint8, 1)
        return Header(format=self, frame=frame)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow."""
        with BmpImageFile(path) as image:
            return read_pillow(image, path.name)


FORMATS = (Bmp(),)


def check_rows(data: Data, name: str) -> None:
    """Raise `ReadError` where the rows of an uncompressed file do not fit into it."""
    start, header = (int.from_bytes(data[place : place + 4], "little") for place in (10, 14))
    if header < 40 or data[30:34] != bytes(4):  # of OS/2 and compressed files the decoder knows
        return
    width, height = (int.from_bytes(data[place : place + 4], "little", signed=True) for place in (18, 22))
    check_length(data, start + (width * int.from_bytes(data[28:30], "little") + 31) // 32 * 4 * abs(height), name)
