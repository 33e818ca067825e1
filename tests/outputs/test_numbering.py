"""One numbering: whatever the order and whatever is left out, frames are counted as in the input."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus.alignment.alignment import make_identity
from allfocus.alignment.transforms_file import dump_transforms
from allfocus.composition.depth import legend_bar
from allfocus.core.stack import FocalStack
from allfocus.io import open_stack
from allfocus.options import FusionOptions, Order
from allfocus.outputs.files import make_maps, scale_depth
from allfocus.outputs.report import provenance, render_page
from allfocus.outputs.wishes import Outputs
from allfocus.outputs.words import describe_maps
from allfocus.pipeline import compose, decide
from allfocus.registration import register_stack
from allfocus.result import FusionResult
from allfocus.run.context import Run
from allfocus.sources.inspect import read_stack
from allfocus.volumes import measure_height
from pictures import focal_frames

NAMES = ("c.jpg", "a.jpg", "d.jpg", "b.jpg")


def write_dated(folder: Path) -> None:
    """Four frames, taken in the order of `NAMES`."""
    for second, (name, frame) in enumerate(zip(NAMES, focal_frames(64, 96, 4), strict=True)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:01:02 10:00:0{second}"
        Image.fromarray(frame).save(folder / name, quality=98, exif=exif)


def fuse_without(folder: Path, tmp_path: Path, order: Order, focus: tuple[int, ...]) -> FusionResult:
    """Fuse a folder without frame 2, in this order of focus if there is one."""
    listing = open_stack([folder], order)
    alignment = replace(make_identity(4, 1), left_out={2: "it is blurred"})
    (tmp_path / "t.json").write_text(dump_transforms(alignment, listing.names, listing.frame.size))
    options = FusionOptions(method="laplacian", transforms=tmp_path / "t.json")
    registered = register_stack(read_stack(listing), listing, options, Run())
    assert registered.alignment is not None
    if focus:
        rows = [registered.positions.index(k) for k in focus]
        ordered = replace(registered.alignment, order=focus)
        registered = replace(registered, stack=registered.stack.pick(rows), positions=focus, alignment=ordered)
    return compose(registered, decide(registered, options=options), options=options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "stack"
    made.mkdir()
    write_dated(made)
    return made


@pytest.mark.parametrize(("order", "focus"), [("names", ()), ("time", ()), ("focus", (3, 0, 1))])
def test_a_left_out_frame_in_the_middle_moves_no_number(
    folder: Path, tmp_path: Path, order: Order, focus: tuple[int, ...]
) -> None:
    result = fuse_without(folder, tmp_path, order, focus)
    assert result.names == (NAMES if order == "time" else tuple(sorted(NAMES)))
    assert set(np.unique(result.index_map)) == {0, 1, 3}
    assert [note.frames for note in result.notes if note.code == "frame-left-out"] == [(2,)]
    assert result.order == ((3, 0, 1) if order == "focus" else ())
    assert result.depth_frames == ((3, 0, 1) if order == "focus" else (0, 1, 2, 3))
    facts = provenance(result, FusionOptions(method="laplacian"), {}, 1.0)
    assert [frame["name"] for frame in facts["frames"]] == list(result.names)
    assert facts["frames"][2]["left_out"] == "it is blurred"
    assert facts["frames"][2]["share"] == 0
    assert facts["alignment"]["order"] == ([3, 0, 1] if order == "focus" else None)
    page = render_page(result, facts)
    assert f"3: {result.names[2]}" in page
    ((_, written, _),) = make_maps(result, Outputs(index_map=tmp_path / "i.png"))
    np.testing.assert_array_equal(written, result.index_map)


def test_depth_maps_and_their_legends_go_by_the_order_of_focus(folder: Path, tmp_path: Path) -> None:
    result = fuse_without(folder, tmp_path, "focus", (3, 0, 1))
    places = np.tile(np.linspace(0, 2, 96, dtype=np.float32), (64, 1))
    result = replace(result, depth=places)
    assert (scale_depth(result)[0].min(), scale_depth(result)[0].max()) == (0, 65535)
    (line,) = describe_maps(Outputs(depth=tmp_path / "d.png"), result)
    assert line.endswith("0 is in focus in d.jpg, 65535 in b.jpg")
    ((_, preview, _),) = make_maps(result, Outputs(depth_preview=tmp_path / "p.png"))
    np.testing.assert_array_equal(preview[-28:], legend_bar(96, 4, 2))
    assert measure_height(result)[0, [0, -1]].tolist() == [3, 1]


@pytest.mark.slow
def test_depth_of_some_frames_is_counted_as_in_the_input(tiny_model: Path) -> None:
    options = FusionOptions(align="none", depth=True, model=tiny_model)
    stack = FocalStack(frames=focal_frames(64, 96, 4), names=list("abcd"))
    part = register_stack(stack, stack, options, Run()).pick([1, 3])
    depth = compose(part, decide(part, options=options), options=options).depth
    assert depth is not None
    assert 1 <= np.nanmin(depth) <= np.nanmax(depth) <= 3


def test_the_order_by_time_is_that_of_the_frames(folder: Path) -> None:
    listing = open_stack([folder], "time")
    assert tuple(listing.names) == NAMES
    assert [frame.shape for frame in read_stack(listing).frames] == [(64, 96, 3)] * 4
