"""What decoders write to stderr by themselves: caught, so that a damaged file gets one line, which is ours.

libtiff and libpng know of no other way to tell what is wrong once they are inside of Pillow and OpenCV.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, RLock

#: Lines of libtiff (``module: message.``) and of libpng.
LIBTIFF = re.compile(rb"^[\w./-]+: [A-Z].*\n?", re.MULTILINE)
LIBPNG = re.compile(rb"^libpng (?:error|warning): .*\n?", re.MULTILINE)

#: libtiff's errors belong to whoever called it last.
ONE_AT_A_TIME = RLock()


class Sink:
    """A file that takes the place of stderr as long as anybody decodes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (as long as the program runs)
        self._stderr = -1

    def enter(self) -> int:
        """Begin to catch; returns what was caught already, in bytes."""
        with self._lock:
            if not self._users:
                self._stderr = os.dup(2)
                os.dup2(self._file.fileno(), 2)
            self._users += 1
            return os.fstat(self._file.fileno()).st_size

    def leave(self, start: int) -> bytes:
        """What was caught since; the last one who leaves puts stderr back, and passes on what no library wrote."""
        with self._lock:
            self._users -= 1
            end = os.fstat(self._file.fileno()).st_size
            caught = os.pread(self._file.fileno(), end, 0)
            if not self._users:
                os.dup2(self._stderr, 2)
                os.close(self._stderr)
                os.ftruncate(self._file.fileno(), 0)
                os.lseek(self._file.fileno(), 0, os.SEEK_SET)
                os.write(2, LIBTIFF.sub(b"", LIBPNG.sub(b"", caught)))
            return caught[start:]


_sinks: list[Sink] = []


@contextmanager
def catch_lines() -> Iterator[list[str]]:
    """Catch what libraries write to stderr within; their lines are in the list afterwards."""
    lines: list[str] = []
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
