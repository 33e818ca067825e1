"""How far a batch is."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """How far a batch is.

    Attributes:
        total: tasks in all.
        done, failed: of them, by whichever batch and run.
        here: ended in this run.
        begun: when it began.
    """

    total: int
    done: int = 0
    failed: int = 0
    here: int = 0
    begun: float = field(default_factory=time.monotonic)

    def as_event(self) -> dict[str, Any]:
        """What listeners are told."""
        ended = self.done + self.failed
        left = None
        if self.here:
            left = round((time.monotonic() - self.begun) / self.here * (self.total - ended), 1)
        fraction = ended / self.total if self.total else 1.0
        counts = {"done": self.done, "failed": self.failed, "total": self.total}
        return {"event": "progress", **counts, "fraction": round(fraction, 4), "eta": left}
