"""Several files, all or none; what is replaced keeps its mode, owner and other names."""

import os
import stat
from pathlib import Path

import pytest

from allfocus.errors import WriteError
from allfocus.run.atomic import check_place, ignores_case, put_in_place, same_file, whole_files, write_file
from allfocus.run.swap import Swap


def write_both(first: Path, second: Path, between: object = None) -> None:
    """Write new content to two files; `between` is called once both are written and neither is in its place."""
    with whole_files([first, second]) as parts:
        for part in parts:
            part.write_text("new")
        if callable(between):
            between()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def block(path: Path) -> None:
    """Put something in a file's place that no file can replace."""
    path.unlink(missing_ok=True)
    (path / "inside").mkdir(parents=True)


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o640)
    write_file(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    os.chown(path, 4711, 4712)
    write_file(path, "new")
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("new", 4711, 4712)


def test_a_file_of_several_names_keeps_them(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("old and longer")
    other.hardlink_to(path)
    write_file(path, "new")
    assert path.samefile(other)
    assert other.read_text() == "new"
    assert names(tmp_path) == ["a", "b"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").symlink_to("a")
    write_file(tmp_path / "b", "new")
    assert (tmp_path / "b").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("has_links", [False, True])
@pytest.mark.parametrize("was_there", [False, True])
def test_where_the_second_fails_the_first_is_taken_back(tmp_path: Path, was_there: bool, has_links: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    if was_there:
        first.write_text("old")
        first.chmod(0o600)
    if was_there and has_links:
        (tmp_path / "also").hardlink_to(first)
    before = names(tmp_path)
    with pytest.raises(WriteError, match=r"second can't be written: .*; nothing was kept$"):
        write_both(first, second, lambda: block(second))
    assert names(tmp_path) == sorted([*before, "second"])
    if was_there:
        assert (first.read_text(), stat.S_IMODE(first.stat().st_mode)) == ("old", 0o600)
        assert not has_links or first.samefile(tmp_path / "also")


def test_what_could_not_be_taken_back_is_named(tmp_path: Path) -> None:
    class Stuck(Swap):
        def undo(self) -> str:
            self.target.unlink()
            block(self.target)
            return super().undo()

    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    for name in ("one.part", "two.part"):
        (tmp_path / name).write_text("new")
    block(second)
    with pytest.raises(WriteError, match=r"second can't be written.*first could not be put back.*its old content in"):
        put_in_place([Stuck(tmp_path / "one.part", first), Swap(tmp_path / "two.part", second)])
    (kept,) = [path for path in tmp_path.iterdir() if path.suffix == ".old"]
    assert kept.read_text() == "old"


def test_an_interrupt_between_two_files_takes_the_first_back(tmp_path: Path) -> None:
    class Interrupted(Swap):
        def do(self) -> None:
            raise KeyboardInterrupt

    (tmp_path / "a").write_text("old")
    for name in ("one.part", "two.part"):
        (tmp_path / name).write_text("new")
    with pytest.raises(KeyboardInterrupt):
        put_in_place([Swap(tmp_path / "one.part", tmp_path / "a"), Interrupted(tmp_path / "two.part", tmp_path / "b")])
    assert (tmp_path / "a").read_text() == "old"


def test_names_of_one_file_are_known(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    (tmp_path / "soft").symlink_to("a")
    (tmp_path / "later").symlink_to("new")
    assert all(same_file(tmp_path / "a", tmp_path / name) for name in ("hard", "soft"))
    assert same_file(tmp_path / "later", tmp_path / "new")
    assert not same_file(tmp_path / "a", tmp_path / "new")
    assert same_file(tmp_path / "b", tmp_path / "B") == ignores_case(tmp_path)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError, match="leads back to itself"):
        check_place(tmp_path / "a")
    assert not same_file(tmp_path / "a", tmp_path / "c")
