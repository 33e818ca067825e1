"""Work in threads: in order, bounded, and over at once when it is interrupted."""

import os
import threading
import time

import pytest

from allfocus.run.workers import cpus, in_parallel


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(in_parallel(work, range(40), workers)) == [item * item for item in range(40)]


def test_no_more_than_the_workers_are_under_way_and_little_waits() -> None:
    lock, now, most, begun = threading.Lock(), [0], [0], [0]

    def work(item: int) -> None:
        with lock:
            now[0] += 1
            begun[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.002)
        with lock:
            now[0] -= 1

    results = in_parallel(work, range(1000), 3)
    for _ in range(5):
        next(results)
    assert begun[0] <= 5 + 2 * 3
    results.close()  # type: ignore[attr-defined]
    assert most[0] <= 3


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_ends_it_and_nothing_more_is_begun(workers: int) -> None:
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 4:
            raise ValueError("four")
        time.sleep(0.005)

    with pytest.raises(ValueError, match="four"):
        list(in_parallel(work, range(500), workers))
    time.sleep(0.05)
    assert len(begun) < 20


def test_what_is_under_way_is_not_waited_for() -> None:
    go_on = threading.Event()

    def work(item: int) -> None:
        if item == 1:
            raise KeyboardInterrupt
        go_on.wait(10)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in in_parallel(work, [1, 0, 0], 2):
            pass
    assert time.monotonic() - started < 5
    go_on.set()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds a process to processors")
def test_processors_that_this_process_may_not_use_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpus() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cpus() == len(before)


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_without_affinities_all_processors_count(
    monkeypatch: pytest.MonkeyPatch, count: int | None, expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cpus() == expected
