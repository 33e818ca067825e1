"""Files of a picture format that hold several full pictures: animations, and bursts or pairs as MPO stores them."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from allfocus.core.color import Array
from allfocus.formats.filebytes import Data
from allfocus.formats.pixels import decode_pillow, drop_opaque_alpha, orient, read_orientation
from allfocus.metadata.blocks import Blocks

# --- animations ----------------------------------------------------------------------------------


class Animation:
    """Decodes pictures of an animation, by Pillow: in order each is decoded once.

    Args:
        open_image: what opens the file's bytes.
        path: the file.
    """

    def __init__(self, open_image: Callable[[BytesIO], ImageFile], path: Path) -> None:
        self._open, self._path = open_image, path
        self._image: ImageFile | None = None
        self._lock = Lock()

    def read(self, position: int) -> Array:
        """One picture, counted from 0: (H, W) or (H, W, 3) uint8."""
        with self._lock:
            if self._image is None or self._image.tell() > position:
                self._image = self._open(BytesIO(self._path.read_bytes()))
            self._image.seek(position)
            return drop_opaque_alpha(decode_pillow(self._image, self._path.name))


# --- JPEG: multi-picture format (CIPA DC-007) ----------------------------------------------------

MPF_START = b"MPF\0"

#: What stands in pictures that hold light or depth, no colours, and within how many bytes from their start.
NO_PICTURES = (b"hdrgm:", b"hdr-gain-map", b"HDRGainMap", b"GainMap", b"DepthMap", b"depthmap")
HEAD = 1 << 16


def find_pictures(data: Data, ends: Iterator[int]) -> list[slice]:
    """Where the full pictures of an MPO file lie: the first one, and others of its size and colours.

    Previews, and the maps that phones store beside a picture, are left out. The file's own table is not relied on:
    programs that write wrong lengths into it are in use.

    Args:
        data: of the file.
        ends: where each picture in it ends.
    """
    found, start = list[slice](), 0
    first = data_size(data, slice(0, None))
    for end in ends:
        place = slice(start, end)
        is_map = start > 0 and any(word in data[start : min(end, start + HEAD)] for word in NO_PICTURES)
        if not is_map and data_size(data, place) == first:
            found.append(place)
        start = data.find(b"\xff\xd8\xff", end)
    return found


def data_size(data: Data, place: slice) -> tuple[tuple[int, int], str] | None:
    """Size and colours of a JPEG picture in a file; None where there is none."""
    try:
        with JpegImageFile(BytesIO(data[place])) as image:
            return image.size, image.mode
    except (SyntaxError, OSError):
        return None


def read_part(path: Path, place: slice) -> Array:
    """Decode one picture of an MPO file, turned as the first one is to be."""
    data = path.read_bytes()
    with JpegImageFile(BytesIO(data)) as first, JpegImageFile(BytesIO(data[place])) as image:
        return orient(decode_pillow(image, path.name), read_orientation(lambda: Blocks(exif=first.info.get("exif"))))
