"""Transforms files: saved, applied again, refused when damaged."""

import json
from pathlib import Path

import numpy as np
import pytest

from allfocus.alignment import dump_transforms, estimate_alignment, load_transforms
from allfocus.core.color import from_unit, to_unit
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError
from allfocus.io import read_image, write_image
from conftest import Cli
from moved_scenes import make_parameters, move_camera
from pictures import focal_frames
from scenes import still_life, tilted_plane


def test_transforms_are_saved_and_used_again(tmp_path: Path, cli: Cli) -> None:
    frames = [frame[:160, :200] for frame in tilted_plane(still_life(2), 3, 12.0)]
    size = frames[0].shape[:2]
    for k, frame in enumerate(frames):
        after, _ = move_camera(from_unit(to_unit(frame), "uint8"), make_parameters(0.01 * k, 0.2 * k, 0, size))
        write_image(tmp_path / f"img{k}.png", after)
    base = ["fuse", "--method", "laplacian", *sorted(tmp_path.glob("img*.png"))]
    first = cli(*base, "-o", tmp_path / "one.png", "--save-transforms", tmp_path / "t.json")
    assert first.code == 0, first.err
    assert "similarity, registered to frame " in first.out
    document = json.loads((tmp_path / "t.json").read_text())
    assert [frame["name"] for frame in document["frames"]] == ["img0.png", "img1.png", "img2.png"]
    again = cli(
        *base, "-o", tmp_path / "two.png", "--transforms", tmp_path / "t.json", "--save-transforms", tmp_path / "u.json"
    )
    assert again.code == 0, again.err
    assert (tmp_path / "t.json").read_text() == (tmp_path / "u.json").read_text()
    np.testing.assert_array_equal(read_image(tmp_path / "one.png"), read_image(tmp_path / "two.png"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "{", "is not JSON"),
        (lambda text: "[]", "no file of transforms"),
        (lambda text: text.replace('"reference": 1', '"reference": 9'), "damaged"),
        (lambda text: text.replace('"model"', '"modell"'), "damaged"),
        (lambda text: text.replace('"width": 30', '"width": 31'), "frames of 31x20"),
    ],
)
def test_bad_transforms_are_refused_in_one_line(tmp_path: Path, damage: object, words: str) -> None:
    stack = FocalStack(frames=focal_frames(20, 30, 2))
    text = dump_transforms(estimate_alignment(stack), stack.names, (20, 30))
    path = tmp_path / "t.json"
    path.write_text(text)
    assert len(load_transforms(path, 2, (20, 30)).matrices) == 2
    path.write_text(damage(text))  # type: ignore[operator]
    with pytest.raises(AlignmentError, match=words):
        load_transforms(path, 2, (20, 30))
    with pytest.raises(AlignmentError, match=r"t\.json"):
        load_transforms(path, 3, (20, 30))
