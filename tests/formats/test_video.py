"""A video is a focus sweep: its frames in order, thinned evenly, turned once."""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.errors import ReadError, StackError
from allfocus.formats.video import Video, count_bits, open_video
from allfocus.io import describe_frames, find_kind, inspect_stack, read_frame, read_stack
from allfocus.run.context import Run
from allfocus.run.workers import in_parallel
from allfocus.sources.video import inspect_video
from conftest import Cli


def write_video(path: Path, count: int, size: tuple[int, int] = (48, 64), codec: str = "FFV1") -> list[Array]:
    """Write frames that tell their number: brightness grows by 1 from frame to frame, the top left corner is white."""
    frames = [np.full((*size, 3), k % 200, np.uint8) for k in range(count)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, size[::-1])  # type: ignore[attr-defined]
    for frame in frames:
        frame[: size[0] // 2, : size[1] // 2] = 255
        writer.write(frame)
    writer.release()
    return frames


def number_of(frame: Array) -> int:
    """The number that a frame tells."""
    return int(np.median(frame[-8:, -8:]))


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4", "a.mov"])
def test_a_video_is_a_stack_of_its_frames(tmp_path: Path, name: str) -> None:
    frames = write_video(tmp_path / name, 12, codec="FFV1" if name[-3:] in ("avi", "mkv") else "mp4v")
    assert find_kind(tmp_path / name) == "video"
    listing = inspect_stack([tmp_path / name])
    assert list(listing.names) == [f"{name} frame {k + 1}" for k in range(12)]
    assert listing.notes == ()
    stack = read_stack(listing)
    for found, frame in zip(stack.frames, frames, strict=True):
        assert np.abs(found.astype(int) - frame).mean() < 6


def test_lossless_video_comes_back_in_the_order_of_its_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(3)]
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"FFV1"), 25, (64, 48))  # type: ignore[attr-defined]
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    assert all(np.array_equal(a, b) for a, b in zip(read_stack([tmp_path / "a.avi"]).frames, frames, strict=True))


def test_frames_can_be_asked_for_in_any_order_and_by_several_workers(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", 30)
    listing = inspect_stack([tmp_path / "a.avi"])
    assert [number_of(read_frame(listing, k)) for k in (7, 3, 29, 0, 0, 15)] == [7, 3, 29, 0, 0, 15]
    assert [number_of(frame) for frame in read_stack(listing, Run(workers=4)).frames] == list(range(30))
    assert [number_of(frame) for frame in read_stack(listing.pick([20, 4, 5])).frames] == [20, 4, 5]


@pytest.mark.parametrize("workers", [1, 12])
def test_no_frame_is_decoded_twice(tmp_path: Path, workers: int) -> None:
    write_video(tmp_path / "a.avi", 60)
    opened: list[Path] = []

    def open_file(path: Path) -> Any:
        opened.append(path)
        return open_video(path)

    video = Video(tmp_path / "a.avi", frozenset(range(60)), open_file=open_file)
    assert [number_of(frame) for frame in in_parallel(video.read, range(60), workers)] == list(range(60))
    assert opened == [tmp_path / "a.avi"]  # to decode a frame again it would have to be opened again


def test_a_long_video_is_thinned_evenly_and_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", 91)
    listing = inspect_video(tmp_path / "a.avi", most_frames=10)
    assert [number_of(frame) for frame in read_stack(listing).frames] == list(range(0, 91, 10))
    assert listing.names[1] == "a.avi frame 11"
    assert [str(note) for note in listing.notes] == ["a.avi has 91 frames; 10 of them, evenly spaced, are used"]


@pytest.mark.parametrize(
    ("degrees", "matrix"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))], ids=str
)
def test_rotation_is_applied_exactly_once(tmp_path: Path, degrees: int, matrix: tuple[int, int, int, int]) -> None:
    write_video(tmp_path / "a.mp4", 3, codec="mp4v")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    place = data.find(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, section 8.3.2, version 0
    a, b, c, d = matrix
    data[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(data)
    listing = inspect_stack([tmp_path / "a.mp4"])
    assert listing.frame.size == ((64, 48) if degrees != 180 else (48, 64))
    frame = read_frame(listing, 1)[..., 0]
    assert frame.shape == listing.frame.size
    corners = {0: frame[4, 4], 90: frame[4, -4], 180: frame[-4, -4], 270: frame[-4, 4]}  # clockwise
    assert corners.pop(degrees) > 200
    assert max(corners.values()) < 50


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_video_that_is_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, 12, codec="mp4v" if name == "a.mp4" else "FFV1")
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match="is cut short"):
        inspect_stack([tmp_path / name])


def test_an_interrupted_recording_is_named(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x14ftypisom\0\0\2\0mp41" + b"\0\0\x04\0mdat" + bytes(1016))
    outcome = cli("fuse", tmp_path / "a.mp4", "-o", tmp_path / "out.png")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "a.mp4 has no index of its frames: the recording was interrupted" in outcome.err


@pytest.mark.slow
def test_garbage_that_starts_like_a_video_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x14ftypisom\0\0\2\0mp41" + b"\0\0\x04\0moov" + bytes(1016))
    typed = [sys.executable, "-m", "allfocus", "fuse", tmp_path / "a.mp4", "-o", tmp_path / "out.png"]
    done = subprocess.run(typed, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "a.mp4 can't be read as video; export it as MP4" in done.stderr


def test_a_video_of_one_frame_is_no_stack(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", 1)
    with pytest.raises(StackError, match="needs at least 2"):
        inspect_stack([tmp_path / "a.avi"])


def test_fuse_takes_a_video_from_a_folder(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "sweep.avi", 5)
    assert {row.kind for row in describe_frames(inspect_stack([tmp_path / "in" / "sweep.avi"]))} == {"video"}
    outcome = cli("fuse", tmp_path / "in", "--method", "laplacian", "-o", tmp_path / "out.png", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "out.png").exists()


def test_bits_that_decoding_loses_are_said(tmp_path: Path) -> None:
    how = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    codec = cv2.VideoWriter_fourcc(*"FFV1")  # type: ignore[attr-defined]
    writer = cv2.VideoWriter(str(tmp_path / "a.mkv"), cv2.CAP_FFMPEG, codec, 25.0, (64, 48), how)
    for k in range(3):
        writer.write(np.full((48, 64), 20_000 * k, np.uint16))
    writer.release()
    assert [str(note) for note in inspect_stack(tmp_path / "a.mkv").notes] == ["16-bit video is read as 8 bit (a.mkv)"]
    write_video(tmp_path / "b.avi", 3)
    assert inspect_stack(tmp_path / "b.avi").notes == ()


@pytest.mark.parametrize(
    ("code", "bits"), [(b"I420", 8), (b"Y3\x0b\x0a", 10), (b"\x0c\x0a3Y", 12), (b"P010", 10), (b"BGR\x18", 8)]
)
def test_bits_of_pixel_formats(code: bytes, bits: int) -> None:
    assert count_bits(int.from_bytes(code, "little")) == bits
