"""TIFF 6.0 and BigTIFF: one page as a picture, or all pages of one file as a stack; written as one page."""

from pathlib import Path

import numpy as np
from tifffile import TiffFile

from allfocus.core.color import Array
from allfocus.formats.filebytes import map_file
from allfocus.formats.format import Capacity, Development, Format, Header, Planes
from allfocus.formats.tiff_check import check_described, check_file
from allfocus.formats.tiff_pages import check_data, find_page, inspect_page, read_page
from allfocus.formats.tiff_series import find_planes
from allfocus.formats.tiff_tags import TIFF_STARTS, find_tags
from allfocus.formats.tiff_write import make_tiff
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.carry import Metadata

#: Whole numbers that TIFF files hold; the narrow ones first.
DEPTHS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32)


class Tiff(Format):
    """TIFF; written with lossless deflate compression, whole numbers of 8 to 32 bits or floats of 16 to 64."""

    name = "TIFF"
    extensions = (".tif", ".tiff")
    contains = "planes"
    capacity = Capacity(depths=(*DEPTHS, np.float16, np.float64, np.float32), alpha=True, iptc=True)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By byte order and magic number; RAW files that begin so too are asked before."""
        return start.startswith(TIFF_STARTS)

    def header(self, path: Path) -> Header:
        """Of the one picture in the file; several are refused."""
        check_file(path)
        with TiffFile(path) as tiff:
            check_described(path, tiff)
            page = find_page(tiff, path.name)
            frame = inspect_page(page, path.name)
            check_data(page, path.stat().st_size, path.name)
        return Header(format=self, frame=frame)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """The one picture in the file; several are refused."""
        check_file(path)
        with TiffFile(path) as tiff:
            check_described(path, tiff)
            return read_page(path, find_page(tiff, path.name))

    def planes(self, path: Path) -> Planes:
        """See `find_planes`."""
        return find_planes(path)

    def blocks(self, path: Path) -> Blocks:
        """Of the first page."""
        with map_file(path) as data:
            return find_tags(data)

    def encode(self, image: Array, metadata: Metadata) -> bytes:
        """See `make_tiff`."""
        return make_tiff(image, metadata, {"metadata": None})


FORMATS = (Tiff(),)
