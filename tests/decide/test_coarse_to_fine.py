"""Who is looked at, and where: nobody who may win is left out, and cells leave no seams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus import FusionOptions, fuse
from allfocus.core.color import Array
from allfocus.core.pyramid import Octave
from allfocus.core.weights import softmax_weights
from allfocus.core.windows import tiles
from allfocus.decide import coarse_to_fine as selection
from allfocus.decide.coarse_to_fine import CLOSE, MOST, OTHERS, UNCOVERED, Selection, in_the_running
from allfocus.decide.logit_store import Blocks, settled
from allfocus.decide.model import Answer, FusionModel, load_model
from allfocus.decide.stack_pyramid import Survey, content_order
from allfocus.run.progress import silent
from allfocus.run.scratch import Spool
from pictures import focal_frames


@given(st.integers(2, 60), st.integers(0, 2**16), st.floats(0, 20), st.floats(0.05, 1))
def test_two_frames_at_least_and_a_good_one_nearly_everywhere(
    frames: int, seed: int, contrast: float, least: float
) -> None:
    logits = contrast * np.random.default_rng(seed).random((frames, 6, 8), np.float32)
    chances = softmax_weights(logits, sharpness=1)
    chosen, others = in_the_running(chances, least)
    assert 2 <= len(chosen) <= 2 * MOST
    assert list(chosen) == sorted(set(chosen))
    assert not set(chosen) & set(others)
    assert len(others) == min(OTHERS, frames - len(chosen))
    if len(chosen) < 2 * MOST:
        good = chances[chosen].max(axis=0) >= CLOSE * chances.max(axis=0)
        assert good.mean() >= 1 - UNCOVERED
    if len(chosen) < MOST:
        assert set(np.flatnonzero(chances.max(axis=(1, 2)) >= least)) <= set(chosen)


def test_of_many_frames_that_are_nearly_the_same_a_few_stand_for_all() -> None:
    place = np.linspace(0, 1, 200)
    logits = -(((place - np.linspace(0, 1, 100)[:, None]) / 0.1) ** 2)[:, None]
    chosen, _ = in_the_running(softmax_weights(logits.astype(np.float32), sharpness=1), 0.2)
    assert len(chosen) <= MOST
    assert np.diff(chosen).max() < 30  # spread over the stack


def selected(frames: list[Array], model: FusionModel, fast: bool = False) -> Selection:
    survey = Survey(frames, Spool(), 1, silent)
    return Selection(model, survey, margin=32, max_tile=None, fast=fast, spool=Spool(), workers=1, progress=silent)


class Counting(FusionModel):
    """The shipped network, which notes how many pixels of each octave it looks at."""

    def __init__(self) -> None:
        shipped = load_model()
        super().__init__(shipped._session, shipped.card)
        self.looked: list[tuple[int, ...]] = []

    def look(self, octave: Octave, coarser: Answer, is_finest: bool = False) -> Answer:
        self.looked.append(octave.pixels.shape)
        return super().look(octave, coarser, is_finest)


def test_frames_far_out_of_focus_are_not_looked_at_closely() -> None:
    frames = focal_frames(600, 1100, 12)
    model = Counting()
    chosen = selected(frames, model)
    counts = [len(chosen.look(cell).frames) for cell in chosen.cells()]
    assert max(counts) < 12
    assert np.mean(counts) < 8


def test_where_all_frames_are_the_same_no_closer_look_is_taken() -> None:
    frame = focal_frames(700, 700, 2)[0]
    # they differ in one corner only
    other = frame.copy()
    other[:100, :100] = 255 - other[:100, :100]
    model = Counting()
    chosen = selected([frame, other], model)
    model.looked.clear()
    for cell in chosen.cells():
        chosen.look(cell)
    finest = sum(count * height * width for count, _, height, width in model.looked)
    assert finest < 2 * 700 * 700  # the second finest octave of all cells with what is around them, and a few blocks


def test_looking_fast_looks_at_less() -> None:
    frames = focal_frames(512, 512, 4)
    pixels = []
    for fast in (False, True):
        model = Counting()
        chosen = selected(frames, model, fast)
        chosen.look(chosen.cells()[0])
        pixels.append(sum(count * height * width for count, _, height, width in model.looked))
    assert pixels[1] <= pixels[0]


def test_fast_is_nearly_as_good() -> None:
    frames = focal_frames(563, 647, 3)
    whole, fast = (fuse(frames, options=FusionOptions(fast=fast)).image.astype(float) for fast in (False, True))
    assert np.sqrt(np.mean((whole - fast) ** 2)) < 4


def test_the_size_of_cells_hardly_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = focal_frames(400, 600, 3)
    whole = fuse(frames)
    monkeypatch.setattr(selection, "CELL", 256)
    cut = fuse(frames)
    assert (whole.index_map == cut.index_map).mean() > 0.98
    assert np.abs(whole.image.astype(int) - cut.image).mean() < 0.3


def test_settled_logits_follow_the_detail() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.random((3, 64, 64), np.float32)
    flat = np.full((3, 64, 64), 0.5, np.float32)
    nothing = Answer(logits=np.zeros((2, 1, 32, 32), np.float32), context=np.zeros((2, 4, 8, 8), np.float32))
    logits = settled(nothing, np.stack([flat, sharp]))
    assert logits.shape == (2, 64, 64)
    assert (logits.argmax(axis=0) == 1).all()


def test_frames_that_tie_by_a_few_rows_are_told_apart_in_full() -> None:
    one, other = np.zeros((40, 8), np.uint8), np.zeros((40, 8), np.uint8)
    one[5], other[5] = 1, 2
    straight, turned = content_order([one, other], [7, 7]), content_order([other, one], [7, 7])
    assert list(straight) == list(turned[::-1])


def test_blocks_give_back_what_was_put_into_them() -> None:
    rng = np.random.default_rng(3)
    logits, context = rng.random((5, 1, 96, 160), np.float32), rng.random((5, 3, 24, 40), np.float32)
    kept = Blocks(5, 3, 96, 160, 64, Spool())
    for rows, columns in tiles(96, 160, 64):
        patches = slice(rows.start // 4, rows.stop // 4), slice(columns.start // 4, columns.stop // 4)
        kept.put((rows, columns), Answer(logits=logits[..., rows, columns], context=context[(..., *patches)]))
    place, frames = (slice(8, 88), slice(40, 152)), np.array([0, 3])
    found = kept.part(place, frames)
    np.testing.assert_array_equal(found.logits, logits[(frames, slice(None), *place)])
    np.testing.assert_array_equal(found.context, context[frames, :, 2:22, 10:38])


def test_frames_given_in_any_order_are_put_into_that_of_focus() -> None:
    frames = focal_frames(96, 320, 7)
    there = Survey(frames, Spool(), 1, silent, by_focus=True).order
    assert set(np.diff(there.astype(int))) in ({1}, {-1})
    shuffle = [4, 0, 6, 2, 5, 1, 3]
    again = Survey([frames[k] for k in shuffle], Spool(), 1, silent, by_focus=True).order
    assert [shuffle[k] for k in again] == list(there)
