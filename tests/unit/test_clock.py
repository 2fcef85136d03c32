from __future__ import annotations

import threading

import numpy as np
import pytest

from livefuse.clock import LatencyTrace, ManualClock, MonotonicClock, Reservoir


def test_stage_times_sum_to_the_total() -> None:
    trace = LatencyTrace(100)
    for stage, at in (("capture", 150), ("detect", 400), ("swap", 420), ("detect", 500)):
        trace.mark(stage, at)
    assert trace.stages_ns() == {"capture": 50, "detect": 330, "swap": 20}
    assert sum(trace.stages_ns().values()) == trace.total_ns == 400


def test_a_fork_keeps_its_own_marks() -> None:
    trace = LatencyTrace(0)
    trace.mark("a", 1)
    fork = trace.fork()
    fork.mark("b", 5)
    assert trace.total_ns == 1
    assert fork.total_ns == 5


def test_a_reservoir_forgets_the_oldest_but_not_the_count_or_the_maximum() -> None:
    held = Reservoir(capacity=10)
    for value in range(100, 0, -1):
        held.add(value)
    assert held.count == 100
    assert held.maximum == 100
    np.testing.assert_array_equal(held.recent(), np.arange(10, 0, -1))
    np.testing.assert_array_equal(held.recent(3), [3, 2, 1])
    assert held.percentiles((0, 50, 100)) == [1, 5.5, 10]


def test_an_empty_reservoir_has_zero_percentiles() -> None:
    assert Reservoir().percentiles() == [0, 0, 0]


@pytest.mark.parametrize("clock", [MonotonicClock(), ManualClock()])
def test_waiting_ends_at_the_deadline_or_when_stopped(clock: MonotonicClock | ManualClock) -> None:
    stop = threading.Event()
    due = clock.now_ns() + 2_000_000
    assert clock.wait_until(due, stop)
    assert clock.now_ns() >= due
    stop.set()
    assert not clock.wait_until(clock.now_ns() + 10**9, stop)
