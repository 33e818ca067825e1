"""The one atomic writer: files that appear whole, or not at all, and several of them all or none."""

import errno
import os
import secrets
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from allfocus.errors import WriteError
from allfocus.run.swap import Swap, remove

#: What to do about errors of the disk, by their numbers.
REMEDIES: Mapping[int | None, str] = {
    errno.ENOSPC: "make room, or choose another disk",
    errno.EDQUOT: "make room, or choose another disk",
    errno.EFBIG: "choose another disk, or a format with smaller files",
    errno.EROFS: "choose another folder",
    errno.EACCES: "choose another folder",
    errno.EPERM: "choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def check_place(path: Path) -> None:
    """Make sure that a file, whatever it holds, can be written to `path`; leaves nothing behind.

    Raises:
        WriteError: a name that no disk takes, a folder or device in its place, a missing or unwritable folder, or a
            protected file.
    """
    check_name(path)
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise WriteError(f"{path} is not an ordinary file; name another one")
    if path.exists() and not os.access(path, os.W_OK):
        raise WriteError(f"{path} is write-protected; name another file")
    if leads_in_a_circle(path):
        raise WriteError(f"{path} is a link that leads back to itself; name another file")
    check_folder(real_path(path).parent)


def check_folder_place(path: Path) -> None:
    """Make sure that a folder that is one picture, such as OME-Zarr, can be written to `path`.

    Raises:
        WriteError: a name that no disk takes, a file in its place, a folder that holds something else, or a folder
            around it that is no good.
    """
    check_name(path)
    if path.is_dir() and any(path.iterdir()) and not any((path / mark).exists() for mark in REPLACED):
        raise WriteError(f"{path} is a folder that holds something else than Zarr; name another one")
    if path.exists() and not path.is_dir():
        raise WriteError(f"{path} is a file; name another place for a folder")
    if leads_in_a_circle(path):
        raise WriteError(f"{path} is a link that leads back to itself; name another folder")
    check_folder(real_path(path).parent)


def check_name(path: Path) -> None:
    """Raise `WriteError` where the system refuses the very name, whether there is something or not: it is too long."""
    with disk_errors(path):
        path.exists()


#: What a folder has to hold to be replaced by another: the root of a Zarr hierarchy.
REPLACED = ("zarr.json", ".zgroup", ".zattrs")


def real_path(path: Path) -> Path:
    """Where a path leads, links followed; unlike `Path.resolve` it minds no circles."""
    return Path(os.path.realpath(path))


def leads_in_a_circle(path: Path) -> bool:
    """Whether links lead back to themselves."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def explain_missing(path: Path) -> str:
    """Why there is nothing at a path, as it follows its name in a message."""
    if leads_in_a_circle(path):
        return "is a link that leads back to itself"
    return f"is a link to {path.readlink()}, which does not exist" if path.is_symlink() else "does not exist"


def check_no_input(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise `WriteError` for an output that is a file which is read, be it through links or by another name of it."""
    for path in outputs:
        if any(overlap(path, source) for source in inputs):
            raise WriteError(
                f"{path} is one of the frames, or of the files that say what to do with them; name another output"
            )


def overlap(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder, or one lies within the other, which is a folder."""
    if same_file(one, other):
        return True
    return any(a.is_dir() and real_path(b).is_relative_to(real_path(a)) for a, b in ((one, other), (other, one)))


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


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """A folder that the work within the block writes to, made if missing; if the work fails no empty one is left.

    Raises:
        WriteError: it can't be made.
    """
    check_name(folder)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise WriteError(f"{folder} is not a folder; name another place") from error
        except OSError as error:
            raise WriteError(f"{folder} can't be made a folder: {error.strerror}") from error
        yield
    except BaseException:
        with suppress(OSError):  # what somebody put there stays, and what is around it
            for each in missing:
                each.rmdir()
        raise


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not exist: links, and names that differ in case, are minded."""
    if one.exists() and other.exists():
        return one.samefile(other)
    one, other = real_path(one), real_path(other)
    return one == other or (fold(one) == fold(other) and ignores_case(one.parent))


def fold(path: Path) -> str:
    """A path in the form in which file systems compare names if they ignore case."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def ignores_case(folder: Path) -> bool:
    """Whether names that differ in case only are one in this folder; False where that can't be tried out."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".aA", dir=folder) as file:
            path = Path(file.name)
            return path.with_name(path.name.swapcase()).exists()
    except OSError:
        return False


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


def write_part(
    path: Path, part: Path, content: bytes | str | Mapping[str, bytes] | Callable[[BinaryIO], object]
) -> None:
    """Write what is to become `path`, a file or a folder of files, to its temporary name.

    Args:
        path: the name that it will have.
        part: the name that it has until then.
        content: what goes into the file, by name into the files of a folder, or what writes it.

    Raises:
        WriteError: the disk fails.
    """
    if isinstance(content, Mapping):
        for name, inside in content.items():
            with disk_errors(path):
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(inside)
        return
    with disk_errors(path), part.open("xb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content.encode() if isinstance(content, str) else content)


def fill_file(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Let `fill` write one file, for content that is not at hand in one piece; else as `write_file`."""
    with disk_errors(path), whole_files([path]) as [part], part.open("xb") as file:
        fill(file)


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Temporary names, beside the files that they become when all went well; whatever happens, none of them is left.

    Files that are replaced keep their mode, owner and hard links. Where one of several can't be put into its place,
    those that were are taken back.

    Raises:
        WriteError: one can't be put into its place; the message says so where another could not be taken back.
    """
    targets = [real_path(path) for path in paths]
    parts = [target.with_name(f".{target.stem[:40]}.{secrets.token_hex(6)}.part") for target in targets]
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            with disk_errors(path):
                sync(part)
        put_in_place([Swap(part, target) for part, target in zip(parts, targets, strict=True)])
    finally:
        for part in parts:
            remove(part)


def put_in_place(swaps: Sequence[Swap]) -> None:
    """Make all new files what they are to be, or none of them."""
    begun: list[Swap] = []
    try:
        for swap in swaps:
            with disk_errors(swap.target):
                begun.append(swap)
                swap.do()
    except BaseException as error:
        lost = [swap.undo() for swap in reversed(begun)]
        if any(lost) and isinstance(error, WriteError):
            raise WriteError(f"{error}, but {', and '.join(filter(None, lost))}") from error
        raise
    for swap in swaps:
        swap.forget()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk into a `WriteError` that names the file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        reason = error.strerror or str(error)
        remedy = f"; {REMEDIES[error.errno]}" if error.errno in REMEDIES else ""
        raise WriteError(f"{path} can't be written: {reason}; nothing was kept{remedy}") from error


def sync(part: Path) -> None:
    """Wait until a file, or all that a folder holds, is on the disk."""
    if part.is_dir():
        for inside in part.rglob("*"):
            if inside.is_file():
                sync(inside)
        return
    with part.open("rb+") as file:
        os.fsync(file.fileno())
