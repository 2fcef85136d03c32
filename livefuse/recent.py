"""What the last second was like: percentiles over minutes hide what has just begun, and what has just ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from livefuse.clock import LatencyTrace

_WINDOW_NS = 1_000_000_000
_MOST_FRAMES = 240


class Recent:
    """Delivered frames of the last second. Any thread."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, int, Mapping[str, int]]] = deque(maxlen=_MOST_FRAMES)
        self._lock = threading.Lock()

    def add(self, trace: LatencyTrace, stages_ns: Mapping[str, int]) -> None:
        with self._lock:
            self._frames.append((trace.start_ns + trace.total_ns, trace.total_ns, stages_ns))

    def record(self, now_ns: int) -> dict[str, Any]:
        """Latency's percentiles, and what each stage took on average: those add up to the average latency."""
        with self._lock:
            frames = [frame for frame in self._frames if now_ns - frame[0] < _WINDOW_NS]
        if not frames:
            return {"frames": 0, "latency_ms": {}, "stages_ms": {}}
        totals_ms = np.array([total_ns for _, total_ns, _ in frames]) / 1e6
        p50, p95, p99 = np.percentile(totals_ms, (50, 95, 99))
        latency = {"p50": p50, "p95": p95, "p99": p99, "max": totals_ms.max(), "mean": totals_ms.mean()}
        names = dict.fromkeys(name for _, _, stages in frames for name in stages)
        spent = {name: sum(stages.get(name, 0) for _, _, stages in frames) / len(frames) / 1e6 for name in names}
        return {"frames": len(frames), "latency_ms": _rounded(latency), "stages_ms": _rounded(spent)}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 3) for name, value in values.items()}
