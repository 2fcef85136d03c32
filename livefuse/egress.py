"""The one way by which pictures reach sinks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.frame import HostFrame
from livefuse.gate import Gate
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.worker import Outgoing, SinkWorker

_TICK_NS = 1_000_000


class Pairs(Protocol):
    """Who is shown what came in beside what left of it, from a session's beginning to its end."""

    def begin(self, info: StreamInfo, gate: Gate) -> None: ...

    def __call__(self, before: HostFrame | None, after: HostFrame) -> None:
        """On whatever thread sends, which must not wait. `before` is None where `after` was not made from it, like a slate."""
        ...

    def readers(self) -> int:
        """How many look."""
        ...

    def end(self) -> None: ...


class Egress:
    """Time goes only forward here, whoever sends; what is held back is refused. Any thread.

    `sinks` is asked anew for each picture.
    """

    def __init__(self, sinks: Iterable[SinkWorker], gate: Gate, clock: Clock) -> None:
        self.pairs: Pairs | None = None
        self._sinks, self._gate, self._clock = sinks, gate, clock
        self._sending = threading.Lock()
        self._last_pts_ns, self._last_ns = -1, 0

    def send(self, outgoing: Outgoing, now_ns: int, before: HostFrame | None = None) -> bool:
        """Hand a picture to every sink, with what it was made from for those who compare; False if it is held back."""
        with self._sending:
            if not outgoing.slate and not self._gate.admits(outgoing.frame.scheduled_ns):
                return False
            self._hand_out(outgoing, now_ns, before)
            return True

    def send_now(self, picture: HostFrame, *, slate: bool) -> bool:
        """The same of a picture that has no place in time: it follows the last one by as much as has passed since."""
        now_ns = self._clock.now_ns()
        with self._sending:
            if not slate and not self._gate.admits(now_ns):
                return False
            passed_ns = max(_TICK_NS, now_ns - self._last_ns)
            pts_ns = self._last_pts_ns + passed_ns if self._last_ns else 0
            trace = LatencyTrace(now_ns)
            trace.mark("queue", now_ns)
            frame = replace(picture, pts_ns=pts_ns, scheduled_ns=now_ns)
            self._hand_out(Outgoing(frame, Verdict.COVERED, trace, slate), now_ns, None)
            return True

    def _hand_out(self, outgoing: Outgoing, now_ns: int, before: HostFrame | None) -> None:
        frame = outgoing.frame
        if frame.pts_ns <= self._last_pts_ns:  # a camera's clock stepped back, or slates ran a little ahead
            frame = replace(frame, pts_ns=self._last_pts_ns + _TICK_NS)
            outgoing = replace(outgoing, frame=frame)
        self._last_pts_ns, self._last_ns = frame.pts_ns, now_ns
        for sink in self._sinks:
            sink.put(outgoing)
        if self.pairs is not None:
            self.pairs(before, frame)
