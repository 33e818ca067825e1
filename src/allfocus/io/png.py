"""PNG: proof that a file is whole, the 16-bit samples that Pillow would cut to 8, EXIF without decoding."""

import zlib
from mmap import mmap

import cv2
import numpy as np

from allfocus.color import Array
from allfocus.errors import ReadError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: A file in memory, or mapped into it.
Data = bytes | mmap


def check_png(data: Data, name: str, checksums: bool = True) -> None:
    """Walk the chunks and raise `ReadError` unless all are there and, if asked for, their checksums hold.

    Decoders differ in what they make of a file that was cut short; libpng also writes to stderr by itself.
    """
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 12 + length
        if end > len(data):
            break
        if checksums and zlib.crc32(data[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ReadError(f"{name} is damaged: its {kind.decode('ascii', 'replace')} chunk has a wrong checksum")
        if kind == b"IEND":
            return
        place = end
    raise ReadError(f"{name} is cut short: the PNG ends after {len(data)} bytes without its last chunk")


def read_exif(data: Data) -> bytes:
    """The EXIF block of a whole PNG file, wherever it stands in it."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"eXIf":
            return data[place + 8 : place + 8 + length]
        place += 12 + length
    return b""


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
