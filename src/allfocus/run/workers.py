"""Work on many things at a time, in threads: OpenCV, NumPy and onnxruntime leave Python while they compute."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event, Lock
from typing import TypeVar

import cv2

from allfocus.errors import Cancelled

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds between two looks at whether the work was called off.
LOOK_EVERY = 0.1
#: Seconds that work under way has to end once it was called off; what takes longer, such as an encoder, ends alone.
GRACE = 0.5


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, cancelled: Event | None = None
) -> Iterator[Result]:
    """Yield `work(item)` of each item, in order; no more than `workers` are under way, and one each waits.

    An error or an interrupt ends it at once: nothing more is begun, and what is under way is not waited for. Once
    `cancelled` is set it ends with `Cancelled`, and what is under way has `GRACE` to end as well.
    """
    if workers < 2:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * workers:
                yield await_result(waiting[0], cancelled)
                waiting.popleft()
        while waiting:
            yield await_result(waiting[0], cancelled)
            waiting.popleft()
    finally:
        has_ended = False
        if cancelled is not None and cancelled.is_set():
            running = [future for future in waiting if not future.cancel()]
            has_ended = not wait(running, timeout=GRACE).not_done
        pool.shutdown(wait=has_ended, cancel_futures=True)


def in_background(
    work: Callable[[Item], Result], items: Iterable[Item], cancelled: Event | None = None
) -> Iterator[Result]:
    """Yield `work(item)` of each item, in order, from a thread ahead of us: Ctrl-C need not wait for it."""
    return in_parallel(work, items, 2, cancelled)


def watched(items: Iterable[Item], cancelled: Event | None = None) -> Iterator[Item]:
    """The items, until the work is called off; raises `Cancelled` then."""
    for item in items:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled
        yield item


def await_result(future: "Future[Result]", cancelled: Event | None) -> Result:
    """Wait for a result, or until the work is called off; raises `Cancelled` then."""
    while cancelled is not None and not future.done():
        if cancelled.is_set():
            raise Cancelled
        wait([future], timeout=LOOK_EVERY)
    return future.result()


def cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OneThreadEach:
    """OpenCV's threads, switched off as long as anybody is within: our workers are enough, and cheaper.

    The setting is the process's, so whoever comes first saves it and whoever leaves last puts it back: fusions side by
    side don't restore each other's.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._within = 0
        self._before = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Be within for as long as the block lasts."""
        with self._lock:
            if not self._within:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    cv2.setNumThreads(self._before)


one_thread_each = OneThreadEach()
