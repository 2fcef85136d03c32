"""What a request's body may be, decided before anything reads it: its type, its size, and how long it may take."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livefuse.errors import BadValue
from livefuse.web.problems import Refused, explained

SDP_BYTES = 64 << 10
JSON_BYTES = 1 << 20
PHOTO_BYTES = 20 << 20
PAIR, PAIR_BYTES = "/api/pair", 4 << 10
"""Whoever reaches the daemon may ask for a token, and be read that far."""
UPLOADS, UPLOAD_BYTES = "/api/uploads", 64 << 30
"""Where videos are sent to; how much there is room for is decided there, chunk by chunk."""
_PAUSE_S = 15.0
_LONGEST_S = 120.0
_UPLOAD_S = 4 * 3600.0
_UPLOADED = ("video/", "image/", "application/octet-stream")
_SAFE = ("GET", "HEAD", "OPTIONS")
_MOST = {
    "application/sdp": SDP_BYTES,
    "application/trickle-ice-sdpfrag": SDP_BYTES,
    "application/json": JSON_BYTES,
    "application/merge-patch+json": JSON_BYTES,
}


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def most_bytes(content_type: str) -> int:
    """How large a body of this type may be. Raises: Refused for types that no route takes, forms above all."""
    kind = media_type(content_type)
    if kind.startswith("image/"):
        return PHOTO_BYTES
    if kind not in _MOST:
        hint = "send application/json, application/sdp or image/*"
        raise Refused(415, BadValue(f"a body of type {kind[:60] or 'unsaid'!r} is not taken", hint=hint))
    return _MOST[kind]


class Limits:
    """ASGI middleware: refuses bodies by type and size, and those that do not arrive."""

    def __init__(self, app: ASGIApp, *, pause_s: float = _PAUSE_S, longest_s: float = _LONGEST_S) -> None:
        self._app = app
        self._pause_s = pause_s
        self._longest_s = longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        try:
            upload = scope["method"] == "POST" and scope["path"] == UPLOADS
            most = self._most(scope["method"], headers, scope["path"], upload=upload)
        except Refused as error:
            await explained(error)(scope, receive, send)
            return
        longest_s = _UPLOAD_S if upload else self._longest_s
        await self._app(scope, _Body(receive, most, self._pause_s, longest_s), send)

    @staticmethod
    def _most(method: str, headers: dict[bytes, str], path: str, *, upload: bool = False) -> int:
        length = headers.get(b"content-length", "0")
        if length == "0" and b"transfer-encoding" not in headers:
            return 0
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise Refused(415, BadValue("compressed bodies are not taken", hint="send it without Content-Encoding"))
        kind = headers.get(b"content-type", "")
        large = upload and media_type(kind).startswith(_UPLOADED)
        most = UPLOAD_BYTES if large else 0 if method in _SAFE else most_bytes(kind)
        if path == PAIR:
            most = min(most, PAIR_BYTES)
        if not length.isascii() or not length.isdigit() or int(length) > most:
            raise _too_large(most)
        return most


class _Body:
    """`receive`, counting bytes and time until the body is complete."""

    def __init__(self, receive: Receive, most: int, pause_s: float, longest_s: float) -> None:
        self._receive = receive
        self._left = most
        self._most = most
        self._pause_s = pause_s
        self._complete = False
        self._ends: float | None = None
        self._longest_s = longest_s

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        message = await self._in_time()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large(self._most)
        self._complete = not message.get("more_body", False)
        return message

    async def _in_time(self) -> Message:
        now = asyncio.get_running_loop().time()
        if self._ends is None:
            self._ends = now + self._longest_s
        try:
            return await asyncio.wait_for(self._receive(), min(self._pause_s, max(0.0, self._ends - now)))
        except TimeoutError:
            hint = "send the body at once"
            raise Refused(408, BadValue("the body did not arrive", hint=hint), {"Connection": "close"}) from None


def _too_large(most: int) -> Refused:
    return Refused(413, BadValue(f"the body is larger than {most} bytes", hint="send less"), {"Connection": "close"})
