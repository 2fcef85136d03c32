"""Live network outputs: RTMP, RTSP, SRT and MPEG-TS over UDP.

Encoding and sending happen in a process of their own (`broadcast`), because PyAV holds Python's lock while FFmpeg
connects and gives no way to set a time limit on it: a server that accepts and then says nothing would freeze the whole
session for good (seen with PyAV 18.1: RTMP, `rw_timeout` set). A process can be waited for with a limit and be ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np

from livefuse.config import OutputConfig
from livefuse.errors import SinkLost, SinkUnwritable
from livefuse.frame import HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.url import SinkUrl, bits_per_second
from livefuse.sinks.wire import HEADER, Job
from livefuse.source.url import masked

STALL_S = 5.0
_START_S = 30.0  # imports of the new process, on a machine that may be busy
_GOP_S = 2.0
_BITS_PER_PIXEL = 0.1  # H.264 at superfast: 1280x720@30 -> 2.8 Mb/s
_LEAST_BITRATE, _MOST_BITRATE = 300_000, 12_000_000
_PIPE_BYTES = 1 << 20


class StreamSink:
    """Sends to one server. After `abort` it can be opened again: the session does so when the server was lost."""

    def __init__(self, url: str, output: OutputConfig | None = None, options: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.name = f"{urlsplit(url).scheme}:{urlsplit(url).hostname}"
        self._shown = masked(url)
        self._output = output or OutputConfig()
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.Queue[str] = queue.Queue()
        self._first_ns: int | None = None

    @classmethod
    def from_url(cls, url: SinkUrl, output: OutputConfig) -> StreamSink:
        return cls(url.address, output, url.options)

    def open(self, info: StreamInfo) -> None:
        """Connect. Raises: SinkLost when the server cannot be reached within STALL_S; SinkUnwritable when the codec or
        the protocol is not there at all."""
        self.abort()
        self._first_ns = None
        self._process = _start_process()
        self._replies = queue.Queue()
        if self._process.stdout is not None:
            threading.Thread(
                target=_collect, args=(self._process.stdout, self._replies), name=f"{self.name} replies", daemon=True
            ).start()
        self._expect("started", _START_S)
        self._send(self._job(info).to_line())
        self._expect("ready", STALL_S)

    def write(self, frame: HostFrame) -> None:
        if self._first_ns is None:
            self._first_ns = frame.pts_ns
        self._send(
            HEADER.pack(frame.pts_ns - self._first_ns, frame.duration_ns),
            *(np.ascontiguousarray(plane).data.cast("B") for plane in frame.planes),
        )
        self._expect("ok", STALL_S)

    def close(self) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.close()
            self._expect("closed", STALL_S)
        except OSError as error:
            raise SinkLost(f"{self._shown}: {error.strerror}", hint="the end of the stream may be missing") from error
        finally:
            self.abort()

    def abort(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # bytes that the ended process did not take
                process.stdin.close()

    def _job(self, info: StreamInfo) -> Job:
        options = self._options
        bitrate = options.get("b") or self._output.bitrate
        preset = options.get("preset") or ("superfast" if info.width * info.height <= 1280 * 720 else "ultrafast")
        return Job(
            url=self.url,
            info=info,
            codec=options.get("vcodec") or self._output.codec,
            preset=preset,
            bitrate=bits_per_second(bitrate) if bitrate else default_bitrate(info),
            gop=int(options.get("g") or max(1, round(_GOP_S * info.fps))),
            rtsp_transport=options.get("rtsp_transport", "tcp"),
        )

    def _send(self, *parts: bytes | memoryview) -> None:
        if self._process is None or self._process.stdin is None:
            raise SinkLost(f"{self._shown} is not connected", hint="open the sink before writing to it")
        try:
            for part in parts:
                self._process.stdin.write(part)
            self._process.stdin.flush()
        except OSError as error:
            self._expect("nothing more", STALL_S)
            raise SinkLost(f"{self._shown}: the sender ended", hint="it is started again by itself") from error

    def _expect(self, word: str, limit_s: float) -> None:
        """Wait for a reply. Anything else ends the process and is an error."""
        try:
            reply = self._replies.get(timeout=limit_s)
        except queue.Empty:
            self.abort()
            hint = "check the address and the network; the session tries again by itself"
            raise SinkLost(f"{self._shown} gave no answer within {limit_s:g} s", hint=hint) from None
        if reply == word:
            return
        self.abort()
        if reply.startswith("error "):
            fault = json.loads(reply.removeprefix("error "))
            kind = SinkUnwritable if fault["kind"] == "unwritable" else SinkLost
            raise kind(f"{self._shown}: {fault['message']}", hint=fault["hint"])
        raise SinkLost(f"{self._shown}: the sender ended", hint="the session tries again by itself")


def default_bitrate(info: StreamInfo) -> int:
    """Bits per second by size and rate, within what servers take."""
    wanted = float(info.width * info.height * info.fps) * _BITS_PER_PIXEL
    return round(min(_MOST_BITRATE, max(_LEAST_BITRATE, wanted)))


def _start_process() -> subprocess.Popen[bytes]:
    """The job goes through the pipe, not the command line: addresses hold stream keys, and `ps` shows arguments."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    process = subprocess.Popen(
        [sys.executable, "-m", "livefuse.sinks.broadcast"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    if sys.platform == "linux" and process.stdin is not None:
        import fcntl

        with contextlib.suppress(OSError):  # refused beyond the user's quota; only speed is lost
            fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process


def _collect(stdout: IO[bytes], replies: queue.Queue[str]) -> None:
    with stdout:
        for line in stdout:
            replies.put(line.decode().strip())
    replies.put("ended")
