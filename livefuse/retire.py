"""How frames leave: in order, each copied out once and handed to every sink."""

from __future__ import annotations

from dataclasses import dataclass, replace

from livefuse.clock import Clock
from livefuse.composite.privacy import Verdict
from livefuse.config import PrivacyConfig
from livefuse.egress import Egress
from livefuse.frame import HostFrame
from livefuse.gate import Gate
from livefuse.pipeline import InFlight, Pipeline
from livefuse.pool import FramePool
from livefuse.sinks.worker import Outgoing
from livefuse.stats import Stats


@dataclass(slots=True)
class _Last:
    """What left last: repeated by `hold`."""

    good: HostFrame | None = None
    guarded: bool = False  # whether it left with privacy closed: an open one may show bystanders
    turns: int = 0  # the gate's: what left before it closed does not come back


class Retire:
    """Finishes frames in the order in which they come. Used by the pipeline thread only.

    `pipeline` may be replaced between two.
    """

    def __init__(
        self,
        privacy: PrivacyConfig,
        pipeline: Pipeline,
        egress: Egress,
        gate: Gate,
        slate: HostFrame,
        clock: Clock,
        stats: Stats,
    ) -> None:
        self.pipeline = pipeline
        self._privacy, self._egress, self._gate, self._slate = privacy, egress, gate, slate
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
        if self._egress.send(Outgoing(frame, flight.verdict, flight.trace), now_ns, flight.frame):
            self._stats.left(flight.verdict, len(flight.faces), pipeline_ns, now_ns)
        else:
            self._stats.drop("held")

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
            self._last = _Last(frame, self._closed, self._gate.turns)
        return frame

    @property
    def _closed(self) -> bool:
        return self.pipeline.composite.privacy.mode == "closed"

    def _held(self) -> HostFrame | None:
        """The last good picture, if it may stand in now."""
        last = self._last
        may = self._privacy.cover == "hold" and (last.guarded or not self._closed)
        return last.good if may and last.turns == self._gate.turns else None

    def forget(self) -> None:
        """Hold nothing any longer: what comes is somebody else's."""
        self._last.good = None

    def cover_gap(self) -> None:
        """The source has nothing: sinks get the slate (or the last good picture), so that no reader loses the stream."""
        if self._gate.hold:  # slates leave anyway
            return
        held = None if self._gate.idle else self._held()
        if self._egress.send_now(held or self._slate, slate=held is None) and not self._gate.idle:
            self._stats.covered_gap()
