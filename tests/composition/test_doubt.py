"""Doubtful places: what was chosen wrongly comes first."""

import pytest

from allfocus import PaintedDecision, Stroke, align, compose, decide
from allfocus.composition.doubt import SIDE, find_doubts
from pictures import focal_frames


@pytest.mark.slow
def test_a_place_that_is_of_the_wrong_frame_comes_first() -> None:
    registered = align(focal_frames(400, 600, 3), align="none")
    decision = decide(registered, method="laplacian")
    wrong = PaintedDecision(decision, [Stroke(frame=0, points=((520, 200),), radius=30, hardness=1)])
    image = compose(registered, wrong).image
    places = find_doubts(registered.frames, wrong, image, registered.run)
    rows, columns = places[0].window
    assert rows.start < 200 < rows.stop
    assert columns.start < 520 < columns.stop
    assert (rows.stop - rows.start, columns.stop - columns.start) == (SIDE, SIDE)
    assert {0, 2} <= set(places[0].frames)
    assert [place.error for place in places] == sorted((place.error for place in places), reverse=True)


def test_equal_frames_leave_no_doubt() -> None:
    frame = focal_frames(200, 300, 2)[0]
    registered = align([frame, frame.copy()], align="none")
    decision = decide(registered, method="laplacian")
    assert not find_doubts(registered.frames, decision, frame, registered.run)
