"""A viewer made of aiortc, and frames to show it: for tests of the sending side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription

from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import HostFrame, blank_frame
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.peer import Peer, new_connection

LIMIT_S = 20.0


class Watching:
    """One viewer: what it received, and how it complains."""

    def __init__(self, connection: RTCPeerConnection, receiver: RTCRtpReceiver) -> None:
        self.connection = connection
        self.sizes: list[tuple[int, int]] = []
        self.lumas: list[float] = []
        self.halves: list[tuple[float, float]] = []
        self.packets: list[bytes] = []
        self.sounds = 0
        self.peer: Peer | None = None
        self._receiver: Any = receiver
        self.tasks: list[asyncio.Task[None]] = []

    async def picture(self) -> None:
        """Until one more picture was received."""
        seen = len(self.sizes)
        await until(lambda: len(self.sizes) > seen)

    async def ask_for_key(self) -> None:
        await self._receiver._send_rtcp_pli(self.ssrc)

    async def estimate(self, bits_per_second: int) -> None:
        """Send a receiver's estimate of what it can take, as Chrome does (REMB)."""
        from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

        fci = pack_remb_fci(bits_per_second, [self.ssrc])
        packet = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=0, media_ssrc=0, fci=fci)
        await self._receiver._send_rtcp(packet)

    @property
    def ssrc(self) -> int:
        return int.from_bytes(self.packets[-1][8:12], "big")

    async def _read(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            if track.kind == "audio":
                self.sounds += 1
                continue
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            luma = rows[: frame.height, : frame.width]
            self.lumas.append(float(luma.mean()))
            left, right = np.split(luma, [frame.width // 2], axis=1)
            self.halves.append((float(left.mean()), float(right.mean())))
            self.sizes.append((frame.width, frame.height))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def offer_of(connection: RTCPeerConnection) -> str:
    await connection.setLocalDescription()
    return str(connection.localDescription.sdp)


@asynccontextmanager
async def watching(
    broadcast: Broadcast, *, direction: str = "recvonly", sound: bool = False
) -> AsyncIterator[Watching]:
    connection = new_connection(WebRtcConfig(), "0.0.0.0")
    receiver = connection.addTransceiver("video", direction=direction).receiver
    if sound:
        connection.addTransceiver("audio", direction="recvonly")
    watcher = Watching(connection, receiver)
    connection.on("track", lambda track: watcher.tasks.append(asyncio.ensure_future(watcher._read(track))))
    try:
        watcher.peer = await broadcast.watch(await offer_of(connection))
        _listen(receiver.transport, watcher.packets)
        await connection.setRemoteDescription(RTCSessionDescription(watcher.peer.answer, "answer"))
        yield watcher
    finally:
        for task in watcher.tasks:
            task.cancel()
        await asyncio.gather(*watcher.tasks, return_exceptions=True)
        await connection.close()


def _listen(transport: Any, packets: list[bytes]) -> None:
    """Keep every RTP packet as it was before aiortc parsed it."""
    handle = transport._handle_rtp_data

    async def keep(data: bytes, arrival_time_ms: int) -> None:
        packets.append(data)
        await handle(data, arrival_time_ms)

    transport._handle_rtp_data = keep


def picture(number: int, width: int = 320, height: int = 240, luma: int = 120) -> HostFrame:
    """A picture with something moving in it, 1/30 s after the one before."""
    frame = blank_frame("yuv420p", height, width)
    frame.planes[0][...] = luma
    frame.planes[0][40:80, (number * 8) % (width - 40) :][:, :40] = 235
    return HostFrame(frame.planes, "yuv420p", width, height, pts_ns=number * 33_333_333)
