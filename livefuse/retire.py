"""How frames leave: in order, each copied out once and handed to every sink."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.config import PrivacyConfig
from livefuse.frame import HostFrame
from livefuse.pipeline import InFlight, Pipeline
from livefuse.pool import FramePool
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.worker import Outgoing, SinkWorker
from livefuse.stats import Stats

_TICK_NS = 1_000_000


class Pairs(Protocol):
    """Who is shown what came in beside what left of it, from a session's beginning to its end."""

    def begin(self, info: StreamInfo) -> None: ...

    def __call__(self, before: HostFrame | None, after: HostFrame) -> None:
        """On the pipeline thread, which must not wait. `before` is None where `after` was not made from it, like a slate."""
        ...

    def end(self) -> None: ...


@dataclass(slots=True)
class _Last:
    """What left last: repeated by `hold`, continued by slates."""

    pts_ns: int = -1
    at_ns: int = 0
    good: HostFrame | None = None
    guarded: bool = False  # whether it left with privacy closed: an open one may show bystanders


class Retire:
    """Finishes frames in the order in which they come. Used by the pipeline thread only.

    `sinks` is asked anew for each frame; `pipeline` may be replaced between two.
    """

    def __init__(
        self,
        privacy: PrivacyConfig,
        pipeline: Pipeline,
        sinks: Iterable[SinkWorker],
        slate: HostFrame,
        clock: Clock,
        stats: Stats,
    ) -> None:
        self.pipeline = pipeline
        self.pairs: Pairs | None = None
        self._privacy, self._sinks, self._slate = privacy, sinks, slate
        self._clock, self._stats = clock, stats
        self._pool = FramePool(slate.format, slate.height, slate.width)
        self._last = _Last()

    def __call__(self, flight: InFlight) -> None:
        """Complete what is enqueued on the frame's lane, and let the frame go."""
        flight.lane.finish()
        frame = self._finished(flight)
        now_ns = self._clock.now_ns()
        flight.trace.mark("download", now_ns)
        stages = flight.trace.stages_ns()
        pipeline_ns = flight.trace.total_ns - stages.get("capture", 0) - stages.get("queue", 0)
        self._stats.left(flight.verdict, len(flight.faces), pipeline_ns, now_ns)
        self._send(Outgoing(frame, flight.verdict, flight.trace), now_ns, flight.frame)

    def _finished(self, flight: InFlight) -> HostFrame:
        if flight.verdict is Verdict.COVERED:
            if self._privacy.cover == "slate":
                return replace(flight.frame, planes=self._slate.planes, truth=None)
            if (held := self._held()) is not None:
                return replace(flight.frame, planes=held.planes, truth=None)
        planes = self._pool.take()
        self.pipeline.backend.download(flight.lane, flight.picture, planes)
        frame = replace(flight.frame, planes=planes, truth=None)
        if flight.verdict is Verdict.SWAPPED:
            self._last.good, self._last.guarded = frame, self._closed
        return frame

    @property
    def _closed(self) -> bool:
        return self.pipeline.composite.privacy.mode == "closed"

    def _held(self) -> HostFrame | None:
        """The last good picture, if it may stand in now."""
        may = self._privacy.cover == "hold" and (self._last.guarded or not self._closed)
        return self._last.good if may else None

    def forget(self) -> None:
        """Hold nothing any longer: what comes is somebody else's."""
        self._last.good = None

    def _send(self, outgoing: Outgoing, now_ns: int, before: HostFrame | None = None) -> None:
        frame, last = outgoing.frame, self._last
        if frame.pts_ns <= last.pts_ns:  # a camera's clock stepped back, or slates ran a little ahead
            outgoing = replace(outgoing, frame=replace(frame, pts_ns=last.pts_ns + _TICK_NS))
        last.pts_ns, last.at_ns = outgoing.frame.pts_ns, now_ns
        for sink in self._sinks:
            sink.put(outgoing)
        if self.pairs is not None:
            self.pairs(before, outgoing.frame)

    def cover_gap(self) -> None:
        """The source has nothing: sinks get the slate (or the last good picture), so that no reader loses the stream."""
        now_ns = self._clock.now_ns()
        last = self._last
        pts_ns = last.pts_ns + max(_TICK_NS, now_ns - last.at_ns) if last.at_ns else 0
        frame = replace(self._held() or self._slate, pts_ns=pts_ns, scheduled_ns=now_ns)
        trace = LatencyTrace(now_ns)
        trace.mark("queue", now_ns)
        self._stats.covered_gap()
        self._send(Outgoing(frame, Verdict.COVERED, trace), now_ns)
