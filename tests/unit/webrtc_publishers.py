"""A publisher in this process: aiortc as it ships, sending a plain colour and a tone."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from livefuse.clock import MonotonicClock
from livefuse.daemon_config import WebRtcConfig
from livefuse.webrtc.inlet import Inlet
from livefuse.webrtc.peer import Peer

RED, GREEN, GREY = (81, 90, 240), (145, 54, 34), (128, 128, 128)  # Y, U, V of BT.601, limited range
FPS = 30


class Picture(MediaStreamTrack):
    """A picture of one colour, each 1/30 s."""

    kind = "video"

    def __init__(self, width: int, height: int, colour: tuple[int, int, int] = RED) -> None:
        super().__init__()
        self.size, self.colour = (width, height), colour
        self._start_s, self._count = time.monotonic(), 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._count += 1
        await asyncio.sleep(self._start_s + self._count / FPS - time.monotonic())
        frame = av.VideoFrame(*self.size, "yuv420p")
        for plane, value in zip(frame.planes, self.colour, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = round((time.monotonic() - self._start_s) * 90_000), Fraction(1, 90_000)
        return frame


class Tone(MediaStreamTrack):
    """A tone, 20 ms at a time. `loud` switches it on; until then it is silence."""

    kind = "audio"

    def __init__(self, *, loud: bool = True, hertz: int = 1000) -> None:
        super().__init__()
        self.loud, self._hertz = loud, hertz
        self._start_s, self._count = time.monotonic(), 0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._count += 1
        await asyncio.sleep(self._start_s + self._count * 0.02 - time.monotonic())
        at = np.arange(self._count * 960, self._count * 960 + 960)
        wave = np.sin(2 * math.pi * self._hertz * at / 48_000) * (12_000 if self.loud else 0)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave.astype(np.int16), 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), int(at[0])
        return frame


_open: list[RTCPeerConnection] = []


def connection() -> RTCPeerConnection:
    made = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    _open.append(made)
    return made


@asynccontextmanager
async def inlet_of(**settings: Any) -> AsyncIterator[Inlet]:
    """An inlet; it and every connection of the test are closed at the end, however it ends."""
    inlet = Inlet("live", WebRtcConfig.model_validate(settings), MonotonicClock())
    try:
        yield inlet
    finally:
        await inlet.close()
        await close_all()


async def close_all() -> None:
    while _open:
        await _open.pop().close()


async def publish(inlet: Inlet, *tracks: MediaStreamTrack) -> tuple[RTCPeerConnection, Peer]:
    """Publish the tracks; both sides, connected."""
    client = connection()
    for track in tracks:
        client.addTrack(track)
    await client.setLocalDescription(await client.createOffer())
    peer = await inlet.publish(client.localDescription.sdp)
    await client.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
    await until(lambda: inlet.connected)
    return client, peer


async def until(true: Callable[[], bool], limit_s: float = 15) -> None:
    """Wait for a condition, for a bounded time."""
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.01)


def unplug(client: RTCPeerConnection) -> None:
    """Its network is gone: nothing more leaves, and nobody is told."""
    ice: Any = client.getTransceivers()[0].receiver.transport.transport._connection
    for protocol in ice._protocols:
        protocol.transport.sendto = lambda *_: None
