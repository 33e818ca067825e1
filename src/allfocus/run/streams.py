"""Lines to stdout and stderr, whatever state these are in."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from allfocus.core.renames import RenamedWarning
from allfocus.errors import printable

#: Why stdout took no more lines of this command: the work goes on without them, and its exit code tells.
unsaid: list[OSError] = []


def say(text: object, err: bool = False, *, is_drawn: bool = False) -> None:
    """Print lines to stdout, or to stderr; what is not to be seen in them is spelled out.

    Args:
        text: the lines.
        err: whether they go to stderr.
        is_drawn: whether they hold a terminal's own codes, of ours.
    """
    lines = str(text) if is_drawn else "\n".join(map(printable, str(text).split("\n")))
    try:
        print(lines, file=sys.stderr if err else sys.stdout, flush=True)
    except OSError as error:  # nobody reads it any more, or the disk is full
        silence(sys.stderr if err else sys.stdout)
        if not err:
            unsaid.append(error)


def silence(stream: TextIO | None) -> None:
    """Let what is still written to a stream that failed go nowhere, or Python would complain when it exits."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def claim_streams() -> None:
    """Open those of stdin, stdout and stderr that are closed, or the next file opened would be taken for them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep stderr for our own lines: what libraries warn of does not matter; old names are told once."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # read when OpenCV is imported
    try:
        with quiet_logs(), warnings.catch_warnings(record=True, action="ignore") as renamed:
            warnings.simplefilter("always", RenamedWarning)
            yield
    finally:
        for line in dict.fromkeys(str(warning.message) for warning in renamed):
            say(f"note: {line}", err=True)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep what libraries log from stderr, where Python writes it as long as nothing else takes it."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
