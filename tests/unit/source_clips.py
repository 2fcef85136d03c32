"""Small clips that tests of sources write with PyAV, and a web server that ends with its test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np

from livefuse.frame import U8

Setup = Callable[[Any], None]


def picture(index: int, width: int, height: int) -> U8:
    """A smooth RGB ramp with a bright upper left quarter, a little different each time."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 20 * index % 256)], -1).astype(np.uint8)
    image[: height // 2, : width // 2] = (230, 40, 40)
    return image


def write_clip(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    size: tuple[int, int] = (64, 48),
    ticks: Sequence[int] = range(6),
    time_base: Fraction = Fraction(1, 30),
    setup: Setup | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
    sound: bool = False,
) -> Path:
    """A video whose frame i has the time stamp ticks[i]."""
    width, height = size
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = time_base
        if setup:
            setup(stream)
        if sound:
            output.add_stream("aac", rate=48000)
        for index, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(picture(index, width, height), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = tick, time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if sound:
            _write_silence(output)
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        output.add_stream("aac", rate=48000)
        _write_silence(output)
    return path


def _write_silence(output: Any) -> None:
    stream = output.streams.audio[0]
    for index in range(4):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, index * 1024
        output.mux(stream.encode(frame))
    output.mux(stream.encode())


@contextmanager
def web_server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on the loopback; yields its address. `answer` serves one GET."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the reader hung up

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, kind: str = "application/octet-stream") -> None:
    """The whole body as one 200 answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
