"""What is changed while a session runs: looks are replaced as a whole, choices and configurations follow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from livefuse.align.cut import Face
from livefuse.align.stage import AlignByPoints
from livefuse.clock import MonotonicClock
from livefuse.composite.stage import Composite
from livefuse.config import (
    Config,
    IdentityConfig,
    PrivacyConfig,
    ProfileConfig,
    RoleConfig,
    SwapConfig,
    TrackConfig,
)
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.doors import Doors
from livefuse.errors import BadValue, NoFace, SessionError, SinkUnwritable
from livefuse.frame import Crop, Crops
from livefuse.pipeline import Pipeline
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from livefuse.stages import Stages
from livefuse.swap.base import Look
from livefuse.swap.identity import Identity
from tests.fakes import HEIGHT, WIDTH, FakeDetect, FakeSink, FakeSource, FakeSwapper, fake_look


class Family(FakeSwapper):
    """Cuts crops that only it can swap, and says which strangers it was given."""

    def __init__(self, number: int, grey: int) -> None:
        super().__init__(grey)
        self.number, self.strangers, self.swapped = number, 0, 0
        self.cut = self._cut  # type: ignore[assignment]

    def _cut(self, lane: Lane, picture: Picture, face: Face, index: int) -> Crop:
        image = lane.buffer(f"crop.{index}", (HEIGHT, WIDTH, 3))
        points = np.full((5, 2), self.number, np.float32)
        return Crop(face.track, image, np.eye(2, 3, dtype=np.float32), points, points, role=face.role)

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        self.strangers += sum(int(crop.points[0, 0]) != self.number for crop in crops)
        self.swapped += len(crops)
        return super().__call__(lane, crops, identities, t_ns)


class BrokenSink(FakeSink):
    def open(self, info: StreamInfo) -> None:
        raise SinkUnwritable("no such folder", hint="make it")


class Wardrobe:
    """Looks by the configured swapper; remembers what it was asked for."""

    def __init__(self) -> None:
        self.families = {"mesh": Family(1, 40), "other": Family(2, 240)}
        self.asked: list[Config] = []
        self.chosen: list[TrackConfig] = []
        self.fails = False

    def look(self, config: Config) -> Look:
        if self.fails:
            raise NoFace("no face in that photo")
        self.asked.append(config)
        return Look(self.families[config.swap.model], fake_look().identities)

    def choice(self, config: Config) -> Callable[[], None]:
        return lambda: self.chosen.append(config.track)


def a_session(wardrobe: Wardrobe, sink: FakeSink) -> Session:
    backend, clock, privacy = CpuBackend(), MonotonicClock(), PrivacyConfig()
    composite = Composite(backend, privacy)
    pipeline = Pipeline(backend, FakeDetect(), AlignByPoints(), composite, clock, list)
    config = Config(identity=IdentityConfig(photo="fake", consent="self"))
    stages = Stages(pipeline, composite, wardrobe.look, wardrobe.choice)
    return Session(config, source=FakeSource(10**6, live=True), sinks=[sink], stages=stages)


def while_running(session: Session, sink: FakeSink, act: Callable[[], None]) -> None:
    """Let some frames out, act on another thread, let some more out, stop."""

    def drive() -> None:
        _wait(lambda: len(sink.luma) > 8)
        try:
            act()
            seen = len(sink.luma)
            _wait(lambda: len(sink.luma) > seen + 8)
        finally:
            session.stop()

    driver = threading.Thread(target=drive)
    driver.start()
    asyncio.run(asyncio.wait_for(session.run(), 30))
    driver.join()


def _wait(reached: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not reached() and time.monotonic() < limit:
        time.sleep(0.005)


def test_another_family_takes_over_between_two_frames() -> None:
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    while_running(session, sink, lambda: session.change_swapper(SwapConfig(model="other")))
    first, second = wardrobe.families["mesh"], wardrobe.families["other"]
    assert first.swapped > 0
    assert second.swapped > 0
    assert first.strangers == second.strangers == 0, "a crop is swapped by the one that had it cut"
    dark, light = (16 + round(grey * 219 / 255) for grey in (40, 240))
    assert set(sink.luma) == {dark, light}
    assert sink.luma == sorted(sink.luma), "once, and for good"
    assert session.config.swap.model == "other"


def test_what_is_not_changed_stays() -> None:
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    identity = IdentityConfig(photo="other", consent="licence")
    profile = ProfileConfig(name="facefusion")

    def act() -> None:
        session.change_identity(identity)
        session.change_swapper(SwapConfig(model="other"), profile=profile)
        session.change_cast([RoleConfig(like="ann.jpg", photo="bob.jpg", consent="self")])

    while_running(session, sink, act)
    last = wardrobe.asked[-1]
    assert (last.identity, last.swap.model, last.profile) == (identity, "other", profile)
    assert [role.like for role in last.cast] == ["ann.jpg"]
    assert session.config == last
    assert len(wardrobe.chosen) == 1, "who is followed is asked anew when the cast changes, not with every look"


def test_a_change_that_fails_changes_nothing() -> None:
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    before = session.config

    def act() -> None:
        wardrobe.fails = True
        with pytest.raises(NoFace):
            session.change_identity(IdentityConfig(photo="nobody", consent="self"))

    while_running(session, sink, act)
    assert session.config == before
    assert len(set(sink.luma)) == 1


def test_another_choice_of_faces_reaches_the_tracker() -> None:
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    largest = TrackConfig(faces="largest")
    while_running(session, sink, lambda: session.change_choice(largest))
    assert wardrobe.chosen == [largest]
    assert session.config.track == largest


def test_closing_works_even_when_the_look_for_it_cannot_be_made() -> None:
    """Nothing may be swapped in a way that shows half of the real face: so nobody is, and all is covered."""
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    faces = (wardrobe.families["mesh"].grey,)

    def close() -> None:
        session.change_privacy("open")
        _wait(lambda: session.config.privacy.mode == "open")
        wardrobe.fails = True
        with pytest.raises(NoFace):
            session.change_privacy("closed")
        seen = len(sink.luma)
        _wait(lambda: len(sink.luma) > seen + 6)

    while_running(session, sink, close)
    assert session.config.privacy.mode == "closed"
    swapped = {16 + round(grey * 219 / 255) for grey in faces}
    assert not swapped & set(sink.luma[-4:])
    record = session.record()
    assert record["frames"]["verdicts"].get("covered", 0) > 0


def test_closing_waits_for_no_slow_change() -> None:
    """A change that began with privacy open goes on; no frame leaves open any more, nor when it is done."""
    wardrobe, sink, slow = Wardrobe(), FakeSink(), threading.Event()
    session = a_session(wardrobe, sink)
    modes: list[str] = []

    def act() -> None:
        session.change_privacy("open")
        running = session._running
        assert running is not None
        _wait(lambda: running.stages.composite.privacy.mode == "open")
        ready, look = threading.Event(), running.stages.look

        def slowly(config: Config) -> Look:
            ready.set()
            slow.wait(20)
            return look(config)

        running.stages.look = slowly
        dressing = threading.Thread(target=lambda: session.change_swapper(SwapConfig(model="other")))
        dressing.start()
        ready.wait(20)
        closing = threading.Thread(target=lambda: session.change_privacy("closed"))
        closing.start()
        _wait(lambda: running.stages.composite.privacy.mode == "closed")
        modes.append(running.stages.composite.privacy.mode)
        assert not any(running.loop.look.identities), "a look made for open privacy may show parts of the face"
        slow.set()
        dressing.join(20)
        closing.join(20)
        _wait(lambda: any(running.loop.look.identities))
        modes.append(running.stages.composite.privacy.mode)

    while_running(session, sink, act)
    assert modes == ["closed", "closed"]
    assert (session.config.privacy.mode, session.config.swap.model) == ("closed", "other")


def test_what_is_changed_by_others_meanwhile_is_not_undone() -> None:
    """Another source is no reason to go back to the privacy that held when it was asked for."""
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    session._doors = Doors(lambda _: FakeSource(10**6, live=True))

    def act() -> None:
        session.change_privacy("open")
        session._changing.acquire()
        asking = threading.Thread(target=lambda: session.change_source("another:"))
        asking.start()
        time.sleep(0.1)
        session.config = session.config.model_copy(update={"privacy": PrivacyConfig(mode="closed")})
        session._changing.release()
        asking.join(20)

    while_running(session, sink, act)
    assert (session.config.source, session.config.privacy.mode) == ("another:", "closed")


def test_a_sink_that_cannot_be_added_leaves_privacy_as_it_was() -> None:
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    session._open_sink = lambda _: BrokenSink()  # type: ignore[method-assign, assignment]
    modes: list[str] = []

    def act() -> None:
        opened = PrivacyConfig(mode="open")
        with pytest.raises(SinkUnwritable):
            session.change(session.config.model_copy(update={"privacy": opened, "sinks": ("null:", "x.mp4")}))
        seen = len(sink.luma)
        _wait(lambda: len(sink.luma) > seen + 3)
        assert session._running is not None
        modes.append(session._running.stages.composite.privacy.mode)

    while_running(session, sink, act)
    assert modes == ["closed"]
    assert (session.config.privacy.mode, session.config.sinks) == ("closed", ("null:",))


def test_what_has_ended_takes_neither_source_nor_sink() -> None:
    """Nobody would end their threads."""
    wardrobe, sink = Wardrobe(), FakeSink()
    session, late = a_session(wardrobe, sink), FakeSource(10**6, live=True)
    before = set(threading.enumerate())
    while_running(session, sink, lambda: None)
    session._doors = Doors(lambda _: late)
    with pytest.raises(SessionError, match="ended"):
        session.change_source("another:")
    assert late.closed.is_set()
    session._open_sink = lambda _: FakeSink("late")  # type: ignore[method-assign, assignment]
    with pytest.raises(SessionError, match="ended"):
        session.add_sink("x.mp4")
    late_ones = ("livefuse-capture", "livefuse-sink-late")
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name in late_ones]


def test_privacy_is_closed_together_with_what_it_rules_out() -> None:
    """The look that holds shows half of the real face and may not be worn closed; the one that is asked for may."""
    wardrobe, sink = Wardrobe(), FakeSink()
    session = a_session(wardrobe, sink)
    usual = session.config
    half = usual.model_copy(
        update={"privacy": PrivacyConfig(mode="open"), "mask": usual.mask.model_copy(update={"areas": ("lower-face",)})}
    )

    def act() -> None:
        running = session._running
        assert running is not None
        look = running.stages.look

        def checked(config: Config) -> Look:
            if config.mask.areas and config.privacy.mode == "closed":
                raise BadValue("half of the face", hint="open")
            return look(config)

        running.stages.look = checked
        session.change(half)
        session.change(usual)
        assert session.config == usual
        session.change(half)
        with pytest.raises(BadValue):
            session.change_privacy("closed")
        assert session.config.privacy.mode == "closed", "nothing leaves but covered pictures"
        _wait(lambda: not any(running.loop.look.identities))

    while_running(session, sink, act)
