"""Ends what an app had begun once it may no longer do it: streams of events, pictures in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOK_S = 0.5


async def until_lost(held: Callable[[], bool]) -> None:
    """Returns when it is no longer held. Looked for, as another daemon of the same user may have revoked it."""
    while held():
        await asyncio.sleep(LOOK_S)


class WhileHeld:
    """ASGI application around another: a stream ends, whole, when `held` no longer is."""

    def __init__(self, app: ASGIApp, held: Callable[[], bool]) -> None:
        self._app, self._held = app, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = lost = False

        async def received() -> Message:
            nonlocal lost
            message, ended = asyncio.ensure_future(receive()), asyncio.ensure_future(until_lost(self._held))
            try:
                await asyncio.wait((message, ended), return_when=asyncio.FIRST_COMPLETED)
                if message.done():
                    return message.result()
                lost = True
                return {"type": "http.disconnect"}
            finally:
                message.cancel()
                ended.cancel()

        async def sent(message: Message) -> None:
            nonlocal streaming
            streaming = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        await self._app(scope, received, sent)
        if lost and streaming:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
