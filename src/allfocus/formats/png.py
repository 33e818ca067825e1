"""PNG: proof that a file is whole, the 16-bit samples that Pillow would cut to 8, EXIF without decoding."""

import struct
import zlib
from collections.abc import Iterator
from mmap import mmap

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.errors import ReadError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Length and name, in front of each chunk.
CHUNK = struct.Struct(">I4s")

#: A file in memory, or mapped into it.
Data = bytes | mmap


def check_png(data: Data, name: str) -> None:
    """Raise `ReadError` unless all chunks are there and their checksums hold.

    Decoders differ in what they make of a file that was cut short; libpng also writes to stderr by itself.
    """
    for kind, start, end in list_chunks(data, name):
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ReadError(f"{name} is damaged: its {kind.decode('ascii', 'replace')} chunk has a wrong checksum")


def read_exif(data: Data, name: str) -> bytes:
    """The EXIF block of a PNG file, wherever it stands in it; no samples are read.

    Raises:
        ReadError: the file ends before its last chunk.
    """
    exif = b""
    for kind, start, end in list_chunks(data, name):
        if kind == b"eXIf":
            exif = data[start:end]
    return exif


def list_chunks(data: Data, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's name, and where what it holds starts and ends; raises `ReadError` where the last one is missing."""
    place, size = len(SIGNATURE), len(data)
    while place + 12 <= size:
        length, kind = CHUNK.unpack_from(data, place)
        end = place + 8 + length
        if end + 4 > size:
            break
        yield kind, place + 8, end
        if kind == b"IEND":
            return
        place = end + 4
    raise ReadError(f"{name} is cut short: the PNG ends after {size} bytes without its last chunk")


def bit_depth(data: Data) -> int:
    """Bits of each sample, from the header."""
    return data[24]


def decode_png16(data: bytes, name: str) -> Array:
    """Samples (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) uint16 of a 16-bit PNG: gray or RGB, alpha last."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != np.uint16:
        raise ReadError(f"{name} is damaged: its 16-bit PNG samples can't be decoded")
    if picture.ndim == 2:
        return picture
    colours = picture[..., 2::-1]
    if data[25] in (0, 4):  # gray in the file; OpenCV repeats it to carry the alpha channel
        colours = colours[..., :1]
    return np.concatenate([colours, picture[..., 3:]], axis=2)
