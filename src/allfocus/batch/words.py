"""What happens to many stacks, in words for a person."""

from collections.abc import Callable
from typing import Any


class State:
    """Where a batch stands, event by event.

    Args:
        say: told a line for each stack that failed.

    Attributes:
        fraction: of the whole work that is done, 0 to 1.
        left: seconds left, if they are known.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._workers = say, dict[str, str]()
        self._counts: dict[str, Any] = {"done": 0, "failed": 0, "total": 1}
        self.fraction, self.left = 0.0, None

    def take(self, event: dict[str, Any]) -> str:
        """Take one event, see `Engine`; returns counts, and what each worker does."""
        if event["event"] == "progress":
            self._counts, self.fraction, self.left = event, event["fraction"], event["eta"]
        elif event["event"] == "working":
            self._workers[event["worker"]] = f"{event['task']} {event['stage']} {event['fraction']:.0%}"
        elif event["event"] == "task":
            self._workers.pop(event["worker"], None)
            if event["state"] == "failed":
                self._say(f"failed: {event['name']}: {event['error']}")
        failed = f", {self._counts['failed']} failed" if self._counts["failed"] else ""
        under_way = "".join(f"; {name}: {what}" for name, what in sorted(self._workers.items()))
        return f"{self._counts['done']}/{self._counts['total']}{failed}{under_way}"


def describe_watched(event: dict[str, Any]) -> str:
    """One line on something that happened in a watched folder."""
    kind = event["event"]
    if kind == "draft":
        advice = f"; {event['advice']}" if event["advice"] else ""
        draft = f", draft {event['file']}" if event["file"] else ""
        return f"{event['stack']}: frame {event['frames']} ({event['frame']}){draft}{advice}"
    if kind == "stack":
        return f"{event['name']}: {event['state']} with {event['frames']} frames"
    if kind == "task":
        why = f": {event['error']}" if event["error"] else "".join(f"; note: {note}" for note in event["notes"])
        return f"{event['name']}: {event['state']} in {event['seconds']:.1f} s{why}"
    return f"left over: {event['path']}: {event['reason']}"
