"""The strips and tiles of a TIFF page whose compression tifffile leaves to a package of 80 MB.

Pillow brings libtiff. Each strip or tile is handed to it as a picture of its bytes, so that libtiff only
decompresses; predictors are undone and the pieces are laid out here, at any depth.
"""

import lzma
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile
from tifffile import COMPRESSION, PREDICTOR, TiffPage

from allfocus.core.color import Array
from allfocus.formats.quiet import libtiff_errors

#: Compressions of bytes, whatever they mean.
DECOMPRESSED = (
    COMPRESSION.LZW,
    COMPRESSION.PACKBITS,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
    COMPRESSION.ZSTD_DEPRECATED,
    COMPRESSION.DEFLATE,
    COMPRESSION.ADOBE_DEFLATE,
)


def is_for_strips(page: TiffPage) -> bool:
    """Whether `read_strips` is the way to read a page: tifffile can do deflate, but not with the float predictor."""
    if page.dtype is None or page.dtype == np.bool_:
        return False
    if page.bitspersample % 8:
        return page.compression in (COMPRESSION.NONE, *DECOMPRESSED) and page.predictor == PREDICTOR.NONE
    if page.compression not in DECOMPRESSED:
        return False
    is_deflate = page.compression in (COMPRESSION.DEFLATE, COMPRESSION.ADOBE_DEFLATE)
    return page.predictor in (1, 2, 3) and not (is_deflate and page.predictor < PREDICTOR.FLOATINGPOINT)


def read_strips(path: Path, page: TiffPage) -> Array:
    """Samples of a page in its own shape: (H, W), (H, W, S) or, planar, (S, H, W).

    Raises:
        OSError: a strip or tile is damaged.
    """
    planes, _, height, width, samples = page.shaped
    tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
    down, across = -(-height // tall), -(-width // wide)
    picture = np.empty((planes, height, width, samples), page.dtype)
    order = page.parent.byteorder
    with path.open("rb") as file:
        for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
            plane, place = divmod(index, down * across)
            top, left = place // across * tall, place % across * wide
            rows = tall if page.is_tiled else min(tall, height - top)
            file.seek(offset)
            plain = decompress(file.read(count), page, rows, -(-wide * samples * page.bitspersample // 8))
            block = lay_out(plain, (rows, wide, samples), page, picture.dtype.newbyteorder(order))
            picture[plane, top : top + tall, left : left + wide] = block[: height - top, : width - left]
    return picture.reshape(page.shape)


def decompress(data: bytes, page: TiffPage, rows: int, row_bytes: int) -> bytes:
    """The bytes of one strip or tile.

    Raises:
        ValueError: there are too few.
        OSError, zlib.error, lzma.LZMAError: they are damaged.
    """
    if page.compression == COMPRESSION.NONE:
        plain = data
    elif page.compression in (COMPRESSION.DEFLATE, COMPRESSION.ADOBE_DEFLATE):
        plain = zlib.decompress(data)  # unlike libtiff, Python looks at the checksums of these two
    elif page.compression == COMPRESSION.LZMA:
        plain = lzma.decompress(data)
    else:
        plain = decompress_by_libtiff(data, page, rows, row_bytes)
    if len(plain) < rows * row_bytes:
        raise ValueError(f"a strip holds {len(plain)} bytes; expected {rows * row_bytes}")
    return plain[: rows * row_bytes]


def decompress_by_libtiff(data: bytes, page: TiffPage, rows: int, row_bytes: int) -> bytes:
    """The same by libtiff, which sees a gray picture of 8 bits, one pixel a byte."""
    scheme = COMPRESSION.ZSTD if page.compression == COMPRESSION.ZSTD_DEPRECATED else page.compression
    tags = [(256, row_bytes), (257, rows), (258, 8), (259, int(scheme)), (262, 1), (266, page.fillorder)]
    tags += [(273, 8 + 2 + 12 * 9 + 4), (278, rows), (279, len(data))]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    file = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + directory + bytes(4) + data
    with libtiff_errors(), TiffImageFile(BytesIO(file)) as image:
        return image.tobytes()


def lay_out(plain: bytes, shape: tuple[int, int, int], page: TiffPage, dtype: np.dtype[Any]) -> Array:
    """Samples (rows, columns, samples) of a strip or tile, in this machine's byte order."""
    bits = page.bitspersample
    return unpack(plain, shape, bits, dtype) if bits % 8 else unpredict(plain, shape, page.predictor, dtype)


def unpack(plain: bytes, shape: tuple[int, int, int], bits: int, dtype: np.dtype[Any]) -> Array:
    """Samples of `bits` that follow each other, highest bit first, each row from a new byte (TIFF 6.0, section 4)."""
    rows, columns, samples = shape
    flat = np.unpackbits(np.frombuffer(plain, np.uint8).reshape(rows, -1), axis=1)[:, : columns * samples * bits]
    found = np.zeros((rows, columns * samples), dtype.newbyteorder("="))
    for place in range(bits):
        found = (found << found.dtype.type(1)) | flat[:, place::bits]
    return found.reshape(shape)


def unpredict(plain: bytes, shape: tuple[int, int, int], predictor: int, dtype: np.dtype[Any]) -> Array:
    """Samples (rows, columns, samples) of a strip or tile, in this machine's byte order (TIFF 6.0, section 14).

    The float predictor (Adobe Photoshop TIFF Technical Note 3) stores differences of bytes, the highest bytes of
    a row first.
    """
    rows, columns, samples = shape
    if predictor == PREDICTOR.FLOATINGPOINT:
        steps = np.frombuffer(plain, np.uint8).reshape(rows, -1, samples)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, columns * samples)
        values = np.ascontiguousarray(planes.swapaxes(1, 2)).view(dtype.newbyteorder(">"))
        return values.reshape(shape).astype(dtype.newbyteorder("="))
    stored = np.frombuffer(plain, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    if predictor == PREDICTOR.HORIZONTAL:
        return np.cumsum(stored.view(f"u{dtype.itemsize}"), axis=1, dtype=f"u{dtype.itemsize}").view(stored.dtype)
    return stored
