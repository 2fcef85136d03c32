"""Sound as WebRTC carries it: 48 kHz stereo in packets of 20 ms, each encoded once for all viewers.

Source: RFC 7587 (RTP payload for Opus; its clock is 48 kHz whatever the sound's own rate).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.packet import Packet

I16 = npt.NDArray[np.int16]

HZ = 48_000
CHANNELS = 2
PACKET_SAMPLES = 960
PACKET_NS = PACKET_SAMPLES * 1_000_000_000 // HZ
TIME_BASE = Fraction(1, HZ)
_BITS_PER_SECOND = 96_000
_WAITING_PACKETS = 5


class OpusEncoder:
    """Makes one packet of each 20 ms; it carries the last 6.5 ms of the ones before, so it is never started over."""

    def __init__(self) -> None:
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, AudioCodecContext)
        context.bit_rate, context.sample_rate, context.time_base = _BITS_PER_SECOND, HZ, TIME_BASE
        context.format, context.layout = "s16", "stereo"
        context.options = {"application": "audio", "frame_duration": "20"}
        self._context = context
        self._count = 0

    def encode(self, samples: I16, pts: int) -> Packet[Any]:
        """Shapes: samples (960, 2). `pts` is in samples, and may jump where nothing was sent."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = HZ, TIME_BASE, self._count
        self._count += PACKET_SAMPLES
        (packet,) = self._context.encode(frame)
        packet.pts, packet.time_base = pts, TIME_BASE
        return packet


class Stereo:
    """Decoded frames of any kind as 48 kHz stereo."""

    def __init__(self) -> None:
        self._resampler = AudioResampler("s16", "stereo", HZ)
        self._kind = ("", "", 0)

    def of(self, frame: av.AudioFrame) -> I16:
        """Shapes: (n, 2); a resampler may hold some back at first."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind == ("s16", "stereo", HZ):
            return _array(frame)
        if kind != self._kind:
            self._resampler, self._kind = AudioResampler("s16", "stereo", HZ), kind
        parts = [_array(even) for even in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty((0, CHANNELS), np.int16)


class OpusTrack(MediaStreamTrack):
    """One viewer's sound. A viewer whose connection is slow loses the oldest packets."""

    kind = "audio"

    def __init__(self, ended: Callable[[OpusTrack], None]) -> None:
        super().__init__()
        self.dropped = 0
        self._ended = ended
        self._packets: deque[Packet[Any]] = deque(maxlen=_WAITING_PACKETS)
        self._changed = asyncio.Event()

    def push(self, packet: Packet[Any]) -> None:
        self.dropped += len(self._packets) == _WAITING_PACKETS
        self._packets.append(packet)
        self._changed.set()

    def clear(self) -> None:
        """Send nothing of what waits."""
        self._packets.clear()

    async def recv(self) -> Packet[Any]:
        """The next packet, encoded already: aiortc only wraps it."""
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._changed.clear()
            await self._changed.wait()
        return self._packets.popleft()

    def stop(self) -> None:
        if self.readyState == "live":
            super().stop()
            self._packets.clear()
            self._changed.set()
            self._ended(self)


def _array(frame: av.AudioFrame) -> I16:
    return np.asarray(frame.to_ndarray(), np.int16).reshape(-1, CHANNELS)
