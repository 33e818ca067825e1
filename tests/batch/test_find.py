"""Which stacks there are below some folders, and what is left over."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus.batch.find import Tree, find_tree
from allfocus.batch.wishes import BatchOptions, Grouping
from allfocus.errors import OptionError, ReadError
from allfocus.io import write_image
from batch.stacks import write_stack
from pictures import picture


def found(root: Path, **wishes: object) -> dict[str, list[str]]:
    tree = look(root, **wishes)
    return {f"{stack.folder.as_posix()}/{stack.label}": [path.name for path in stack.paths] for stack in tree.stacks}


def look(root: Path, **wishes: object) -> Tree:
    return find_tree([root], Grouping(**wishes))  # type: ignore[arg-type]


def test_every_folder_with_frames_is_a_stack(tmp_path: Path) -> None:
    write_stack(tmp_path / "in/day1/beetle")
    write_stack(tmp_path / "in/day1/ant/deep")
    write_stack(tmp_path / "in/.hidden")
    (tmp_path / "in/day1/notes.txt").write_text("none")
    assert set(found(tmp_path / "in")) == {"day1/beetle", "day1/ant/deep"}


def test_a_root_that_is_a_stack_is_called_by_its_name(tmp_path: Path) -> None:
    write_stack(tmp_path / "beetle")
    assert list(found(tmp_path / "beetle")) == ["./beetle"]


def test_a_flat_folder_is_told_apart_by_names(tmp_path: Path) -> None:
    for well in ("A01", "A02"):
        write_stack(tmp_path / "in", (f"{well}_z1.png", f"{well}_z2.png", f"{well}_z3.png"))
    assert found(tmp_path / "in") == {
        "./A01": ["A01_z1.png", "A01_z2.png", "A01_z3.png"],
        "./A02": ["A02_z1.png", "A02_z2.png", "A02_z3.png"],
    }


def test_a_pattern_tells_stacks_apart_and_names_what_it_misses(tmp_path: Path) -> None:
    for first in ("x7q", "k2p"):
        write_stack(tmp_path / "in", (f"{first}-1.png", f"{first}-2.png"))
    write_image(tmp_path / "in" / "other.png", picture())
    tree = look(tmp_path / "in", group="^(?P<who>[a-z0-9]+)-")
    assert {stack.label: stack.fields for stack in tree.stacks} == {"k2p": {"who": "k2p"}, "x7q": {"who": "x7q"}}
    assert [(one.path.name, "--group" in one.reason) for one in tree.left_over] == [("other.png", True)]


def test_a_pattern_with_a_slash_joins_folders(tmp_path: Path) -> None:
    for plane in ("p1", "p2"):
        write_image(tmp_path / "in" / plane / "well_a.png", picture()) if (tmp_path / "in" / plane).mkdir(
            parents=True
        ) is None else None
    assert found(tmp_path / "in", group="/(well_.)") == {"./well_a": ["well_a.png", "well_a.png"]}


def shot(path: Path, second: float, seed: int) -> None:
    """A JPEG with the time when it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = f"2025:01:01 10:00:{int(second):02d}"
    exif.get_ifd(0x8769)[0x9291] = f"{int(second % 1 * 1000):03d}"
    Image.fromarray(picture(40, 40, seed=seed)).save(path, exif=exif)


def test_bursts_are_told_apart_by_their_pauses(tmp_path: Path) -> None:
    for k, second in enumerate((1, 1.2, 1.4, 5, 5.2, 5.4)):
        shot(tmp_path / f"IMG_{k}.jpg", second, 0)
    burst = [["IMG_0.jpg", "IMG_1.jpg", "IMG_2.jpg"], ["IMG_3.jpg", "IMG_4.jpg", "IMG_5.jpg"]]
    assert list(found(tmp_path, by="time").values()) == burst
    assert list(found(tmp_path, gap=3.0).values()) == burst
    assert len(found(tmp_path, gap=10.0)) == 1


def test_pictures_without_a_date_are_told_apart_by_when_they_were_written(tmp_path: Path) -> None:
    for k, second in enumerate((0, 1, 60, 61)):
        write_image(tmp_path / f"f{k}.png", picture())
        os.utime(tmp_path / f"f{k}.png", (1e9 + second, 1e9 + second))
    assert list(found(tmp_path, gap=30.0).values()) == [["f0.png", "f1.png"], ["f2.png", "f3.png"]]


def test_neighbours_that_show_something_else_begin_a_stack(tmp_path: Path) -> None:
    for k in range(4):
        small = picture(8, 8, gray=True, seed=k // 2)
        write_image(tmp_path / f"f{k}.png", np.kron(small, np.ones((16, 16), np.uint8)))
    assert list(found(tmp_path, by="content").values()) == [["f0.png", "f1.png"], ["f2.png", "f3.png"]]
    assert len(found(tmp_path, by="folder")) == 1


def test_files_of_several_planes_are_stacks_of_their_own(tmp_path: Path) -> None:
    for name in ("one.tif", "two.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((3, 32, 32), np.uint8), imagej=True, metadata={"axes": "ZYX"})
    write_stack(tmp_path, ("img1.png", "img2.png"))
    assert found(tmp_path) == {"./one": ["one.tif"], "./two": ["two.tif"], "./img1": ["img1.png", "img2.png"]}


def test_a_broken_file_of_planes_is_a_stack_that_will_fail_by_its_name(tmp_path: Path) -> None:
    for name in ("one.tif", "two.tif", "three.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((3, 32, 32), np.uint8), imagej=True, metadata={"axes": "ZYX"})
    (tmp_path / "two.tif").write_bytes((tmp_path / "two.tif").read_bytes()[:200])
    assert set(found(tmp_path)) == {"./one", "./two", "./three"}


def test_folders_that_hold_a_plane_each_make_stacks(tmp_path: Path) -> None:
    for plane in (1, 2, 3):
        (tmp_path / f"ZStep_{plane}").mkdir()
        for well in ("A01", "B02"):
            write_image(tmp_path / f"ZStep_{plane}" / f"{well}.png", picture(seed=plane))
    assert sorted(len(names) for names in found(tmp_path).values()) == [3, 3]


def test_single_frames_are_left_over_with_the_reason(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack")
    write_image(tmp_path / "lone.png", picture())
    (left,) = look(tmp_path).left_over
    assert (left.path.name, "one frame" in left.reason) == ("lone.png", True)


def test_the_folder_of_outputs_is_not_looked_into(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack")
    write_stack(tmp_path / "out/old")
    assert len(find_tree([tmp_path], Grouping(), skip=[tmp_path / "out"]).stacks) == 1


def test_links_that_lead_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack")
    (tmp_path / "stack" / "back").symlink_to(tmp_path)
    assert len(look(tmp_path).stacks) == 1


def test_a_frame_that_is_a_link_to_nowhere_is_one(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack")
    (tmp_path / "stack" / "z.png").symlink_to("gone.png")
    (stack,) = look(tmp_path).stacks
    assert stack.paths[-1].name == "z.png"


@pytest.mark.parametrize("name", ["empty", "gone"])
def test_where_there_is_nothing_one_line_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match=name):
        look(tmp_path / name)


@pytest.mark.parametrize(
    "wishes", [{"shard": "0/3"}, {"shard": "4/3"}, {"shard": "x"}, {"group": "("}, {"retries": -1}]
)
def test_wishes_that_make_no_sense_are_refused(wishes: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        BatchOptions(**wishes)  # type: ignore[arg-type]


def test_a_folder_is_not_for_the_stacks_and_for_the_outputs(tmp_path: Path) -> None:
    write_stack(tmp_path / "in/beetle")
    with pytest.raises(OptionError, match=r"in is given for the stacks and for the outputs"):
        find_tree([tmp_path / "in"], Grouping(), skip=[tmp_path / "in"])
    assert len(find_tree([tmp_path / "in"], Grouping(), skip=[tmp_path]).stacks) == 1
