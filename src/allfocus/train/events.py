"""What a training run tells the one who started it, and how it is asked to stop."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from allfocus.train.validate import Scores

Kind = Literal["read", "note", "step", "validation", "checkpoint", "export"]


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """One moment of a run.

    Attributes:
        kind: `read` a photo was read (`done` of `total`); `note` something to know, in `message`;
            `step` an optimiser step ended; `validation` the held-back groups were measured;
            `checkpoint` one was written, its path in `message`; `export` the model is being written.
        message: a line for people; empty for `read` and `step`.
        done, total: photos read of photos found, or steps done of the steps of a full run.
        fraction: how much of the schedule is done, 0 to 1, by steps or by minutes, whichever is nearer its end.
        rate: steps per second since this start of the run.
        remaining: estimated seconds to the end of the schedule; None before the first step.
        loss: mean over the latest steps.
        scores: the latest measurement; None before the first.
    """

    kind: Kind
    message: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    rate: float = 0.0
    remaining: float | None = None
    loss: float | None = None
    scores: Scores | None = None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1: of the photos while they are read, then of the schedule."""
        return self.done / max(self.total, 1) if self.kind == "read" else self.fraction

    @property
    def line(self) -> str:
        """The message for people, which for a checkpoint is only its path."""
        return f"checkpoint {self.message}" if self.kind == "checkpoint" else self.message

    @property
    def words(self) -> str:
        """Where the run stands, what matters most first."""
        if self.kind == "read":
            return f"read {self.done}/{self.total}"
        parts = [f"step {self.done}", f"{self.rate:.1f}/s"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3f}")
        if self.scores is not None:
            scores = self.scores
            parts.append(f"{scores.network:.1f} dB (Laplacian {scores.laplacian:.1f}, oracle {scores.oracle:.1f})")
        return ", ".join(parts)


#: Called with every event; must not take long.
Listener = Callable[[TrainingEvent], None]


def ignore(event: TrainingEvent) -> None:
    """Listen to nothing: the default."""


class TrainingInterrupted(KeyboardInterrupt):
    """Training was asked to stop and has saved its state; the message says how to go on.

    Attributes:
        checkpoint: the file to resume from.
    """

    def __init__(self, checkpoint: Path, step: int) -> None:
        super().__init__(f"stopped after {step} steps; go on with the same command and --resume {checkpoint}")
        self.checkpoint = checkpoint


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block, Ctrl-C and SIGTERM do not break in but make the yielded function return True.

    So a step is never left half done. A second request breaks in. Outside the main thread, where Python
    delivers no signals, nothing changes.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
