"""One thread per sink, so that a slow one stalls neither the pipeline nor its neighbours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.errors import LivefuseError, SinkLost
from livefuse.frame import HostFrame
from livefuse.gate import Gate
from livefuse.mailbox import Closed, Every, Latest, Mailbox
from livefuse.sinks.base import GuardedSink, ReadSink, Sink, SlowSink, StreamInfo
from livefuse.stats import Stats

log = logging.getLogger("livefuse")

_RETRY_FIRST_S = 0.5
_LAST_FRAME_S = 5.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A finished frame on its way to sinks. `verdict` is what the privacy guard says it shows; a `slate` shows nobody."""

    frame: HostFrame
    verdict: Verdict
    trace: LatencyTrace
    slate: bool = False


class SinkWorker(threading.Thread):
    """Opens, feeds and finishes one sink.

    A sink that was lost is opened again with back-off while `retry_max_s` is set; other errors end this sink only, and
    are kept in `error`. `finish(keep=False)` gives the output up instead of completing it. What `gate` holds back is not
    written, though it may have waited here already.
    """

    def __init__(
        self,
        sink: Sink,
        name: str,
        info: StreamInfo,
        clock: Clock,
        stats: Stats,
        *,
        every: bool,
        retry_max_s: float | None,
        on_end: Callable[[], None],
        gate: Gate | None = None,
    ) -> None:
        super().__init__(name=f"livefuse-sink-{name}", daemon=True)
        self.sink, self.label = sink, name
        self.error: Exception | None = None
        self.opened = threading.Event()
        self._info, self._clock, self._stats = info, clock, stats
        self.inbox: Mailbox[Outgoing] = Every() if every else Latest()
        self._retry_max_s, self._on_end, self._every = retry_max_s, on_end, every
        self._keep = True
        self._halted = threading.Event()
        self._gate, self._covered, self._ended = gate or Gate(), -1, False
        self._handing = threading.Condition()
        if isinstance(sink, GuardedSink):
            sink.guard(self._gate)

    def put(self, outgoing: Outgoing) -> None:
        self.inbox.put(outgoing)

    def covered(self, within_s: float) -> bool:
        """Whether a slate of this hold has been written, or there is nobody to see anything; waits so long for it."""
        if not self.opened.is_set():
            return True
        with self._handing:
            return self._handing.wait_for(lambda: self._ended or self._covered == self._gate.holds, within_s)

    def readers(self) -> int | None:
        """How many look at what this sink makes; None if nobody can tell."""
        if not self.is_alive() or self.error is not None:
            return 0
        return self.sink.readers() if isinstance(self.sink, ReadSink) else None

    def finish(self, *, keep: bool) -> None:
        self._keep = keep
        self._halted.set()
        self.inbox.close()
        if isinstance(self.sink, SlowSink):
            if not keep:
                self.sink.give_up()
            elif not self._every:
                self.sink.hurry(_LAST_FRAME_S)

    def join(self, timeout: float | None = None) -> None:
        """A file's frames are all written, however long a slow sink takes over them."""
        complete = self._every and self._keep and isinstance(self.sink, SlowSink)
        super().join(None if complete else timeout)

    def run(self) -> None:
        try:
            self._feed()
        except Exception as error:
            self._fail(error)
        finally:
            self.inbox.close()
            self.opened.set()
            self._tell(self._covered, ended=True)
            self._stats.sink(self.label).dropped = self.inbox.dropped
            self._on_end()

    def _feed(self) -> None:
        self._open()
        while True:
            try:
                outgoing = self.inbox.get()
            except Closed:
                break
            if outgoing is None:
                continue
            holds = self._gate.holds
            if outgoing.slate or self._gate.admits(outgoing.frame.scheduled_ns):
                self._write(outgoing)
            if outgoing.slate:
                self._tell(holds)
        if self._keep:
            self.sink.close()
        else:
            self.sink.abort()

    def _tell(self, covered: int, *, ended: bool = False) -> None:
        """To those who wait for the slate of a hold."""
        with self._handing:
            self._covered, self._ended = covered, ended
            self._handing.notify_all()

    def _open(self) -> None:
        self.sink.open(self._info)
        self.opened.set()

    def _write(self, outgoing: Outgoing) -> None:
        trace = outgoing.trace.fork()
        trace.mark("wait", self._clock.now_ns())
        try:
            self.sink.write(outgoing.frame)
        except SinkLost as error:
            if self._retry_max_s is None:
                raise
            self._reopen(error, self._retry_max_s)
            return
        trace.mark("sink", self._clock.now_ns())
        self._stats.delivered(self.label, outgoing.frame.pts_ns, None if outgoing.slate else trace)
        self._stats.sink(self.label).dropped = self.inbox.dropped

    def _reopen(self, error: LivefuseError, retry_max_s: float) -> None:
        wait_s = _RETRY_FIRST_S
        while not self._halted.is_set():
            log.warning("%s: lost (%s); trying again in %.1f s", self.label, error.message, wait_s)
            self.sink.abort()
            if self._halted.wait(wait_s):
                return
            try:
                self.sink.open(self._info)
            except SinkLost as again:
                error, wait_s = again, min(wait_s * 2, retry_max_s)
                continue
            return

    def _fail(self, error: Exception) -> None:
        self.error = error
        self._stats.sink(self.label).error = str(error)
        if not isinstance(error, LivefuseError):
            log.error("%s failed", self.label, exc_info=error)
        elif self.opened.is_set():  # before that the session raises it
            log.error("%s: %s", self.label, error.message)
        try:
            self.sink.abort()
        except Exception as second:
            log.error("%s: could not clean up: %s", self.label, second)
