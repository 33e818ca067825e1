"""JPEG files with bytes that belong to nothing: read as decoders read them; only a missing end is damage."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus.errors import ReadError
from allfocus.formats.read import read_header
from allfocus.io import read_image, read_metadata
from pictures import picture

#: Where the first segment of a file ends, and the next begins.
GAP = 20


def jpeg(**options: object) -> bytes:
    """A JPEG file."""
    buffer = BytesIO()
    Image.fromarray(picture(48, 64)).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def at_gap(stray: bytes) -> Callable[[bytes], bytes]:
    """Put bytes between two segments."""
    return lambda data: data[:GAP] + stray + data[GAP:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        at_gap(bytes(3)),
        at_gap(b"\xff\xff\xff"),
        at_gap(b"\xff\x00\x12"),
        at_gap(b"\xff\xed\x00\x08Photoshop 3.0\0abcdef"),  # a length that is too short
        at_gap(b"\xff\xee\x00\x00Adobe"),  # one that can't be
        lambda data: b"\r\n" + data,
        lambda data: data + bytes(5000),
        lambda data: data + b"hidden \xff\xd8\xff picture",
        lambda data: data.replace(b"\xff\xda", b"\x01\x02\xff\xda", 1),
    ],
)
def test_stray_bytes_are_skipped(tmp_path: Path, change: Callable[[bytes], bytes], progressive: bool) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(progressive=progressive, dpi=(250, 250)))
    (tmp_path / "b.jpg").write_bytes(change((tmp_path / "a.jpg").read_bytes()))
    assert read_header(tmp_path / "b.jpg").frame.size == (48, 64)
    assert np.array_equal(read_image(tmp_path / "a.jpg"), read_image(tmp_path / "b.jpg"))
    assert read_metadata(tmp_path / "b.jpg").dpi == (250, 250)


def test_metadata_behind_stray_bytes_is_found(tmp_path: Path) -> None:
    data = jpeg(comment=b"a note", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x31\0\2\0\0\0\2A\0\0\0\0\0\0\0")
    (tmp_path / "a.jpg").write_bytes(data.replace(b"\xff\xfe", bytes(5) + b"\xff\xfe", 1))
    assert read_metadata(tmp_path / "a.jpg").text == (("Comment", "a note"),)


@pytest.mark.parametrize("keep", [100, 0.6, -2])
@pytest.mark.parametrize("fill", [0, 1])
def test_a_missing_end_is_damage(tmp_path: Path, keep: float, fill: int) -> None:
    data = jpeg()
    kept = int(keep * len(data)) if isinstance(keep, float) else keep
    (tmp_path / "a.jpg").write_bytes(data[:kept] + bytes(fill * (len(data) - len(data[:kept]))))
    with pytest.raises(ReadError, match=r"a\.jpg is (damaged or )?cut short"):
        read_header(tmp_path / "a.jpg")
