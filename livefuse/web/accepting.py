"""One port for HTTPS, where plain HTTP still gets an answer.

This machine itself may go on calling `http://127.0.0.1`: nothing between can listen, browsers give such pages the camera, and
neither an `ssh -L` tunnel nor OBS has to trust a certificate for it. Whoever comes over a network in plain text is told the
address with https, and may fetch the authority's public certificate: that is what they need to trust first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from livefuse.web.protocol import LOOK_S, MOST_CONNECTIONS
from livefuse.web.security import authority, is_loopback

if TYPE_CHECKING:
    from livefuse.tls.serving import Tls

CA_PATH = "/ca.crt"
CA_TYPE = "application/x-x509-ca-cert"
_TLS_RECORD = 0x16  # a handshake. Source: RFC 8446 section 5.1
_HEAD_BYTES = 8 << 10
_RENEW_S = 300.0
_POLL_S = (0.001, 0.05)
_log = logging.getLogger("livefuse")


@contextlib.asynccontextmanager
async def accepting(
    sockets: Sequence[socket.socket], tls: Tls, protocol: Callable[[], asyncio.Protocol]
) -> AsyncIterator[None]:
    """Connections are made with `protocol` while this runs; the sockets are closed in the end."""
    door = _Door(tls, protocol)
    tasks = [asyncio.create_task(door.accept(one), name="https") for one in sockets]
    tasks.append(asyncio.create_task(_keep_good(tls), name="certificate"))
    try:
        yield
    finally:
        for task in (*tasks, *door.waiting):
            task.cancel()
        await asyncio.gather(*tasks, *door.waiting, return_exceptions=True)
        for one in sockets:
            one.close()


class _Door:
    def __init__(self, tls: Tls, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._tls, self._protocol = tls, protocol
        self.waiting: set[asyncio.Task[None]] = set()

    async def accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:  # no more files, or a connection that was gone at once
                _log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(0.2)
                continue
            if len(self.waiting) >= MOST_CONNECTIONS:
                connection.close()
                continue
            task = asyncio.create_task(self._admit(connection))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)

    async def _admit(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_S):
                first = await _first_byte(connection)
            if first == _TLS_RECORD:
                await loop.connect_accepted_socket(
                    self._protocol, connection, ssl=self._tls.context, ssl_handshake_timeout=LOOK_S
                )
                return
            if first is not None and _is_here(connection):
                await loop.connect_accepted_socket(self._protocol, connection)
                return
            if first is not None:
                async with asyncio.timeout(LOOK_S):
                    await self._explain(connection)
            connection.close()
        except (OSError, TimeoutError) as error:  # who does not trust the certificate hangs up in the handshake
            _log.info("a connection ended before its first request: %s", error or type(error).__name__)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _explain(self, connection: socket.socket) -> None:
        loop, head = asyncio.get_running_loop(), b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            more = await loop.sock_recv(connection, _HEAD_BYTES)
            if not more:
                return
            head += more
        ca = self._tls.pem if self._tls.is_own else None
        await loop.sock_sendall(connection, plain_answer(head, ca))
        connection.shutdown(socket.SHUT_WR)


def plain_answer(head: bytes, ca: bytes | None) -> bytes:
    """What a request without TLS is answered: where to go, or the certificate to trust."""
    request, *fields = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, path, *_ = (*request.split(" "), "", "")
    named = [value.strip() for name, _, value in (field.partition(":") for field in fields) if name.lower() == "host"]
    host = authority(named[0]) if len(named) == 1 else None
    if ca is not None and method in ("GET", "HEAD") and path.partition("?")[0] == CA_PATH:
        return _answer("200 OK", ca if method == "GET" else b"", f"Content-Type: {CA_TYPE}", len(ca))
    if host is None or method not in ("GET", "HEAD") or not re.fullmatch(r"/(?!/)[!-~]*", path):
        return _answer("400 Bad Request", b"this port speaks HTTPS: write https:// in front of the address\n")
    words = f"this port speaks HTTPS: https://{host}/\n".encode()
    return _answer("307 Temporary Redirect", words, f"Location: https://{host}{path}")


def _answer(status: str, body: bytes, header: str = "", length: int | None = None) -> bytes:
    kind = [] if header.startswith("Content-Type") else ["Content-Type: text/plain; charset=utf-8"]
    lines = [
        f"HTTP/1.1 {status}",
        *([header] if header else []),
        *kind,
        f"Content-Length: {len(body) if length is None else length}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _first_byte(connection: socket.socket) -> int | None:
    """Without taking it; nothing if the other side has gone. Polled: Windows' event loop cannot wait for a peek."""
    wait_s, longest_s = _POLL_S
    while True:
        try:
            seen = connection.recv(1, socket.MSG_PEEK)
            return seen[0] if seen else None
        except (BlockingIOError, InterruptedError):
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, longest_s)


def _is_here(connection: socket.socket) -> bool:
    return is_loopback(connection.getpeername()[0]) and is_loopback(connection.getsockname()[0])


async def _keep_good(tls: Tls) -> None:
    from livefuse.errors import LivefuseError

    while True:
        await asyncio.sleep(_RENEW_S)
        try:
            if await asyncio.to_thread(tls.renew):
                _log.warning("a new certificate is served: %s", tls.names)
        except (LivefuseError, OSError) as error:
            _log.error("the certificate could not be renewed: %s", error)
