"""A bad network: a UDP relay between a browser and the daemon that loses and delays packets in both directions.

Network namespaces with netem would do it too, but many machines that run tests have no netem in their kernel.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]

_CANDIDATE = re.compile(r"^a=candidate:.*\r\n", re.MULTILINE)
_PARTS = re.compile(r"^a=candidate:(\S+ 1 udp \d+) (\S+) (\d+) typ host.*\r\n", re.MULTILINE | re.IGNORECASE)


class LossyRelay:
    """Runs in a thread of its own; `loss` and `delay_s` (one way) may be changed while it runs."""

    def __init__(self, *, loss: float, delay_s: float, seed: int = 0) -> None:
        self.loss, self.delay_s = loss, delay_s
        self.passed, self.lost = 0, 0
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lossy-relay")
        self._doors: list[_Door] = []
        self._thread.start()

    def close(self) -> None:
        def ended() -> None:
            for door in self._doors:
                door.close()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(ended)
        self._thread.join(10)
        self._loop.close()

    def offer(self, sdp: str) -> str:
        """The browser's offer without its addresses: it is known by those of the relay."""
        return _CANDIDATE.sub("", sdp)

    def answer(self, sdp: str) -> str:
        """The daemon's answer with one way in: through the relay."""
        found = _PARTS.search(sdp)
        assert found is not None, f"no host candidate in the answer:\n{sdp}"
        opened: Future[_Door] = asyncio.run_coroutine_threadsafe(self._open((found[2], int(found[3]))), self._loop)
        host, port = opened.result(10).address
        here = f"a=candidate:{found[1]} {host} {port} typ host\r\n"
        first = found.group(0)
        return _CANDIDATE.sub(lambda line: here if line.group(0) == first else "", sdp)

    async def _open(self, server: Address) -> _Door:
        door = _Door(self, server)
        await door.open()
        self._doors.append(door)
        return door

    def carry(self, send: asyncio.DatagramTransport, packet: bytes, to: Address | None) -> None:
        """Send it later, or never."""
        if self._random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        self._loop.call_later(self.delay_s, _send, send, packet, to)


def _send(transport: asyncio.DatagramTransport, packet: bytes, to: Address | None) -> None:
    if not transport.is_closing():
        transport.sendto(packet, to)


class _Door(asyncio.DatagramProtocol):
    """Where the browser sends to; for each of its addresses there is a socket towards the daemon."""

    def __init__(self, relay: LossyRelay, server: Address) -> None:
        self._relay, self._server = relay, server
        self._onward: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}
        self._loop = asyncio.get_running_loop()
        self.address: Address = ("", 0)

    async def open(self) -> None:
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.address = self._transport.get_extra_info("sockname")

    def close(self) -> None:
        self._transport.close()
        for task in self._onward.values():
            if task.done() and not task.cancelled():
                with suppress(OSError):
                    task.result().close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr not in self._onward:
            self._onward[addr] = self._loop.create_task(self._towards(addr))
        self._onward[addr].add_done_callback(lambda task: self._relay.carry(task.result(), data, None))

    async def _towards(self, browser: Address) -> asyncio.DatagramTransport:
        back = _Back(self._relay, self._transport, browser)
        transport, _ = await self._loop.create_datagram_endpoint(lambda: back, remote_addr=self._server)
        return transport


class _Back(asyncio.DatagramProtocol):
    """What the daemon sends to one address of the browser."""

    def __init__(self, relay: LossyRelay, towards: asyncio.DatagramTransport, browser: Address) -> None:
        self._relay, self._towards, self._browser = relay, towards, browser

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.carry(self._towards, data, self._browser)

    def error_received(self, exc: Exception) -> None:
        """The daemon's port is closed: it has ended the connection."""
