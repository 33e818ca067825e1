"""The strips and tiles of a TIFF page: unpacked to the size that the page needs, and no further.

What Python can't decompress is left to libtiff, which Pillow brings. Each strip or tile is handed to it as a picture
of its bytes, so that libtiff only decompresses; predictors are undone and the pieces are laid out here, at any depth.
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
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.PACKBITS,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
    COMPRESSION.ZSTD_DEPRECATED,
    COMPRESSION.DEFLATE,
    COMPRESSION.ADOBE_DEFLATE,
)


#: Those that Python decompresses, or that need no decompressing; unlike libtiff it looks at checksums.
BY_PYTHON = (COMPRESSION.NONE, COMPRESSION.LZMA, COMPRESSION.DEFLATE, COMPRESSION.ADOBE_DEFLATE)

#: Memory that LZMA may use for what it has seen: twice that of its highest level.
LZMA_MEMORY = 1 << 27

#: Bytes that a strip may be longer than twice what comes of it, and that may come of it beyond what is needed: the
#: last strip of some programs is as high as the others.
SPARE = 1 << 20

#: Every byte with its bits the other way round: fill order 2 of TIFF 6.0.
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def is_for_strips(page: TiffPage) -> bool:
    """Whether `read_strips` can read a page."""
    if page.dtype is None or page.dtype == np.bool_ or page.compression not in DECOMPRESSED:
        return False
    if page.bitspersample % 8:
        return page.predictor == PREDICTOR.NONE
    return page.predictor in (1, 2, 3)


def read_strips(path: Path, page: TiffPage) -> Array:
    """Samples of a page in its own shape: (H, W), (H, W, S) or, planar, (S, H, W).

    Raises:
        OSError: a strip or tile is damaged.
        ValueError: there are too few of them.
    """
    planes, _, height, width, samples = page.shaped
    tall, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
    down, across = -(-height // tall), -(-width // wide)
    picture = np.empty((planes, height, width, samples), page.dtype)
    order = page.parent.byteorder
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))[: planes * down * across]
    if len(segments) < planes * down * across:
        raise ValueError(f"{len(segments)} strips or tiles; expected {planes * down * across}")
    with path.open("rb") as file:
        for index, (offset, count) in enumerate(segments):
            plane, place = divmod(index, down * across)
            top, left = place // across * tall, place % across * wide
            rows = tall if page.is_tiled else min(tall, height - top)
            file.seek(offset)
            row_bytes = -(-wide * samples * page.bitspersample // 8)
            stored = file.read(min(count, 2 * rows * row_bytes + SPARE))  # no compression makes it longer than that
            plain = decompress(stored, page, rows, row_bytes)
            block = lay_out(plain, (rows, wide, samples), page, picture.dtype.newbyteorder(order))
            picture[plane, top : top + tall, left : left + wide] = block[: height - top, : width - left]
    return picture.reshape(page.shape)


def decompress(data: bytes, page: TiffPage, rows: int, row_bytes: int) -> bytes:
    """The bytes of one strip or tile.

    Raises:
        ValueError: there are too few.
        OSError, zlib.error, lzma.LZMAError: they are damaged.
    """
    needed = rows * row_bytes
    if page.fillorder == 2 and page.compression in BY_PYTHON:
        data = data.translate(REVERSED)
    if page.compression == COMPRESSION.NONE:
        plain = data
    elif page.compression == COMPRESSION.LZMA:
        plain = unpack_lzma(data, needed)
    elif page.compression in BY_PYTHON:
        plain = inflate(data, needed)
    else:
        plain = decompress_by_libtiff(data, page, rows, row_bytes)
    if len(plain) < needed:
        raise ValueError(f"a strip holds {len(plain)} bytes; expected {needed}")
    return plain[:needed]


def inflate(data: bytes, needed: int) -> bytes:
    """As many bytes of zlib's format as are needed; raises `ValueError` unless the checksum follows soon."""
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(data, needed)
    if not unpacker.eof:
        unpacker.decompress(unpacker.unconsumed_tail, SPARE)
    if not unpacker.eof:
        raise ValueError("a strip goes on behind its samples, or lacks its end")
    return plain


def unpack_lzma(data: bytes, needed: int) -> bytes:
    """The same of LZMA's."""
    unpacker = lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
    plain = unpacker.decompress(data, needed)
    if not unpacker.eof:
        unpacker.decompress(b"", SPARE)
    if not unpacker.eof:
        raise ValueError("a strip goes on behind its samples, or lacks its end")
    return plain


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
