"""Ctrl-C and SIGTERM: when they may break in."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def terminations_as_interrupts() -> Iterator[None]:
    """Within the block, SIGTERM does what Ctrl-C does, so that nothing half done stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Signal handler: break in as Ctrl-C does."""
    raise KeyboardInterrupt


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM break in only after the block: half started, a bar can't bring the cursor back."""
    if threading.current_thread() is not threading.main_thread():  # where Python delivers no signals
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for late in came[:1]:
            signal.raise_signal(late)
