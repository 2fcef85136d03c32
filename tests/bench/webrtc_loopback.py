"""Two WebRTC peers in one process, without a browser: from a frame's hand-over to the broadcast to the decoded picture.

    python -m tests.bench.webrtc_loopback [--size 1280x720] [--fps 30] [--seconds 20] [--codec h264] [--clip FILE] [--shipped]

Every picture carries its number as black and white blocks. `--shipped` measures aiortc as it is afterwards, with the same
pictures: its VideoStreamTrack, its encoder, its jitter buffer, its queue.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from av.video.frame import VideoFrame

from livefuse.bench.clip import ClipSource
from livefuse.clock import MonotonicClock
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import U8, Colour, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.receiving import fast_receiver

_BLOCK_PX, _BITS = 16, 16
_HELD = 60


class Meter:
    """When each numbered picture went in, and when it came out."""

    def __init__(self) -> None:
        self.sent_s: dict[int, float] = {}
        self.took_ms: dict[int, float] = {}

    def sent(self, number: int) -> None:
        self.sent_s[number] = time.monotonic()

    def received(self, frame: VideoFrame) -> None:
        now_s = time.monotonic()
        plane = frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        number = read_number(luma)
        if number in self.sent_s and number not in self.took_ms:
            self.took_ms[number] = (now_s - self.sent_s[number]) * 1e3

    def record(self, skip: int) -> dict[str, Any]:
        """Without the first pictures, which fall into the connection's beginning."""
        wanted = [number for number in self.sent_s if number >= skip]
        took = np.array([self.took_ms[number] for number in wanted if number in self.took_ms])
        if not len(took):
            return {"sent": len(wanted), "shown": 0}
        p50, p95, p99 = np.percentile(took, [50, 95, 99])
        values = {"p50": p50, "p95": p95, "p99": p99, "max": took.max()}
        return {"sent": len(wanted), "shown": len(took), "ms": {key: round(float(v), 2) for key, v in values.items()}}


def write_number(luma: U8, number: int) -> None:
    for bit in range(_BITS):
        luma[:_BLOCK_PX, bit * _BLOCK_PX : (bit + 1) * _BLOCK_PX] = 235 if number >> bit & 1 else 16


def read_number(luma: U8) -> int:
    blocks = luma[4 : _BLOCK_PX - 4, : _BITS * _BLOCK_PX].reshape(-1, _BITS, _BLOCK_PX).mean(axis=(0, 2))
    return sum(1 << bit for bit in range(_BITS) if blocks[bit] > 128)


def pictures(clip: Path | None, width: int, height: int) -> list[HostFrame]:
    """A moving person: a clip there and back, or the synthetic source."""
    frames = _decoded(clip, width, height) if clip else _synthetic(width, height)
    return frames + frames[-2:0:-1]


def _decoded(clip: Path, width: int, height: int) -> list[HostFrame]:
    frames: list[HostFrame] = []
    with av.open(str(clip)) as container:
        for decoded in container.decode(video=0):
            scaled = decoded.reformat(width, height, "yuv420p")
            planes = []
            for plane in scaled.planes:
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                planes.append(rows[:, : plane.width].copy())
            frames.append(HostFrame(tuple(planes), "yuv420p", width, height))
            if len(frames) == _HELD:
                break
    return frames


def _synthetic(width: int, height: int) -> list[HostFrame]:
    source = ClipSource(width, height, _HELD)
    return list(iter(source.read, None))


async def ours(frames: list[HostFrame], fps: int, seconds: float, codec: str) -> dict[str, Any]:
    """Frames into a Broadcast's sink, out of a receiver made fast."""
    meter, broadcast = Meter(), Broadcast("bench", WebRtcConfig.model_validate({"codec": codec}), MonotonicClock())
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = client.addTransceiver("video", direction="recvonly").receiver
    client.on("track", lambda _: fast_receiver(receiver, lambda frame, _: meter.received(frame)))
    await client.setLocalDescription()
    viewer = await broadcast.watch(client.localDescription.sdp)
    await client.setRemoteDescription(RTCSessionDescription(viewer.answer, "answer"))
    await asyncio.sleep(1)
    sink = broadcast.sink()
    sink.open(StreamInfo(frames[0].width, frames[0].height, Fraction(fps), "yuv420p", Colour()))

    def take(number: int) -> None:
        now_ns = time.monotonic_ns()
        frame = replace(frames[number % len(frames)], pts_ns=now_ns, scheduled_ns=now_ns)
        write_number(frame.planes[0], number)
        meter.sent(number)
        sink.write(frame)

    await asyncio.to_thread(_paced, take, fps, seconds)
    await asyncio.sleep(0.5)
    told = broadcast.record()
    await client.close()
    await broadcast.close()
    kept = ("encoder", "target_bitrate", "encode_ms", "keyframes", "encoders_opened", "dropped")
    return meter.record(skip=fps) | {key: told[key] for key in kept} | {"viewer": told["viewers"][0]}


async def shipped(frames: list[HostFrame], fps: int, seconds: float, codec: str) -> dict[str, Any]:
    """aiortc's own ways from end to end."""
    meter = Meter()
    sender, client = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    transceiver = sender.addTransceiver(_Shipped(frames, meter), direction="sendonly")
    known = [held for held in type(transceiver.sender).getCapabilities("video").codecs if held.name.lower() == codec]
    transceiver.setCodecPreferences(known)
    reading: list[asyncio.Task[None]] = []
    client.on("track", lambda track: reading.append(asyncio.ensure_future(_read(track, meter))))
    await sender.setLocalDescription()
    await client.setRemoteDescription(sender.localDescription)
    await client.setLocalDescription()
    await sender.setRemoteDescription(client.localDescription)
    await asyncio.sleep(seconds + 1)
    await sender.close()
    await client.close()
    for task in reading:
        task.cancel()
    return meter.record(skip=fps)


class _Shipped(VideoStreamTrack):
    def __init__(self, frames: list[HostFrame], meter: Meter) -> None:
        super().__init__()
        self._frames, self._meter, self._number = frames, meter, 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = self._frames[self._number % len(self._frames)]
        write_number(frame.planes[0], self._number)
        self._meter.sent(self._number)
        self._number += 1
        picture = VideoFrame(frame.width, frame.height, "yuv420p")
        for plane, held in zip(picture.planes, frame.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            rows[:, : plane.width] = held
        picture.pts, picture.time_base = pts, time_base
        return picture


async def _read(track: RemoteStreamTrack, meter: Meter) -> None:
    while True:
        frame = await track.recv()
        assert isinstance(frame, VideoFrame)
        meter.received(frame)


def _paced(take: Callable[[int], None], fps: int, seconds: float) -> None:
    """Frames when they are due, as a session's sink gets them: on a thread, the newest only."""
    began_s, halt = time.monotonic(), threading.Event()
    for number in range(round(fps * seconds)):
        halt.wait(max(0.0, began_s + number / fps - time.monotonic()))
        if time.monotonic() - began_s < (number + 1) / fps:
            take(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--codec", choices=("h264", "vp8"), default="h264")
    parser.add_argument("--clip", type=Path, help="a clip to show; the synthetic source if none")
    parser.add_argument("--shipped", action="store_true", help="aiortc as it is, too")
    asked = parser.parse_args()
    width, height = (int(part) for part in asked.size.split("x"))
    frames = pictures(asked.clip, width, height)
    result = {"ours": asyncio.run(ours(frames, asked.fps, asked.seconds, asked.codec))}
    if asked.shipped:
        result["shipped"] = asyncio.run(shipped(frames, asked.fps, asked.seconds, asked.codec))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
