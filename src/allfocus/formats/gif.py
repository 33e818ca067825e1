"""GIF, 8 bit: single pictures, and animations frame by frame."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL.GifImagePlugin import GifImageFile

from allfocus.core.color import Array
from allfocus.formats.format import Development, Format, Header
from allfocus.formats.pixels import inspect_pillow, read_pillow
from allfocus.formats.several import Animation


class Gif(Format):
    """GIF; only read. Palettes become RGB."""

    name = "GIF"
    extensions = (".gif",)

    def sniff(self, start: bytes, path: Path) -> bool:
        """By its signature."""
        return start.startswith((b"GIF87a", b"GIF89a"))

    def header(self, path: Path) -> Header:
        """Read by Pillow."""
        with GifImageFile(path) as image:
            return Header(format=self, frame=inspect_pillow(image, path.name, np.uint8, 1))

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Decoded by Pillow."""
        return read_pillow(GifImageFile(BytesIO(path.read_bytes())), path.name)

    def count_frames(self, path: Path) -> int:
        """As Pillow counts them."""
        with GifImageFile(path) as image:
            return image.n_frames

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """See `Animation`."""
        return Animation(GifImageFile, path).read


FORMATS = (Gif(),)
