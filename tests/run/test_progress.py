"""How far, and how long it will still take."""

import json
from collections.abc import Iterator

import pytest

from allfocus.cli.progress import show_progress
from allfocus.run.progress import Pace

COSTS = {"read": 1.0, "fuse": 3.0}


def clock_of(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_the_whole_work_is_counted_by_what_its_stages_cost() -> None:
    pace = Pace(COSTS)
    assert pace.fraction("read", 0, 10) == 0
    assert pace.fraction("read", 10, 10) == pace.fraction("fuse", 0, 7) == pytest.approx(0.25)
    assert pace.fraction("fuse", 7, 7) == 1


def test_the_time_left_follows_from_the_pace_so_far() -> None:
    times = clock_of(0, 0, 10, 20, 40)
    pace = Pace(COSTS, clock=lambda: next(times))
    assert pace.seconds_left("read", 0, 2) is None
    assert pace.seconds_left("read", 2, 2) == pytest.approx(30)
    assert pace.seconds_left("fuse", 1, 3) == pytest.approx(20)
    assert pace.seconds_left("fuse", 3, 3) == 0


def test_stages_that_nobody_expected_are_counted_for_themselves() -> None:
    times = clock_of(0, 5, 6, 10)
    pace = Pace(clock=lambda: next(times))
    assert pace.seconds_left("scene a", 1, 4) == pytest.approx(3)  # starts at 5, asked at 6
    assert pace.fraction("scene a", 2, 4) == 0.5


def test_other_programs_read_a_line_of_json_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=True, style="json") as progress:
        progress("read", 0, 2)
        progress("read", 2, 2)
        progress("fuse", 1, 1)
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [(line["stage"], line["done"], line["total"]) for line in lines] == [
        ("read", 0, 2),
        ("read", 2, 2),
        ("fuse", 1, 1),
    ]
    assert lines[0]["eta"] is None
    assert lines[-1]["eta"] == 0
