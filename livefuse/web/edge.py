"""The outermost layer: security headers on every answer, words for every failure, an end for endless streams."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livefuse.errors import DaemonError
from livefuse.web.problems import Refused, explained, scrubbed

_DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), autoplay=(self), geolocation=(), usb=()",
    "Cache-Control": "no-store",
}
_log = logging.getLogger("livefuse.web.access")


class Edge:
    """ASGI middleware around all others. `closing`: once set, streams end and new requests are told so."""

    def __init__(self, app: ASGIApp, closing: asyncio.Event, secrets: Sequence[str]) -> None:
        self._app = app
        self._closing = closing
        self._secrets = secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if self._closing.is_set():
                raise Refused(503, DaemonError("the daemon is ending", hint="start it again: livefuse serve"))
            await self._app(scope, self._until_closing(receive), answer)
        except Exception as error:
            if answer.status:  # too late for words: end the connection, so that nobody takes this for the whole
                raise
            await explained(error, self._secrets)(scope, receive, answer)
        if answer.streaming and self._closing.is_set():
            await answer({"type": "http.response.body", "body": b"", "more_body": False})
        path = scrubbed(scope["path"], self._secrets).encode("unicode_escape").decode()
        _log.info("%s %s %d %.1f ms", scope["method"], path, answer.status, (time.monotonic() - answer.began) * 1e3)

    def _until_closing(self, receive: Receive) -> Receive:
        """`receive` that says the client has gone when the daemon closes: streams watch it, and end."""

        async def received() -> Message:
            return await _first(receive, self._closing)

        return received


async def _first(receive: Receive, closing: asyncio.Event) -> Message:
    message = asyncio.ensure_future(receive())
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((message, closed), return_when=asyncio.FIRST_COMPLETED)
        return message.result() if message.done() else {"type": "http.disconnect"}
    finally:
        message.cancel()
        closed.cancel()


class _Answer:
    """`send` that adds the headers, and remembers what was answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = time.monotonic()
        self.status = 0
        self.streaming = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.streaming = True
            headers = MutableHeaders(scope=message)
            for name, value in _DEFAULTS.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body":
            self.streaming = message.get("more_body", False)
        await self._send(message)
