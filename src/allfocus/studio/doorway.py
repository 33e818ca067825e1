"""The doorway: who connects and asks for nothing makes way, so that no crowd there takes what the work needs."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Connections at once, and those that are let in before anybody looks: a page holds seven. Each is an open file, of
#: which a process may have few.
MOST, AT_ONCE = 64, 16
#: Seconds that whoever connects has to say what it wants.
PATIENCE = 20.0


class Doorway(H11Protocol):
    """One connection to the server."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connects; of too many the one that has idled longest goes, or else the new one."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self.loop.call_later(PATIENCE, self._lose_patience)
        if len(self.connections) > MOST:
            idle = [one for one in self.connections if isinstance(one, Doorway) and one.is_idle and one is not self]
            min(idle, key=lambda one: one.since, default=self).transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _lose_patience(self) -> None:
        if self.cycle is None:
            self.transport.abort()
