"""Parts of a file as if they were all of it: decoders get to see the picture, and none of what is said beside it."""

from bisect import bisect_right
from collections.abc import Sequence
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedIOBase, UnsupportedOperation
from itertools import accumulate
from typing import BinaryIO, cast

from allfocus.formats.filebytes import Data


class Spliced(BufferedIOBase):
    """Parts of a file, one behind the other; none of them is copied before it is read.

    Args:
        data: the file.
        parts: where each part starts and ends.
    """

    def __init__(self, data: Data, parts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._data, self._parts, self._place = data, parts, 0
        self._ends = list(accumulate(max(end - start, 0) for start, end in parts))
        self.size = self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        """It is only read."""
        return True

    def seekable(self) -> bool:
        """Any place can be read."""
        return True

    def seek(self, place: int, whence: int = SEEK_SET) -> int:
        """Go to a place."""
        base = {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self.size}.get(whence)
        if base is None or base + place < 0:
            raise UnsupportedOperation("no such place")
        self._place = base + place
        return self._place

    def tell(self) -> int:
        """The place that is read next."""
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or fewer at the end."""
        room = max(self.size - self._place, 0)
        left = room if size is None or size < 0 else min(size, room)
        found = []
        number = bisect_right(self._ends, self._place)
        while left:
            stop = self._parts[number][1]
            start = stop - (self._ends[number] - self._place)
            taken = min(stop - start, left)
            found.append(self._data[start : start + taken])
            left -= taken
            self._place += taken
            number += 1
        return b"".join(found)


def splice(data: Data, parts: Sequence[tuple[int, int]]) -> BinaryIO:
    """Parts of a file as a file that is open, see `Spliced`."""
    return cast(BinaryIO, Spliced(data, parts))
