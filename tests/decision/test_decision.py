"""Decisions of all kinds: a window says what the whole says; stored and painted ones are composed like any other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus import Decision, PaintedDecision, Stroke, align, compose, decide, load_decision, save_decision
from allfocus.core.color import Array
from allfocus.decision.laplacian import LaplacianDecision
from allfocus.errors import ConfigError, ReadError, StackError
from allfocus.registered import Registered
from pictures import focal_frames

HEIGHT, WIDTH, FRAMES = 163, 187, 4
TILE = 128


@pytest.fixture(scope="module")
def registered() -> Registered:
    return align(focal_frames(HEIGHT, WIDTH, FRAMES), align="none")


@pytest.fixture(scope="module")
def network(registered: Registered, tiny_model: Path) -> Decision:
    return decide(registered, model=tiny_model, depth=True, max_tile=TILE)


@pytest.fixture(scope="module")
def kinds(registered: Registered, network: Decision, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Decision]:
    """One decision of each kind."""
    path = tmp_path_factory.mktemp("decision") / "sharp.decision"
    save_decision(path, network)
    return {
        "network": network,
        "laplacian": LaplacianDecision(registered.frames, registered.run),
        "stored": load_decision(path),
        "painted": PaintedDecision(network, [Stroke(frame=2, points=((120, 60), (140, 150)), radius=20)]),
    }


ALL = pytest.mark.parametrize("kind", ["network", "laplacian", "stored", "painted"])
WINDOWS = [
    (slice(0, 10), slice(0, 10)),
    (slice(40, 55), slice(17, 100)),
    (slice(120, 135), slice(120, 135)),  # where four tiles meet
    (slice(0, HEIGHT), slice(125, 130)),
    (slice(HEIGHT - 1, HEIGHT), slice(WIDTH - 1, WIDTH)),
]


@ALL
def test_a_choice_is_made_of_candidates_whose_weights_sum_to_one(kinds: dict[str, Decision], kind: str) -> None:
    decision = kinds[kind]
    for window in WINDOWS:
        choice = decision.at(window)
        size = tuple(part.stop - part.start for part in window)
        assert choice.weights.shape == (len(choice.candidates), *size)
        np.testing.assert_allclose(choice.weights.sum(axis=0), 1, atol=1e-5)
        assert choice.index_map.shape == choice.confidence.shape == size
        assert set(np.unique(choice.index_map)) <= set(choice.candidates.tolist())
        assert ((choice.confidence >= 0) & (choice.confidence <= 1)).all()
        assert not set(choice.extras.tolist()) & set(choice.candidates.tolist())


@ALL
def test_tiles_cover_the_picture_once(kinds: dict[str, Decision], kind: str) -> None:
    covered = np.zeros((HEIGHT, WIDTH), int)
    for tile in kinds[kind].tiles():
        covered[tile] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("kind", "how"),
    [("network", "band"), ("painted", "guided"), ("laplacian", "hard"), ("stored", "soft")]
    + [
        pytest.param(kind, how, marks=pytest.mark.slow)
        for kind, others in (
            ("network", "soft hard guided"),
            ("painted", "band soft hard"),
            ("stored", "band hard guided"),
            ("laplacian", "band soft guided"),
        )
        for how in others.split()
    ],
)
def test_a_window_is_composed_as_in_the_whole(
    registered: Registered, kinds: dict[str, Decision], kind: str, how: str
) -> None:
    whole = compose(registered, kinds[kind], compose=how)
    for window in WINDOWS:
        part = compose(registered, kinds[kind], window=window, compose=how)
        np.testing.assert_array_equal(part.image, whole.image[window])
        np.testing.assert_array_equal(part.index_map, whole.index_map[window])
        np.testing.assert_array_equal(part.confidence, whole.confidence[window])
        assert part.window == window


def test_a_stored_decision_composes_the_same_picture(registered: Registered, kinds: dict[str, Decision]) -> None:
    one, other = (compose(registered, kinds[kind]) for kind in ("network", "stored"))
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.index_map, other.index_map)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    assert one.depth is not None
    assert other.depth is not None
    np.testing.assert_array_equal(one.depth, other.depth)
    assert one.quality is not None
    assert other.quality is not None
    np.testing.assert_array_equal(one.quality.out_of_focus, other.quality.out_of_focus)
    assert one.quality.gap == other.quality.gap
    assert other.method == "network"


def test_under_a_stroke_the_picture_is_that_frames_and_elsewhere_as_before(
    registered: Registered, kinds: dict[str, Decision]
) -> None:
    before, after = (compose(registered, kinds[kind]) for kind in ("network", "painted"))
    middle, far = (slice(100, 112), slice(126, 130)), (slice(0, 60), slice(0, 90))
    np.testing.assert_array_equal(after.image[middle], registered.frames[2][middle])
    assert (after.index_map[middle] == 2).all()
    assert (after.confidence[middle] == 1).all()
    np.testing.assert_array_equal(after.image[far], before.image[far])
    assert (after.image != before.image).any()


def test_without_strokes_nothing_changes(registered: Registered, network: Decision) -> None:
    one, other = compose(registered, network), compose(registered, PaintedDecision(network, []))
    np.testing.assert_array_equal(one.image, other.image)


@given(st.floats(1, 60), st.floats(0, 1), st.floats(-50, 150), st.floats(-50, 150))
def test_a_brush_covers_a_disc_fully_inside_and_not_at_all_outside(
    radius: float, hardness: float, x: float, y: float
) -> None:
    window = (slice(10, 90), slice(20, 110))
    stroke = Stroke(frame=0, points=((x, y),), radius=radius, hardness=hardness)
    covered = stroke.cover(window)
    rows, columns = np.mgrid[window]
    distance = np.hypot(columns - x, rows - y)
    assert ((covered >= 0) & (covered <= 1)).all()
    assert not covered[distance > radius + 1e-3].any()
    assert (covered[distance < min(radius * hardness, radius - 1) - 1e-3] == 1).all()
    assert stroke.touches(window) or not covered.any()


@given(st.lists(st.tuples(st.floats(-40, 160), st.floats(-40, 160)), min_size=1, max_size=6), st.floats(1, 40))
def test_a_brush_covers_what_is_near_its_way_and_the_same_in_every_window(
    points: list[tuple[float, float]], radius: float
) -> None:
    whole = (slice(-5, 95), slice(10, 130))
    stroke = Stroke(frame=0, points=(*points, points[-1]), radius=radius, hardness=0.25)
    covered = stroke.cover(whole)
    rows, columns = np.mgrid[whole].astype(float)
    nearest = np.full(covered.shape, np.inf)
    for start, stop in zip(points, points[1:] or points, strict=False):
        way = np.subtract(stop, start)
        along = ((columns - start[0]) * way[0] + (rows - start[1]) * way[1]) / max(way @ way, 1e-12)
        place = np.multiply.outer(np.clip(along, 0, 1), way) + start
        nearest = np.minimum(nearest, np.hypot(columns - place[..., 0], rows - place[..., 1]))
    expected = np.clip((radius - nearest) / max(0.75 * radius, 1), 0, 1)
    np.testing.assert_allclose(covered, expected, atol=1e-3)
    part = (slice(17, 60), slice(33, 90))
    assert stroke.cover(part).tobytes() == covered[22:65, 23:80].tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": ()}, "without points"),
        ({"points": ((float("nan"), 0),)}, "finite"),
        ({"radius": 0}, "radius 0"),
        ({"hardness": 2}, "hardness 2"),
    ],
)
def test_strokes_that_make_no_sense_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Stroke(**{"frame": 0, "points": ((1, 1),), "radius": 3, **change})  # type: ignore[arg-type]


def test_a_stroke_from_a_frame_that_does_not_exist_is_refused(network: Decision) -> None:
    with pytest.raises(ConfigError, match="stroke from frame 9: expected 0 to 3"):
        PaintedDecision(network, [Stroke(frame=9, points=((1, 1),), radius=3)])


@pytest.mark.parametrize(
    "window",
    [
        (slice(0, 0), slice(0, 5)),
        (slice(-3, 5), slice(0, 5)),
        (slice(0, HEIGHT + 1), slice(0, 5)),
        (slice(None), slice(0, 5)),
        (slice(0, 5, 2), slice(0, 5)),
    ],
)
def test_windows_that_are_none_are_refused(network: Decision, window: tuple[slice, slice]) -> None:
    with pytest.raises(StackError, match="window"):
        network.at(window)


def test_a_decision_for_other_frames_is_refused(network: Decision) -> None:
    with pytest.raises(StackError, match="the decision is for 4 frames of 187x163; these are 3 of 30x20"):
        compose(align(focal_frames(20, 30, 3), align="none"), network)


def spoil_nothing(data: bytes) -> bytes:
    return b""


def spoil_end(data: bytes) -> bytes:
    return data[: len(data) // 2]


def spoil_middle(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes(200) + data[half + 200 :]


@pytest.mark.parametrize("spoil", [spoil_nothing, spoil_end, spoil_middle, lambda data: b"no decision at all" * 9])
def test_a_damaged_file_is_one_clear_error(
    registered: Registered, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "sharp.decision"
    save_decision(path, LaplacianDecision(registered.frames, registered.run))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ReadError, match=r"sharp\.decision"):
        compose(registered, load_decision(path))


def test_a_decision_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.decision can't be read"):
        load_decision(tmp_path / "none.decision")


def test_candidates_of_all_tiles_are_joined(registered: Registered, network: Decision) -> None:
    window = (slice(0, HEIGHT), slice(0, WIDTH))
    joined = network.at(window)
    alone: set[int] = set()
    for tile in network.tiles():
        alone |= set(network.at(tile).candidates.tolist())
    assert set(joined.candidates.tolist()) == alone
    picked: Array = np.take_along_axis(joined.candidates[:, None, None], joined.weights.argmax(axis=0)[None], axis=0)[0]
    assert (picked == joined.index_map).mean() > 0.99
