"""The three steps of a fusion, each for itself: align, decide, compose."""

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import allfocus
from allfocus import FusionOptions, FusionResult, align, compose, decide, fuse
from allfocus.core.color import Array
from allfocus.core.pyramid import PyramidLevel
from allfocus.decision.model import Answer, load_model
from allfocus.decision.network import NetworkDecision
from allfocus.errors import Cancelled, OptionError, StackError
from allfocus.io import write_image
from pictures import focal_frames


@pytest.fixture(scope="module")
def frames() -> list[Array]:
    return focal_frames(180, 252, 5)


class Counting:
    """A network that counts how often it is called."""

    def __init__(self, path: Path) -> None:
        self._network, self.calls = load_model(path), 0
        self.reach = self._network.reach
        self.knows_quality, self.wants_order = self._network.knows_quality, self._network.wants_order

    def answer_coarsest(self, level: PyramidLevel) -> Answer:
        self.calls += 1
        return self._network.answer_coarsest(level)

    def refine(self, level: PyramidLevel, coarser: Answer, octave: int) -> Answer:
        self.calls += 1
        return self._network.refine(level, coarser, octave)

    def judge(self, pixels: Array, answer: Answer) -> Array:
        self.calls += 1
        return self._network.judge(pixels, answer)

    def give_back(self) -> None:
        self._network.give_back()


def test_a_fusion_is_the_three_steps_in_a_row(frames: list[Array], tiny_model: Path) -> None:
    options = FusionOptions(model=tiny_model)
    registered = align(frames[:3], options=options)
    result = compose(registered, decide(registered, options=options), options=options)
    expected = fuse(frames[:3], options=options)
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.index_map, expected.index_map)
    np.testing.assert_array_equal(result.confidence, expected.confidence)


def test_composing_again_does_not_run_the_network_again(frames: list[Array], tiny_model: Path) -> None:
    registered = align(frames, align="none")
    network = Counting(tiny_model)
    decision = NetworkDecision(registered.frames, network, registered.run, keep=True)
    first = compose(registered, decision, compose="band")
    calls = network.calls
    assert calls > 0
    other = compose(registered, decision, compose="soft")
    again = compose(registered, decision, compose="band")
    part = compose(registered, decision, window=(slice(10, 60), slice(20, 90)))
    assert network.calls == calls
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.image[10:60, 20:90], part.image)
    assert (first.image != other.image).any()


@pytest.mark.slow
def test_keywords_are_options(frames: list[Array]) -> None:
    frames = frames[:2]
    one, other = fuse(frames, method="laplacian"), fuse(frames, options=FusionOptions(method="laplacian"))
    np.testing.assert_array_equal(one.image, other.image)
    both = fuse(frames, options=FusionOptions(method="laplacian", align="none"), exposure="keep")
    assert both.method == "laplacian"
    with pytest.raises(OptionError, match=r"unknown option metod: did you mean method\?"):
        fuse(frames, metod="laplacian")


def test_other_channels_go_by_the_same_decision(frames: list[Array], tiny_model: Path) -> None:
    frames = frames[:3]
    others = [255 - frame for frame in frames]
    registered = align(frames, model=tiny_model)
    channel = align(others, like=registered)
    result = compose(registered, decide(registered, model=tiny_model), channels=[channel], compose="hard")
    np.testing.assert_array_equal(result.channels[0], 255 - result.image)
    with pytest.raises(StackError, match="channel of 2 frames"):
        align(others[:2], like=registered)
    with pytest.raises(StackError, match="no other channel"):
        compose(registered, decide(registered, method="laplacian"), channels=[align(others[:2], align="none")])


def test_a_slab_is_a_pick_of_registered_frames(frames: list[Array]) -> None:
    registered = align(frames, align="none")
    slab = registered.pick([1, 2, 3])
    result = compose(slab, decide(slab, method="laplacian"))
    assert result.names == registered.names
    assert set(np.unique(result.index_map)) <= {1, 2, 3}
    expected = fuse(frames[1:4], method="laplacian", align="none")
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.index_map, expected.index_map + 1)
    with pytest.raises(StackError, match="1 of these frames"):
        registered.pick([4])


def test_frames_are_counted_as_they_were_given(tmp_path: Path) -> None:
    frames = focal_frames(120, 180, 5)
    frames[1] = cv2.GaussianBlur(frames[1], (0, 0), 12)  # blurred everywhere: left out
    for position, frame in enumerate(frames):
        write_image(tmp_path / f"f{position}.png", frame)
    result = fuse(tmp_path, method="laplacian", align="translation", halos="keep")
    assert result.names == tuple(f"f{k}.png" for k in range(5))
    assert result.alignment is not None
    assert 1 in result.alignment.left_out
    assert set(np.unique(result.index_map)) <= {0, 2, 3, 4}
    middle = result.names[int(result.index_map[60, 90])]
    assert middle == "f2.png"
    note = next(note for note in result.notes if note.code == "frame-left-out")
    assert note.frames == (1,)
    assert str(note).startswith("f1.png")


def test_results_are_compared_by_identity_and_speak_briefly(frames: list[Array]) -> None:
    one, other = (fuse(frames, method="laplacian", align="none") for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other}) == 2
    assert repr(one) == "<FusionResult 252x180 RGB uint8 of 5 frames by laplacian>"
    page = one._repr_html_()
    assert page.count("data:image/png;base64,") == 3
    assert len(page) < 500_000
    stack = allfocus.FocalStack(frames=frames)
    assert stack == stack
    assert len({stack}) == 1
    assert len(repr(stack)) < 200
    np.testing.assert_array_equal(stack[0], frames[0])
    assert sum(1 for _ in stack) == 5
    registered = align(frames, align="none")
    assert len(repr(registered)) < 200
    decision = decide(registered, method="laplacian")
    assert repr(decision) == "<LaplacianDecision 252x180 of 5 frames>"
    window = (slice(0, 8), slice(0, 16))
    assert repr(decision.at(window)).startswith("<Choice rows 0:8, columns 0:16, of frames ")


def test_steps_say_what_they_expected(frames: list[Array]) -> None:
    registered = align(frames, align="none")
    decision = decide(registered, method="laplacian")
    wrong: Any = frames
    for call in (
        lambda: decide(wrong, method="laplacian"),
        lambda: compose(wrong, decision),
        lambda: align(frames, like=wrong),
        lambda: compose(registered, decision, channels=[wrong]),
    ):
        with pytest.raises(StackError, match=r"expected registered frames, as align returns them, found \w+"):
            call()
    with pytest.raises(StackError, match="expected a decision, as decide returns it, found list"):
        compose(registered, wrong)
    with pytest.raises(OptionError, match="expected a result, as fuse returns it, found list"):
        allfocus.save(wrong, "sharp.png")


def test_old_names_warn_and_work(frames: list[Array], tiny_model: Path) -> None:
    result = fuse(frames, model=tiny_model, align="none")
    for old, new in (("flaws", result.quality), ("companions", result.channels), ("area", result.window)):
        with pytest.warns(DeprecationWarning, match=f"{old} is called"):
            assert getattr(result, old) is new
    assert result.quality is not None
    with pytest.warns(DeprecationWarning, match="unsharp is called out_of_focus"):
        assert result.quality.unsharp is result.quality.out_of_focus
    with pytest.warns(DeprecationWarning, match="method 'classic' is called 'laplacian'") as warned:
        assert fuse(frames, **{"method": "classic", "align": "none"}).method == "laplacian"
    assert [warning.filename for warning in warned] == [__file__]  # the line to change, and once
    with pytest.warns(DeprecationWarning, match="Flaws is called"):
        assert allfocus.Flaws is allfocus.QualityMasks


@pytest.mark.slow
def test_a_fusion_is_called_off_from_another_thread(tmp_path: Path) -> None:
    frames = focal_frames(800, 1200, 5)
    cancel, outcome = threading.Event(), []
    reached = threading.Event()

    def listen(stage: str, done: int, total: int) -> None:
        if stage == "fuse":
            reached.set()

    def work() -> None:
        try:
            outcome.append(fuse(frames, progress=listen, cancel=cancel, align="none", spool=tmp_path))
        except Cancelled as error:
            outcome.append(error)

    before, threads = threading.active_count(), cv2.getNumThreads()
    worker = threading.Thread(target=work)
    worker.start()
    assert reached.wait(60)
    cancel.set()
    called_off = time.monotonic()
    worker.join(20)
    seconds = time.monotonic() - called_off
    assert isinstance(outcome[0], Cancelled)
    assert seconds < 1.0
    while threading.active_count() > before:  # what was under way may end by itself
        assert time.monotonic() - called_off < 20
        time.sleep(0.01)
    assert cv2.getNumThreads() == threads
    assert list(tmp_path.iterdir()) == []
    assert isinstance(fuse(focal_frames(30, 40, 2), method="laplacian"), FusionResult)


def test_cancelled_before_it_begins() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        fuse(focal_frames(30, 40, 2), cancel=cancel, method="laplacian")
