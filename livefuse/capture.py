"""The capture thread: reads a source, keeps time, reconnects, and hands stamped frames on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from livefuse.clock import Clock, LatencyTrace
from livefuse.config import LiveConfig
from livefuse.errors import LivefuseError, SourceError, SourceLost
from livefuse.frame import HostFrame
from livefuse.gate import Gate
from livefuse.mailbox import Mailbox
from livefuse.source.base import Source, SourceInfo, StampingSource
from livefuse.source.pacing import Pacer
from livefuse.stats import Stats

# How fast a slow read is forgotten, per frame, and what is kept in hand beyond the slowest remembered.
_FORGET = 0.9
_SPARE_NS = 3_000_000
_ASLEEP_S = 0.02

log = logging.getLogger("livefuse")


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame and the trace that began at its scheduled capture. `scene` differs where the frame before was another source's
    or sender's, or from before a hold."""

    frame: HostFrame
    trace: LatencyTrace
    scene: tuple[int, ...] = ()


class Capture(threading.Thread):
    """Ends, and closes its outbox, when the source ends, fails for good, has run `seconds`, or `halt` is called.

    `reopen` makes a fresh source after a loss; without it a loss is the end. `realtime` paces sources that do not pace
    themselves. pts continue over reconnections: the new source starts where the session's clock stands. While `gate` is shut
    frames end here: the source stays open, and is read as always, but for a paced one that nobody looks at: it waits, so
    that a film is not over before somebody comes.
    """

    def __init__(
        self,
        source: Source,
        outbox: Mailbox[Captured],
        clock: Clock,
        live: LiveConfig,
        stats: Stats,
        *,
        realtime: bool,
        seconds: float | None = None,
        reopen: Callable[[], Source] | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(name="livefuse-capture", daemon=True)
        self.error: Exception | None = None
        self._source, self._outbox, self._clock, self._live, self._stats = source, outbox, clock, live, stats
        self._paced = realtime and not source.info.live
        self._limit_ns = None if seconds is None else round(seconds * 1e9)
        self._reopen = reopen if live.reconnect and source.info.live else None
        self._gate = gate or Gate()
        self._halted = threading.Event()
        self._pacer = Pacer()
        self._period_ns = round(1e9 / source.info.fps) if source.info.fps else 0
        self._seq = 0
        self._opened_ns = 0
        self._shift_ns = 0
        self._due_ns = 0
        self._reading_ns = self._period_ns
        self._stamps = isinstance(source, StampingSource)
        self._replaced = False
        self._turn = 0

    @property
    def info(self) -> SourceInfo:
        """What is being read."""
        return self._source.info

    def halt(self) -> None:
        """End soon; wakes a blocked read."""
        self._halted.set()
        self._source.close()

    def give_way(self, to: Capture) -> None:
        """Another source takes over: order and time go on where this one stops, and the outbox stays open."""
        self._replaced = True
        self.halt()
        self.join()
        to._seq, to._opened_ns, to._turn = self._seq, self._opened_ns, self._turn + 1
        to._shift_ns = self._clock.now_ns() - self._opened_ns

    def run(self) -> None:
        self._opened_ns = self._opened_ns or self._clock.now_ns()
        try:
            while not self._halted.is_set() and self._step():
                pass
        except Exception as error:
            if not self._halted.is_set():
                self.error = error
        finally:
            if not self._replaced:
                self._outbox.close()
            self._source.close()

    def _step(self) -> bool:
        if not self._wait_to_read():
            return False
        started_ns, holds = self._clock.now_ns(), self._gate.holds
        try:
            frame = self._source.read()
        except SourceLost as error:
            if self._halted.is_set() or self._reopen is None:
                raise
            return self._reconnect(self._reopen, error)
        if frame is None:
            return False
        self._reading_ns = max(self._clock.now_ns() - started_ns, round(self._reading_ns * _FORGET))
        if self._shift_ns:
            frame = replace(frame, pts_ns=frame.pts_ns + self._shift_ns)
        if self._limit_ns is not None and frame.pts_ns >= self._limit_ns:
            return False
        return self._hand_on(frame, holds)

    def _wait_to_read(self) -> bool:
        """A paced source is read as late as its slowest recent read allows: decoding or drawing the next frame then leaves
        the cores to the frame in flight."""
        if not self._paced or not self._due_ns:
            return True
        while self._gate.idle and self._limit_ns is None:
            if self._halted.wait(_ASLEEP_S):
                return False
        latest_ns = self._due_ns + self._period_ns - self._reading_ns - _SPARE_NS
        return self._clock.wait_until(latest_ns, self._halted)

    def _hand_on(self, frame: HostFrame, holds: int) -> bool:
        due_ns = self._clock.now_ns()
        if self._paced:
            due_ns = self._due_ns = self._pacer.due_ns(frame.pts_ns, due_ns, self._period_ns)
            if not self._clock.wait_until(due_ns, self._halted):
                return False
        trace = LatencyTrace(due_ns)
        self._seq += 1
        self._stats.capture()
        turns = self._gate.turns
        if cause := self._gate.turns_away(holds):
            self._stats.drop(cause)
            return True
        stamped = frame.stamped(seq=self._seq, scheduled_ns=due_ns)
        if self._stamps:
            cast(StampingSource, self._source).stamp(stamped)
        trace.mark("capture", self._clock.now_ns())
        self._outbox.put(Captured(stamped, trace, (self._turn, frame.scene, turns)))
        return True

    def _reconnect(self, reopen: Callable[[], Source], error: SourceError) -> bool:
        wait_s = 0.5
        reason: LivefuseError = error
        while True:
            if self._limit_ns is not None:  # what is lost has no pts to end the run by
                left_s = (self._opened_ns + self._limit_ns - self._clock.now_ns()) / 1e9
                if left_s <= 0:
                    return False
                wait_s = min(wait_s, left_s)
            log.warning("source lost (%s); trying again in %.1f s", reason.message, wait_s)
            if self._halted.wait(wait_s):
                return False
            try:
                self._source.close()
                self._source = reopen()
            except SourceError as again:
                reason, wait_s = again, min(wait_s * 2, self._live.reconnect_max_s)
                continue
            if self._halted.is_set():
                self._source.close()
                return False
            self._shift_ns = self._clock.now_ns() - self._opened_ns
            self._stats.reconnected()
            return True
