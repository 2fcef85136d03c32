"""The last second of a session, by itself."""

from __future__ import annotations

import pytest

from livefuse.clock import LatencyTrace
from livefuse.recent import Recent
from livefuse.stats import Stats

SECOND_NS, MS = 1_000_000_000, 1_000_000


def trace(start_ns: int, **stages_ms: int) -> LatencyTrace:
    made, at_ns = LatencyTrace(start_ns), start_ns
    for name, took_ms in stages_ms.items():
        at_ns += took_ms * MS
        made.mark(name, at_ns)
    return made


def test_only_the_last_second_counts() -> None:
    recent = Recent()
    for number in range(30):  # slow ones, then fast ones
        one = trace(number * 100 * MS, capture=2, swap=80 if number < 15 else 10)
        recent.add(one, one.stages_ns())
    record = recent.record(29 * 100 * MS + 12 * MS)
    assert record["frames"] == 10
    assert record["latency_ms"]["p50"] == record["latency_ms"]["max"] == 12
    assert record["stages_ms"] == {"capture": 2, "swap": 10}
    assert recent.record(10 * SECOND_NS) == {"frames": 0, "latency_ms": {}, "stages_ms": {}}


def test_stages_add_up_to_the_average_latency_also_where_a_frame_lacked_one() -> None:
    recent = Recent()
    for number, stages in enumerate(({"capture": 2, "swap": 30}, {"capture": 4}, {"capture": 3, "swap": 9, "sink": 6})):
        one = trace(number * 30 * MS, **stages)
        recent.add(one, one.stages_ns())
    record = recent.record(SECOND_NS // 2)
    assert sum(record["stages_ms"].values()) == pytest.approx(record["latency_ms"]["mean"], abs=0.01)
    assert list(record["stages_ms"]) == ["capture", "swap", "sink"]


def test_the_record_is_of_the_leading_sink() -> None:
    stats = Stats("first")
    stats.delivered("first", 1, trace(0, capture=5))
    stats.delivered("second", 1, trace(0, capture=50))
    assert stats.recent.record(6 * MS)["latency_ms"]["max"] == 5
