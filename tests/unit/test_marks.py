from __future__ import annotations

from fractions import Fraction

from livefuse.clock import LatencyTrace, ManualClock
from livefuse.composite.marks import Marks
from livefuse.composite.privacy import Verdict
from livefuse.config import Config, OverlayConfig
from livefuse.frame import Colour
from livefuse.sinks.base import StreamInfo
from livefuse.stats import Stats

INFO = StreamInfo(640, 360, Fraction(30), "yuv420p", Colour())
TICK_NS = 100_000_000


def make(*, enabled: bool, badge: bool = True) -> tuple[Marks, Stats, ManualClock]:
    clock, stats = ManualClock(1), Stats("out")
    config = Config(overlay=OverlayConfig(enabled=enabled, badge=badge))
    return Marks(stats, INFO, config, clock), stats, clock


def deliver(stats: Stats, n: int) -> None:
    for i in range(n):
        trace = LatencyTrace(0)
        trace.mark("swap", 7_000_000)
        stats.left(Verdict.SWAPPED, 1, 7_000_000, i * TICK_NS)
        stats.delivered("out", i, trace)


def test_the_badge_is_last_and_can_be_turned_off() -> None:
    marks, _, _ = make(enabled=True)
    overlay, badge = marks()
    assert overlay[1] < INFO.width / 2 < badge[1], "overlay on the left, badge on the right"
    assert make(enabled=False, badge=False)[0]() == []


def test_the_overlay_is_drawn_afresh_four_times_a_second() -> None:
    marks, stats, clock = make(enabled=True)
    first = marks()[0][0]
    deliver(stats, 5)
    clock.advance(TICK_NS)
    assert marks()[0][0] is first
    clock.advance(2 * TICK_NS)
    assert (marks()[0][0] != first).any(), "the numbers have changed"


def test_showing_and_hiding() -> None:
    marks, _, _ = make(enabled=False)
    assert len(marks()) == 1
    marks.show(True)
    assert len(marks()) == 2
    marks.show(False)
    assert len(marks()) == 1
