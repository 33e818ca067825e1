"""Fusing from frames to picture: exact where it can be, the same whatever the tiles and the order of the frames."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus.core.color import Array, from_unit, to_unit
from allfocus.core.stack import FocalStack
from allfocus.decision.laplacian import decide_by_laplacian
from allfocus.decision.search_rule import PIXELS_AT_ONCE, STEP, tile_side
from allfocus.errors import ConfigError, ModelError, ReadError, StackError
from allfocus.io import read_image, write_image
from allfocus.options import FusionOptions
from allfocus.pipeline import fuse, fuse_source
from allfocus.plan import plan_for
from allfocus.result import FusionResult
from allfocus.run.machine import Machine
from allfocus.sources.open import open_stack
from pictures import focal_frames, picture, write_pair


def fuse_with(model: Path, frames: Any, **options: Any) -> FusionResult:
    """Fuse frames that lie over each other already."""
    return fuse(frames, options=FusionOptions(**{"model": model, "align": "none", **options}))


def assert_same_almost_everywhere(one: FusionResult, other: FusionResult) -> None:
    """Less than one gray level apart, and one decision, on 99.9 % of the pixels."""
    gap = np.abs(to_unit(one.image) - to_unit(other.image)) * 255
    assert (gap < 1).mean() >= 0.999
    assert (one.index_map == other.index_map).mean() >= 0.999


@pytest.fixture(scope="module")
def frames() -> list[Array]:
    return focal_frames(179, 241, 3)


@pytest.fixture(scope="module")
def whole(frames: list[Array], tiny_model: Path) -> FusionResult:
    return fuse_with(tiny_model, frames)


@pytest.mark.parametrize("max_tile", [64, pytest.param(128, marks=pytest.mark.slow)])
def test_tile_size_does_not_change_the_picture(
    frames: list[Array], whole: FusionResult, tiny_model: Path, max_tile: int
) -> None:
    tiled = fuse_with(tiny_model, frames, max_tile=max_tile)
    assert_same_almost_everywhere(tiled, whole)
    np.testing.assert_allclose(tiled.confidence, whole.confidence, atol=1e-3)
    assert tiled.quality is not None
    assert whole.quality is not None
    for one, other in (
        (tiled.quality.out_of_focus, whole.quality.out_of_focus),
        (tiled.quality.veiled, whole.quality.veiled),
    ):
        assert (one == other).mean() >= 0.999
        assert 0.02 < other.mean() < 0.98  # there is something to compare


def test_the_tiniest_tiles_do_not_change_the_picture_either(tiny_model: Path) -> None:
    frames = focal_frames(45, 70, 2)
    assert_same_almost_everywhere(fuse_with(tiny_model, frames, max_tile=1), fuse_with(tiny_model, frames))


def test_the_network_has_more_to_say_than_the_laplacian_rule(frames: list[Array], whole: FusionResult) -> None:
    # else the tests above would compare nothing
    share = (whole.index_map != decide_by_laplacian(frames)[0]).mean()
    assert 0.001 < share < 0.2
    assert len(np.unique(whole.index_map)) == 3


def test_every_pixel_comes_from_the_frames(frames: list[Array], whole: FusionResult) -> None:
    stack = np.stack(frames)
    assert (stack.min(axis=0) <= whole.image).all()
    assert (whole.image <= stack.max(axis=0)).all()
    rows, columns = np.indices(whole.index_map.shape)
    picked = stack[whole.index_map, rows, columns]
    sure = whole.confidence > 0.9
    assert 0.2 < sure.mean() < 1  # else nothing is compared below
    assert np.abs(to_unit(whole.image) - to_unit(picked))[sure].mean() * 255 <= 1
    assert whole.index_map.dtype == np.uint16
    assert whole.confidence.dtype == np.float32
    assert 0 <= whole.confidence.min() <= whole.confidence.max() <= 1
    assert (whole.frame_count, whole.method) == (3, "network")


def test_the_frame_in_focus_is_picked(frames: list[Array], whole: FusionResult) -> None:
    width = frames[0].shape[1]
    for position in range(3):
        centre = round((position + 0.5) * width / 3)
        assert (whole.index_map[:, centre - 20 : centre + 20] == position).mean() > 0.97


@pytest.mark.parametrize("order", [(1, 2, 0), pytest.param((2, 1, 0), marks=pytest.mark.slow)])
def test_the_order_of_the_frames_does_not_matter(
    frames: list[Array], whole: FusionResult, tiny_model: Path, order: tuple[int, ...]
) -> None:
    result = fuse_with(tiny_model, [frames[position] for position in order])
    np.testing.assert_array_equal(result.image, whole.image)
    np.testing.assert_array_equal(np.array(order)[result.index_map], whole.index_map)
    np.testing.assert_array_equal(result.confidence, whole.confidence)


@pytest.mark.slow
def test_near_or_far_frames_win_where_it_is_close(frames: list[Array], whole: FusionResult, tiny_model: Path) -> None:
    near, far = (fuse_with(tiny_model, frames, prefer=wish).index_map for wish in ("near", "far"))
    assert (near <= whole.index_map).all()
    assert (far >= whole.index_map).all()
    for leaning in (near, far):
        assert 0.001 < (leaning != whole.index_map).mean() < 0.2
    # a stack given from far to near, with the opposite wish
    turned = fuse_with(tiny_model, frames[::-1], prefer="far").index_map
    np.testing.assert_array_equal(2 - turned, near)


@pytest.mark.parametrize(
    "how", [pytest.param("soft", marks=pytest.mark.slow), pytest.param("hard", marks=pytest.mark.slow), "guided"]
)
def test_every_composition_tells_the_same_story(
    frames: list[Array], whole: FusionResult, tiny_model: Path, how: str
) -> None:
    result = fuse_with(tiny_model, frames, compose=how)
    np.testing.assert_array_equal(result.index_map, whole.index_map)
    gap = np.abs(to_unit(result.image) - to_unit(whole.image))
    assert 0 < gap.mean() < 0.01


@pytest.mark.parametrize("method", ["network", "laplacian"])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_depth_and_channels_are_kept(tiny_model: Path, dtype: str, gray: bool, method: str) -> None:
    frames = focal_frames(40, 60, 2, gray=gray, dtype=dtype)
    result = fuse_with(tiny_model, frames, method=method)
    assert result.image.dtype == dtype
    assert result.image.shape == frames[0].shape
    assert result.method == method
    expected = fuse_with(tiny_model, [from_unit(to_unit(frame), "float32") for frame in frames], method=method)
    assert_same_almost_everywhere(result, expected)


@pytest.mark.parametrize("method", ["network", "laplacian"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 3), (1, 2, 3), (5, 1), pytest.param((3, 5000, 3), marks=pytest.mark.slow), (700, 2)]
)
def test_tiny_and_thin_pictures(tiny_model: Path, shape: tuple[int, ...], method: str) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    result = fuse_with(tiny_model, frames, method=method, max_tile=256)
    assert result.image.shape == shape
    assert (frames.min(axis=0) <= result.image).all()
    assert (result.image <= frames.max(axis=0)).all()
    assert np.isfinite(result.confidence).all()


@pytest.mark.parametrize("method", ["network", "laplacian"])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_identical_frames_give_that_frame_bit_for_bit(tiny_model: Path, count: int, method: str) -> None:
    frame = picture(37, 51, dtype="uint16")
    result = fuse_with(tiny_model, [frame.copy() for _ in range(count)], method=method)
    assert result.image.tobytes() == frame.tobytes()
    # the network's choice can't be wrong; the Laplacian rule has nothing to choose by
    np.testing.assert_allclose(result.confidence, 1 if method == "network" else 0, atol=1e-3)


def test_flat_frames_are_no_reason_to_stumble(tiny_model: Path) -> None:
    result = fuse_with(tiny_model, [np.zeros((20, 30), np.uint8), np.full((20, 30), 255, np.uint8)])
    assert result.image.shape == (20, 30)
    assert np.isfinite(result.confidence).all()


@pytest.mark.parametrize("share", [0.02, pytest.param(0.1, marks=pytest.mark.slow)])
def test_dark_data_are_decided_like_bright_ones_and_the_user_is_told(tiny_model: Path, share: float) -> None:
    bright = focal_frames(120, 160, 3, dtype="float32")
    dark = [frame * np.float32(share) + np.float32(0.01) for frame in bright]
    expected, found = fuse_with(tiny_model, bright), fuse_with(tiny_model, dark)
    assert (found.index_map == expected.index_map).mean() > 0.97
    assert found.notes[0].code == "values-stretched"
    assert expected.notes == ()
    assert found.image.max() <= max(frame.max() for frame in dark)


@pytest.mark.slow
def test_depth_rises_with_the_place_in_the_stack(frames: list[Array], tiny_model: Path) -> None:
    result = fuse_with(tiny_model, frames, depth=True)
    turned = fuse_with(tiny_model, frames[::-1], depth=True)
    assert result.depth is not None
    assert turned.depth is not None
    assert result.depth.shape == result.index_map.shape
    assert result.depth.dtype == np.float32
    width = frames[0].shape[1]
    means = [result.depth[:, round((k + 0.5) * width / 3) + np.arange(-20, 20)].mean() for k in range(3)]
    np.testing.assert_allclose(means, [0, 1, 2], atol=0.3)
    np.testing.assert_allclose(2 - turned.depth, result.depth, atol=1e-3)
    assert fuse_with(tiny_model, frames).depth is None


def test_the_laplacian_rule_knows_no_depth() -> None:
    with pytest.raises(ConfigError, match="only the network"):
        FusionOptions(method="laplacian", depth=True)


def test_the_frames_are_left_as_they_are(tiny_model: Path) -> None:
    frames = focal_frames(30, 40, 2)
    before = [frame.copy() for frame in frames]
    for frame in frames:
        frame.flags.writeable = False
    result = fuse_with(tiny_model, frames)
    np.testing.assert_array_equal(frames, before)
    assert not any(np.shares_memory(result.image, frame) for frame in frames)


def test_views_that_are_not_contiguous_fuse_alike(tiny_model: Path) -> None:
    frames = focal_frames(60, 80, 2)
    views = [frame[::2, ::-2] for frame in frames]
    copies = [np.ascontiguousarray(view) for view in views]
    np.testing.assert_array_equal(fuse_with(tiny_model, views).image, fuse_with(tiny_model, copies).image)


@pytest.mark.slow
def test_arrays_stacks_and_paths_say_the_same(tiny_model: Path, tmp_path: Path) -> None:
    paths = write_pair(tmp_path)
    frames = [read_image(Path(path)) for path in paths]
    expected = fuse_with(tiny_model, frames)
    for given_frames in (
        np.stack(frames),
        FocalStack(frames=frames),
        list(paths),
        [Path(path) for path in paths],
        [tmp_path],
        tmp_path,
        str(tmp_path),
    ):
        result = fuse_with(tiny_model, given_frames)
        np.testing.assert_array_equal(result.image, expected.image)
        np.testing.assert_array_equal(result.index_map, expected.index_map)


def test_files_are_frames_in_natural_order_of_their_names(tiny_model: Path, tmp_path: Path) -> None:
    for position, level in ((2, 10), (10, 20)):
        write_image(tmp_path / f"img{position}.png", np.full((8, 8), level, np.uint8))
    result = fuse_with(tiny_model, [tmp_path], method="laplacian")
    assert (result.image == 10).all()  # of equally sharp frames the first is picked: img2


@pytest.mark.slow
@pytest.mark.parametrize(("method", "max_tile"), [("network", None), ("network", 32), ("laplacian", None)])
def test_progress_only_goes_forward_and_arrives(
    tiny_model: Path, tmp_path: Path, method: Literal["network", "laplacian"], max_tile: int | None
) -> None:
    heard: list[tuple[str, int, int]] = []
    write_pair(tmp_path, height=70, width=90)
    fuse(
        [tmp_path],
        options=FusionOptions(method=method, model=tiny_model, max_tile=max_tile),
        progress=lambda stage, done, total: heard.append((stage, done, total)),
    )
    stages = list(dict.fromkeys(stage for stage, _, _ in heard))
    assert stages[-1] == "fuse"
    assert ("pyramid" in stages) == (method == "network")
    assert [stages.index(stage) for stage, _, _ in heard] == sorted(stages.index(stage) for stage, _, _ in heard)
    for stage in stages:
        steps = [(done, total) for name, done, total in heard if name == stage]
        done = [step for step, _ in steps]
        assert done == sorted(set(done))
        assert {total for _, total in steps} == {done[-1]}
        assert done[0] >= 0


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames given"),
        ([np.zeros((4, 4), np.uint8)], "at least 2 frames"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)], "5x4"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8)], "gray"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16)], "bit depth"),
        ([np.zeros((4, 4), np.complex64)] * 2, "complex64"),
        ([np.zeros((4, 4), np.complex64)] * 2, "complex64"),
        ([np.zeros((0, 4), np.uint8)] * 2, "shape"),
        ([np.zeros((4, 4, 5), np.uint8)] * 2, "shape"),
        ([np.zeros((4, 4, 4), np.uint8)] * 2, "array 1 shows nothing: its alpha"),
        ([np.full((4, 4), np.nan, np.float32)] * 2, "array 1 shows nothing: its values are all NaN"),
    ],
)
@pytest.mark.parametrize("method", ["network", "laplacian"])
def test_frames_that_do_not_belong_together_are_refused(
    tiny_model: Path, frames: Sequence[Any], message: str, method: str
) -> None:
    with pytest.raises(StackError, match=message):
        fuse_with(tiny_model, frames, method=method)


def test_paths_and_models_that_are_not_there_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.png"):
        fuse_with(tiny_model, [tmp_path / "none.png", tmp_path / "none2.png"])
    with pytest.raises(ModelError, match=r"none\.onnx"):
        fuse_with(tmp_path / "none.onnx", focal_frames(8, 8, 2))


@pytest.mark.slow
def test_runs_side_by_side_in_scratch_files_give_what_one_in_memory_gives(tiny_model: Path, tmp_path: Path) -> None:
    frames, scratch = tmp_path / "frames", tmp_path / "scratch"
    frames.mkdir()
    scratch.mkdir()
    for position, frame in enumerate(focal_frames(80, 120, 4)):
        write_image(frames / f"{position}.png", frame)
    expected = fuse_with(tiny_model, [frames])
    options, source = FusionOptions(model=tiny_model, spool=scratch), open_stack([frames])
    threads = cv2.getNumThreads()

    def run() -> FusionResult:
        plan = plan_for(source, options, machine=Machine(kept_in_memory=0))
        assert plan.scratch == scratch
        return fuse_source(source, options, plan.start())

    with ThreadPoolExecutor(2) as pool:
        results = [future.result() for future in [pool.submit(run) for _ in range(2)]]
    for result in results:
        np.testing.assert_array_equal(result.image, expected.image)
        np.testing.assert_array_equal(result.index_map, expected.index_map)
    assert list(scratch.iterdir()) == []
    assert cv2.getNumThreads() == threads


def test_the_laplacian_method_needs_no_model(tmp_path: Path) -> None:
    frames = focal_frames(20, 30, 2)
    result = fuse_with(tmp_path / "none.onnx", frames, method="laplacian")
    np.testing.assert_array_equal(result.index_map, decide_by_laplacian(frames)[0])


@pytest.mark.parametrize(
    "options", [{"method": "magic"}, {"compose": "magic"}, {"prefer": "left"}, {"max_tile": 0}, {"max_tile": -5}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        FusionOptions(**options)


@given(st.integers(2, 400), st.none() | st.integers(1, 10_000))
def test_tiles_fit_the_memory_the_wish_and_the_grid(frames: int, max_tile: int | None) -> None:
    reach = 32
    side = tile_side(frames, max_tile, reach, PIXELS_AT_ONCE)
    assert side >= STEP
    assert side % STEP == 0
    assert side == STEP or frames * (side + 2 * reach) ** 2 <= PIXELS_AT_ONCE
    assert max_tile is None or side <= max(max_tile, STEP)
