from __future__ import annotations

from livefuse.clock import LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.stats import Stats

MS = 1_000_000


def delivered(stats: Stats, name: str, pts_ns: int, *stages: tuple[str, int]) -> None:
    trace, at = LatencyTrace(0), 0
    for stage, took_ms in stages:
        at += took_ms * MS
        trace.mark(stage, at)
    stats.delivered(name, pts_ns, trace)


def test_the_record_has_the_shape_that_is_documented() -> None:
    stats = Stats("a")
    for n in range(1, 11):
        stats.capture()
        stats.left(Verdict.SWAPPED if n > 2 else Verdict.COVERED, 1, 12 * MS, n * 20 * MS)
        delivered(stats, "a", n, ("detect", 4), ("swap", 6))
        delivered(stats, "b", n, ("detect", 4), ("swap", 36))
    stats.drop("deadline", 3)
    record = stats.record({"vram_bytes": 0}, {"cpu": "x"})
    assert record["frames"]["captured"] == record["frames"]["out"] == 10
    assert record["frames"]["unswapped"] == 2
    assert record["frames"]["dropped"] == {"capture": 0, "deadline": 3, "a": 0, "b": 0}
    assert record["fps"] == 50
    assert record["latency_ms"] == {"p50": 10, "p95": 10, "p99": 10, "max": 10}, "of the first sink"
    assert record["sinks"]["b"]["latency_ms"]["p50"] == 40
    assert record["stages_ms"]["swap"]["p50"] == 6
    assert record["pipeline_ms"]["p50"] == 12
    assert record["interval_ms"]["p50"] == 20
    assert record["environment"] == {"cpu": "x"}


def test_a_frame_whose_time_does_not_increase_is_out_of_order() -> None:
    stats = Stats("a")
    for pts_ns in (1, 2, 2, 5, 4):
        delivered(stats, "a", pts_ns, ("swap", 1))
    assert stats.record({}, {})["sinks"]["a"]["out_of_order"] == 2


def test_fps_looks_at_the_last_two_seconds() -> None:
    stats = Stats("a")
    for n in range(10):
        stats.left(Verdict.SWAPPED, 1, MS, n * 1_000 * MS)
    assert stats.fps(9_000 * MS) == 1
    assert stats.fps(60_000 * MS) == 0
    assert Stats("a").fps() == 0


def test_the_newest_frame_grows_old() -> None:
    stats = Stats("")
    assert stats.newest_age_ns(5) is None
    stats.left(Verdict.SWAPPED, 1, 1_000_000, now_ns=10)
    stats.left(Verdict.SWAPPED, 1, 1_000_000, now_ns=30)
    assert stats.newest_age_ns(100) == 70


def test_a_time_in_which_frames_were_held_back_is_neither_jitter_nor_a_slow_run() -> None:
    stats = Stats("null")
    for n in (0, 1, 2, 3):
        stats.left(Verdict.SWAPPED, 1, 0, 1 + n * 100_000_000)
    stats.interrupt()
    assert stats.newest_age_ns(10_000_000_000) is None, "none is meant to leave"
    for n in (0, 1, 2, 3):
        stats.left(Verdict.SWAPPED, 1, 0, 60_000_000_001 + n * 100_000_000)
    assert stats.newest_age_ns(60_400_000_001) == 100_000_000
    assert max(stats.interval_ms.recent()) < 101
    assert 9 < stats.fps() < 13, "over the run, without the hold"
