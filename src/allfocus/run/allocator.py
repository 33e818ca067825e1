"""How this process gets its memory from the system."""

import ctypes
import sys
from contextlib import suppress


def return_freed_memory() -> None:
    """Ask glibc to give what it keeps back to the system: what comes next needs memory of other sizes."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed for the next array, and all threads to share it.

    By default it gives every large array back to the system, which then clears its pages anew: a tenth of the time of a
    large stack. Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    arena_max, mmap_threshold, trim_threshold = -8, -3, -1  # malloc.h
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in ((arena_max, 1), (mmap_threshold, 1 << 25), (trim_threshold, 1 << 28)):
            libc.mallopt(parameter, value)
