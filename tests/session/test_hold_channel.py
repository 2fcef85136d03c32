"""A channel's hold: what viewers see and hear, over restarts, changes of the source and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livefuse.config import Config
from livefuse.daemon.channel import Channel
from livefuse.frame import SLATE_SCENE, HostFrame
from livefuse.sinks.worker import SinkWorker
from tests.session.test_daemon import PLAIN, frames, reached, with_channel
from tests.unit.webrtc_watching import watching

OPEN = PLAIN.model_copy(update={"privacy": PLAIN.privacy.model_copy(update={"mode": "open"})})


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[HostFrame]:
    """Everything that any sink of any session is given."""
    found: list[HostFrame] = []
    write = SinkWorker._write

    def keep(worker: SinkWorker, outgoing: Any) -> None:
        found.append(outgoing.frame)
        write(worker, outgoing)

    monkeypatch.setattr(SinkWorker, "_write", keep)
    return found


def only_slates(written: list[HostFrame], since: int) -> bool:
    return all(frame.scene == SLATE_SCENE for frame in written[since:])


def test_a_hold_outlives_restarts_other_sources_and_failures(written: list[HostFrame]) -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        await frames(channel)
        assert await channel.hold_with("panic")
        held = len(written)
        assert (channel.hold, channel.summary()["hold"], channel.record()["hold"]) == ("panic",) * 3
        await reached(lambda: len(written) > held + 3)
        await channel.restart()
        assert channel.session is not None
        assert channel.session.held == "panic"
        for change in ({"source": "synthetic:320x240@30"}, {"source": "synthetic:320x240@25"}, {"swap": {"seam": 0.1}}):
            await channel.change(change)
            seen = len(written)
            await reached(lambda: len(written) > seen + 3)  # noqa: B023
        await channel.stop()
        await channel.start()
        await channel.settled()
        seen = len(written)
        await reached(lambda: len(written) > seen + 3)
        assert only_slates(written, held)
        await channel.hold_with("")
        assert channel.summary()["hold"] == ""
        await frames(channel)

    with_channel(OPEN, act)


def test_a_session_that_begins_while_held_never_shows_a_picture(written: list[HostFrame]) -> None:
    async def act(channel: Channel) -> None:
        assert await channel.hold_with("pause")
        await channel.settled()
        await reached(lambda: len(written) > 5)
        assert only_slates(written, 0)
        assert channel.session is not None
        assert channel.session.frames_out == 0

    with_channel(OPEN, act)


def test_viewers_see_the_slate_and_nothing_else(written: list[HostFrame]) -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        async with watching(channel.broadcast) as viewer:
            await viewer.picture()
            await reached(lambda: bool(viewer.lumas) and max(viewer.lumas) > 60)
            (watched,) = channel.broadcast._viewers.values()
            sent_before = watched.stream._history
            await channel.hold_with("panic")
            assert watched.stream._history is not sent_before, "nothing of it can be asked for again"
            await reached(lambda: len(viewer.lumas) > 3 and max(viewer.lumas[-3:]) < 60)
            seen = len(viewer.lumas)
            await channel.restart()
            await reached(lambda: len(viewer.lumas) > seen + 10)
            assert max(viewer.lumas[seen:]) < 60
            await channel.hold_with("")
            await reached(lambda: viewer.lumas[-1] > 60)

    with_channel(OPEN, act)


def test_nothing_is_heard_while_held_by_whoever_listens() -> None:
    async def act(channel: Channel) -> None:
        await channel.hold_with("pause")
        assert channel.record()["audio"]["silent"]
        await channel.settled()
        await channel.restart()
        assert channel.record()["audio"]["silent"]
        await channel.hold_with("")
        assert not channel.record()["audio"]["silent"]

    with_channel(PLAIN, act)


def test_without_a_session_there_is_nothing_to_wait_for() -> None:
    async def act(channel: Channel) -> None:
        await reached(lambda: channel.error is not None)
        assert await channel.hold_with("panic")
        assert channel.summary()["hold"] == "panic"

    with_channel(PLAIN.model_copy(update={"source": "nothing.mp4"}), act)


def idle_after(seconds: float) -> Config:
    return PLAIN.model_copy(update={"live": PLAIN.live.model_copy(update={"idle_s": seconds})})


def test_a_channel_that_nobody_watches_rests_and_is_back_for_the_first_viewer() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        await reached(lambda: channel.summary()["idle"])
        assert channel.record()["idle"]
        assert channel.state == "running"
        assert channel.error is None
        session = channel.session
        assert session is not None
        assert session.frame_age_s() is None
        out = session.frames_out
        async with watching(channel.broadcast) as viewer:
            await viewer.picture()
            await reached(lambda: session.frames_out > out + 3)
            assert not channel.idle
            assert not np.isnan(viewer.lumas[-1])
        await reached(lambda: channel.idle)
        assert channel.session is session, "it was the same all along"

    with_channel(idle_after(0.3), act)


def test_who_compares_keeps_it_awake_too() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        await reached(lambda: channel.idle)
        async with watching(channel.compare):
            awake: Callable[[], bool] = lambda: not channel.idle  # noqa: E731
            await reached(awake)
            await asyncio.sleep(0.5)
            assert awake()

    with_channel(idle_after(0.2), act)
