"""HTTP connections that are not held open by saying nothing, or their headers a byte at a time."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

LOOK_S = 10.0
MOST_CONNECTIONS = 500  # half of the files that a process usually may open: sessions and viewers need some too


class PromptProtocol(H11Protocol):
    """uvicorn's protocol, which waits for ever for the rest of a request's headers; this one for one to two `LOOK_S`."""

    _timer: asyncio.TimerHandle | None = None
    _seen: tuple[bool, RequestResponseCycle | None] = False, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
            return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = self.conn.their_state is h11.IDLE, self.cycle
        if now == self._seen and (now[0] or self._pours()):  # no request has begun since the last look
            self.transport.close()
            return
        self._seen = now
        self._timer = self.loop.call_later(LOOK_S, self._look)

    def _pours(self) -> bool:
        """Whether the body of a request that was answered long ago still comes, byte by byte."""
        return self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY
