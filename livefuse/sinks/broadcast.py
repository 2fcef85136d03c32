"""The process behind a StreamSink: `python -m livefuse.sinks.broadcast`, spoken to as `wire` says."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from fractions import Fraction
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError, ProtocolNotFoundError

from livefuse.errors import SinkError
from livefuse.frame import U8, HostFrame, plane_shapes
from livefuse.sinks.encoder import EncoderSettings, VideoEncoder, encoder_name
from livefuse.sinks.wire import HEADER, Job

_TIME_BASE = Fraction(1, 90_000)
_ORPHAN_S = 8.0  # the sink ends this process sooner; this is for when the sink itself has died
_CONTAINERS = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "srt": "mpegts", "udp": "mpegts"}
_TS_PACKETS_BYTES = 1316  # seven TS packets: fits an Ethernet frame


class _Watchdog:
    """Ends the process when FFmpeg hangs, which no Python thread could: PyAV holds the lock while it connects."""

    def __init__(self) -> None:
        self._void = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the process lives

    def __enter__(self) -> None:
        faulthandler.dump_traceback_later(_ORPHAN_S, exit=True, file=self._void)

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the session's business
    commands, replies = BufferedReader(FileIO(sys.stdin.fileno(), closefd=False)), sys.stdout.buffer
    try:
        _say(replies, "started")
        line = commands.readline()
        if line:
            _broadcast(Job.from_line(line), commands, replies)
            _say(replies, "closed")
    except (SinkError, FFmpegError, OSError, ValueError) as error:
        _say(replies, "error " + json.dumps(_fault(error)))
    os._exit(0)  # a container that failed would try to send its trailer once more


def _broadcast(job: Job, commands: BufferedReader[FileIO], replies: BinaryIO) -> None:
    watchdog = _Watchdog()
    with watchdog:
        container, encoder = _connect(job)
    _say(replies, "ready")
    planes = tuple(np.empty(s, np.uint8) for s in plane_shapes(job.info.format, job.info.height, job.info.width))
    last = -1
    while (header := commands.read(HEADER.size)) and all(_fill(commands, plane) for plane in planes):
        pts_ns, duration_ns = HEADER.unpack(header)
        frame = HostFrame(planes, job.info.format, job.info.width, job.info.height, colour=job.info.colour)
        last = max(last + 1, _ticks(pts_ns))
        with watchdog:
            container.mux(encoder.encode(frame, last, max(1, _ticks(duration_ns))))
        _say(replies, "ok")
    with watchdog:
        container.mux(encoder.flush())
        container.close()


def _connect(job: Job) -> tuple[OutputContainer, VideoEncoder]:
    scheme = job.url.partition(":")[0]
    url = job.url
    if scheme == "udp" and "pkt_size=" not in url:
        url += f"{'&' if '?' in url else '?'}pkt_size={_TS_PACKETS_BYTES}"
    muxer = {"flush_packets": "1"}
    if scheme == "rtsp":
        muxer["rtsp_transport"] = job.rtsp_transport
    if _CONTAINERS[scheme] == "flv":
        muxer["flvflags"] = "no_duration_filesize"  # they are written by seeking back
    if _CONTAINERS[scheme] == "mpegts":
        muxer["max_delay"] = "0"
    container = av.open(url, "w", format=_CONTAINERS[scheme], container_options=muxer)
    encoder = VideoEncoder(container, job.info, _settings(job))
    container.start_encoding()
    return container, encoder


def _settings(job: Job) -> EncoderSettings:
    options = {"maxrate": str(job.bitrate), "bufsize": str(job.bitrate)}
    if encoder_name(job.codec) in ("libx264", "libx265"):
        options |= {"preset": job.preset, "tune": "zerolatency"}
    return EncoderSettings(job.codec, _TIME_BASE, options, bits_per_second=job.bitrate, gop=job.gop, low_latency=True)


def _fill(commands: BufferedReader[FileIO], plane: U8) -> bool:
    return commands.readinto(plane.data.cast("B")) == plane.nbytes


def _ticks(ns: int) -> int:
    return round(Fraction(ns, 1_000_000_000) / _TIME_BASE)


def _say(replies: BinaryIO, line: str) -> None:
    replies.write(line.encode() + b"\n")
    replies.flush()


def _fault(error: Exception) -> dict[str, str]:
    if isinstance(error, SinkError):
        return {"kind": "unwritable", "message": error.message, "hint": error.hint}
    if isinstance(error, ProtocolNotFoundError):
        hint = "this FFmpeg was built without it; rtmp, rtsp and udp work"
        return {"kind": "unwritable", "message": "no such protocol here", "hint": hint}
    words = getattr(error, "strerror", None) or str(error)
    kind = "lost" if isinstance(error, FFmpegError | OSError) else "unwritable"
    return {"kind": kind, "message": words, "hint": "check that the server is up and takes this stream"}


if __name__ == "__main__":
    main()
