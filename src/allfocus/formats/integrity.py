"""Whether a file is all there, found out without decoding it: end markers, chunks and lengths."""

from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from allfocus.errors import ReadError
from allfocus.formats.png import Data

#: How far from its end a JPEG file's end marker is looked for first; behind it phones hide further pictures.
TAIL = 1 << 16


def check_whole(path: Path, kind: str) -> None:
    """Raise `ReadError` for a file that was cut short, as far as its format can tell.

    PNG and TIFF are checked where their chunks and pages are looked at anyway.
    """
    checks = {
        "JPEG": check_jpeg,
        "WebP": check_riff,
        "BMP": check_bmp,
        "AVIF": check_boxes,
        "HEIC": check_boxes,
        "video": check_video,
        "RAW": check_raw,
    }
    if kind in checks:
        with mapped(path) as data:
            checks[kind](data, path.name)


@contextmanager
def mapped(path: Path) -> Iterator[mmap]:
    """A file's bytes, of which only those are read that are looked at."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        yield data


def check_jpeg(data: Data, name: str) -> None:
    """Raise `ReadError` unless the end marker follows the start of the scan.

    Pillow notices most files that were cut short, but not those filled up with zeros by an interrupted copy.
    Inside a scan 0xFF is always escaped, so that the first end marker after its start is the true one.
    """
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        marker = data[place + 1 : place + 2]
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big") if marker != b"\xff" else 1
    if place < len(data) and data[place : place + 1] != b"\xff":
        raise ReadError(f"{name} is damaged: it is no JPEG picture beyond its first {place} bytes")
    # nearly always it is at the very end, where it is found without reading the whole file
    if data.find(b"\xff\xd9", max(place, len(data) - TAIL)) < 0 and data.find(b"\xff\xd9", place) < 0:
        raise ReadError(f"{name} is cut short: the JPEG ends after {len(data)} bytes without its end marker")


def check_riff(data: Data, name: str) -> None:
    """Raise `ReadError` where a RIFF file, WebP or AVI, is shorter than its first chunk says."""
    promised = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < promised:
        raise ReadError(f"{name} is cut short: it has {len(data)} of {promised} bytes")


def check_bmp(data: Data, name: str) -> None:
    """Raise `ReadError` where the rows of an uncompressed BMP file do not fit into it."""
    start, header = (int.from_bytes(data[place : place + 4], "little") for place in (10, 14))
    if header < 40 or data[30:34] != bytes(4):  # OS/2 and compressed files: the decoder tells
        return
    width, height = (int.from_bytes(data[place : place + 4], "little", signed=True) for place in (18, 22))
    promised = start + (width * int.from_bytes(data[28:30], "little") + 31) // 32 * 4 * abs(height)
    if len(data) < promised:
        raise ReadError(f"{name} is cut short: it has {len(data)} of {promised} bytes")


def check_boxes(data: Data, name: str) -> None:
    """Raise `ReadError` unless every outermost box of an ISO base media file lies within it."""
    list_boxes(data, name)


def list_boxes(data: Data, name: str) -> list[bytes]:
    """Types of the outermost boxes of an ISO base media file (ISO/IEC 14496-12); raises `ReadError` as above."""
    place, kinds = 0, []
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        kinds.append(data[place + 4 : place + 8])
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size == 0:  # up to the end of the file
            break
        if size < 8 or place + size > len(data):
            raise ReadError(f"{name} is cut short: the file ends at {len(data)} bytes, within a box of {size}")
        place += size
    return kinds


def check_video(data: Data, name: str) -> None:
    """Raise `ReadError` for a video file that ends early or has no index; Matroska does not say how long it is."""
    if data[:4] == b"RIFF":
        check_riff(data, name)
    elif data[:4] != b"\x1aE\xdf\xa3" and b"moov" not in list_boxes(data, name):
        raise ReadError(f"{name} has no index of its frames: the recording was interrupted; let the camera repair it")


def check_raw(data: Data, name: str) -> None:
    """Raise `ReadError` for a RAW file in the ISO base media format that ends early; LibRaw tells of the others."""
    if data[4:8] == b"ftyp":
        check_boxes(data, name)
