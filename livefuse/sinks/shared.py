"""One encode for all live outputs of a session whose settings are equal.

It runs in the session's own process, on the thread of whichever output brings a frame first: PyAV lets go of Python's lock
while it encodes, and a pipe to a process of its own would cost two more copies of every raw frame (720p: 1.4 MB).
"""

from __future__ import annotations

import io
import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet

from livefuse.frame import SLATE_SCENE, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.encoder import EncoderSettings, VideoEncoder

TIME_BASE = Fraction(1, 90_000)
MOST_WAITING = 64
"""Packets kept for an output that does not take them; with one more, it starts over at a key frame."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A packet in TIME_BASE ticks since the encoder's first frame."""

    pts: int
    dts: int
    duration: int
    is_key: bool
    data: bytes


class Encoders:
    """The encoders of one session; never share it between sessions, as equal settings share pictures. Thread-safe."""

    def __init__(self) -> None:
        self._running: dict[tuple[object, ...], SharedEncoder] = {}
        self._changing = threading.Lock()

    def join(self, info: StreamInfo, settings: EncoderSettings) -> Seat:
        """A place at the encoder for these settings, which is opened by the first who comes. Raises: SinkUnwritable."""
        key = _key(info, settings)
        with self._changing:
            encoder = self._running.get(key)
            if encoder is None or encoder.broken:
                encoder = self._running[key] = SharedEncoder(info, settings)
            seat = Seat(encoder, self)
            encoder.seats = (*encoder.seats, seat)
            return seat

    def __len__(self) -> int:
        return len(self._running)

    def leave(self, seat: Seat) -> None:
        with self._changing:
            encoder = seat.encoder
            encoder.seats = tuple(other for other in encoder.seats if other is not seat)
            if not encoder.seats:
                self._forget(encoder)

    def is_last(self, seat: Seat) -> bool:
        """Whether nobody else uses this seat's encoder; if so, nobody will."""
        with self._changing:
            last = seat.encoder.seats == (seat,)
            if last:
                self._forget(seat.encoder)
            return last

    def _forget(self, encoder: SharedEncoder) -> None:
        self._running = {key: other for key, other in self._running.items() if other is not encoder}


class SharedEncoder:
    """Encodes each frame once, however many bring it, and deals the packets out to the seats."""

    def __init__(self, info: StreamInfo, settings: EncoderSettings) -> None:
        self.seats: tuple[Seat, ...] = ()
        self.broken = False
        self.frames = 0
        self._encoding = threading.Lock()
        self._wants_key = self._key_coming = False
        self._first_ns: int | None = None
        self._last_ns, self._last_tick = -1, -1
        self._scene: int | None = None
        self._container = av.open(head := io.BytesIO(), "w", format="nut", container_options={"flush_packets": "1"})
        self._encoder = VideoEncoder(self._container, info, settings)
        self._container.start_encoding()
        self._container.mux(_stand_in(self._encoder))
        self.head = head.getvalue()
        """The coded stream's description (codec, size, parameter sets) as the beginning of a NUT file: a container that
        takes any codec and keeps it as the encoder made it, so that a muxer elsewhere can copy a stream from it."""

    def want_key(self) -> None:
        """Make the next frame a key frame."""
        self._wants_key = True

    def push(self, frame: HostFrame) -> None:
        """Encode the frame, unless another seat has brought it already."""
        with self._encoding:
            if frame.pts_ns <= self._last_ns:
                return
            if self._first_ns is None:
                self._first_ns = frame.pts_ns
            self._last_ns = frame.pts_ns
            self._last_tick = max(self._last_tick + 1, _ticks(frame.pts_ns - self._first_ns))
            self._look_for_cut(frame)
            key = self._wants_key and not self._key_coming  # encoders with a delay are asked once
            self._key_coming |= key
            self._wants_key = False
            try:
                duration = max(1, _ticks(frame.duration_ns))
                packets = self._encoder.encode(frame, self._last_tick, duration, key=key)
            except BaseException:
                self.broken = True
                raise
            self.frames += 1
            self._deal(packets)

    def _look_for_cut(self, frame: HostFrame) -> None:
        """A slate in place of pictures held back: of these, nothing that a slow server has not taken yet is sent."""
        if frame.scene != self._scene is not None and frame.scene == SLATE_SCENE:
            for seat in self.seats:
                seat.start_over()
        self._wants_key |= frame.scene != self._scene
        self._scene = frame.scene

    def flush(self) -> None:
        """Deal out what the encoder still holds; nothing can be pushed afterwards."""
        with self._encoding:
            self._deal(self._encoder.flush())

    def _deal(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            pts = packet.pts or 0
            dts = pts if packet.dts is None else packet.dts
            encoded = Encoded(pts, dts, packet.duration or 0, packet.is_keyframe, bytes(packet))
            self._key_coming &= not encoded.is_key
            for seat in self.seats:
                seat.put(encoded)


class Seat:
    """One output's place at an encoder: it gets the packets from a key frame on, with times that begin at 0.

    Used by the output's thread; `put` by whichever thread encodes.
    """

    def __init__(self, encoder: SharedEncoder, encoders: Encoders) -> None:
        self.encoder = encoder
        self._encoders = encoders
        self._waiting: deque[Encoded] = deque()
        self._sitting = False
        self._needs_key = True
        self._first: int | None = None

    def sit_down(self) -> None:
        """Take part from the next frame on, which will be a key frame. Before that there is nothing to take: it would be
        old by the time the server has answered."""
        self._sitting = True
        self.encoder.want_key()

    def push(self, frame: HostFrame) -> None:
        """Have the frame encoded. Raises: av.FFmpegError when the encoder fails."""
        if self._needs_key:
            self.encoder.want_key()
        self.encoder.push(frame)

    def put(self, packet: Encoded) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.start_over()
        if not self._sitting or (self._needs_key and not packet.is_key):
            return
        self._needs_key = False
        self._waiting.append(packet)

    def start_over(self) -> None:
        """Drop what waits; the next packet to be taken is a key frame."""
        self._waiting.clear()
        self._needs_key = True

    def take(self) -> Encoded | None:
        """The next packet, if there is one."""
        try:
            packet = self._waiting.popleft()
        except IndexError:
            return None
        if self._first is None:
            self._first = packet.pts
        return Encoded(packet.pts - self._first, packet.dts - self._first, packet.duration, packet.is_key, packet.data)

    def finish(self) -> None:
        """The last one gets what the encoder still holds; the others' encoder goes on."""
        if self._sitting and not self.encoder.broken and self._encoders.is_last(self):
            self.encoder.flush()

    def leave(self) -> None:
        self._encoders.leave(self)


def _stand_in(encoder: VideoEncoder) -> Packet[Any]:
    """A file ends its description where the first packet begins, so there must be one; nobody decodes it."""
    packet: Packet[Any] = Packet(b"\0")
    packet.stream = encoder.stream
    packet.pts = packet.dts = 0
    packet.time_base, packet.is_keyframe = TIME_BASE, True
    return packet


def _key(info: StreamInfo, settings: EncoderSettings) -> tuple[object, ...]:
    s = settings
    options = tuple(sorted(s.options.items()))
    return info, s.codec, s.time_base, options, s.bits_per_second, s.gop, s.low_latency, s.threads, s.sample_aspect


def _ticks(ns: int) -> int:
    return round(Fraction(ns, 1_000_000_000) / TIME_BASE)
