"""The record of a run: the same numbers are printed, drawn, served and written (design §6)."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.clock import Buckets, LatencyTrace, Reservoir
from livefuse.composite.privacy import Verdict
from livefuse.recent import Recent

_FPS_WINDOW_NS = 2_000_000_000


class SinkStats:
    """What one sink did."""

    def __init__(self) -> None:
        self.latency_ms = Reservoir()
        self.frames = 0
        self.dropped = 0
        self.out_of_order = 0
        self.last_pts_ns = -1
        self.error = ""

    def record(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "dropped": self.dropped,
            "out_of_order": self.out_of_order,
            "latency_ms": _spread(self.latency_ms),
            **({"error": self.error} if self.error else {}),
        }


@dataclass(frozen=True, slots=True)
class Glance:
    """The few numbers that the overlay shows. Times in milliseconds, stages in the order that frames meet them."""

    latency_ms: tuple[float, float, float, float]
    stages_ms: tuple[tuple[str, float], ...]
    history_ms: npt.NDArray[np.float64]
    drops: dict[str, int]
    faces: int


class Stats:
    """Counters and distributions of a session; every method may be called from any thread."""

    def __init__(self, primary_sink: str) -> None:
        self._lock = threading.Lock()
        self._primary = primary_sink
        self.captured = 0
        self.out = 0
        self.dropped: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.slates = 0
        self.reconnects = 0
        self.faces = 0
        self.recent = Recent()
        self.pipeline_ms = Reservoir(16384)
        self.interval_ms = Reservoir(16384)
        self.stages_ms: dict[str, Reservoir] = {}
        self._stage_times: dict[str, Buckets] = {}
        self._latency, self._intervals = Buckets(), Buckets()
        self.sinks: dict[str, SinkStats] = {}
        self._left_ns: deque[int] = deque(maxlen=240)
        self._first_left_ns = 0
        self._interrupted = False

    def capture(self) -> None:
        with self._lock:
            self.captured += 1

    def drop(self, cause: str, count: int = 1) -> None:
        with self._lock:
            self.dropped[cause] += count

    def left(self, verdict: Verdict, faces: int, pipeline_ns: int, now_ns: int) -> None:
        """A frame left the pipeline."""
        with self._lock:
            self.out += 1
            self.verdicts[verdict.value] += 1
            self.faces = faces
            self.pipeline_ms.add(pipeline_ns / 1e6)
            if self._left_ns and self._interrupted:
                self._first_left_ns += now_ns - self._left_ns[-1]
            elif self._left_ns:
                self.interval_ms.add((now_ns - self._left_ns[-1]) / 1e6)
                self._intervals.add((now_ns - self._left_ns[-1]) / 1e9)
            self._interrupted = False
            self._first_left_ns = self._first_left_ns or now_ns
            self._left_ns.append(now_ns)

    def interrupt(self) -> None:
        """Frames are kept back on purpose from now on: the time until the next one says nothing of how steadily they leave."""
        with self._lock:
            self._interrupted = True

    def covered_gap(self) -> None:
        """A slate went out because the source had nothing."""
        with self._lock:
            self.slates += 1

    def reconnected(self) -> None:
        with self._lock:
            self.reconnects += 1

    def sink(self, name: str) -> SinkStats:
        with self._lock:
            return self.sinks.setdefault(name, SinkStats())

    def delivered(self, name: str, pts_ns: int, trace: LatencyTrace | None) -> None:
        """A sink has handed a frame on; a slate has no trace, as nobody waited for it."""
        sink = self.sink(name)
        with self._lock:
            sink.frames += 1
            sink.out_of_order += pts_ns <= sink.last_pts_ns
            sink.last_pts_ns = pts_ns
            if trace is None:
                return
            sink.latency_ms.add(trace.total_ns / 1e6)
            if name != self._primary:
                return
            self._latency.add(trace.total_ns / 1e9)
            stages = trace.stages_ns()
            self.recent.add(trace, stages)
            for stage, took_ns in stages.items():
                self.stages_ms.setdefault(stage, Reservoir()).add(took_ns / 1e6)
                self._stage_times.setdefault(stage, Buckets()).add(took_ns / 1e9)

    def lead(self, name: str) -> None:
        """The sink that latency and stage times are taken of from now on."""
        with self._lock:
            self._primary = name

    def histograms(self) -> dict[str, Any]:
        """Cumulative counts as `Buckets.snapshot` gives them: `stages` by name, `latency`, `interval`."""
        with self._lock:
            stages = {name: times.snapshot() for name, times in self._stage_times.items()}
            return {"stages": stages, "latency": self._latency.snapshot(), "interval": self._intervals.snapshot()}

    def newest_age_ns(self, now_ns: int) -> int | None:
        """How long ago the last frame left; None while none has, or none is meant to."""
        with self._lock:
            return now_ns - self._left_ns[-1] if self._left_ns and not self._interrupted else None

    def fps(self, now_ns: int | None = None) -> float:
        """Frames per second that left the pipeline: over the last two seconds, or over the run without `now_ns`."""
        with self._lock:
            times = [t for t in self._left_ns if now_ns is None or now_ns - t < _FPS_WINDOW_NS]
            if now_ns is None and times:
                times[0] = self._first_left_ns
            count = self.out if now_ns is None else len(times)
            span = times[-1] - times[0] if len(times) > 1 else 0
            return (count - 1) * 1e9 / span if span else 0.0

    def glance(self, history: int) -> Glance:
        with self._lock:
            latency = self.sinks.get(self._primary, SinkStats()).latency_ms
            p50, p95, p99 = latency.percentiles()
            stages = tuple((name, values.percentiles((50,))[0]) for name, values in self.stages_ms.items())
            drops = {cause: n for cause, n in self.dropped.items() if n}
            drops |= {name: sink.dropped for name, sink in self.sinks.items() if sink.dropped}
            recent = latency.recent(history)
            return Glance((p50, p95, p99, latency.maximum), stages, recent, drops, self.faces)

    def record(self, memory: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
        """The record of design §6, with what each sink did beside it."""
        fps = self.fps()
        with self._lock:
            primary = self.sinks.get(self._primary, SinkStats())
            drops = {"capture": 0, "deadline": 0, **self.dropped}
            drops |= {name: sink.dropped for name, sink in self.sinks.items()}
            return {
                "frames": {
                    "captured": self.captured,
                    "out": self.out,
                    "dropped": drops,
                    "unswapped": self.out - self.verdicts[Verdict.SWAPPED.value],
                    "verdicts": dict(self.verdicts),
                    "slates": self.slates,
                    "reconnects": self.reconnects,
                },
                "fps": round(fps, 2),
                "latency_ms": _spread(primary.latency_ms),
                "pipeline_ms": _spread(self.pipeline_ms),
                "interval_ms": _spread(self.interval_ms),
                "stages_ms": {name: _spread(values) for name, values in self.stages_ms.items()},
                "sinks": {name: sink.record() for name, sink in self.sinks.items()},
                "memory": dict(memory),
                "environment": dict(environment),
            }


def _spread(values: Reservoir) -> dict[str, float]:
    p50, p95, p99 = values.percentiles((50, 95, 99))
    spread = {"p50": p50, "p95": p95, "p99": p99, "max": values.maximum}
    return {name: round(value, 3) for name, value in spread.items()}
