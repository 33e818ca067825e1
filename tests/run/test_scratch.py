"""Arrays in files: they hold what is written, take no names, and a full disk is one clear line."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from allfocus.errors import WriteError
from allfocus.run.scratch import Scratch, file_system, reserve, scratch_folder


@pytest.mark.parametrize("in_files", [False, True])
def test_an_array_holds_what_is_written_even_when_its_memory_is_given_back(tmp_path: Path, in_files: bool) -> None:
    spool = Scratch(tmp_path if in_files else None)
    one, other = spool.empty((3, 50, 70, 3), np.uint8), spool.empty((2, 4, 30), np.float32)
    one[1], other[:] = 7, 0.5
    spool.release()
    assert (one[1] == 7).all()
    assert (other == 0.5).all()
    assert (one.shape, one.dtype, other.shape) == ((3, 50, 70, 3), np.uint8, (2, 4, 30))


def test_nothing_is_seen_of_it_in_the_folder(tmp_path: Path) -> None:
    spool = Scratch(tmp_path)
    array = spool.empty((100, 100), np.float32)
    array[:] = 1
    assert list(tmp_path.iterdir()) == []


def test_arrays_without_elements_need_no_file(tmp_path: Path) -> None:
    assert Scratch(tmp_path).empty((0, 5), np.uint8).shape == (0, 5)


def test_a_full_disk_is_told_with_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match=r"the disk is full; 0\.4 GB more are needed, .* are free: .*--spool"):
        Scratch(tmp_path).empty((400, 1000, 1000), np.uint8)


def test_room_is_reserved_before_anything_is_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        reserve(file.fileno(), 3_000_000)
        assert os.fstat(file.fileno()).st_size == 3_000_000
        assert os.fstat(file.fileno()).st_blocks * 512 >= 3_000_000


def test_room_is_reserved_where_the_system_has_no_call_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with (tmp_path / "file").open("w+b") as file:
        reserve(file.fileno(), 40_000_001)
        assert os.fstat(file.fileno()).st_size == 40_000_001


def test_the_spool_goes_where_files_are_not_memory(tmp_path: Path) -> None:
    memory, disk, gone = tmp_path / "memory", tmp_path / "disk", tmp_path / "gone"
    memory.mkdir()
    disk.mkdir()
    kinds = {memory: "tmpfs", disk: "ext4", gone: "ext4"}
    assert scratch_folder([gone, memory, disk], kinds.__getitem__) == disk
    assert scratch_folder([disk, memory], kinds.__getitem__) == disk
    assert scratch_folder([memory, gone], kinds.__getitem__) == memory  # better than none


def test_the_spool_goes_to_the_folder_for_temporary_files_by_default() -> None:
    assert scratch_folder(kind_of=lambda place: "ext4") == Path(tempfile.gettempdir())


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="only Linux tells what is mounted where")
def test_file_systems_are_known_by_their_names() -> None:
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(Path("/")) != ""
