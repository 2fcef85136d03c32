"""A running session goes over to other sinks, sources and stages; frames keep coming, in order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from livefuse.config import Config, DetectConfig, OverlayConfig, make_config
from livefuse.daemon_config import laid_over
from livefuse.errors import BadValue, NeedsRestart, NotHere, SinkUnwritable, SourceNotFound
from livefuse.frame import HostFrame
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo


class Seen:
    """A sink that remembers when and what it was given."""

    name = "seen"

    def __init__(self) -> None:
        self.pts: list[int] = []
        self.seq: list[int] = []
        self.info: StreamInfo | None = None

    def open(self, info: StreamInfo) -> None:
        self.info = info

    def write(self, frame: HostFrame) -> None:
        self.pts.append(frame.pts_ns)
        self.seq.append(frame.seq)

    def close(self) -> None: ...

    def abort(self) -> None: ...


def run(config: Config, sink: Seen, act: Callable[[Session], None]) -> Session:
    session = Session(config, always=[sink])
    failures: list[BaseException] = []

    def drive() -> None:
        try:
            _more(sink)
            act(session)
            _more(sink)
        except BaseException as error:
            failures.append(error)
        finally:
            session.stop()

    driver = threading.Thread(target=drive)
    driver.start()
    asyncio.run(asyncio.wait_for(session.run(), 60))
    driver.join()
    if failures:
        raise failures[0]
    return session


def _more(sink: Seen, count: int = 5) -> None:
    """Some frames later."""
    until, limit = len(sink.pts) + count, time.monotonic() + 30
    while len(sink.pts) < until and time.monotonic() < limit:
        time.sleep(0.005)
    assert len(sink.pts) >= until


def changed(session: Session, **tree: object) -> Config:
    return make_config(laid_over(session.config.model_dump(), tree))


PLAIN = Config(source="synthetic:160x120@60", detect=DetectConfig(model="known"), sinks=("null:",))


def test_a_sink_comes_and_goes_while_frames_leave(tmp_path: Path) -> None:
    file, sink = tmp_path / "out.mkv", Seen()

    def act(session: Session) -> None:
        name = session.add_sink(str(file))
        assert session.sink_urls == {"null": "null:", name: str(file)}
        assert list(session.config.sinks) == ["null:", str(file)]
        _more(sink, 20)
        session.remove_sink(name)
        assert list(session.config.sinks) == ["null:"]
        with av.open(str(file)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 10

    run(PLAIN, sink, act)
    assert sink.pts == sorted(set(sink.pts))


def test_a_sink_that_cannot_open_changes_nothing(tmp_path: Path) -> None:
    sink = Seen()

    def act(session: Session) -> None:
        with pytest.raises(SinkUnwritable):
            session.add_sink(str(tmp_path / "none" / "out.mkv"))
        with pytest.raises(NotHere, match="sinks: null"):
            session.remove_sink("file")
        with pytest.raises(NotHere):  # what was handed in ready-made is not the configuration's
            session.remove_sink("seen")
        assert list(session.config.sinks) == ["null:"]

    record = run(PLAIN, sink, act).record()
    assert record["frames"]["out"] >= 10


def test_another_source_of_the_same_size_takes_over_in_order() -> None:
    sink = Seen()

    def act(session: Session) -> None:
        session.change_source("synthetic:160x120@30?seed=5")
        _more(sink, 5)

    session = run(PLAIN, sink, act)
    assert session.config.source == "synthetic:160x120@30?seed=5"
    assert sink.pts == sorted(set(sink.pts))
    assert sink.seq == sorted(set(sink.seq))
    steps_ms = [(b - a) / 1e6 for a, b in zip(sink.pts, sink.pts[1:], strict=False)]
    assert max(steps_ms) < 5_000
    assert min(steps_ms) > 1, "time goes on with the new source instead of starting over"


def test_another_size_needs_a_restart_and_says_so() -> None:
    def act(session: Session) -> None:
        with pytest.raises(NeedsRestart, match="320x240"):
            session.change_source("synthetic:320x240@30")
        with pytest.raises(SourceNotFound):
            session.change_source("nothing.mp4")
        assert session.config.source == PLAIN.source

    sink = Seen()
    run(PLAIN, sink, act)
    assert sink.info is not None
    assert (sink.info.width, sink.info.fps) == (160, Fraction(60))


def test_stages_are_replaced_between_two_frames() -> None:
    sink = Seen()

    def act(session: Session) -> None:
        keys = session.change(changed(session, track={"hold_frames": 2}, swap={"seam": 0.1}))
        assert sorted(keys) == ["swap.seam", "track.hold_frames"]

    session = run(PLAIN, sink, act)
    assert session.config.track.hold_frames == 2
    assert sink.seq == sorted(set(sink.seq))
    assert session.record()["frames"]["captured"] - session.record()["frames"]["out"] < 30


def test_several_things_change_at_once_or_not_at_all() -> None:
    sink = Seen()

    def act(session: Session) -> None:
        with pytest.raises(BadValue):
            session.change(changed(session, overlay={"enabled": True}, sinks=("null:", "what:ever")))
        assert session.config.overlay == OverlayConfig()
        with pytest.raises(NeedsRestart, match="deadline"):
            session.change(changed(session, overlay={"enabled": True}, live={"deadline_ms": 70}))
        assert session.config.overlay == OverlayConfig()
        assert session.change(changed(session, overlay={"enabled": True})) == ["overlay.enabled"]
        assert session.config.overlay.enabled

    run(PLAIN, sink, act)


def test_times_are_counted_in_buckets() -> None:
    session = run(PLAIN, Seen(), lambda _: None)
    found = session.histograms()
    counts, sum_s, count = found["latency"]
    assert counts == sorted(counts)
    assert counts[-1] <= count == session.record()["sinks"]["seen"]["frames"]
    assert sum_s > 0
    assert {"capture", "queue", "sink"} <= found["stages"].keys()
