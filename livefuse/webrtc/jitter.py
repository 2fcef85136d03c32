"""From RTP packets to whole frames, without waiting for what is already there.

aiortc's buffer hands a picture on when a packet of the *next* one arrives: a whole frame time late. It also hands on at
most one picture per packet, so that what a hole held up stays late for ever, and it waits for a lost packet until 512
others have come. These buffers go by the marker bit, release all that is complete, and give a hole up in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint32_add

VIDEO_CLOCK_HZ = 90_000
VIDEO_CAPACITY = 1024
"""Packets; more than a key frame and what arrives while its last packet is asked for again."""

PATIENCE_MS = 250
"""How long a hole is waited for: two retransmissions at 100 ms round trip."""

_AUDIO_CAPACITY = 64
_AUDIO_HELD = 3  # later packets that a missing one may hold up; nobody is asked for lost sound again
_HALF = 0x8000
_LATE_IN_A_ROW = 100  # then the sender has started over with other numbers


class EncodedFrame(JitterFrame):
    """What a decoder takes at once. `following` are frames that became complete with this one, oldest first;
    `after_loss` says that frames before it were given up."""

    def __init__(self, data: bytes, timestamp: int) -> None:
        super().__init__(data, timestamp)
        self.rtp_timestamp = timestamp  # aiortc overwrites `timestamp` with one that starts at 0
        self.after_loss = False
        self.following: list[EncodedFrame] = []


class _Window(JitterBuffer):
    """Packets by sequence number from `_origin`, the next one wanted, on."""

    def __init__(self, capacity: int, *, is_video: bool) -> None:
        super().__init__(capacity, is_video=is_video)
        self._after_loss = False
        self._end = 0  # one past the newest packet, counted from `_origin`
        self._late = 0
        self.given_up = 0

    def passed(self, sequence_number: int) -> bool:
        """Whether a packet of this number would come too late."""
        return self._origin is not None and uint16_add(sequence_number, -self._origin) >= _HALF

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        lost = self._store(packet)
        frames = self._released()
        if self._overdue():
            self._skip_hole()
            lost = True
            frames += self._released()
        if frames and self._after_loss:
            frames[0].after_loss, self._after_loss = True, False
        for frame in frames[1:]:
            frames[0].following.append(frame)
        return lost and self._is_video, frames[0] if frames else None

    def _store(self, packet: RtpPacket) -> bool:
        """Put the packet in its place; True if everything held had to go because numbers jumped.

        Old packets come again in numbers: Chrome probes the bandwidth with them.
        """
        if self._origin is None:
            self._origin = packet.sequence_number
        ahead = uint16_add(packet.sequence_number, -self._origin)
        self._late = self._late + 1 if ahead >= _HALF else 0
        if 0 < self._late < _LATE_IN_A_ROW:
            return False
        jumped = ahead >= self._capacity
        if jumped:
            self._clear(packet.sequence_number)
            ahead = 0
        self._packets[packet.sequence_number % self._capacity] = packet
        self._end = max(self._end, ahead + 1)
        return jumped

    def _clear(self, origin: int) -> None:
        self._packets = [None] * self._capacity
        self._origin, self._end, self._late = origin, 0, 0
        self._after_loss = True
        self.given_up += 1

    def _at(self, count: int) -> RtpPacket | None:
        return self._packets[(self._first + count) % self._capacity] if count < self._end else None

    @property
    def _first(self) -> int:
        assert self._origin is not None
        return self._origin

    def _drop(self, count: int) -> None:
        for place in range(count):
            self._packets[(self._first + place) % self._capacity] = None
        self._origin = uint16_add(self._first, count)
        self._end -= count

    def _released(self) -> list[EncodedFrame]:
        raise AssertionError("each kind of sound or picture has its own rule")

    def _overdue(self) -> bool:
        raise AssertionError("each kind of sound or picture has its own rule")

    def _skip_hole(self) -> None:
        self._after_loss = True
        self.given_up += 1


class VideoJitterBuffer(_Window):
    """A picture leaves when its run of packets ends with the marker bit, or with a packet of another timestamp.

    Source: RFC 6184 section 5.1 and RFC 7741 section 4.1 (marker: last packet of a picture).
    """

    def __init__(self, capacity: int = VIDEO_CAPACITY, patience_ms: float = PATIENCE_MS) -> None:
        super().__init__(capacity, is_video=True)
        self._patience = round(patience_ms * VIDEO_CLOCK_HZ / 1000)
        self._run: list[RtpPacket] = []  # without a gap from `_origin` on, all of one picture

    def _clear(self, origin: int) -> None:
        super()._clear(origin)
        self._run = []

    def _released(self) -> list[EncodedFrame]:
        pictures: list[EncodedFrame] = []
        while (packet := self._at(len(self._run))) is not None:
            if self._run and packet.timestamp != self._run[0].timestamp:
                self._cut(pictures)
                continue
            self._run.append(packet)
            if packet.marker:
                self._cut(pictures)
        return pictures

    def _cut(self, pictures: list[EncodedFrame]) -> None:
        run, self._run = self._run, []
        self._drop(len(run))
        data = b"".join(_data(packet) for packet in run)
        if data:  # padding, which probes the bandwidth, makes packets without any
            pictures.append(EncodedFrame(data, run[0].timestamp))

    def _overdue(self) -> bool:
        """Whether a hole has held up pictures of more than `patience`, by their own clock."""
        if self._end == len(self._run):
            return False
        newest = self._at(self._end - 1)
        oldest = self._run[0] if self._run else self._after_hole()
        if newest is None or oldest is None:
            return False
        waited = uint32_add(newest.timestamp, -oldest.timestamp)
        return self._patience < waited < 1 << 31

    def _after_hole(self) -> RtpPacket | None:
        places = (self._at(count) for count in range(len(self._run), self._end))
        return next((packet for packet in places if packet is not None), None)

    def _skip_hole(self) -> None:
        """Go on at the first place behind the hole where a picture is certain to begin."""
        before: RtpPacket | None = None
        for count in range(len(self._run), self._end):
            packet = self._at(count)
            if before is not None and packet is not None and _ends(before, packet):
                break
            before = packet
        else:
            count = self._end  # nothing whole: what comes next is waited for
        self._run = []
        self._drop(count)
        super()._skip_hole()


class AudioJitterBuffer(_Window):
    """Every packet is whole, so it leaves at once when it is the next one. aiortc holds four back, and stands still for
    sixteen when one is lost."""

    def __init__(self, capacity: int = _AUDIO_CAPACITY) -> None:
        super().__init__(capacity, is_video=False)

    def _released(self) -> list[EncodedFrame]:
        frames: list[EncodedFrame] = []
        while (packet := self._at(0)) is not None:
            self._drop(1)
            if data := _data(packet):
                frames.append(EncodedFrame(data, packet.timestamp))
        return frames

    def _overdue(self) -> bool:
        return self._end > _AUDIO_HELD

    def _skip_hole(self) -> None:
        self._drop(next(count for count in range(self._end) if self._at(count) is not None))
        super()._skip_hole()


class PersistentNacks(NackGenerator):
    """Asks again for what is still missing. aiortc asks only when something new is missed, so a lost request or a lost
    answer to it costs a key frame."""

    def __init__(self, buffer: _Window, *, again_ms: float = 50, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__()
        self._buffer, self._again_ns, self._now_ns = buffer, round(again_ms * 1e6), now_ns
        self._asked_ns = 0

    def add(self, packet: RtpPacket) -> bool:
        missed = bool(super().add(packet))
        self.missing = {number for number in self.missing if not self._buffer.passed(number)}
        now_ns = self._now_ns()
        if not self.missing or not (missed or now_ns - self._asked_ns >= self._again_ns):
            return False
        self._asked_ns = now_ns
        return True


def _ends(before: RtpPacket, packet: RtpPacket) -> bool:
    return bool(before.marker) or before.timestamp != packet.timestamp


def _data(packet: RtpPacket) -> bytes:
    """What aiortc's receiver has taken out of the payload before it asks the buffer."""
    data: bytes = packet._data  # type: ignore[attr-defined]
    return data
