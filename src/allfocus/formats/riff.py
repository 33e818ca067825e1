"""RIFF files, whose chunks hold WebP pictures or AVI videos (RFC 9649, section 2.3)."""

from collections.abc import Iterator

from allfocus.formats.filebytes import Data, check_length
from allfocus.metadata.budget import Budget


def read_riff_type(start: bytes) -> bytes:
    """What a RIFF file holds, from its first bytes, such as ``WEBP``; nothing for files of other formats."""
    return start[8:12] if start.startswith(b"RIFF") else b""


def check_riff(data: Data, name: str) -> None:
    """Raise `ReadError` where a file is shorter than its first chunk says."""
    check_length(data, find_end(data), name)


def find_end(data: Data) -> int:
    """Where the first chunk ends, by what it says; what follows is no part of it."""
    return 8 + int.from_bytes(data[4:8], "little")


def list_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's name, and where its content starts and ends, beyond the file where that is cut.

    Raises:
        ValueError: there are more of them than a budget allows.
    """
    place, last, budget = 12, min(len(data), find_end(data)), Budget()
    while place + 8 <= last:
        budget.take(0)
        start = place + 8
        end = start + int.from_bytes(data[place + 4 : start], "little")
        yield data[place : place + 4], start, end
        place = end + end % 2
