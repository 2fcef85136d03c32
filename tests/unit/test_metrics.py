"""What Prometheus is told: text that its own parser takes, under names that obey its conventions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from livefuse.clock import BUCKETS_S, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.stats import Stats
from tests.unit.api_calls import Api, fake_api

MS = 1_000_000
UNITS = ("_seconds", "_total", "_bytes", "_frames", "_info")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_api(tmp_path) as made:
        made.daemon.channels["live"] = busy_channel(made.daemon.channels["live"])
        yield made


def busy_channel(channel: Any) -> Any:
    """With a session whose record is a real one."""
    stats = Stats("null")
    for n in range(4):
        stats.capture()
        trace = LatencyTrace(0)
        trace.mark("detect", 3 * MS)
        trace.mark("null", 7 * MS)
        stats.left(Verdict.SWAPPED, 1, 5 * MS, n * 33 * MS)
        stats.delivered("null", n, trace)
    stats.capture()
    stats.drop("deadline")
    stats.sink("null").dropped = 2
    session = SimpleNamespace(histograms=stats.histograms, frame_age_s=lambda: 0.5, record=lambda: stats.record({}, {}))
    webrtc = {
        "viewers": [{"rtt_ms": 20.0, "fraction_lost": 0.1}, {"rtt_ms": None, "fraction_lost": None}],
        "target_bitrate": 2_500_000,
        "encode_ms": {"p50": 2.0, "p95": 3.0, "p99": 4.0},
        "keyframes": 3,
    }
    channel.session = session
    channel.record = lambda figures: figures | {"state": "running", "webrtc": webrtc}
    return channel


def samples(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = api("GET", "/metrics", token=None).text
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value for family in parse(text) for one in family.samples
    }


def test_every_figure_is_there(api: Api) -> None:
    told = samples(api)
    live = ("session", "live")
    for name, labels, value in (
        ("livefuse_session_up", [live], 1),
        ("livefuse_frames_total", [("result", "ok"), live], 4),
        ("livefuse_frames_total", [("result", "dropped_deadline"), live], 1),
        ("livefuse_frames_total", [("result", "dropped_sink"), live], 2),
        ("livefuse_captured_frames_total", [live], 5),
        ("livefuse_verdict_frames_total", [live, ("verdict", "swapped")], 4),
        ("livefuse_sink_frames_total", [live, ("sink", "null")], 4),
        ("livefuse_inflight_frames", [live], 0),
        ("livefuse_frame_age_seconds", [live], 0.5),
        ("livefuse_idle", [live], 0),
        ("livefuse_held", [live], 0),
        ("livefuse_viewers", [live], 0),
        ("livefuse_rtp_rtt_seconds", [live], 0.02),
        ("livefuse_rtp_fraction_lost", [live], 0.1),
        ("livefuse_target_bitrate", [live], 2_500_000),
        ("livefuse_keyframes_total", [live], 3),
        ("livefuse_encode_seconds", [("quantile", "0.95"), live], 0.003),
        ("livefuse_jobs", [("state", "queued")], 0),
        ("livefuse_latency_seconds_count", [live], 4),
        ("livefuse_latency_seconds_sum", [live], 0.028),
        ("livefuse_interframe_seconds_count", [live], 3),
        ("livefuse_stage_seconds_bucket", [("le", "0.002"), live, ("stage", "detect")], 0),
        ("livefuse_stage_seconds_bucket", [("le", "0.004"), live, ("stage", "detect")], 4),
        ("livefuse_stage_seconds_bucket", [("le", "+Inf"), live, ("stage", "detect")], 4),
    ):
        assert told[name, tuple(sorted(labels))] == pytest.approx(value), name
    assert any(name == "process_resident_memory_bytes" for name, _ in told)
    assert any(name == "livefuse_build_info" for name, _ in told)


def test_names_obey_the_conventions(api: Api) -> None:
    """Source: prometheus.io/docs/practices/naming: an application's prefix, base units, `_total` for counters."""
    families = list(parse(api("GET", "/metrics", token=None).text))
    ours = [family for family in families if family.name.startswith("livefuse_")]
    assert len(ours) > 15
    assert {family.name.partition("_")[0] for family in families} <= {"livefuse", "process"}
    for family in ours:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert not re.search(r"_(ms|ns|milli|kb|mb|percent)", family.name)
        assert family.documentation.endswith(".")
        for one in family.samples:
            if family.type == "counter":
                assert one.name.endswith(("_total", "_created"))
            assert "id" not in one.labels, "a label with an id grows without end"


def test_buckets_reach_from_a_quarter_to_250_ms_and_never_fall(api: Api) -> None:
    buckets = [
        (float(dict(labels)["le"]), value)
        for (name, labels), value in samples(api).items()
        if name == "livefuse_stage_seconds_bucket" and dict(labels)["stage"] == "detect"
    ]
    bounds = [bound for bound, _ in sorted(buckets)]
    assert bounds == [*BUCKETS_S, float("inf")]
    assert (bounds[0], bounds[-2]) == (0.00025, 0.25)
    counts = [count for _, count in sorted(buckets)]
    assert counts == sorted(counts)


def test_openmetrics_where_it_is_asked_for(api: Api) -> None:
    answer = api("GET", "/metrics", token=None, headers={"Accept": "application/openmetrics-text; version=nonsense"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(answer.text)} >= {"livefuse_build", "livefuse_frames"}  # type: ignore[no-untyped-call]


def test_a_session_that_never_ran_is_down_and_counts_nothing(api: Api, tmp_path: Path) -> None:
    channel = api.daemon.channels["live"]
    channel.session, channel.state = None, "failed"
    channel.record = lambda _: {"state": "failed", "webrtc": {}}
    told = samples(api)
    assert told["livefuse_session_up", (("session", "live"),)] == 0
    assert not [name for name, _ in told if name.startswith("livefuse_frames")]


def test_a_session_that_rests_or_is_held_is_told_so_and_does_not_stall(tmp_path: Path) -> None:
    with fake_api(tmp_path) as api:
        channel = busy_channel(api.daemon.channels["live"])
        channel.hold, channel.idle = "panic", True
        channel.session.frame_age_s = lambda: None
        stats = channel.session.record()
        stats["frames"]["captured"] += 5
        stats["frames"]["dropped"] |= {"held": 3, "idle": 2}
        channel.session.record = lambda: stats
        found = samples(api)
    live = ("session", "live")
    assert found["livefuse_idle", (live,)] == found["livefuse_held", (live,)] == 1
    assert not any(name == "livefuse_frame_age_seconds" for name, _ in found)
    assert found["livefuse_inflight_frames", (live,)] == 0
    assert found["livefuse_frames_total", (("result", "dropped_held"), live)] == 3
    assert found["livefuse_frames_total", (("result", "dropped_idle"), live)] == 2
