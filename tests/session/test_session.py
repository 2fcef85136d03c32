"""The whole loop with fake sources and sinks: order, drops, gaps, failures, privacy, control."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from livefuse.clock import MonotonicClock
from livefuse.composite.stage import Composite
from livefuse.config import Config, IdentityConfig, LiveConfig, PrivacyConfig
from livefuse.device.cpu import CpuBackend
from livefuse.doors import Doors
from livefuse.errors import EmptySource, Interrupted, SessionError, SinkUnwritable, SourceLost, StageFailed
from livefuse.pipeline import Pipeline
from livefuse.session import Session
from livefuse.sinks.base import Sink
from livefuse.source.base import Source
from livefuse.stages import Stages
from tests.fakes import FakeAlign, FakeDetect, FakeSink, FakeSource, fake_look

SWAPPED_LUMA = 16 + round(200 * 219 / 255)
REAL_LUMA = 90


def make(
    source: Source,
    *sinks: Sink,
    every: bool = False,
    detect: FakeDetect | None = None,
    align: FakeAlign | None = None,
    privacy: PrivacyConfig = PrivacyConfig(),  # noqa: B008
    live: LiveConfig = LiveConfig(),  # noqa: B008
    seconds: float | None = None,
) -> Session:
    config = Config(privacy=privacy, live=live, seconds=seconds)
    backend = CpuBackend()
    composite = Composite(backend, privacy)
    clock = MonotonicClock()
    pipeline = Pipeline(backend, detect or FakeDetect(), align or FakeAlign(), composite, clock, list)
    stages = Stages(pipeline, composite, lambda _: fake_look(), lambda _: lambda: None)
    config = config.model_copy(update={"identity": config.identity.model_copy(update={"photo": "fake"})})
    return Session(config, source=source, sinks=list(sinks), stages=stages, every_frame=every)


def run(session: Session) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(session.run(), 30))


def test_every_frame_of_a_file_reaches_every_sink_in_order() -> None:
    fast, slow = FakeSink("fast"), FakeSink("slow", sleep_s=0.003)
    record = run(make(FakeSource(60), fast, slow, every=True))
    assert fast.marks == slow.marks == list(range(60))
    assert fast.pts_ns == sorted(set(fast.pts_ns))
    assert fast.calls == ["open", "close"]
    assert record["frames"]["captured"] == record["frames"]["out"] == 60
    assert not any(record["frames"]["dropped"].values())


def test_live_a_slow_sink_costs_the_others_nothing() -> None:
    fast, slow = FakeSink("fast"), FakeSink("slow", sleep_s=0.1)
    record = run(make(FakeSource(60, live=True), fast, slow))
    frames, sinks = record["frames"], record["sinks"]
    assert frames["captured"] == 60 == frames["out"] + frames["dropped"]["capture"] + frames["dropped"]["deadline"]
    for name, sink in (("fast", fast), ("slow", slow)):
        assert len(sink.pts_ns) + sinks[name]["dropped"] == frames["out"], "every frame is accounted for"
    assert 0 < len(slow.pts_ns) < len(fast.pts_ns)
    assert sinks["fast"]["dropped"] < sinks["slow"]["dropped"]
    assert record["sinks"]["fast"]["out_of_order"] == record["sinks"]["slow"]["out_of_order"] == 0


def test_sinks_of_the_same_name_are_counted_apart() -> None:
    record = run(make(FakeSource(5), FakeSink("same"), FakeSink("same"), every=True))
    assert [sink["frames"] for sink in record["sinks"].values()] == [5, 5]


def test_every_stage_of_a_frame_is_timed() -> None:
    record = run(make(FakeSource(40, live=True), FakeSink()))
    assert set(record["stages_ms"]) == {
        "capture", "queue", "upload", "look", "overlap", "follow", "detect", "align", "lane", "swap", "composite", "download", "wait", "sink",
    }  # fmt: skip
    assert record["latency_ms"]["max"] > record["stages_ms"]["swap"]["p50"] >= 0


def test_closed_covers_frames_without_a_swap_and_open_passes_them() -> None:
    def absent_in_the_middle(n: int) -> bool:
        return not 10 <= n < 20

    for mode in ("closed", "open"):
        sink = FakeSink()
        privacy = PrivacyConfig(mode=mode, cover="slate")
        record = run(make(FakeSource(30), sink, every=True, detect=FakeDetect(absent_in_the_middle), privacy=privacy))
        assert set(sink.luma[:10] + sink.luma[20:]) == {SWAPPED_LUMA}
        middle = set(sink.luma[10:20])
        assert (middle == {REAL_LUMA}) == (mode == "open")
        assert record["frames"]["unswapped"] == 10


def test_hold_repeats_the_last_good_picture_with_new_time() -> None:
    sink = FakeSink()
    privacy = PrivacyConfig(mode="closed", cover="hold")
    run(make(FakeSource(20), sink, every=True, detect=FakeDetect(lambda n: n < 10), privacy=privacy))
    assert set(sink.luma) == {SWAPPED_LUMA}
    assert len(set(sink.pts_ns)) == 20


def test_a_stage_that_fails_now_and_then_is_covered_and_counted() -> None:
    sink = FakeSink()
    align = FakeAlign(lambda n: n % 5 == 0)
    record = run(make(FakeSource(20), sink, every=True, align=align, privacy=PrivacyConfig(cover="slate")))
    assert record["frames"]["verdicts"] == {"covered": 4, "swapped": 16}
    assert REAL_LUMA not in sink.luma


def test_a_stage_that_always_fails_ends_the_session_and_gives_the_file_up() -> None:
    sink = FakeSink()
    with pytest.raises(StageFailed, match="align failed on 30 frames in a row"):
        run(make(FakeSource(100), sink, every=True, align=FakeAlign(lambda _: True)))
    assert sink.calls[-1] == "abort"


def test_a_gap_in_a_live_source_is_filled_with_slates() -> None:
    sink = FakeSink()
    source = FakeSource(20, live=True, silent_at=10, silent_s=0.4)
    record = run(make(source, sink, live=LiveConfig(stall_ms=50), privacy=PrivacyConfig(cover="slate")))
    assert record["frames"]["slates"] >= 1
    assert sink.pts_ns == sorted(set(sink.pts_ns))


def test_a_lost_live_source_without_reconnecting_ends_the_session() -> None:
    session = make(FakeSource(20, live=True, lost_at=5), FakeSink(), live=LiveConfig(reconnect=False))
    with pytest.raises(SourceLost, match="unplugged"):
        run(session)


def test_a_lost_live_source_comes_back_and_time_goes_on() -> None:
    sink = FakeSink()
    session = make(FakeSource(20, live=True, lost_at=8), sink)
    session._open_source = lambda: FakeSource(10, live=True)  # type: ignore[method-assign]
    record = run(session)
    assert record["frames"]["reconnects"] == 1
    assert record["frames"]["captured"] == 18
    assert sink.pts_ns == sorted(set(sink.pts_ns))
    assert max(sink.pts_ns) > 0.4e9, "half a second of waiting has passed on the session's clock"


def test_a_run_of_limited_length_ends_while_its_source_is_lost() -> None:
    sink = FakeSink()
    session = make(FakeSource(20, live=True, lost_at=8), sink, seconds=0.4)

    def unplugged() -> Source:
        raise SourceLost("still unplugged")

    session._open_source = unplugged  # type: ignore[method-assign]
    record = run(session)
    assert record["frames"]["captured"] == 8
    assert sink.calls == ["open", "close"]


def test_a_sink_that_dies_leaves_the_others_alone() -> None:
    good, bad = FakeSink("good"), FakeSink("bad", dies_at=3, error=SinkUnwritable("bad: full"))
    record = run(make(FakeSource(40, live=True), good, bad))
    assert len(good.pts_ns) + record["sinks"]["good"]["dropped"] == record["frames"]["out"] > 3
    assert bad.calls == ["open", "abort"]
    assert "full" in record["sinks"]["bad"]["error"]


def test_a_lost_sink_is_opened_again() -> None:
    sink = FakeSink("net", dies_at=3)
    run(make(FakeSource(120, live=True), sink, live=LiveConfig(reconnect=True)))
    assert sink.calls == ["open", "abort", "open", "close"]
    assert len(sink.pts_ns) > 3, "frames before the loss and after it"


def test_a_file_job_fails_with_its_sink() -> None:
    with pytest.raises(SinkUnwritable, match="full"):
        run(make(FakeSource(500), FakeSink(dies_at=3, error=SinkUnwritable("full")), every=True))


def test_a_source_without_frames_is_an_error_and_leaves_no_file() -> None:
    sink = FakeSink()
    with pytest.raises(EmptySource):
        run(make(FakeSource(0), sink, every=True))
    assert sink.calls == ["open", "abort"]


def stopped_after(session: Session, ready: Callable[[], bool]) -> dict[str, Any]:
    def stop() -> None:
        while not ready():
            time.sleep(0.005)
        session.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        return run(session)
    finally:
        stopper.join(5)


def test_stopping_a_live_session_completes_its_outputs() -> None:
    sink = FakeSink()
    record = stopped_after(make(FakeSource(10**6, live=True), sink), lambda: len(sink.pts_ns) > 5)
    assert sink.calls == ["open", "close"]
    assert record["frames"]["out"] >= 5


def test_stopping_a_file_job_leaves_nothing() -> None:
    sink = FakeSink(sleep_s=0.002)
    with pytest.raises(Interrupted):
        stopped_after(make(FakeSource(10**6), sink, every=True), lambda: len(sink.pts_ns) > 5)
    assert sink.calls == ["open", "abort"]


def test_privacy_changes_between_frames() -> None:
    sink = FakeSink()
    session = make(
        FakeSource(10**6, live=True), sink, detect=FakeDetect(lambda _: False), privacy=PrivacyConfig(cover="slate")
    )

    def opened() -> bool:
        if len(sink.luma) >= 5:
            session.change_privacy("open")
        return sink.luma[-3:] == [REAL_LUMA] * 3

    stopped_after(session, opened)
    assert REAL_LUMA not in sink.luma[:5]


def test_another_identity_is_put_on_between_frames() -> None:
    sink = FakeSink()
    session = make(FakeSource(10**6, live=True), sink)
    looks = iter((fake_look(40), fake_look(240)))
    asked: list[int] = []
    assert session._stages is not None
    session._stages.look = lambda _: next(looks)

    def changed() -> bool:
        if len(sink.luma) > 8 and not asked:
            asked.append(len(sink.luma))
            session.change_identity(IdentityConfig(photo="other"))
        return len(set(sink.luma)) == 2 and len(sink.luma) > 20

    stopped_after(session, changed)
    dark, light = (16 + round(grey * 219 / 255) for grey in (40, 240))
    assert set(sink.luma) == {dark, light}
    assert sink.luma == sorted(sink.luma), "once, and for good"


def test_nothing_can_be_changed_before_a_session_runs() -> None:
    with pytest.raises(SessionError, match="not running"):
        make(FakeSource(1), FakeSink()).change_overlay(True)


def test_a_session_runs_once() -> None:
    session = make(FakeSource(3), FakeSink(), every=True)
    run(session)
    with pytest.raises(SessionError, match="runs once"):
        run(session)


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    run(make(FakeSource(10), FakeSink(), every=True))
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if thread.name.startswith("livefuse")]


def test_what_left_with_privacy_open_is_not_held_once_it_is_closed() -> None:
    """It may show bystanders, or a swap that was fading in."""
    sink, seen = FakeSink(), threading.Event()
    session = make(
        FakeSource(10**6, live=True),
        sink,
        detect=FakeDetect(lambda _: not seen.is_set()),
        privacy=PrivacyConfig(mode="open", cover="hold"),
    )
    at: list[int] = []

    def covered() -> bool:
        if len(sink.luma) >= 5 and not at:
            session.change_privacy("closed")
            seen.set()
            at.append(len(sink.luma) + 4)  # what was on its way
        return bool(at) and len(sink.luma) > at[0] + 5

    stopped_after(session, covered)
    assert SWAPPED_LUMA not in sink.luma[at[0] :]


def test_faces_of_another_source_are_not_taken_for_those_before() -> None:
    """A tracker that goes on would have the swap pasted where the last source's face was, and leave the new one bare."""
    sink, detect = FakeSink(), FakeDetect()
    restarts: list[int] = []
    detect.restart = lambda: restarts.append(len(sink.luma))  # type: ignore[method-assign]
    session = make(FakeSource(10**6, live=True), sink)
    assert session._stages is not None
    session._stages.pipeline.detect = detect
    session._doors = Doors(lambda _: FakeSource(10**6, live=True))

    def changed() -> bool:
        if len(sink.luma) >= 5 and session.config.source != "another:":
            session.change_source("another:")
        return bool(restarts)

    stopped_after(session, changed)
    assert len(restarts) == 1
