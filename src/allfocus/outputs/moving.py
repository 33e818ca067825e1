"""Moving pictures as files: MP4 (VP9, which browsers show) by OpenCV's FFmpeg, and animated WebP by Pillow."""

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import cv2
import numpy as np
from PIL import Image

from allfocus.core.color import Array
from allfocus.errors import WriteError
from allfocus.run.workers import watched

#: Codes of the codecs to try: VP9, and MPEG-4 part 2, which players show but browsers don't.
CODECS = ("vp09", "mp4v")
#: How often a turn is shown in a video; WebP repeats it for ever.
TURNS = 2


def encode_moving(
    path: Path, pictures: Iterable[Array], rate: float, exif: bytes | None = None, cancelled: Event | None = None
) -> bytes:
    """The content of a file, by the ending of its name.

    Args:
        path: ends in .mp4 or .webp.
        pictures: of one turn, uint8 (h, w, 3), of even sides.
        rate: how many in a second.
        exif: what WebP keeps beside them.
        cancelled: once it is set MP4 ends with `Cancelled`.

    Raises:
        WriteError: there is no encoder.
    """
    turn = list(pictures)
    if path.suffix.lower() == ".webp":
        return encode_webp(turn, rate, exif)
    return encode_mp4(path, turn * TURNS, rate, cancelled)


def encode_webp(pictures: list[Array], rate: float, exif: bytes | None) -> bytes:
    """Animated WebP that repeats for ever."""
    first, *others = (Image.fromarray(picture) for picture in pictures)
    buffer = BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=round(1000 / rate),
        loop=0,
        quality=85,
        exif=exif or b"",
    )
    return buffer.getvalue()


def encode_mp4(path: Path, pictures: list[Array], rate: float, cancelled: Event | None = None) -> bytes:
    """MP4 in the first codec that is there."""
    with TemporaryDirectory(prefix="allfocus-") as folder:
        part = Path(folder) / "moving.mp4"
        writer = open_writer(part, pictures[0].shape[1::-1], rate)
        if writer is None:
            raise WriteError(f"{path}: OpenCV has no encoder for MP4 here; name the moving picture .webp")
        for picture in watched(pictures, cancelled):
            writer.write(np.ascontiguousarray(picture[..., ::-1]))
        writer.release()
        return part.read_bytes()


def open_writer(part: Path, size: tuple[int, ...], rate: float) -> Any:
    """What writes a video of this width and height; None where there is no encoder."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # ffmpeg would write to stderr by itself
    before = cv2.setLogLevel(0)
    try:
        for codec in CODECS:
            writer = cv2.VideoWriter(str(part), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, size)
            if writer.isOpened():
                return writer
    finally:
        cv2.setLogLevel(before)
    return None


def check_moving(path: Path) -> None:
    """Raise `WriteError`, before work starts, where no encoder for a file of this name is there."""
    if path.suffix.lower() == ".mp4":
        encode_mp4(path, [np.zeros((16, 16, 3), np.uint8)], 12)
