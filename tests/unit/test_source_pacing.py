from __future__ import annotations

from fractions import Fraction

import pytest

from livefuse.source.pacing import Pacer
from livefuse.source.timeline import Timeline, exact_ns

MS = 1_000_000


def paced(frames: list[tuple[float, float]], period_ms: float = 40) -> tuple[list[float], Pacer]:
    """Due instants for (pts, now) pairs, all ms."""
    pacer = Pacer()
    due = [pacer.due_ns(round(pts * MS), round(now * MS), round(period_ms * MS)) for pts, now in frames]
    return [ns / MS for ns in due], pacer


@pytest.mark.parametrize(
    ("frames", "due", "late", "jumps"),
    [
        pytest.param([(0, 1000), (40, 1001), (80, 1002)], [1000, 1040, 1080], 0, 0, id="a fast reader waits"),
        pytest.param([(500, 7), (540, 8), (550, 9)], [7, 47, 57], 0, 0, id="the first stamp and gaps do not matter"),
        pytest.param([(0, 0), (40, 80), (80, 81)], [0, 40, 80], 0, 0, id="a period late is caught up"),
        pytest.param([(0, 0), (40, 81), (80, 82)], [0, 81, 121], 1, 0, id="more than a period late is given up"),
        pytest.param([(0, 0), (40, 1), (0, 50), (40, 51)], [0, 40, 50, 90], 0, 1, id="back to the start"),
        pytest.param([(0, 0), (60_000, 5), (60_040, 6)], [0, 5, 45], 0, 1, id="a jump ahead is not waited for"),
        pytest.param([(0, 0), (3000, 5)], [0, 3000], 0, 0, id="a still picture is waited for"),
        pytest.param([(0, 0), (40, 100), (80, 300)], [0, 100, 300], 2, 0, id="every lateness counts"),
    ],
)
def test_due_instants(frames: list[tuple[float, float]], due: list[float], late: int, jumps: int) -> None:
    got, pacer = paced(frames)
    assert got == due
    assert (pacer.late, pacer.jumps) == (late, jumps)


def test_a_slow_reader_never_owes_more_than_a_period() -> None:
    pacer = Pacer()
    now = 0
    for index in range(200):
        due = pacer.due_ns(index * 40 * MS, now, 40 * MS)
        assert now - due <= 40 * MS
        now = max(now, due) + 50 * MS  # 50 ms of work for a 40 ms frame
    assert pacer.late > 20


def test_exact_times_have_no_rounding_drift() -> None:
    base = Fraction(1001, 30000)
    assert [exact_ns(i, base) for i in (0, 1, 2, 3)] == [0, 33366667, 66733333, 100100000]
    assert exact_ns(30000 * 10**9, base) == 1001 * 10**18  # floats would be off by seconds here
    assert exact_ns(-1, Fraction(1, 3)) == -333333333


MILLI = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("live", "ticks", "ms", "shift_ms"),
    [
        (False, [80, 120, 200], [80, 120, 200], 0),
        (False, [-40, 0, 40], [0, 40, 80], -40),
        (True, [10**12, 10**12 + 33], [0, 33], 10**12),
        (False, [0, None, None, 120], [0, 40, 80, 120], 0),
        (False, [None, 40], [0, 40], 0),
        (False, [0, 40, 40, 20, 200], [0, 40, 80, 120, 200], 0),
    ],
)
def test_stamps_increase_strictly(live: bool, ticks: list[int | None], ms: list[int], shift_ms: int) -> None:
    timeline = Timeline(Fraction(25), live=live)
    assert [timeline.pts_ns(tick, MILLI) for tick in ticks] == [value * MS for value in ms]
    assert timeline.shift_ns == shift_ms * MS


def test_duration_falls_back_to_the_period() -> None:
    timeline = Timeline(Fraction(25), live=False)
    assert timeline.duration_ns(20, MILLI) == 20 * MS
    assert timeline.duration_ns(0, MILLI) == timeline.duration_ns(None, None) == 40 * MS
