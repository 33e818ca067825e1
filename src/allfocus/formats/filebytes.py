"""The bytes of a file: mapped, so that no more of them are read than needed, and errors turned into `ReadError`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from allfocus.errors import AllFocusError, ReadError

#: A file in memory, or mapped into it.
Data = bytes | mmap

#: Bytes from which a file's format is recognized.
START = 64

#: Zeros at the end of compressed samples that are no chance: a block of a disk.
TAIL = 512


#: An address on the net: a path has lost one of its two slashes.
ADDRESS = re.compile(r"([a-z][a-z0-9+]+):/+(?=[^/])")


def is_address(path: Path) -> bool:
    """Whether a path is an address such as `https://host/plate.ome.zarr` or `s3://bucket/plate.ome.zarr`."""
    return ADDRESS.match(str(path)) is not None


def address_of(path: Path) -> str:
    """The address that a path stands for; a path that is none stays as it is."""
    return ADDRESS.sub(r"\1://", str(path), count=1)


def read_start(path: Path) -> bytes:
    """The first bytes of a file, up to 64."""
    with path.open("rb") as file:
        return file.read(START)


@contextmanager
def map_file(path: Path) -> Iterator[Data]:
    """A file's bytes; of an empty file, which can't be mapped, none."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield data


def check_length(data: Data, promised: int, name: str) -> None:
    """Raise `ReadError` where a file is shorter than it says itself."""
    if len(data) < promised:
        raise ReadError(f"{name} is cut short: it has {len(data)} of {promised} bytes")


def check_tail(data: Data, content: range, name: str) -> None:
    """Raise `ReadError` where compressed samples end in zeros, which none do: a copy was interrupted."""
    end = data[max(content.start, content.stop - TAIL) : content.stop]
    if len(end) == TAIL and not any(end):
        raise ReadError(f"{name} is damaged: its samples end in zeros, as after an interrupted copy; copy it anew")


@contextmanager
def explain_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn what decoders raise into a `ReadError` that names the file: damaged bytes cause errors of every type."""
    try:
        yield
    except (AllFocusError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"{path} can't be read as {kind}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The error's message up to its first line break, or its type where it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
