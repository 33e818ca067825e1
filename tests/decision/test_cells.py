"""Cells: where they meet nothing shows, though their candidates differ."""

from collections.abc import Sequence

import numpy as np
import pytest

from allfocus import align, compose
from allfocus.core.color import FloatArray
from allfocus.core.weights import winner
from allfocus.core.windows import Window, tiles
from allfocus.decision.blocks import FadingBlocks
from allfocus.decision.cells import FADE, CellLogits, FadingCells, find_share
from allfocus.decision.model import load_model
from allfocus.decision.network import NetworkDecision
from allfocus.decision.search_rule import SearchRule
from surfaces import cone, shoot

SIDE = 128


def test_shares_of_neighbours_sum_up_to_all() -> None:
    size = (300, 410)
    total = np.zeros(size, np.float32)
    everywhere = slice(0, size[0]), slice(0, size[1])
    for cell in tiles(*size, 128):
        total += find_share(cell, everywhere, size)
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_what_one_cell_says_turns_into_what_the_next_says_without_a_step() -> None:
    asked: list[Window] = []

    def answer(cell: Window) -> CellLogits:
        asked.append(cell)
        frames = np.array([0, 1] if cell[1].start else [1, 2])
        rows, columns = slice(0, 64), slice(max(0, cell[1].start - 32), min(192, cell[1].stop + 32))
        shape = (64, columns.stop - columns.start)
        logits = np.stack([np.full(shape, value, np.float32) for value in (0.0, 2.0)])
        missing = np.full(shape, 0.1, np.float32)
        around = rows, columns
        return CellLogits(
            frames=frames,
            extras=np.array([], int),
            logits=logits,
            missing=missing,
            quality=None,
            around=around,
            cell=cell,
        )

    cells = FadingCells(answer, (64, 192), 64, 32)
    found = [cells(cell) for cell in cells.windows]
    assert sorted(cell[1].start for cell in asked) == [0, 64, 128]  # each once
    rows = [chance_of(part, 2) for part in found]
    row = np.concatenate(rows)
    assert row[0] > 0.8
    assert row[-1] < 0.01
    assert np.abs(np.diff(row)).max() < 0.05  # no step, where it fell from .88 to 0 at once
    np.testing.assert_allclose(found[0].missing, 0.1, atol=1e-6)


def chance_of(part: CellLogits, frame: int) -> FloatArray:
    """A row of the chances of a frame in a cell."""
    chances = np.exp(part.logits)[(slice(None), *part.inner)]
    chances /= chances.sum(axis=0)
    rows = [k for k, other in enumerate(part.frames) if other == frame]
    return np.asarray(chances[rows[0], 32] if rows else np.zeros(chances.shape[2], np.float32))


@pytest.mark.slow
def test_no_seam_shows_where_cells_meet() -> None:
    depth = cone(260, 390, 14)
    frames = shoot(depth, 14, step=0.5, noise=0.012, contrast=0.25)
    registered = align(frames, align="none")
    decision = NetworkDecision(frames, load_model(), registered.run, rule=SearchRule(cell=SIDE, block=64), depth=True)
    assert len({len(decision.decide_tile(tile).candidates) for tile in decision.tiles()}) > 1
    result = compose(registered, decision, halos="keep")
    for name in ("index_map", "confidence", "depth"):
        assert seam(getattr(result, name)) < 4, name


def seam(plane: FloatArray) -> float:
    """The largest mean jump where cells meet, along a side of one, by the median of such jumps elsewhere."""
    worst = 0.0
    for turned in (plane, plane.T):
        jumps = np.abs(mean_along(np.diff(np.nan_to_num(turned.astype(float)), axis=0)))
        edges = np.arange(SIDE, turned.shape[0], SIDE) - 1
        elsewhere = np.median(np.delete(jumps, edges, axis=0), axis=0)
        worst = max(worst, float((jumps[edges] / elsewhere).max()))
    return worst


def mean_along(steps: FloatArray) -> FloatArray:
    """Means along rows, over the side of a cell."""
    whole: Sequence[FloatArray] = [
        steps[:, left : left + SIDE].mean(axis=1) for left in range(0, steps.shape[1] - SIDE + 1, SIDE)
    ]
    return np.stack(whole, axis=1)


@pytest.mark.slow
def test_a_tile_is_the_same_asked_for_alone() -> None:
    depth = cone(96, 200, 4)
    registered = align(shoot(depth, 4), align="none")
    rule = SearchRule(cell=64, block=64)
    one, other = (NetworkDecision(registered.frames, load_model(), registered.run, rule=rule) for _ in range(2))
    tile = list(one.tiles())[1]
    for asked in other.tiles():
        other.decide_tile(asked)
    np.testing.assert_array_equal(one.decide_tile(tile).weights, other.decide_tile(tile).weights)


def test_beside_an_edge_of_blocks_no_third_frame_wins():
    blocks = FadingBlocks(np.zeros((3, 64, 128), np.float32))
    whole = slice(0, 64), slice(0, 128)
    for k, block in enumerate([(whole[0], slice(0, 64)), (whole[0], slice(64, 128))]):
        place = whole[0], slice(max(0, block[1].start - FADE), min(128, block[1].stop + FADE))
        found = np.stack([np.full((64, 64 + FADE), value, np.float32) for value in (6, 0)])
        blocks.put(place, np.array([k, 2]), found, find_share(block, place, whole))
    best = winner(blocks.logits())
    assert (best[:, :64] == 0).all()
    assert (best[:, 64:] == 1).all()
