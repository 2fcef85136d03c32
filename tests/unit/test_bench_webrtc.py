"""What recorded rows are made into: every figure on rows worked out by hand."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import livefuse.bench.webrtc.measure as measuring
from livefuse.bench.webrtc.browser import READER, chromium, find_chromium
from livefuse.bench.webrtc.clocks import PageClock, Ping, page_clock
from livefuse.bench.webrtc.figures import Spread, ages_ms, counts, figures, first_showings, freezes, gaps_ms
from livefuse.bench.webrtc.measure import Measured, Options, Recording, Result
from livefuse.bench.webrtc.process import use_of
from livefuse.bench.webrtc.rows import COLUMNS, Noted, Shown, csv_text, refreshes_after, shown_frames, unwrapped_ns
from livefuse.bench.webrtc.servers import Kind, furnish, server
from livefuse.bench.webrtc.shipped import stage_metrics
from livefuse.bench.webrtc.trend import slope, student_t_975
from livefuse.bench.webrtc.waterfall import counted, receiver_figures, stage_means_ms, waterfall
from livefuse.cli import bench_webrtc
from livefuse.daemon_config import make_daemon_config
from livefuse.errors import BadValue, ConfigError, DaemonUnreachable, PeerError
from livefuse.session import Session
from livefuse.source.synthetic.blocks import COLUMNS as COLUMNS_DRAWN
from livefuse.source.synthetic.blocks import FINDER, ROWS

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


def noted(**said: Any) -> Noted:
    usual = {"id": 7, "us": 1_000, "presented": 20.0, "displayed": 25.0, "received": 12.0, "decode": 0.002}
    refreshes = said.pop("refreshes", [])
    return Noted([usual | {"rtp": 90, "count": 1} | said], refreshes)


def test_what_the_page_noted_is_put_on_our_clock() -> None:
    (one,) = shown_frames(noted(refreshes=[6.0, 16.0, 26.0, 36.0]), PageClock(100 * MS, 0))
    assert one == Shown(7, 1 * MS, 112 * MS, 2 * MS, 120 * MS, 126 * MS, 1, 90, 125 * MS)
    assert one.glass_ns == 125 * MS


def test_a_frame_is_shown_at_the_first_refresh_after_its_hand_over() -> None:
    refreshes = [0.0, 10.0, 20.0, 50.0, 60.0]  # the page was busy from 20 to 50
    assert refreshes_after([10.0, 10.5, 19.9, 20.0], refreshes) == [10, 20, 20, 20]
    assert refreshes_after([21.0, 33.0, 40.0], refreshes) == [30, 40, 40]
    assert refreshes_after([-12.0, 75.0], refreshes) == [-10, 80]


def test_a_rounded_instant_of_a_refresh_is_that_refresh() -> None:
    assert refreshes_after([10.05], [0.0, 10.0, 20.0]) == [10.05]


def test_without_refreshes_the_hand_over_is_what_is_known() -> None:
    (one,) = shown_frames(noted(), PageClock(0, 0))
    assert one.shown_ns == one.presented_ns == 20 * MS


def test_what_the_browser_does_not_say_stays_unsaid() -> None:
    (one,) = shown_frames(noted(id=None, us=None, received=None, decode=None, rtp=None), PageClock(5, 0))
    assert (one.id, one.captured_ns, one.received_ns, one.decode_ns, one.glass_ns) == (None,) * 5


def test_rows_come_in_the_order_of_presentation() -> None:
    both = noted(count=3)
    both.add(noted(count=2))
    assert [one.count for one in shown_frames(both, PageClock(0, 0))] == [2, 3]


@pytest.mark.parametrize("instant_us", [5, (1 << 32) - 5, 3 << 32, (7 << 32) + 12345])
@pytest.mark.parametrize("late_us", [0, 40_000, -40_000])
def test_time_is_unwrapped_next_to_the_instant_of_showing(instant_us: int, late_us: int) -> None:
    assert unwrapped_ns(instant_us % (1 << 32), (instant_us + late_us) * 1000) == instant_us * 1000


def test_csv_has_a_line_per_frame_and_nothing_for_the_unknown() -> None:
    text = csv_text([Shown(None, None, None, 3, 4, 5, 6)])
    assert text.splitlines() == [",".join(COLUMNS), ",,,3,4,5,6,,"]


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


# --- growth over time, and what a process costs ----------------------------------------------------------------------


def test_the_slope_of_a_line_is_exact() -> None:
    times = np.arange(0, 600, 0.5)
    found = slope(list(times), list(40 + times / 60 * 1.5), 10)
    assert found.per_minute == pytest.approx(1.5)
    assert found.low == pytest.approx(found.high)
    assert (found.blocks, found.flat) == (60, False)


def test_noise_without_growth_is_flat_and_growth_in_noise_is_found() -> None:
    rng = np.random.default_rng(5)
    times = np.arange(0, 900, 1 / 30)
    noise = 40 + rng.gamma(2, 4, len(times))
    assert slope(list(times), list(noise), 10).flat
    grown = slope(list(times), list(noise + times / 60 * 0.5), 10)
    assert grown.low < 0.5 < grown.high
    assert not grown.flat


def test_a_few_seconds_have_no_slope() -> None:
    with pytest.raises(ValueError, match="blocks"):
        slope([0, 5, 12], [1, 1, 1], 10)


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.7764), (10, 2.2281), (30, 2.0423), (1000, 1.9623)])
def test_student_s_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t_975(freedom) == pytest.approx(quantile, rel=0.01)


def test_a_process_s_use_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    before = "42 (a) name (x) S 1 1 1 0 -1 0 0 0 0 0 "
    (tmp_path / "42" / "stat").write_text(before + "250 50 7 7 20 0 3 0 100\n")
    (tmp_path / "42" / "statm").write_text("900 10 5 0 0 0 0\n")
    found = use_of(42, tmp_path)
    assert found.cpu_s == 300 / os.sysconf("SC_CLK_TCK")
    assert found.rss_bytes == 10 * os.sysconf("SC_PAGE_SIZE")
    with pytest.raises(DaemonUnreachable, match="43"):
        use_of(43, tmp_path)


# --- what is started -------------------------------------------------------------------------------------------------


def test_the_server_s_configuration_is_what_was_asked_for() -> None:
    asked = {"webrtc.preset": "ultrafast", "privacy.mode": "closed", "detect.every": 2}
    tree = tomllib.loads(Options(640, 480, 25, codec="vp8", settings=asked).config())
    config = make_daemon_config(tree)
    session = config.sessions["live"]
    assert session.source == "synthetic:640x480@25?blocks=1"
    assert (config.webrtc.codec, config.webrtc.preset, session.detect.every) == ("vp8", "ultrafast", 2)
    assert (session.identity.photo, session.identity.consent) == ("synthetic:7", "synthetic")


def test_a_server_that_does_not_come_up_says_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    with pytest.raises(DaemonUnreachable, match="no_such_key"), server("shipped", "no_such_key = 1\n"):
        pass


def test_the_user_s_models_are_linked_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user, home = tmp_path / "user", tmp_path / "bench"
    (user / "models").mkdir(parents=True)
    (user / "state").mkdir()
    home.mkdir()
    monkeypatch.setenv("LIVEFUSE_HOME", str(user))
    furnish(home)
    assert (home / "models").resolve() == user / "models"
    assert not (home / "state").exists()  # a daemon of the user's is not seen, and not disturbed


def test_without_playwright_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(ConfigError, match="Playwright") as caught, chromium():
        pass
    assert "pip install 'livefuse[browser]'" in caught.value.hint


def test_a_chromium_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_CHROMIUM", "/opt/mine")
    assert find_chromium() == "/opt/mine"
    monkeypatch.delenv("LIVEFUSE_CHROMIUM")
    monkeypatch.setenv("PATH", "")
    assert find_chromium() is None


def test_the_page_s_reader_knows_the_blocks_as_they_are_drawn() -> None:
    script = READER.read_text("utf-8")
    for name, value in {"COLUMNS": COLUMNS_DRAWN, "ROWS": ROWS, "FINDER": f"0b{FINDER:b}"}.items():
        assert f"{name} = {value}" in script


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_recording_that_cannot_be_dated_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = Recording([row(None, 33.0 * i, count=i) for i in range(5)], {}, "H264", PageClock(0, 0))
    fake = SimpleNamespace(metrics=str, record=lambda: {"frames": {"dropped": {}}}, ready_s=1.0)
    monkeypatch.setattr(measuring, "server", lambda *_: nullcontext(fake))
    monkeypatch.setattr(measuring, "chromium", lambda: nullcontext(SimpleNamespace(version="1")))
    monkeypatch.setattr(measuring, "watch", lambda *_: [SimpleNamespace(wait=lambda _: None)])
    monkeypatch.setattr(measuring, "record", lambda *_: [blind])
    with pytest.raises(PeerError, match="none of 5 shown frames") as caught:
        measuring.measure(Options(seconds=1))
    assert "blocks=1" in caught.value.hint


def result_of(*kinds: Kind) -> Result:
    measured = []
    for i, kind in enumerate(kinds):
        rows = [row(n, 1000 + PERIOD_MS * n + 25 * i, 960 + PERIOD_MS * n, n) for n in range(60)]
        found = figures(rows)
        way = waterfall(found, STAGES, RECEIVED)
        measured.append(
            Measured(
                kind,
                found,
                way,
                receiver_figures(RECEIVED),
                "H264",
                0.4,
                1.2,
                {"capture": 2},
                {"fps": 30.0},
                rows,
                [found],
            )
        )
    return Result(Options(640, 480), measured, "chromium 1")


def run_bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    def measured(options: Options, kinds: list[Kind], tell: Any) -> Result:
        tell(f"{options.width}x{options.height}")
        return result_of(*kinds)

    monkeypatch.setattr("livefuse.bench.webrtc.measure.measure", measured)
    app = typer.Typer()
    app.command()(bench_webrtc.webrtc)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_figures_and_the_waterfall(monkeypatch: pytest.MonkeyPatch) -> None:
    said = run_bench(monkeypatch, "--shipped").stdout
    assert "glass to glass" in said
    assert "encode and hand over" in said
    assert "60 shown of 60 captured" in said
    assert "dropped by the session 2" in said
    assert "viewer 2" in said
    assert "1.6 times as long at the median" in said  # 65 ms against 40 ms


def test_json_holds_everything_but_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(run_bench(monkeypatch, "--json").stdout)
    assert record["results"][0]["figures"]["glass"]["p50"] == 40
    assert record["environment"]["browser"] == "chromium 1"
    assert "ratio" not in record
    assert "rows" not in record["results"][0]


def test_rows_and_a_picture_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_bench(monkeypatch, "--shipped", "--csv", str(tmp_path / "r.csv"), "--plot", str(tmp_path / "p.png"))
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 61
    assert len((tmp_path / "r-shipped.csv").read_text().splitlines()) == 61
    picture = cv2.imread(str(tmp_path / "p.png"))
    assert picture is not None
    assert picture.shape[1] == 1280
    assert picture.std() > 10


@pytest.mark.parametrize("arguments", [("--codec", "av1"), ("--plot", "p.jpg"), ("--size", "big")])
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str]) -> None:
    assert isinstance(run_bench(monkeypatch, *arguments).exception, BadValue)
