"""Video, decoded by FFmpeg as OpenCV brings it: frames in any order, none of them decoded twice."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition
from typing import Any

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.formats.filebytes import Data, map_file
from allfocus.formats.format import Development, Format
from allfocus.formats.isobmff import AVIF_BRANDS, CANON_RAW, HEIF_BRANDS, check_boxes, read_brands
from allfocus.formats.pixels import check_pixels
from allfocus.formats.riff import check_riff, read_riff_type

MATROSKA_START = b"\x1aE\xdf\xa3"

#: First boxes of QuickTime files from before they had brands.
QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

#: How to turn frames that are to be seen turned clockwise, by degrees.
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class VideoFile(Format):
    """MP4, QuickTime, AVI and Matroska; only read, frame by frame, see `Video`."""

    name = "video"
    extensions = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
    contains = "frames"

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its start, or by a brand that is not one of pictures."""
        brands = read_brands(start)
        if brands:
            return brands[0] not in HEIF_BRANDS | AVIF_BRANDS | {CANON_RAW}
        is_old = start[4:8] in QUICKTIME_BOXES and path.suffix.lower() in self.extensions
        return is_old or start.startswith(MATROSKA_START) or read_riff_type(start) == b"AVI "

    def check(self, path: Path) -> None:
        """See `check_index`."""
        with map_file(path) as data:
            check_index(data, path.name)

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Raise `ReadError`: a video is no picture."""
        raise ReadError(f"{path} is a video; expected a picture")

    def count_frames(self, path: Path) -> int:
        """As FFmpeg finds it in the file's index."""
        return max(int(open_video(path).get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def loss(self, path: Path) -> str:
        """OpenCV hands out 8 bits of those that FFmpeg decodes."""
        bits = count_bits(int(open_video(path).get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)))
        return f"{bits}-bit video is read as 8 bit" if bits > 8 else ""

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """See `Video`."""
        return Video(path, frozenset(positions)).read


FORMATS = (VideoFile(),)


def check_index(data: Data, name: str) -> None:
    """Raise `ReadError` for a file that ends early or has no index; Matroska does not hold its own length."""
    if read_riff_type(data[:12]):
        check_riff(data, name)
    elif data[:4] != MATROSKA_START and b"moov" not in check_boxes(data, name):
        raise ReadError(f"{name} has no index of its frames: the recording was interrupted; let the camera repair it")


def count_bits(code: int) -> int:
    """Bits of a sample by FFmpeg's code of a pixel format (libavcodec/raw.c): 8 where it does not say otherwise."""
    letters = (code & 0xFFFFFFFF).to_bytes(4, "little")
    if letters in (b"P010", b"P210", b"P410"):
        return 10
    for planar in (letters, letters[::-1]):  # the other byte order is written backwards
        if planar[:1] == b"Y" and planar[1:2] in b"134" and 8 < planar[3] <= 16:
            return planar[3]
    return 8


class Video:
    """Decodes frames of a video file, which is done one after the other: asked for in order, none is decoded twice.

    Of several workers that ask at once the one that wants the earliest frame is served first; should another have been
    faster, the frames last passed are kept.

    Args:
        path: the file.
        wanted: positions of the frames that may be asked for, counted from 0.
        keep: how many of them to keep.
        open_file: what opens the file, `open_video` by default.
    """

    def __init__(
        self,
        path: Path,
        wanted: frozenset[int] = frozenset(),
        keep: int = 4,
        open_file: Callable[[Path], Any] | None = None,
    ) -> None:
        self.path = path
        self.wanted = wanted
        self._keep = keep
        self._open = open_file or open_video
        self._kept: dict[int, Array] = {}
        self._capture: Any = None
        self._next = 0
        self._asked: list[int] = []
        self._is_busy = False
        self._turn = Condition()

    def read(self, position: int) -> Array:
        """Decode one frame, counted from 0: RGB (H, W, 3) uint8, turned the way the file says.

        Raises:
            ReadError: the video ends before it.
        """
        with self._turn:
            self._asked.append(position)
            self._turn.wait_for(lambda: not self._is_busy and position == min(self._asked))
            self._is_busy = True
        try:
            return self._fetch(position)
        finally:
            with self._turn:
                self._is_busy = False
                self._asked.remove(position)
                self._turn.notify_all()

    def _fetch(self, position: int) -> Array:
        """Decode one frame, unless it has been kept."""
        if position in self._kept:
            return self._kept.pop(position)
        if self._capture is None or position < self._next:
            self._capture, self._next = self._open(self.path), 0
        while self._next < position:
            self._pass()
        return self._decode()

    def _pass(self) -> None:
        """Go past one frame; one that may still be asked for is kept."""
        if self._next in self.wanted:
            position = self._next
            self._kept[position] = self._decode()
            while len(self._kept) > self._keep:
                del self._kept[min(self._kept)]
            return
        if not self._capture.grab():
            raise ReadError(f"{self.path.name} is cut short: its frame {self._next + 1} can't be decoded")
        self._next += 1

    def _decode(self) -> Array:
        """The next frame."""
        done, picture = self._capture.read()
        if not done:
            raise ReadError(f"{self.path.name} is cut short: its frame {self._next + 1} can't be decoded")
        self._next += 1
        turn = TURNS.get(int(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360)
        picture = picture if turn is None else cv2.rotate(picture, turn)
        return np.ascontiguousarray(picture[..., ::-1])


def open_video(path: Path) -> Any:
    """Open a video; raises `ReadError` where no decoder knows it. The file's rotation is left to `Video`."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # ffmpeg would write to stderr by itself
    before = cv2.setLogLevel(0)
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.setLogLevel(before)
    if not capture.isOpened():
        raise ReadError(f"{path} can't be read as video; export it as MP4 (H.264) or as single pictures")
    check_pixels(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), path.name)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture
