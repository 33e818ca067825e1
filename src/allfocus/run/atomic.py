"""The one atomic writer: files that appear whole, or not at all."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from allfocus.errors import WriteError


def check_place(path: Path) -> None:
    """Make sure that a file, whatever it holds, can be written to `path`; leaves nothing behind.

    Raises:
        WriteError: a folder or device in its place, a missing or unwritable folder, or a protected file.
    """
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise WriteError(f"{path} is not an ordinary file; name another one")
    if path.exists() and not os.access(path, os.W_OK):
        raise WriteError(f"{path} is write-protected; name another file")
    check_folder(path.resolve().parent)


def check_folder(folder: Path) -> None:
    """Raise `WriteError` unless a file can be made in `folder`; leaves nothing behind."""
    if not folder.is_dir():
        what = "is not a folder; name another place" if folder.exists() else "does not exist; make it first"
        raise WriteError(f"{folder} {what}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WriteError(f"folder {folder} can't be written to: {error.strerror}") from error


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not exist."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def write_file(path: Path, content: bytes | str) -> None:
    """Write one file: whole, or not at all.

    Args:
        path: where it goes; a file that is there is replaced.
        content: what goes into it; text is stored as UTF-8.

    Raises:
        WriteError: it can't be written; nothing is left behind.
    """
    with whole_files([path]) as (part,):
        write_part(path, part, content)


def write_part(path: Path, part: Path, content: bytes | str) -> None:
    """Write what is to become `path` to its temporary name; raises `WriteError` where the disk fails."""
    with disk_errors(path), part.open("xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def fill_file(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Let `fill` write one file, for content that is not at hand in one piece; else as `write_file`."""
    with disk_errors(path), whole_files([path]) as [part], part.open("xb") as file:
        fill(file)


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Temporary names, beside the files that they become when all went well; whatever happens, none of them is left.

    Raises:
        WriteError: one can't be renamed.
    """
    targets = [path.resolve() for path in paths]
    parts = [target.with_name(f".{target.stem[:40]}.{secrets.token_hex(6)}.part") for target in targets]
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            with disk_errors(path):
                sync(part)
        for part, target in zip(parts, targets, strict=True):
            with disk_errors(target):
                part.replace(target)  # in one step, which readers never see half done
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk into a `WriteError` that names the file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        reason = error.strerror or str(error)
        raise WriteError(f"{path} can't be written: {reason}; nothing was kept") from error


def sync(part: Path) -> None:
    """Wait until a file is on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
