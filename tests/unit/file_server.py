"""A model server on the loopback with the faults that real ones have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """What the server has and how it misbehaves; `requests` is what it was asked: path and Range header."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    break_after_bytes: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    shift_ranges: bool = False
    etag: str = ""
    lengths: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Run it in a thread until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            offered = self.headers.get("Range", "")
            served.requests.append((self.path, offered))
            if served.statuses:
                self._empty(served.statuses.pop(0))
            elif self.path in served.redirects:
                self._empty(302, served.redirects[self.path])
            elif self.path.lstrip("/") in served.files:
                self._send(served.files[self.path.lstrip("/")], offered)
            else:
                self._empty(404)

        do_HEAD = do_GET  # noqa: N815

        def _empty(self, status: int, location: str = "") -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, content: bytes, offered: str) -> None:
            changed = self.headers.get("If-Range", served.etag) != served.etag
            span = re.fullmatch(r"bytes=(\d+)-", offered) if served.ranges and not changed else None
            start = int(span[1]) if span else 0
            self.send_response(206 if span else 200)
            if span:
                shown = start + (1 if served.shift_ranges else 0)
                self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
            if served.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            if served.etag:
                self.send_header("ETag", served.etag)
            self.end_headers()
            body = content[start:]
            if self.command == "HEAD":
                return
            if served.break_after_bytes:
                self.wfile.write(body[: served.break_after_bytes.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Silent: pytest's output is for failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="file-server", daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
