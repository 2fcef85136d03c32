"""Pictures held back: what leaves in their place, how soon, and that nothing of them comes out later."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from livefuse.clock import MonotonicClock
from livefuse.composite.stage import Composite
from livefuse.config import Config, LiveConfig, PrivacyConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import SessionError, SinkUnwritable
from livefuse.frame import SLATE_SCENE, Crops, HostFrame
from livefuse.gate import HoldKind
from livefuse.pipeline import Pipeline
from livefuse.session import Session
from livefuse.sinks.base import Sink
from livefuse.stages import Stages
from livefuse.swap.base import Look
from livefuse.swap.identity import Identity
from tests.fakes import HEIGHT, FakeAlign, FakeDetect, FakeSink, FakeSource, FakeSwapper, fake_look

CANARY = 16 + round(200 * 219 / 255)
SLATE = 40
"""Darker than this is the slate's ground; the source and the swapped face are brighter."""


class Seen(FakeSink):
    """Remembers when which kind of picture was given to it; may be made to wait in the middle of one."""

    def __init__(self, name: str = "seen") -> None:
        super().__init__(name)
        self.given: list[tuple[int, bool]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def write(self, frame: HostFrame) -> None:
        self.given.append((time.monotonic_ns(), bool(frame.planes[0][HEIGHT // 3, 1] < SLATE)))
        self.go_on.wait(20)
        super().write(frame)

    def pictures_after(self, ns: int) -> int:
        return sum(at_ns > ns and not slate for at_ns, slate in self.given)

    def slates_after(self, ns: int) -> int:
        return sum(at_ns > ns and slate for at_ns, slate in self.given)


class Watched(Seen):
    """A sink that is asked how many look."""

    def __init__(self, readers: int | None) -> None:
        super().__init__("watched")
        self.looking = readers

    def readers(self) -> int | None:
        return self.looking


class Hanging(FakeSwapper):
    """Stops in the middle of a picture until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hang, self.hangs, self.go_on = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        if self.hang.is_set():
            self.hangs.set()
            self.go_on.wait(20)
        return super().__call__(lane, crops, identities, t_ns)


def a_session(
    *sinks: Sink,
    detect: FakeDetect | None = None,
    align: FakeAlign | None = None,
    look: Look | None = None,
    live: LiveConfig = LiveConfig(),  # noqa: B008
    source: FakeSource | None = None,
    seconds: float | None = None,
    **more: Any,
) -> Session:
    privacy = PrivacyConfig(cover="hold")
    backend, clock = CpuBackend(), MonotonicClock()
    composite = Composite(backend, privacy)
    pipeline = Pipeline(backend, detect or FakeDetect(), align or FakeAlign(), composite, clock, list)
    stages = Stages(pipeline, composite, lambda _: look or fake_look(), lambda _: lambda: None)
    config = Config(privacy=privacy, live=live, seconds=seconds)
    config = config.model_copy(update={"identity": config.identity.model_copy(update={"photo": "fake"})})
    source = source or FakeSource(10**6, live=True)
    return Session(config, source=source, sinks=list(sinks), stages=stages, **more)


@contextmanager
def running(session: Session) -> Iterator[None]:
    """The session on a thread of its own; ended afterwards."""
    failed: list[BaseException] = []

    def drive() -> None:
        try:
            asyncio.run(asyncio.wait_for(session.run(), 60))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        session.stop()
        thread.join(30)
    assert not failed, failed


def until(reached: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < limit_s
        time.sleep(0.002)


def now_ns() -> int:
    return time.monotonic_ns()


KINDS: tuple[HoldKind, ...] = ("pause", "panic")


@pytest.mark.parametrize("kind", KINDS)
def test_once_held_nothing_but_slates_leaves_until_it_is_let_go(kind: HoldKind) -> None:
    first, second = Seen("first"), Seen("second")
    session = a_session(first, second)
    with running(session):
        until(lambda: CANARY in first.luma and CANARY in second.luma)
        for _ in range(5):
            assert session.hold(kind, wait_s=5)
            held_ns = now_ns()
            assert session.held == kind
            assert all(sink.given[-1][1] for sink in (first, second)), "the slate is there when the call returns"
            until(lambda: min(sink.slates_after(held_ns) for sink in (first, second)) > 3)  # noqa: B023
            let_go_ns = now_ns()
            assert first.pictures_after(held_ns) == second.pictures_after(held_ns) == 0
            session.hold("")
            until(lambda: min(sink.pictures_after(let_go_ns) for sink in (first, second)) > 3)  # noqa: B023
    for sink in (first, second):
        assert sink.pts_ns == sorted(set(sink.pts_ns)), "time goes on over the hold"
        assert sink.luma[-1] == CANARY


def test_while_held_the_networks_rest_and_the_source_is_read() -> None:
    class Counting(FakeDetect):
        frames = 0

        def begin(self, lane: Lane, picture: Any) -> None:
            self.frames += 1

    detect, sink = Counting(), Seen()
    session = a_session(sink, detect=detect)
    with running(session):
        until(lambda: detect.frames > 5)
        session.hold("pause", wait_s=5)
        until(lambda: session.record()["frames"]["dropped"].get("held", 0) > 2)  # what was in flight has gone
        seen, captured = detect.frames, session.record()["frames"]["captured"]
        until(lambda: session.record()["frames"]["captured"] > captured + 5)
        assert detect.frames == seen
        assert session.frame_age_s() is None, "it does not stall: it is meant to be so"
        record = session.record()
        assert record["hold"] == "pause"
    frames = session.record()["frames"]
    assert frames["captured"] == frames["out"] + sum(
        frames["dropped"][cause] for cause in ("capture", "deadline", "held")
    )


def test_a_pipeline_that_hangs_keeps_no_slate_from_leaving_and_its_picture_never_leaves() -> None:
    swapper, sink = Hanging(), Seen()
    session = a_session(sink, look=Look(swapper, fake_look().identities))
    with running(session):
        until(lambda: CANARY in sink.luma)
        swapper.hang.set()
        assert swapper.hangs.wait(20)
        assert session.hold("panic", wait_s=5)
        held_ns = now_ns()
        until(lambda: sink.slates_after(held_ns) > 3)
        session.hold("")
        swapper.hang.clear()
        before = session.record()["frames"]["dropped"].get("held", 0)
        swapper.go_on.set()
        until(lambda: sink.pictures_after(held_ns) > 3)
        assert session.record()["frames"]["dropped"]["held"] > before, "the picture from before the hold is given up"
    assert min(frame for frame in sink.pts_ns) >= 0


def test_a_dead_pipeline_is_covered_too() -> None:
    sink = Seen()
    session = a_session(sink, align=FakeAlign(lambda n: n > 10))
    session._raise_first_error = lambda: None  # type: ignore[method-assign]
    with running(session):
        until(lambda: CANARY in sink.luma)
        assert session.hold("panic", wait_s=5)
        held_ns = now_ns()
        until(lambda: session.state == "closed" or sink.slates_after(held_ns) > 3)
        assert sink.pictures_after(held_ns) == 0


def test_what_waits_in_front_of_a_slow_sink_is_not_written() -> None:
    slow, fast = Seen("slow"), Seen("fast")
    session = a_session(slow, fast)
    with running(session):
        until(lambda: CANARY in slow.luma)
        slow.go_on.clear()
        seen = len(fast.given)
        until(lambda: len(fast.given) > seen + 5)  # `slow` is in the middle of one, and another waits
        assert not session.hold("panic", wait_s=0.05), "and says so"
        held_ns = now_ns()
        assert fast.given[-1][1], "it keeps nobody else"
        slow.go_on.set()
        until(lambda: slow.slates_after(held_ns) > 3)
        assert slow.pictures_after(held_ns) == 0
        assert session.covered()


def test_a_session_can_begin_held() -> None:
    sink = Seen()
    session = a_session(sink, hold="panic")
    with running(session):
        until(lambda: len(sink.given) > 5)
        assert sink.pictures_after(0) == 0
        session.hold("")
        until(lambda: sink.pictures_after(0) > 3)


def test_letting_go_starts_the_tracker_anew_and_brings_no_old_picture_back() -> None:
    silent = threading.Event()

    class Source(FakeSource):
        def read(self) -> HostFrame | None:
            while silent.is_set() and not self.closed.is_set():
                time.sleep(0.005)
            return super().read()

    sink, detect, restarts = Seen(), FakeDetect(), threading.Event()
    detect.restart = restarts.set  # type: ignore[method-assign]
    session = a_session(sink, detect=detect, live=LiveConfig(stall_ms=50), source=Source(10**6, live=True))
    with running(session):
        until(lambda: CANARY in sink.luma)
        session.hold("pause", wait_s=5)
        held_ns = now_ns()
        silent.set()
        time.sleep(0.05)
        session.hold("")
        slates = session.record()["frames"]["slates"]
        until(
            lambda: session.record()["frames"]["slates"] > slates + 2
        )  # `cover` is "hold": it would repeat the last one
        assert sink.pictures_after(held_ns) == 0
        assert not restarts.is_set()
        silent.clear()
        until(lambda: sink.pictures_after(held_ns) > 3)
        assert restarts.is_set()


def test_a_sink_that_fails_while_held_ends_as_always() -> None:
    good, bad = Seen("good"), FakeSink("bad", dies_at=6, error=SinkUnwritable("full"))
    session = a_session(good, bad)
    with running(session):
        until(lambda: len(good.given) > 2)
        session.hold("panic")
        until(lambda: "full" in session.record()["sinks"]["bad"].get("error", ""))
        assert session.hold("pause", wait_s=5), "nobody waits for the one that is gone"


def test_slates_of_a_hold_can_be_told_from_others_and_leave_the_latency_alone() -> None:
    scenes: list[int] = []

    class Scenes(Seen):
        def write(self, frame: HostFrame) -> None:
            scenes.append(frame.scene)
            super().write(frame)

    session = a_session(Scenes())
    with running(session):
        until(lambda: len(scenes) > 5)
        session.hold("panic", wait_s=5)
        until(lambda: scenes[-3:] == [SLATE_SCENE] * 3)
        latency = session.record()["latency_ms"]
        until(lambda: len(scenes) > 20)
        assert session.record()["latency_ms"] == latency


def test_a_file_is_not_held() -> None:
    session = a_session(FakeSink(), source=FakeSource(3), every_frame=True)
    with pytest.raises(SessionError, match="written whole"):
        session.hold("panic")
    assert "hold" not in asyncio.run(session.run())


def test_before_and_after_its_run_a_session_can_be_held() -> None:
    session = a_session(FakeSink(), source=FakeSource(3, live=True))
    assert session.hold("panic")
    asyncio.run(session.run())
    assert session.hold("")


def test_nobody_looks_so_it_rests_until_somebody_does() -> None:
    sink = Watched(1)
    session = a_session(sink, live=LiveConfig(idle_s=0.1, stall_ms=50))
    with running(session):
        until(lambda: CANARY in sink.luma)
        assert not session.idle
        sink.looking = 0
        until(lambda: session.idle)
        dropped = session.record()["frames"]["dropped"]
        until(lambda: session.record()["frames"]["dropped"].get("idle", 0) > dropped.get("idle", 0) + 3)
        assert session.record()["idle"]
        assert session.frame_age_s() is None
        out, slates = session.frames_out, session.record()["frames"]["slates"]
        asleep_ns = now_ns()
        until(lambda: sink.slates_after(asleep_ns) > 1)
        assert sink.pictures_after(asleep_ns) == 0
        assert (session.frames_out, session.record()["frames"]["slates"]) == (out, slates), "no gap of the source"
        sink.looking = 2
        until(lambda: sink.pictures_after(asleep_ns) > 3)
        assert not session.idle
        assert session.record()["interval_ms"]["max"] < (now_ns() - asleep_ns) / 1e6, "the rest is no jitter"


@pytest.mark.parametrize("sinks", [[Seen()], [Watched(None)], [Watched(0), Seen()]])
def test_what_may_be_seen_unseen_keeps_it_working(sinks: list[Sink]) -> None:
    session = a_session(*sinks, live=LiveConfig(idle_s=0.05))
    with running(session):
        until(lambda: session.frames_out > 30)
        assert not session.idle
        assert "idle" not in session.record()["frames"]["dropped"]


def test_never_means_never_and_files_do_not_rest() -> None:
    sink = Watched(0)
    session = a_session(sink, live=LiveConfig(idle_s=0))
    with running(session):
        until(lambda: session.frames_out > 20)
        assert not session.idle
    file = a_session(Watched(0), source=FakeSource(60), every_frame=True, live=LiveConfig(idle_s=0.001))
    assert asyncio.run(file.run())["frames"]["out"] == 60


def test_who_cannot_say_whether_anybody_looks_is_taken_for_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Watched):
        def readers(self) -> int | None:
            raise OSError("no such device")

    session = a_session(Broken(0), live=LiveConfig(idle_s=0.05))
    with running(session):
        until(lambda: session.frames_out > 30)
        assert not session.idle
    assert sum("cannot be told" in record.message for record in caplog.records) == 1


def test_a_sink_that_has_ended_is_not_looked_at() -> None:
    gone = FakeSink("gone", dies_at=2, error=SinkUnwritable("full"))
    watched = Watched(0)
    session = a_session(watched, gone, live=LiveConfig(idle_s=0.1))
    with running(session):
        until(lambda: session.idle)


def test_held_and_idle_at_once_slates_go_on() -> None:
    sink = Watched(0)
    session = a_session(sink, live=LiveConfig(idle_s=0.05))
    with running(session):
        until(lambda: session.idle)
        assert session.hold("panic", wait_s=5)
        held_ns = now_ns()
        sink.looking = 1
        until(lambda: not session.idle)
        until(lambda: sink.slates_after(held_ns) > 5)
        assert sink.pictures_after(held_ns) == 0


def test_a_film_waits_while_nobody_looks_and_goes_on_where_it_was() -> None:
    sink, source = Watched(0), FakeSource(10**6)
    session = a_session(sink, source=source, live=LiveConfig(idle_s=0.1))
    with running(session):
        until(lambda: session.idle)
        time.sleep(0.1)  # a frame that was being waited for has come
        captured = session.record()["frames"]["captured"]
        time.sleep(0.3)
        assert session.record()["frames"]["captured"] == captured
        sink.looking = 1
        until(lambda: session.frames_out > 0 and session.record()["frames"]["captured"] > captured + 3)


def test_a_film_that_is_to_end_after_some_seconds_does_not_wait() -> None:
    session = a_session(Watched(0), source=FakeSource(10**6), live=LiveConfig(idle_s=0.05), seconds=0.6)
    with running(session):
        until(lambda: session.state == "closed")
