"""Arrays that may be larger than memory: in files that are mapped, whose pages go back as soon as they are used.

The files have no names: whatever ends the process, Ctrl-C, an error or a power cut, leaves nothing behind, and two
processes side by side can't get into each other's way.
"""

import errno
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from allfocus.core.color import Array
from allfocus.errors import WriteError

#: File systems that keep files in memory: a spool there would save none.
IN_MEMORY = ("tmpfs", "ramfs")


class Scratch:
    """Where a fusion keeps what it can't hold in memory.

    Attributes:
        folder: where the files are; None: arrays are ordinary ones, in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._maps: list[mmap.mmap] = []

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """A new array of this shape, zero if it lies in a file, and whatever there was if it does not.

        Raises:
            WriteError: the disk has no room for it, or the folder can't be written to.
        """
        size = prod(shape) * np.dtype(dtype).itemsize
        if self.folder is None or not size:
            return np.empty(shape, dtype)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                reserve(file.fileno(), size)
                pages = mmap.mmap(file.fileno(), size)
        except OSError as error:
            reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            free = gigabytes(shutil.disk_usage(self.folder).free)
            raise WriteError(
                f"spool in {self.folder}: {reason}; {gigabytes(size)} more are needed, {free} are free: "
                "make room, or name another folder with --spool"
            ) from error
        self._maps.append(pages)
        return np.frombuffer(pages, dtype).reshape(shape)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """`empty`, of zeros: as pages that the system makes once they are written to, wherever they lie."""
        return np.zeros(shape, dtype) if self.folder is None else self.empty(shape, dtype)

    def load(self, path: Path) -> Array:
        """An array of a file of NumPy, mapped: it can't be written to; raises `ValueError` where it is none."""
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        self._maps.append(array._mmap)
        return np.asarray(array)

    def release(self) -> None:
        """Give back the memory of all pages; what they hold stays, in the files."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for pages in self._maps:
                pages.madvise(mmap.MADV_DONTNEED)


def reserve(file: int, size: int) -> None:
    """Make an open file this large, with room on the disk: a mapped page that finds none would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    zeros = bytes(1 << 24)
    for start in range(0, size, len(zeros)):
        os.write(file, zeros[: size - start])


def gigabytes(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e9:.1f} GB"


def file_system(folder: Path) -> str:
    """The kind of file system that holds `folder`, as Linux names it; empty where that can't be found out."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    mounts = {Path(place.replace("\\040", " ")): kind for _, place, kind, *_ in (line.split(" ") for line in lines)}
    folder = folder.resolve()
    return next((mounts[place] for place in (folder, *folder.parents) if place in mounts), "")


def scratch_folder(places: Sequence[Path] | None = None, kind_of: Callable[[Path], str] = file_system) -> Path:
    """Where spools go if nobody names a place: the folder for temporary files, unless that is memory too.

    Args:
        places: folders to choose from, best first; by default that for temporary files, /var/tmp and the user's own.
        kind_of: tells the file system that holds a folder.
    """
    places = places or (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.home())
    usable = [place for place in places if place.is_dir() and os.access(place, os.W_OK)]
    return next((place for place in usable if kind_of(place) not in IN_MEMORY), usable[0])
