"""Records of sessions for many who ask: percentiles are worked out on another thread, once for all who ask at about the same
time, because the loop carries the media as well."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel

FRESH_S = 0.2


class Records:
    """All methods belong to the event loop."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Any, tuple[float, asyncio.Task[tuple[dict[str, Any], str]]]] = WeakKeyDictionary()

    async def record(self, channel: Channel) -> dict[str, Any]:
        """At most a fifth of a second old; not to be changed."""
        return (await self._both(channel))[0]

    async def text(self, channel: Channel) -> str:
        """The same as JSON."""
        return (await self._both(channel))[1]

    async def _both(self, channel: Channel) -> tuple[dict[str, Any], str]:
        now_s = asyncio.get_running_loop().time()
        made = self._made.get(channel)
        if made is None or now_s - made[0] >= FRESH_S:
            made = self._made[channel] = now_s, asyncio.create_task(_read(channel))
        return await asyncio.shield(made[1])  # one who leaves takes nothing from the others


async def _read(channel: Channel) -> tuple[dict[str, Any], str]:
    session = channel.session
    figures = await asyncio.to_thread(session.record) if session is not None else {}
    record = channel.record(figures)
    return record, await asyncio.to_thread(json.dumps, record)
