"""What decoders write to stderr by themselves: caught, so that a damaged file gets one line, which is ours.

libtiff and libpng know of no other way to tell what is wrong once they are inside of Pillow and OpenCV.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import TextIO

#: Lines of libtiff (``module: message.``) and of libpng.
LIBTIFF = re.compile(rb"^[\w./-]+: [A-Z].*\n?", re.MULTILINE)
LIBPNG = re.compile(rb"^libpng (?:error|warning): .*\n?", re.MULTILINE)

#: libtiff's errors belong to whoever called it last.
ONE_AT_A_TIME = RLock()


class Sink:
    """A file that takes the place of stderr as long as anybody decodes.

    What this program says meanwhile, in other threads, still goes where it should: `sys.stderr` leads there.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._file, name = tempfile.mkstemp(prefix="allfocus")
        Path(name).unlink()  # it is there as long as it is open
        self._real = os.dup(2)
        self._stream = open(self._real, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        self._before: TextIO | None = None

    def enter(self) -> int:
        """Begin to catch; returns how many bytes were caught already."""
        with self._lock:
            if not self._users:
                self._divert()
            self._users += 1
            return os.fstat(self._file).st_size

    def leave(self, start: int) -> bytes:
        """What was caught since; the last one who leaves puts stderr back, and passes on what no library wrote."""
        with self._lock:
            self._users -= 1
            size = os.fstat(self._file).st_size
            caught = os.pread(self._file, size, 0)
            if not self._users:
                self._put_back(LIBTIFF.sub(b"", LIBPNG.sub(b"", caught)))
            return caught[start:]

    def _divert(self) -> None:
        os.dup2(2, self._real)
        os.dup2(self._file, 2)
        if leads_to_stderr(sys.stderr):
            self._before, sys.stderr = sys.stderr, self._stream

    def _put_back(self, rest: bytes) -> None:
        if sys.stderr is self._stream and self._before is not None:
            sys.stderr = self._before
        os.dup2(self._real, 2)
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(2, rest)


def leads_to_stderr(stream: TextIO | None) -> bool:
    """Whether a stream is that of the process: notebooks and tests put others there."""
    try:
        return stream is not None and stream.fileno() == 2
    except (OSError, ValueError):  # it is no file, or closed
        return False


_sinks: list[Sink] = []


@contextmanager
def catch_lines() -> Iterator[list[str]]:
    """Catch what libraries write to stderr within; their lines are in the list afterwards."""
    lines: list[str] = []
    if not hasattr(os, "pread"):  # Windows, where an open file keeps its name, and libraries have a stderr of their own
        yield lines
        return
    if not _sinks:
        try:
            os.fstat(2)
            _sinks.append(Sink())
        except OSError:  # no stderr at all, or no room for a file: nothing to catch, or nowhere to put it
            yield lines
            return
    start = _sinks[0].enter()
    try:
        yield lines
    finally:
        caught = _sinks[0].leave(start)
        lines += [
            line.decode("ascii", "replace").rstrip("\n") for line in (*LIBTIFF.findall(caught), *LIBPNG.findall(caught))
        ]


@contextmanager
def libtiff_errors() -> Iterator[None]:
    """Raise `OSError` with libtiff's own words where it finds damage, be it such that Pillow goes on."""
    with ONE_AT_A_TIME:
        failed: Exception | None = None
        with catch_lines() as lines:
            try:
                yield
            except Exception as error:
                failed = error
    if lines:
        raise OSError(lines[0].removeprefix("tempfile.tif: ").rstrip(".")) from failed
    if failed is not None:
        raise failed
