"""Live network outputs: RTMP, RTSP, SRT and MPEG-TS over UDP.

Outputs with equal settings share one encoder (`shared`). Each sends in a process of its own (`broadcast`), because PyAV
holds Python's lock while FFmpeg connects and gives no way to set a time limit on it: a server that accepts and then says
nothing would freeze the whole session for good (seen with PyAV 18.1: RTMP, `rw_timeout` set). A process can be waited
for with a limit and be ended.
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

from av.error import FFmpegError

from livefuse.config import OutputConfig
from livefuse.errors import SinkLost, SinkUnwritable
from livefuse.frame import HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.encoder import EncoderSettings, encoder_name
from livefuse.sinks.shared import TIME_BASE, Encoded, Encoders, Seat
from livefuse.sinks.url import SinkUrl, bits_per_second
from livefuse.sinks.wire import HEADER, Job
from livefuse.source.url import masked

STALL_S = 5.0
_START_S = 30.0  # imports of the new process, on a machine that may be busy
_GOP_S = 2.0
_BITS_PER_PIXEL = 0.1  # H.264 at superfast: 1280x720@30 -> 2.8 Mb/s
_LEAST_BITRATE, _MOST_BITRATE = 300_000, 12_000_000


class StreamSink:
    """Sends to one server. After `abort` it can be opened again: the session does so when the server was lost.

    `encoders` are the session's; without them the sink has an encoder of its own.
    """

    def __init__(
        self,
        url: str,
        output: OutputConfig | None = None,
        options: Mapping[str, str] | None = None,
        encoders: Encoders | None = None,
    ) -> None:
        self.url = url
        self.name = f"{urlsplit(url).scheme}:{urlsplit(url).hostname}"
        self._shown = masked(url)
        self._output = output or OutputConfig()
        self._options = dict(options or {})
        self._encoders = Encoders() if encoders is None else encoders
        self._seat: Seat | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.Queue[str] = queue.Queue()

    @classmethod
    def from_url(cls, url: SinkUrl, output: OutputConfig, encoders: Encoders | None = None) -> StreamSink:
        return cls(url.address, output, url.options, encoders)

    def open(self, info: StreamInfo) -> None:
        """Connect. Raises: SinkLost when the server cannot be reached within STALL_S; SinkUnwritable when the codec or
        the protocol is not there at all."""
        self.abort()
        settings = live_settings(info, self._output, self._options)
        self._seat = self._join(info, settings)
        self._process = _start_process()
        self._replies = queue.Queue()
        if self._process.stdout is not None:
            threading.Thread(
                target=_collect, args=(self._process.stdout, self._replies), name=f"{self.name} replies", daemon=True
            ).start()
        self._expect("started", _START_S)
        transport = self._options.get("rtsp_transport", "tcp")
        job = Job(self.url, self._seat.encoder.head, info.fps, settings.bits_per_second, transport)
        self._send(job.to_line())
        self._expect("ready", STALL_S)
        self._seat.sit_down()

    def write(self, frame: HostFrame) -> None:
        if self._seat is None:
            raise SinkLost(f"{self._shown} is not connected", hint="open the sink before writing to it")
        try:
            self._seat.push(frame)
        except FFmpegError as error:
            self.abort()
            hint = "it is opened anew; choose another with ?vcodec= if it fails again"
            raise SinkLost(f"{self._shown}: the encoder failed: {error}", hint=hint) from error
        self._send_waiting(self._seat)

    def _join(self, info: StreamInfo, settings: EncoderSettings) -> Seat:
        try:
            return self._encoders.join(info, settings)
        except (FFmpegError, ValueError) as error:
            hint = "choose another with ?vcodec=, or let ?preset= and ?tune= be"
            raise SinkUnwritable(f"{self._shown}: the encoder does not open: {error}", hint=hint) from error

    def _send_waiting(self, seat: Seat) -> None:
        while (packet := seat.take()) is not None:
            self._send(_header(packet), packet.data)
            self._expect("ok", STALL_S)

    def close(self) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            if self._seat is not None:
                self._seat.finish()
                self._send_waiting(self._seat)
            process.stdin.close()
            self._expect("closed", STALL_S)
        except OSError as error:
            raise SinkLost(f"{self._shown}: {error.strerror}", hint="the end of the stream may be missing") from error
        finally:
            self.abort()

    def abort(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.leave()
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # bytes that the ended process did not take
                process.stdin.close()

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


def live_settings(info: StreamInfo, output: OutputConfig, options: Mapping[str, str]) -> EncoderSettings:
    """How to encode for a network, by the sink URL's `options` over `output`. Raises: SinkUnwritable."""
    codec = options.get("vcodec") or output.codec
    said = options.get("b") or output.bitrate
    bitrate = bits_per_second(said) if said else default_bitrate(info)
    private = _private_options(encoder_name(codec), info, bitrate, options)
    gop = int(options.get("g") or max(1, round(_GOP_S * info.fps)))
    threads = int(options.get("threads", 0))
    return EncoderSettings(
        codec, TIME_BASE, private, bits_per_second=bitrate, gop=gop, low_latency=True, threads=threads
    )


def _private_options(encoder: str, info: StreamInfo, bitrate: int, options: Mapping[str, str]) -> dict[str, str]:
    """What makes this encoder hold nothing back, and start anew where it is asked to."""
    limit = {"maxrate": str(bitrate), "bufsize": str(bitrate)}
    if encoder in ("libx264", "libx265"):
        preset = "superfast" if info.width * info.height <= 1280 * 720 else "ultrafast"
        speed = {"preset": options.get("preset") or preset, "tune": options.get("tune") or "zerolatency"}
        return limit | speed | {"forced-idr": "1"}  # a key frame at which decoders may begin
    if encoder == "libsvtav1":  # it takes no maximum
        return {"preset": options.get("preset") or "11", "svtav1-params": "pred-struct=1:rc=2:lookahead=0"}
    if encoder in ("libvpx", "libvpx-vp9"):
        return limit | {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    return limit


def default_bitrate(info: StreamInfo) -> int:
    """Bits per second by size and rate, within what servers take."""
    wanted = float(info.width * info.height * info.fps) * _BITS_PER_PIXEL
    return round(min(_MOST_BITRATE, max(_LEAST_BITRATE, wanted)))


def _header(packet: Encoded) -> bytes:
    return HEADER.pack(packet.pts, packet.dts, packet.duration, len(packet.data), packet.is_key)


def _start_process() -> subprocess.Popen[bytes]:
    """The job goes through the pipe, not the command line: addresses hold stream keys, and `ps` shows arguments."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    return subprocess.Popen(
        [sys.executable, "-m", "livefuse.sinks.broadcast"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def _collect(stdout: IO[bytes], replies: queue.Queue[str]) -> None:
    with stdout:
        for line in stdout:
            replies.put(line.decode().strip())
    replies.put("ended")
