"""A video as a focus sweep: its frames, or as many as do, evenly spaced."""

import os
from functools import partial
from pathlib import Path
from threading import Condition
from typing import Any

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError, StackError
from allfocus.formats.integrity import check_whole
from allfocus.formats.pixels import check_pixels
from allfocus.sources.listing import Listing

#: More frames than this are thinned out: neighbours in a sweep hardly differ.
MOST_FRAMES = 200

#: How to turn frames whose file says that they are to be seen turned clockwise by so many degrees.
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Video:
    """Decodes frames of a video file, which is done one after the other: asked for in order, none is decoded twice.

    Of several workers that ask at once the one that wants the earliest frame is served first; should another have been
    faster, the frames last passed are kept.
    """

    def __init__(self, path: Path, wanted: frozenset[int] = frozenset(), keep: int = 4) -> None:
        self.path = path
        self.wanted = wanted
        self._keep = keep
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
            self._capture, self._next = open_video(self.path), 0
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
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture


def inspect_video(path: Path) -> Listing:
    """Look at a video: a stack of its frames, thinned out evenly where there are more than `MOST_FRAMES`.

    Raises:
        ReadError: it is cut short, or no decoder knows it.
        StackError: it has fewer than two frames.
    """
    check_whole(path, "video")
    count = int(open_video(path).get(cv2.CAP_PROP_FRAME_COUNT))
    if count < 2:
        raise StackError(f"{path} has {max(count, 0)} frames that can be told; fusing needs at least 2: export them")
    chosen = [int(k) for k in np.linspace(0, count - 1, min(count, MOST_FRAMES)).round()]
    video = Video(path, frozenset(chosen))
    first = video.read(0)
    check_pixels(first.shape[1], first.shape[0], path.name)
    thinned = f"{path.name} has {count} frames; {MOST_FRAMES} of them, evenly spaced, are used"
    return Listing(
        paths=[path],
        names=[f"{path.name} frame {k + 1}" for k in chosen],
        frame=FrameInfo(shape=first.shape, dtype=first.dtype),
        readers=[partial(video.read, k) for k in chosen],
        kinds=["video"] * len(chosen),
        notes=(thinned,) if count > MOST_FRAMES else (),
    )
