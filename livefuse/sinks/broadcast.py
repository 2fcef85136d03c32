"""The process behind a StreamSink: `python -m livefuse.sinks.broadcast`, spoken to as `wire` says. It only muxes."""

from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import sys
from fractions import Fraction
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import OutputContainer
from av.error import FFmpegError, ProtocolNotFoundError
from av.packet import Packet
from av.video.stream import VideoStream

from livefuse.sinks.wire import HEADER, Job

_TIME_BASE = Fraction(1, 90_000)
_ORPHAN_S = 8.0  # the sink ends this process sooner; this is for when the sink itself has died
_CONTAINERS = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "srt": "mpegts", "udp": "mpegts"}
_TS_PACKETS_BYTES = 1316  # seven TS packets: fits an Ethernet frame
_START_CODES = (b"\0\0\1", b"\0\0\0")


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
    except (FFmpegError, OSError, ValueError) as error:
        _say(replies, "error " + json.dumps(_fault(error)))
    os._exit(0)  # a container that failed would try to send its trailer once more


def _broadcast(job: Job, commands: BufferedReader[FileIO], replies: BinaryIO) -> None:
    watchdog = _Watchdog()
    with watchdog:
        container, stream = _connect(job)
    _say(replies, "ready")
    repeated = _parameter_sets(container, stream)
    while len(header := commands.read(HEADER.size)) == HEADER.size:
        pts, dts, duration, size_bytes, is_key = HEADER.unpack(header)
        data = commands.read(size_bytes)
        if len(data) < size_bytes:
            break
        packet = _packet(repeated + data if is_key else data, stream)
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, is_key
        with watchdog:
            container.mux(packet)
        _say(replies, "ok")
    with watchdog:
        container.close()


def _connect(job: Job) -> tuple[OutputContainer, VideoStream]:
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
    stream = _stream(container, job)
    container.start_encoding()
    return container, stream


def _stream(container: OutputContainer, job: Job) -> VideoStream:
    """A copy of the stream that `job.head` describes."""
    with av.open(io.BytesIO(job.head), format="nut") as head:
        stream = container.add_stream_from_template(head.streams.video[0], opaque=True)
    stream.time_base = _TIME_BASE
    stream.codec_context.framerate = job.fps
    stream.codec_context.bit_rate = job.bitrate
    return stream


def _parameter_sets(container: OutputContainer, stream: VideoStream) -> bytes:
    """What must go before every key frame, because MPEG-TS has no other place for it: who tunes in later needs it."""
    known = stream.codec_context.extradata or b""
    return known if container.format.name == "mpegts" and known.startswith(_START_CODES) else b""


def _packet(data: bytes, stream: VideoStream) -> Packet[Any]:
    packet: Packet[Any] = Packet(data)
    packet.stream, packet.time_base = stream, _TIME_BASE
    return packet


def _say(replies: BinaryIO, line: str) -> None:
    replies.write(line.encode() + b"\n")
    replies.flush()


def _fault(error: Exception) -> dict[str, str]:
    if isinstance(error, ProtocolNotFoundError):
        hint = "this FFmpeg was built without it; rtmp, rtsp and udp work"
        return {"kind": "unwritable", "message": "no such protocol here", "hint": hint}
    words = getattr(error, "strerror", None) or str(error)
    kind = "lost" if isinstance(error, FFmpegError | OSError) else "unwritable"
    return {"kind": kind, "message": words, "hint": "check that the server is up and takes this stream"}


if __name__ == "__main__":
    main()
