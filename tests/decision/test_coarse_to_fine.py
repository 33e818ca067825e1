"""Which frames are candidates, and what is refined: nobody who may win is left out, and cells leave no seams."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus import align, compose, fuse
from allfocus.core.color import Array
from allfocus.core.pyramid import PyramidLevel
from allfocus.core.weights import softmax_weights
from allfocus.core.windows import tiles
from allfocus.decision import coarse_to_fine
from allfocus.decision.candidates import CandidateRule, find_candidates
from allfocus.decision.coarse_to_fine import CoarseToFine
from allfocus.decision.logit_store import NO_CANDIDATE, LogitStore, carry_on, enlarge, extrapolate
from allfocus.decision.model import Answer, Network, load_model
from allfocus.decision.network import NetworkDecision
from allfocus.decision.search_rule import SearchRule
from allfocus.decision.stack_pyramid import StackPyramid, order_by_content
from allfocus.run.context import Run
from pictures import focal_frames


@given(st.integers(2, 60), st.integers(0, 2**16), st.floats(0, 20), st.floats(0.05, 1))
def test_two_frames_at_least_and_a_good_one_nearly_everywhere(
    frames: int, seed: int, contrast: float, least: float
) -> None:
    logits = contrast * np.random.default_rng(seed).random((frames, 6, 8), np.float32)
    chances = softmax_weights(logits, sharpness=1)
    rule = CandidateRule(least=least)
    chosen, extras = find_candidates(chances, rule)
    assert 2 <= len(chosen) <= 2 * rule.most
    assert list(chosen) == sorted(set(chosen))
    assert not set(chosen) & set(extras)
    assert len(extras) == min(rule.extras, frames - len(chosen))
    if len(chosen) < 2 * rule.most:
        good = chances[chosen].max(axis=0) >= rule.close * chances.max(axis=0)
        assert good.mean() >= 1 - rule.uncovered
    if len(chosen) < rule.most:
        assert set(np.flatnonzero(chances.max(axis=(1, 2)) >= least)) <= set(chosen)


def test_of_many_frames_that_are_nearly_the_same_a_few_stand_for_all() -> None:
    place = np.linspace(0, 1, 200)
    logits = -(((place - np.linspace(0, 1, 100)[:, None]) / 0.1) ** 2)[:, None]
    rule = CandidateRule()
    chosen, _ = find_candidates(softmax_weights(logits.astype(np.float32), sharpness=1), rule)
    assert len(chosen) <= rule.most
    assert np.diff(chosen).max() < 30  # spread over the stack


class Counting:
    """The shipped network, which notes how many pixels of each level it is given."""

    def __init__(self) -> None:
        self._network = load_model()
        self.reach = self._network.reach
        self.knows_quality, self.wants_order = True, self._network.wants_order
        self.answer_coarsest, self.judge = self._network.answer_coarsest, self._network.judge
        self.give_back = self._network.give_back
        self.given: list[tuple[int, ...]] = []

    def refine(self, level: PyramidLevel, coarser: Answer, octave: int) -> Answer:
        self.given.append(level.pixels.shape)
        return self._network.refine(level, coarser, octave)

    @property
    def pixels(self) -> int:
        return sum(count * height * width for count, _, height, width in self.given)


def search_in(frames: list[Array], model: Network, rule: SearchRule | None = None) -> CoarseToFine:
    return CoarseToFine(model, StackPyramid(frames, Run()), margin=32, rule=rule or SearchRule(), run=Run())


@pytest.mark.slow
def test_frames_far_out_of_focus_are_no_candidates() -> None:
    search = search_in(focal_frames(300, 1100, 12), Counting())
    counts = [len(search.refine(cell).frames) for cell in search.cells()]
    assert max(counts) < 12
    assert np.mean(counts) < 8


@pytest.mark.slow
def test_of_a_long_stack_only_candidates_are_looked_at_with_the_same_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = focal_frames(300, 1100, 24)
    # a small thing before the others, at the corner of a tile
    for frame in frames[2:]:
        frame[200:, 500:524] = cv2.GaussianBlur(frame[200:, 500:524], (0, 0), 4)
    given, chosen = [], []
    for many in (100, coarse_to_fine.MANY):
        monkeypatch.setattr(coarse_to_fine, "MANY", many)
        model = Counting()
        search = search_in(frames, model)
        given.append(model.pixels)
        pyramid = search._pyramid
        logits = search.answer.logits(pyramid.whole(2), np.arange(24))[:, 0]
        chosen.append(pyramid.order[logits.argmax(axis=0)].astype(int))
    assert given[1] < 0.75 * given[0]
    assert (np.abs(chosen[1] - chosen[0]) <= 1).mean() > 0.97


def test_frames_that_were_not_looked_at_keep_the_coarser_answer() -> None:
    rng = np.random.default_rng(4)
    coarser = Answer(logits=rng.random((3, 1, 4, 8), np.float32), context=rng.random((3, 2, 1, 2), np.float32))
    looked = np.array([0, 2])
    found = Answer(logits=rng.random((2, 1, 8, 16), np.float32), context=rng.random((2, 2, 2, 4), np.float32))
    made = carry_on(coarser, looked, found)
    np.testing.assert_array_equal(made.logits[looked], found.logits)
    np.testing.assert_array_equal(made.context[looked], found.context)
    before = np.stack([enlarge(plane, 2) for plane in coarser.logits[:, 0]])
    apart = before[1] - before[looked].mean(axis=0)
    kept = np.minimum(made.logits[looked, 0].mean(axis=0) + apart, found.logits.max(axis=(0, 1)) - NO_CANDIDATE)
    np.testing.assert_allclose(made.logits[1, 0], kept, atol=1e-6)


@pytest.mark.slow
def test_where_all_frames_are_the_same_the_finest_level_is_not_refined() -> None:
    frame = focal_frames(530, 530, 2)[0]
    # they differ in one corner only
    other = frame.copy()
    other[:100, :100] = 255 - other[:100, :100]
    model = Counting()
    search = search_in([frame, other], model)
    model.given.clear()
    for cell in search.cells():
        search.refine(cell)
    assert model.pixels < 2 * 530 * 530  # the second finest level of all cells and what is around, and a few blocks


def test_a_fast_search_refines_less() -> None:
    frames = focal_frames(256, 256, 4)
    given = []
    for fast in (False, True):
        model = Counting()
        search = search_in(frames, model, SearchRule.of(fast=fast))
        model.given.clear()
        search.refine(search.cells()[0])
        given.append(model.pixels)
    assert given[1] < given[0]


@pytest.mark.slow
def test_fast_is_another_picture_and_nearly_as_good() -> None:
    frames = focal_frames(231, 319, 3)
    whole, fast = (fuse(frames, fast=fast, align="none", halos="keep").image.astype(float) for fast in (False, True))
    assert 0 < np.sqrt(np.mean((whole - fast) ** 2)) < 4


@pytest.mark.slow
def test_the_size_of_cells_hardly_matters() -> None:
    frames = focal_frames(280, 560, 3)
    registered = align(frames, align="none")
    whole, cut = (
        compose(
            registered,
            NetworkDecision(frames, load_model(), registered.run, rule=SearchRule(cell=cell)),
            halos="keep",
        )
        for cell in (512, 256)
    )
    assert (whole.index_map == cut.index_map).mean() > 0.98
    assert np.abs(whole.image.astype(int) - cut.image).mean() < 0.3


def test_settled_logits_follow_the_detail() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.random((3, 64, 64), np.float32)
    flat = np.full((3, 64, 64), 0.5, np.float32)
    nothing = Answer(logits=np.zeros((2, 1, 32, 32), np.float32), context=np.zeros((2, 4, 8, 8), np.float32))
    logits = extrapolate(nothing, np.stack([flat, sharp]))
    assert logits.shape == (2, 64, 64)
    assert (logits.argmax(axis=0) == 1).all()


def test_frames_that_tie_by_a_few_rows_are_told_apart_in_full() -> None:
    one, other = np.zeros((40, 8), np.uint8), np.zeros((40, 8), np.uint8)
    one[5], other[5] = 1, 2
    straight, turned = order_by_content([one, other], [7, 7]), order_by_content([other, one], [7, 7])
    assert list(straight) == list(turned[::-1])


def test_blocks_give_back_what_was_put_into_them() -> None:
    rng = np.random.default_rng(3)
    logits, context = rng.random((5, 1, 96, 160), np.float32), rng.random((5, 3, 24, 40), np.float32)
    kept = LogitStore(5, 3, 96, 160, 64, Run())
    for rows, columns in tiles(96, 160, 64):
        patches = slice(rows.start // 4, rows.stop // 4), slice(columns.start // 4, columns.stop // 4)
        kept.put((rows, columns), Answer(logits=logits[..., rows, columns], context=context[(..., *patches)]))
    place, frames = (slice(8, 88), slice(40, 152)), np.array([0, 3])
    found = kept.part(place, frames)
    np.testing.assert_array_equal(found.logits, logits[(frames, slice(None), *place)])
    np.testing.assert_array_equal(found.context, context[frames, :, 2:22, 10:38])


def test_frames_given_in_any_order_are_put_into_that_of_focus() -> None:
    frames = focal_frames(96, 320, 7)
    there = StackPyramid(frames, Run(), by_focus=True).order
    assert set(np.diff(there.astype(int))) in ({1}, {-1})
    shuffle = [4, 0, 6, 2, 5, 1, 3]
    again = StackPyramid([frames[k] for k in shuffle], Run(), by_focus=True).order
    assert [shuffle[k] for k in again] == list(there)
