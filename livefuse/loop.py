"""The pipeline thread: lane 0 and lane 1 in turn, frames retired in order, gaps covered, commands between frames."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from livefuse.capture import Captured
from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.config import Config
from livefuse.device.base import Lane
from livefuse.frame import HostFrame
from livefuse.mailbox import Closed, Mailbox
from livefuse.pipeline import InFlight, Pipeline
from livefuse.pool import FramePool
from livefuse.sinks.worker import Outgoing, SinkWorker
from livefuse.stats import Stats
from livefuse.swap.identity import Identity

Command = Callable[["PipelineLoop"], None]


@dataclass(slots=True)
class _Last:
    """What left last: repeated by `hold`, continued by slates."""

    pts_ns: int = -1
    at_ns: int = 0
    good: HostFrame | None = None


class PipelineLoop(threading.Thread):
    """Takes frames until the inbox closes. `live` turns on deadline drops and slates for gaps."""

    def __init__(
        self,
        config: Config,
        inbox: Mailbox[Captured],
        pipeline: Pipeline,
        identity: Identity | None,
        sinks: Sequence[SinkWorker],
        slate: HostFrame,
        clock: Clock,
        stats: Stats,
        *,
        live: bool,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(name="livefuse-pipeline", daemon=True)
        self.pipeline, self.identity, self.sinks = pipeline, identity, list(sinks)
        self.error: Exception | None = None
        self.finished = threading.Event()
        self.lanes = (Lane(0), Lane(1))
        self._config, self._inbox, self._slate, self._clock, self._stats = config, inbox, slate, clock, stats
        self._deadline_ns = round(config.live.deadline_ms * 1e6) if live else None
        self._stall_s = config.live.stall_ms / 1e3 if live else None
        self._pool = FramePool(slate.format, slate.height, slate.width)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._in_flight: deque[InFlight] = deque()
        self._last = _Last()
        self._on_end = on_end

    @property
    def dropped_at_capture(self) -> int:
        """Frames that a newer one replaced before this thread could take them."""
        return self._inbox.dropped

    def between_frames(self, command: Command) -> None:
        """Run `command` on the pipeline thread before the next frame: never in the middle of one."""
        self._commands.put(command)

    def run(self) -> None:
        try:
            turn = 0
            while (captured := self._next()) is not None:
                turn = self._enqueue(captured, turn)
            while self._in_flight:
                self._retire()
        except Exception as error:
            self.error = error
        finally:
            self._inbox.close()
            self.finished.set()
            self._on_end()

    def _next(self) -> Captured | None:
        """The next frame worth working on; None when no more will come."""
        while True:
            try:
                captured = self._inbox.get(self._stall_s if not self._in_flight else 0)
            except Closed:
                return None
            while not self._commands.empty():
                self._commands.get()(self)
            if captured is None:
                self._retire() if self._in_flight else self._cover_gap()
            elif self._late(captured):
                self._stats.drop("deadline")
            else:
                return captured

    def _late(self, captured: Captured) -> bool:
        age_ns = self._clock.now_ns() - captured.frame.scheduled_ns
        return self._deadline_ns is not None and age_ns > self._deadline_ns

    def _enqueue(self, captured: Captured, turn: int) -> int:
        captured.trace.mark("queue", self._clock.now_ns())
        lane = self.lanes[turn]
        self._in_flight.append(self.pipeline(lane, captured.frame, self.identity, captured.trace))
        while len(self._in_flight) > 1 or (self._in_flight and self._in_flight[0].lane.ready()):
            self._retire()
        return turn ^ 1

    def _retire(self) -> None:
        """The oldest frame in flight leaves: one copy out, then every sink gets the same frame."""
        flight = self._in_flight.popleft()
        flight.lane.wait()
        frame = self._finished(flight)
        now_ns = self._clock.now_ns()
        started_ns = flight.trace.start_ns + sum(flight.trace.stages_ns().get(s, 0) for s in ("capture", "queue"))
        flight.trace.mark("download", now_ns)
        self._stats.left(flight.verdict, len(flight.faces), now_ns - started_ns, now_ns)
        self._send(Outgoing(frame, flight.verdict, flight.trace), now_ns)

    def _finished(self, flight: InFlight) -> HostFrame:
        covered = flight.verdict is Verdict.COVERED
        if covered and self._config.privacy.cover == "slate":
            return self._stamped(self._slate, flight.frame)
        if covered and self._config.privacy.cover == "hold" and self._last.good is not None:
            return self._stamped(self._last.good, flight.frame)
        planes = self._pool.take()
        self.pipeline.backend.download(flight.lane, flight.picture, planes)
        frame = replace(flight.frame, planes=planes, truth=None)
        if flight.verdict is Verdict.SWAPPED:
            self._last.good = frame
        return frame

    def _stamped(self, picture: HostFrame, like: HostFrame) -> HostFrame:
        return replace(like, planes=picture.planes, truth=None)

    def _send(self, outgoing: Outgoing, now_ns: int) -> None:
        frame = outgoing.frame
        if frame.pts_ns <= self._last.pts_ns:  # a camera's clock stepped back, or slates ran a little ahead
            outgoing = replace(outgoing, frame=replace(frame, pts_ns=self._last.pts_ns + 1_000_000))
        self._last.pts_ns, self._last.at_ns = outgoing.frame.pts_ns, now_ns
        for sink in self.sinks:
            sink.put(outgoing)

    def _cover_gap(self) -> None:
        """The source has nothing: sinks get the slate (or the last good picture), so that no reader loses the stream."""
        now_ns = self._clock.now_ns()
        hold = self._config.privacy.cover == "hold" and self._last.good is not None
        picture = self._last.good if hold and self._last.good else self._slate
        pts_ns = self._last.pts_ns + max(1_000_000, now_ns - self._last.at_ns) if self._last.at_ns else 0
        trace = LatencyTrace(now_ns)
        trace.mark("queue", now_ns)
        self._stats.covered_gap()
        frame = replace(picture, pts_ns=pts_ns, scheduled_ns=now_ns)
        self._send(Outgoing(frame, Verdict.COVERED, trace), now_ns)
