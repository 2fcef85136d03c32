"""What a session tells about itself while it runs, and at its end."""

from __future__ import annotations

from typing import Any

from livefuse.changeover import Running
from livefuse.clock import Clock
from livefuse.engines import Loaded
from livefuse.environment import environment
from livefuse.gate import Gate, HoldKind
from livefuse.memory import resident_bytes
from livefuse.stats import Stats
from livefuse.threads import Threads


class SessionReport:
    """The readable half of a session. Any thread."""

    clock: Clock
    _every: bool
    _gate: Gate
    _stats: Stats
    _threads: Threads | None
    _running: Running | None

    def covered(self, wait_s: float = 0.0) -> bool:
        """Whether all sinks show the slate that `hold` asked for; waits so long for those that do not yet."""
        return not self._gate.hold or self._threads is None or self._threads.sinks.covered(wait_s)

    @property
    def held(self) -> HoldKind:
        """What `hold` said last."""
        return self._gate.hold

    @property
    def idle(self) -> bool:
        """Whether the pipeline rests, as nobody looks."""
        return self._gate.idle

    def record(self) -> dict[str, Any]:
        """The record of design §6, so far."""
        threads = self._threads
        if threads is not None:
            self._stats.dropped["capture"] = threads.loop.dropped_at_capture
        lanes = sum(lane.nbytes for lane in threads.loop.lanes) if threads else 0
        memory = {"vram_bytes": 0, "rss_bytes": resident_bytes(), "lane_bytes": lanes}
        record = self._stats.record(memory, environment()) | {"recent": self._stats.recent.record(self.clock.now_ns())}
        if threads is not None:
            info = threads.capture.info
            record["source"] = {"width": info.width, "height": info.height, "fps": round(float(info.fps), 3)}
        governor = self._running.governor if self._running else None
        gate = {} if self._every else {"hold": self._gate.hold, "idle": self._gate.idle}
        return record | gate | ({"adaptive": governor.record()} if governor else {})

    def histograms(self) -> dict[str, Any]:
        """Stage, latency and interval times as `Buckets` count them."""
        return self._stats.histograms()

    def frame_age_s(self) -> float | None:
        """Seconds since the last frame left the pipeline; None while none has, or none is meant to."""
        if self._gate.shut:
            return None
        age_ns = self._stats.newest_age_ns(self.clock.now_ns())
        return None if age_ns is None else age_ns / 1e9

    @property
    def sink_urls(self) -> dict[str, str]:
        """Running sinks by name."""
        return self._threads.sinks.urls if self._threads else {}

    @property
    def networks(self) -> tuple[Loaded, ...]:
        """Those that it has loaded, in the order in which that was done."""
        engines = self._running.stages.engines if self._running else None
        return engines.loaded if engines else ()

    @property
    def frames_out(self) -> int:
        """Frames that have left the pipeline."""
        return self._stats.out

    def fps(self) -> float:
        """Frames per second over the last two seconds."""
        return self._stats.fps(self.clock.now_ns())
