"""What recorded rows are made into: every figure on rows worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from livefuse.bench.webrtc.clocks import PageClock, Ping, page_clock
from livefuse.bench.webrtc.figures import Spread, ages_ms, counts, figures, first_showings, freezes, gaps_ms
from livefuse.bench.webrtc.rows import COLUMNS, Shown, csv_text, shown_frames, unwrapped_ns
from livefuse.bench.webrtc.shipped import stage_metrics
from livefuse.bench.webrtc.waterfall import counted, receiver_figures, stage_means_ms, waterfall
from livefuse.session import Session

MS = 1_000_000
PERIOD_MS = 33


def row(id_: int | None, shown_ms: float, captured_ms: float | None = None, count: int = 0) -> Shown:
    """Shown 40 ms after it was due unless said otherwise; received 10 ms and presented 4 ms before."""
    captured = None if id_ is None else round((shown_ms - 40 if captured_ms is None else captured_ms) * MS)
    shown = round(shown_ms * MS)
    return Shown(id_, captured, shown - 10 * MS, 2 * MS, shown - 4 * MS, shown, count)


def steady(n: int) -> list[Shown]:
    return [row(i, 1000 + PERIOD_MS * i, count=i) for i in range(n)]


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_every_round_trip_narrows_the_page_s_clock() -> None:
    # the page's zero lies at 500 ms of ours; the first trip was slow on its way there, the second on its way back
    pings = [Ping(595 * MS, 100.0, 601 * MS), Ping(699 * MS, 200.0, 705 * MS)]
    clock = page_clock(pings)
    assert clock.offset_ns == pytest.approx(500 * MS, abs=0.1 * MS)
    assert clock.uncertainty_ns == pytest.approx(1.05 * MS, abs=1)
    assert clock.monotonic_ns(7.5) == clock.offset_ns + 7_500_000


def test_clocks_that_drifted_apart_say_by_how_much() -> None:
    clock = page_clock([Ping(600 * MS, 100.0, 601 * MS), Ping(710 * MS, 200.0, 711 * MS)])
    assert clock.uncertainty_ns == pytest.approx(4.45 * MS, abs=1)


# --- rows ------------------------------------------------------------------------------------------------------------


def noted(**said: Any) -> dict[str, Any]:
    usual = {"id": 7, "us": 1_000, "presented": 20.0, "displayed": 25.0, "received": 12.0, "decode": 0.002}
    return usual | {"rtp": 90, "count": 1} | said


def test_what_the_page_noted_is_put_on_our_clock() -> None:
    (one,) = shown_frames([noted()], PageClock(0, 0))
    assert one == Shown(7, 1 * MS, 12 * MS, 2 * MS, 20 * MS, 25 * MS, 1, 90)
    assert one.glass_ns == 24 * MS


def test_nothing_is_seen_before_it_was_handed_to_the_compositor() -> None:
    (one,) = shown_frames([noted(displayed=17.0)], PageClock(0, 0))
    assert one.shown_ns == one.presented_ns == 20 * MS


def test_what_the_browser_does_not_say_stays_unsaid() -> None:
    (one,) = shown_frames([noted(id=None, us=None, received=None, decode=None, rtp=None)], PageClock(5, 0))
    assert (one.id, one.captured_ns, one.received_ns, one.decode_ns, one.glass_ns) == (None,) * 5


def test_rows_come_in_the_order_of_presentation() -> None:
    assert [one.count for one in shown_frames([noted(count=3), noted(count=2)], PageClock(0, 0))] == [2, 3]


@pytest.mark.parametrize("instant_us", [5, (1 << 32) - 5, 3 << 32, (7 << 32) + 12345])
@pytest.mark.parametrize("late_us", [0, 40_000, -40_000])
def test_time_is_unwrapped_next_to_the_instant_of_showing(instant_us: int, late_us: int) -> None:
    assert unwrapped_ns(instant_us % (1 << 32), (instant_us + late_us) * 1000) == instant_us * 1000


def test_csv_has_a_line_per_frame_and_nothing_for_the_unknown() -> None:
    text = csv_text([Shown(None, None, None, 3, 4, 5, 6)])
    assert text.splitlines() == [",".join(COLUMNS), ",,,3,4,5,6,"]


# --- figures ---------------------------------------------------------------------------------------------------------


def test_a_steady_stream() -> None:
    found = figures(steady(100))
    assert found.glass == Spread(40, 40, 40, 40, 40)
    assert found.to_compositor.p50 == 36
    assert found.to_arrival.p50 == 30
    assert found.arrival_to_compositor.p50 == 6
    assert found.decode.p50 == 2
    assert found.jitter_ms == 0
    assert found.fps == found.captured_fps == pytest.approx(1000 / PERIOD_MS, abs=1e-3)
    assert (found.counts.expected, found.counts.shown, found.counts.lost) == (100, 100, 0)
    assert found.freezes.count == 0


def test_percentiles_are_those_of_the_values() -> None:
    spread = Spread.of(np.arange(101.0))
    assert (spread.p50, spread.p95, spread.p99, spread.max, spread.mean) == (50, 95, 99, 100, 50)
    assert Spread.of([]) == Spread()


def test_frames_that_never_reached_the_compositor_are_lost() -> None:
    rows = [row(0, 0, count=0), row(1, 33, count=1), row(4, 132, count=2), row(5, 165, count=3)]
    found = counts(rows)
    assert (found.expected, found.lost, found.unobserved, found.duplicates, found.reordered) == (6, 2, 0, 0, 0)


def test_frames_that_the_script_missed_are_not_lost() -> None:
    rows = [row(0, 0, count=0), row(3, 99, count=2), row(4, 132, count=3)]  # of 1 and 2, one was composed
    found = counts(rows)
    assert (found.lost, found.unobserved) == (1, 1)


def test_an_unreadable_frame_is_neither_lost_nor_dated() -> None:
    rows = [row(0, 0, count=0), row(None, 33, count=1), row(2, 66, count=2)]
    found = counts(rows)
    assert (found.unreadable, found.lost, found.shown, found.expected) == (1, 0, 3, 3)
    assert len(first_showings(rows)) == 2


def test_a_picture_shown_again_counts_once_for_latency() -> None:
    rows = [row(0, 40, 0, 0), row(0, 73, 0, 1), row(1, 106, 66, 2)]
    assert counts(rows).duplicates == 1
    assert counts(rows).lost == 0
    assert figures(rows).glass.max == 40


def test_a_late_frame_is_reordered_not_lost() -> None:
    rows = [row(0, 0, count=0), row(2, 33, count=1), row(1, 66, count=2), row(3, 99, count=3)]
    found = counts(rows)
    assert (found.reordered, found.lost, found.duplicates) == (1, 0, 0)


def test_nothing_recorded_is_no_error() -> None:
    found = figures([])
    assert found.glass == Spread()
    assert found.counts.expected == found.freezes.count == 0


@pytest.mark.parametrize(("gap_ms", "frozen"), [(182, 0), (184, 1), (500, 1)])
def test_a_freeze_is_a_gap_as_the_w3c_says(gap_ms: float, frozen: int) -> None:
    """At 33 ms: max(3 * 33, 33 + 150) = 183 ms."""
    found = freezes(np.array([33.0] * 40 + [gap_ms] + [33.0] * 5))
    assert found.count == frozen
    assert found.longest_ms == (gap_ms if frozen else 0)


def test_a_slow_stream_may_have_longer_gaps() -> None:
    assert freezes(np.array([100.0] * 40 + [290.0])).count == 0  # three times 100 ms
    assert freezes(np.array([100.0] * 40 + [300.0])).count == 1


def test_the_usual_gap_is_that_of_the_thirty_frames_before() -> None:
    """k gaps of 200 ms among 30 make 10 + 19 k / 3 ms usual: 200 ms are no freeze any more from k = 7 on, and 500 ms are
    none where 200 ms are usual."""
    found = freezes(np.array([10.0] * 40 + [200.0] * 31 + [500.0]))
    assert (found.count, found.longest_ms, found.total_ms) == (7, 200, 1400)


def test_a_picture_ages_until_the_next_replaces_it() -> None:
    rows = [row(0, 40, 0), row(1, 140, 100), row(2, 240, 200)]
    ages = ages_ms(rows)
    assert ages.min() == 40
    assert ages.max() == 139
    assert float(np.mean(ages)) == pytest.approx(40 + 49.5)


def test_jitter_is_the_deviation_of_the_gaps() -> None:
    rows = [row(i, t) for i, t in enumerate((0, 30, 70, 100, 140))]
    assert list(gaps_ms(rows)) == [30, 40, 30, 40]
    assert figures(rows).jitter_ms == 5


# --- the waterfall ---------------------------------------------------------------------------------------------------

STAGES = {"sink": 5.0, "capture": 1.0, "swap": 12.0, "own": 2.0}
RECEIVED = {
    "jitterBufferEmittedCount": 100,
    "jitterBufferDelay": 0.4,
    "totalAssemblyTime": 0.1,
    "framesDecoded": 100,
    "totalDecodeTime": 0.15,
}


def test_the_parts_sum_to_glass_to_glass() -> None:
    found = waterfall(figures(steady(60)), STAGES, RECEIVED)
    parts = {part.name: (part.ms, part.witness) for part in found.parts}
    assert parts == {
        "capture": (1.0, "daemon"),
        "swap": (12.0, "daemon"),
        "encode and hand over": (5.0, "daemon"),
        "own": (2.0, "daemon"),
        "network": (10.0, "difference"),  # the last packet came 30 ms after the frame was due, handed over after 20
        "jitter buffer": (3.0, "browser"),
        "decode": (1.5, "browser"),
        "to the compositor": (1.5, "difference"),
        "to the screen": (4.0, "browser"),
    }
    assert sum(part.ms for part in found.parts) == found.glass_ms == 40
    assert (found.witnessed_ms, found.residual_ms) == (28.5, 11.5)


def test_what_nobody_timed_must_be_within_a_frame() -> None:
    found = waterfall(figures(steady(60)), STAGES, RECEIVED)
    assert found.explains(11.5)
    assert not found.explains(11)


def test_a_part_that_takes_less_than_no_time_is_no_explanation() -> None:
    late = waterfall(figures(steady(60)), STAGES | {"swap": 30.0}, RECEIVED)  # handed over after it had arrived
    assert late.residual_ms < PERIOD_MS
    assert not late.explains(PERIOD_MS)


def metrics(**sums_and_counts: tuple[float, int]) -> str:
    lines = ["# TYPE livefuse_stage_seconds histogram"]
    for stage, (total, count) in sums_and_counts.items():
        labels = f'{{session="live",stage="{stage}"}}'
        lines.append(f'livefuse_stage_seconds_bucket{{session="live",stage="{stage}",le="+Inf"}} {count}')
        lines += [f"livefuse_stage_seconds_sum{labels} {total}", f"livefuse_stage_seconds_count{labels} {count}"]
    return "\n".join(["# TYPE other gauge", "other 3", *lines]) + "\n"


def test_stage_times_are_means_over_the_recording_alone() -> None:
    before, after = metrics(swap=(10.0, 100)), metrics(swap=(10.5, 150), enhance=(0.1, 25), idle=(0.0, 0))
    # enhancing ran on every other frame: a frame's mean share is half of what it takes
    assert stage_means_ms(before, after) == pytest.approx({"swap": 10.0, "enhance": 2.0})
    assert stage_means_ms(after, after) == {}


def test_the_shipped_server_s_metrics_are_read_alike() -> None:
    text = stage_metrics(cast(Session, SimpleNamespace(histograms=lambda: {"stages": {"swap": ([], 0.25, 50)}})))
    assert stage_means_ms("", text) == {"swap": 5.0}


def test_counters_are_taken_over_the_recording_alone() -> None:
    before = {"framesDecoded": 50, "totalDecodeTime": 1.0, "id": "a", "timestamp": 5}
    after = {"framesDecoded": 150, "totalDecodeTime": 1.15, "id": "a", "timestamp": 9, "qpSum": 2500}
    assert counted(before, after) == {"framesDecoded": 100, "totalDecodeTime": 0.15, "qpSum": 2500}


def test_the_receiver_s_figures() -> None:
    sums = {"totalInterFrameDelay": 3.3, "totalSquaredInterFrameDelay": 0.1098, "qpSum": 2600.0}
    found = receiver_figures(RECEIVED | sums)
    assert found["inter_frame_ms"] == 33
    assert found["inter_frame_sigma_ms"] == 3
    assert found["jitter_buffer_ms"] == 3
    assert found["decode_ms"] == 1.5
    assert found["qp"] == 26
    assert receiver_figures({})["decode_ms"] == 0
