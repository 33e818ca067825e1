"""The hub: what happens in a session, told to every page that listens."""

import asyncio
import json
from collections.abc import AsyncIterator
from threading import Event, Lock
from typing import Any

#: Messages that wait for one page at most; a page that falls further behind is told to load all anew.
WAITING = 500
#: Seconds after which a page that has heard nothing hears that all is well.
SILENCE = 15.0


class Hub:
    """Messages from any thread to the pages that listen.

    Attributes:
        heard: set once a page has listened.
    """

    def __init__(self) -> None:
        self._lock, self.heard = Lock(), Event()
        self._end: dict[str, Any] | None = None
        self._listeners: dict[asyncio.Queue[dict[str, Any] | None], asyncio.AbstractEventLoop] = {}

    def tell(self, kind: str, **content: Any) -> None:
        """Tell all pages; from any thread."""
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(put, queue, {"kind": kind, **content})

    def end(self, message: str) -> None:
        """Tell all pages, those to come too, that the server will end, and why."""
        self._end = {"kind": "end", "message": message}
        self.tell(**self._end)

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(put, queue, None)

    async def stream(self) -> AsyncIterator[str]:
        """Messages as server-sent events, from now on."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(WAITING)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        if self._end is not None:
            put(queue, self._end)
        self.heard.set()
        try:
            yield "retry: 1000\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), SILENCE)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if message is None:
                    return
                yield f"data: {json.dumps(message)}\n\n"
        finally:
            with self._lock:
                self._listeners.pop(queue, None)


def put(queue: "asyncio.Queue[dict[str, Any] | None]", message: dict[str, Any] | None) -> None:
    """Put a message into a queue; a full one is emptied first, and the page loads all anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait({"kind": "reload"})
    queue.put_nowait(message)
