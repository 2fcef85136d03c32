"""The thread that plays a sound line: every 20 ms a packet of what belongs to the picture that leaves just then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from av.packet import Packet

from livefuse.clock import Clock
from livefuse.webrtc.opus import CHANNELS, HZ, I16, PACKET_NS, PACKET_SAMPLES, OpusEncoder
from livefuse.webrtc.sound_line import SLACK_NS, SoundLine, samples_in

log = logging.getLogger("livefuse")

_QUIET = HZ // 2  # samples missing, after which nothing is sent
_LATE_NS = 200_000_000  # a machine that slept does not catch up
_MOST_MARGIN_NS = 300_000_000
_LEAST_MARGIN_NS = -200_000_000  # a file's sound may leave before its picture
_NEVER = 1 << 62
_MARGIN_FADES_NS = 20_000  # per packet: what a hiccup cost is won back within minutes, not heard every few seconds
_SILENCE: I16 = np.zeros((PACKET_SAMPLES, CHANNELS), np.int16)
_SLACK = samples_in(SLACK_NS)


class SoundPlayer(threading.Thread):
    """Waits for nothing while nobody listens (`wanted`) or the line is quiet.

    The delay is the picture's less `lead_ns`, or as much more as sound comes late by (`margin`). What is handed out says
    whether it was silenced and carries nothing of what was heard before.
    """

    def __init__(
        self,
        line: SoundLine,
        clock: Clock,
        latency_ns: Callable[[], int],
        hand_out: Callable[[Packet[Any], bool], None],
        wanted: threading.Event,
        *,
        lead_ns: int = 0,
    ) -> None:
        super().__init__(name="livefuse-sound", daemon=True)
        self._line, self._clock, self._latency_ns = line, clock, latency_ns
        self._hand_out, self._wanted, self._lead_ns = hand_out, wanted, lead_ns
        self._halted = threading.Event()
        self._cursor: int | None = None
        self._silent_until = 0
        self._margin_ns, self._delay_ns = _LEAST_MARGIN_NS, 0
        self._packets = self._silences = self._skips = 0

    def close(self) -> None:
        self._halted.set()
        self._wanted.set()
        self._line.sounding.set()
        self.join()
        self._wanted.clear()

    def silence(self, silent: bool) -> None:
        """Hand out silence from now on; or sound again, but none of what was said meanwhile. Any thread."""
        self._silent_until = _NEVER if silent else samples_in(self._clock.now_ns())

    def record(self) -> dict[str, Any]:
        return {
            "packets": self._packets,
            "silences": self._silences,
            "skips": self._skips,
            "delay_ms": round(self._delay_ns / 1e6, 1),
        }

    def run(self) -> None:
        encoder, origin_ns = OpusEncoder(), self._clock.now_ns()
        try:
            while not self._halted.is_set():
                self._play(encoder, origin_ns)
                self._wanted.wait()
                self._line.sounding.wait()
        except Exception:
            log.exception("webrtc: sound ends")

    def _play(self, encoder: OpusEncoder, origin_ns: int) -> None:
        """Until nobody listens or nothing sounds. RTP time goes on with the clock, also over pauses."""
        self._cursor, self._margin_ns = None, _LEAST_MARGIN_NS
        tick_ns, clean = self._clock.now_ns(), False
        while self._wanted.is_set() and self._clock.wait_until(tick_ns, self._halted):
            samples = self._due(tick_ns)
            if samples is None:
                return
            silenced = self._silenced()
            packet = encoder.encode(_SILENCE if silenced else samples, samples_in(tick_ns - origin_ns))
            self._hand_out(packet, clean and silenced)  # the first one silenced still carries the end of what was heard
            clean = silenced
            self._packets += 1
            tick_ns += PACKET_NS
            if (now_ns := self._clock.now_ns()) - tick_ns > _LATE_NS:
                tick_ns = now_ns

    def _due(self, tick_ns: int) -> I16 | None:
        """What is to be heard at `tick_ns`; None once the line has been quiet for long."""
        target_ns = max(self._latency_ns() - self._lead_ns, self._margin_ns)
        due = samples_in(tick_ns - target_ns)
        if self._quiet(due):
            return None
        cursor = due if self._cursor is None else self._cursor
        if due - cursor > _SLACK:
            self._skips += 1
            cursor = due
        self._cursor = cursor
        self._delay_ns = tick_ns - cursor * 1_000_000_000 // HZ
        samples, written = self._line.read(cursor, PACKET_SAMPLES)
        late = written < PACKET_SAMPLES
        if late or cursor - due > _SLACK:
            self._silences += 1
            if late:
                self._margin_ns = min(_MOST_MARGIN_NS, max(self._margin_ns, self._delay_ns + PACKET_NS))
            return _SILENCE
        self._cursor = cursor + PACKET_SAMPLES
        self._margin_ns = max(_LEAST_MARGIN_NS, self._margin_ns - _MARGIN_FADES_NS)
        return samples

    def _silenced(self) -> bool:
        return self._cursor is not None and self._cursor - PACKET_SAMPLES < self._silent_until

    def _quiet(self, due: int) -> bool:
        if self._line.end + _QUIET > due:
            return False
        self._line.sounding.clear()
        if self._line.end + _QUIET > due:  # written meanwhile
            self._line.sounding.set()
            return False
        return True
