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
    base = ["fuse", "--method", "laplacian", "--halos", "keep", *sorted(tmp_path.glob("img*.png"))]
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


FRAME = {"matrix": np.eye(3).tolist(), "gain": [1.0], "offset": 0.0, "residual": 0.1, "left_out": None, "field": None}


def document(**changes: object) -> dict[str, object]:
    """A file of two frames of 30x20, the first of which is changed."""
    frames = [{"name": "a", **FRAME, **changes}, {"name": "b", **FRAME}]
    sizes = {"width": 30, "height": 20}
    return {"format": "allfocus transforms 1", "model": "similarity", "reference": 1, **sizes, "frames": frames}


@pytest.mark.parametrize(
    "changes",
    [
        {"gain": [float("nan")]},
        {"gain": [1e6]},
        {"gain": [1e-6, 1, 1]},
        {"gain": []},
        {"gain": "12"},
        {"gain": [True]},
        {"offset": float("inf")},
        {"offset": 3},
        {"offset": None},
        {"residual": -1},
        {"matrix": [[1, 0, 0], [0, 1, 0]]},
        {"matrix": [[1, 0, 0], [0, 1, 0], [0, -0.1, 1]]},
        {"matrix": [[100, 0, 0], [0, 100, 0], [0, 0, 1]]},
        {"matrix": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]},
        {"matrix": [[1, 0, float("nan")], [0, 1, 0], [0, 0, 1]]},
        {"matrix": [["1", 0, 0], [0, 1, 0], [0, 0, 1]]},
        {"field": {"rows": 0, "columns": 0, "values": ""}},
        {"field": {"rows": 2, "columns": 1 << 40, "values": ""}},
        {"field": {"rows": 1, "columns": 1, "values": "AADAfwAAwH8="}},
        {"field": {"rows": 1, "columns": 1, "values": "AADAf"}},
        {"field": []},
    ],
    ids=str,
)
def test_every_number_is_looked_at(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document()))
    load_transforms(path, 2, (20, 30))
    path.write_text(json.dumps(document(**changes)))
    with pytest.raises(AlignmentError, match=r"t\.json is damaged"):
        load_transforms(path, 2, (20, 30))


@pytest.mark.parametrize(
    "change",
    [{"frames": {}}, {"frames": []}, {"frames": [1, 2]}, {"reference": True}, {"reference": -1}, {"width": 1e400}],
    ids=str,
)
def test_documents_of_other_shapes_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "t.json").write_text(json.dumps(document() | change))
    with pytest.raises(AlignmentError, match=r"t\.json is damaged"):
        load_transforms(tmp_path / "t.json", 2, (20, 30))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 20_000 + "]" * 20_000, "no file of transforms"),
        ('{"width": ' + "9" * 5000 + "}", "no file of transforms"),
        (" " * 1_000_000, "longer than"),
    ],
)
def test_texts_that_are_too_deep_or_too_long_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(AlignmentError, match=rf"t\.json is .*{words}"):
        load_transforms(tmp_path / "t.json", 2, (20, 30))


def test_frames_without_a_common_area_are_refused(tmp_path: Path, cli: Cli) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, frame in zip(paths, focal_frames(20, 30, 2), strict=True):
        write_image(path, frame)
    typed = ("fuse", *paths, "--method", "laplacian", "-o", tmp_path / "o.png", "--transforms", tmp_path / "t.json")
    (tmp_path / "t.json").write_text(json.dumps(document(matrix=[[1, 0, 500.0], [0, 1, 0], [0, 0, 1]])))
    outcome = cli(*typed)
    assert outcome.code == 1
    assert "the frames have no area in common" in outcome.err
    # the middle of the one lies outside of the other, but a third of both is the same
    (tmp_path / "t.json").write_text(json.dumps(document(matrix=[[1, 0, 20.0], [0, 1, 0], [0, 0, 1]])))
    assert cli(*typed).code == 0
    assert read_image(tmp_path / "o.png").shape == (20, 10, 3)
