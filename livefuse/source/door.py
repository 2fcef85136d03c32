"""A TCP port that stays open while senders come and go, for protocols whose FFmpeg side can only take one call.

FFmpeg's RTMP and RTSP listeners accept one connection and are over with it; between two calls nobody would be there, and
a stray connection that says nothing would keep them for good. So the port is ours: a caller that begins to speak is
passed on, byte by byte, to an FFmpeg that listens on a loopback port of its own for this call only.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time

from livefuse.errors import BadValue, SourceDenied

_POLL_S = 0.2
_FIRST_BYTE_S = 2.0
_FFMPEG_READY_S = 5.0
_CHUNK_BYTES = 1 << 16


class Door:
    """Raises: BadValue for an address that is not this machine's, SourceDenied for a port that cannot be had."""

    def __init__(self, host: str, port: int, shown: str) -> None:
        self._closed = threading.Event()
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.create_server(address[:2], family=family, backlog=4)
        except socket.gaierror as error:
            hint = "listen on 127.0.0.1, or on 0.0.0.0 for every interface"
            raise BadValue(f"{shown}: {error.strerror}", hint=hint) from error
        except OSError as error:
            hint = "close what uses the port or name another; ports below 1024 are root's"
            raise SourceDenied(f"{shown} cannot be listened on: {os.strerror(error.errno or 0)}", hint=hint) from error
        self.port = int(self._socket.getsockname()[1])
        self._socket.settimeout(_POLL_S)

    def caller(self) -> socket.socket | None:
        """The next connection that says something; None once closed."""
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:  # closed, or the caller was gone at once
                self._closed.wait(_POLL_S)
                continue
            if self._speaks(connection):
                return connection
            connection.close()
        return None

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):  # some systems know no shutdown of a socket that only listens
            self._socket.shutdown(socket.SHUT_RDWR)  # else Linux keeps the port until `accept` returns
        self._socket.close()

    def _speaks(self, connection: socket.socket) -> bool:
        connection.settimeout(_FIRST_BYTE_S)
        try:
            return bool(connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


class Relay(threading.Thread):
    """Carries one call between `caller` and FFmpeg, which is about to listen on `port`; ends with either side."""

    def __init__(self, caller: socket.socket, port: int) -> None:
        super().__init__(name="livefuse-relay", daemon=True)
        self._caller, self._port = caller, port
        self._ffmpeg: socket.socket | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            self._ffmpeg = self._reach_ffmpeg()
            if self._ffmpeg is not None:
                self._carry(self._caller, self._ffmpeg)
        except OSError:  # one side is gone: what that means, FFmpeg's reader says
            pass
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Any thread."""
        self._ended.set()
        for side in (self._caller, self._ffmpeg):
            if side is not None:
                with contextlib.suppress(OSError):  # not connected any more
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def _reach_ffmpeg(self) -> socket.socket | None:
        until_s = time.monotonic() + _FFMPEG_READY_S
        while not self._ended.is_set() and time.monotonic() < until_s:
            try:
                return socket.create_connection(("127.0.0.1", self._port), timeout=_POLL_S)
            except OSError:
                self._ended.wait(0.01)
        return None

    def _carry(self, *sides: socket.socket) -> None:
        other = dict(zip(sides, reversed(sides), strict=True))
        with selectors.DefaultSelector() as ready:
            for side in sides:
                side.settimeout(None)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(side, selectors.EVENT_READ, data=side)
            while not self._ended.is_set():
                for key, _ in ready.select(_POLL_S):
                    speaker: socket.socket = key.data
                    data = speaker.recv(_CHUNK_BYTES)
                    if not data:
                        return
                    other[speaker].sendall(data)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
