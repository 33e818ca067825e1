"""Data sets as they are handed out: which files make a scene, and which of them is the truth."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from allfocus.bench.folders import find_scenes, read_folder
from allfocus.core.color import Array
from allfocus.errors import ConfigError


def picture(seed: int) -> Array:
    """A picture whose likeness to another can be told."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC))


def fill(folder: Path, names: str, seeds: list[int] | None = None) -> None:
    """Write a picture for each name; pictures with one seed show one scene."""
    for k, name in enumerate(names.split()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture(k if seeds is None else seeds[k]))


def found_in(folder: Path) -> dict[str, tuple[list[str], str | None]]:
    """Name of each scene, with its frames and its truth below the folder."""
    return {
        scene.name: (
            [path.relative_to(folder).as_posix() for path in scene.frames],
            None if scene.truth is None else scene.truth.relative_to(folder).as_posix(),
        )
        for scene in read_folder(folder)
    }


LYTRO = "lytro-01-A.jpg lytro-01-B.jpg lytro-02-A.jpg lytro-02-B.jpg"


@pytest.mark.parametrize(
    ("names", "scenes"),
    [
        (LYTRO, {"set/lytro-01": (["lytro-01-A.jpg", "lytro-01-B.jpg"], None)}),
        (f"{LYTRO} lytro-01-C.jpg", {"set/lytro-01": ([f"lytro-01-{k}.jpg" for k in "ABC"], None)}),
        ("1_1.png 1_2.png 2_1.png 2_2.png", {"set/2": (["2_1.png", "2_2.png"], None)}),
        ("1/image1.png 1/image2.png 10/image1.png 10/image2.png", {"set/1": (["1/image1.png", "1/image2.png"], None)}),
        (
            "source_1/1.jpg source_1/2.jpg source_2/1.jpg source_2/2.jpg full_clear/1.jpg full_clear/2.jpg",
            {"set/2": (["source_1/2.jpg", "source_2/2.jpg"], "full_clear/2.jpg")},
        ),
        (
            "imageA/001_A.png imageA/002_A.png imageB/001_B.png imageB/002_B.png Fusion/001_F.png Fusion/002_F.png",
            {"set/001": (["imageA/001_A.png", "imageB/001_B.png"], "Fusion/001_F.png")},
        ),
        (
            "sourceA/lytro-01-A.jpg sourceA/lytro-02-A.jpg sourceB/lytro-01-B.jpg sourceB/lytro-02-B.jpg",
            {"set/lytro-02": (["sourceA/lytro-02-A.jpg", "sourceB/lytro-02-B.jpg"], None)},
        ),
        ("FAR/1.png FAR/2.png NEAR/1.png NEAR/2.png GT/1.png", {"set/1": (["FAR/1.png", "NEAR/1.png"], "GT/1.png")}),
        (
            "x/f_0.png x/f_1.png x/truth.png x/depth.png x/near_mask.png y/f_0.png y/f_1.png",
            {"set/x": (["x/f_0.png", "x/f_1.png"], "x/truth.png"), "set/y": (["y/f_0.png", "y/f_1.png"], None)},
        ),
        ("x/stack/0.png x/stack/1.png x/GT_x.png", {"x/stack": (["x/stack/0.png", "x/stack/1.png"], "x/GT_x.png")}),
        ("7/0.png 7/1.png 8/0.png 8/1.png AiF/7.png AiF/8.png", {"set/8": (["8/0.png", "8/1.png"], "AiF/8.png")}),
    ],
)
def test_layouts_are_understood(tmp_path: Path, names: str, scenes: dict[str, tuple[list[str], str | None]]) -> None:
    fill(tmp_path / "set", names)
    found = found_in(tmp_path / "set")
    assert found | scenes == found


def test_numbered_pairs_are_told_by_their_content(tmp_path: Path) -> None:
    fill(tmp_path / "pairs", "1.jpg 2.jpg 3.jpg 4.jpg 5.jpg 6.jpg", [1, 1, 2, 2, 3, 3])
    assert [*found_in(tmp_path / "pairs")] == ["pairs/1-2", "pairs/3-4", "pairs/5-6"]
    fill(tmp_path / "stack", "1.jpg 2.jpg 3.jpg 4.jpg", [1, 1, 1, 1])
    (scene,) = read_folder(tmp_path / "stack")
    assert len(scene.frames) == 4


def test_folders_of_one_letter_are_told_by_their_content(tmp_path: Path) -> None:
    fill(tmp_path / "pairs", "A/1.png A/2.png B/1.png B/2.png", [1, 2, 1, 2])
    assert [*found_in(tmp_path / "pairs")] == ["pairs/1", "pairs/2"]
    fill(tmp_path / "stacks", "a/1.png a/2.png b/1.png b/2.png", [1, 1, 2, 2])
    assert [*found_in(tmp_path / "stacks")] == ["stacks/a", "stacks/b"]


def test_several_data_sets_are_several_groups(tmp_path: Path) -> None:
    fill(tmp_path / "Lytro", LYTRO)
    fill(tmp_path / "MFI-WHU", "source_1/1.jpg source_2/1.jpg full_clear/1.jpg")
    fill(tmp_path / "gt_mine", "7/0.png 7/1.png 7/truth.png")
    scenes = read_folder(tmp_path)
    assert {scene.group for scene in scenes} == {"Lytro", "MFI-WHU", "gt_mine"}
    assert sum(scene.truth is not None for scene in scenes) == 2


def test_scenes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    fill(tmp_path / "set", " ".join(f"{k}/{f}.png" for k in (10, 9, 1) for f in (0, 1)))
    assert [*found_in(tmp_path / "set")] == ["set/1", "set/9", "set/10"]


def test_what_holds_no_scene_is_refused_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, "one/1.png")
    with pytest.raises(ConfigError, match=r"holds no scenes; expected a folder a scene, a folder a frame"):
        find_scenes(tmp_path)
    fill(tmp_path / "set", "source_1/1.jpg source_1/2.jpg source_2/1.jpg")
    with pytest.raises(ConfigError, match=r"source_2 holds no frame of scene 2, as .*source_1.2.jpg is"):
        find_scenes(tmp_path / "set")


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    fill(tmp_path / "set", "1/0.png 1/1.png")
    (tmp_path / "set" / "1" / "up").symlink_to(tmp_path / "set")
    assert [*found_in(tmp_path / "set")] == ["set/1"]


def test_the_scenes_file_of_a_folder_counts(tmp_path: Path) -> None:
    fill(tmp_path, "1/0.png 1/1.png 2/0.png 2/1.png")
    (tmp_path / "scenes.json").write_text('[{"name": "mine", "frames": ["1/0.png", "1/1.png"], "border": 3}]')
    (scene,) = find_scenes(tmp_path)
    assert (scene.name, scene.border) == ("mine", 3)
