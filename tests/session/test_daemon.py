"""Channels and the daemon that holds them: what is changed, restarted, rolled back, reloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from livefuse.config import Config, DetectConfig, LiveConfig, TrackConfig
from livefuse.daemon.channel import Channel
from livefuse.daemon.daemon import Daemon
from livefuse.daemon_config import DaemonConfig, ServeConfig, WebRtcConfig, load_daemon_config
from livefuse.errors import (
    AlreadyHere,
    BadValue,
    ConfigError,
    LivefuseError,
    NotHere,
    SessionError,
    SourceNotFound,
    UnknownKey,
)
from livefuse.paths import HOME_VARIABLE, Paths

T = TypeVar("T")

PLAIN = Config(
    source="synthetic:160x120@30",
    detect=DetectConfig(model="known"),
    track=TrackConfig(min_hits=1),
    live=LiveConfig(lost_ms=500),
)


def with_channel(config: Config, act: Callable[[Channel], Awaitable[T]]) -> T:
    async def run() -> T:
        before = asyncio.all_tasks()
        channel = Channel("live", config, WebRtcConfig())
        try:
            async with asyncio.timeout(60):
                await channel.start()
                return await act(channel)
        finally:
            await channel.close()
            assert asyncio.all_tasks() - before == set()

    return asyncio.run(run())


def state(channel: Channel) -> str:
    """Asked anew: the type checker takes a state for the one it was."""
    return channel.state


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def frames(channel: Channel, count: int = 3) -> None:
    session = channel.session
    assert session is not None
    until = session.frames_out + count
    await reached(lambda: session.frames_out >= until)


def test_a_channel_runs_says_so_and_stops() -> None:
    async def act(channel: Channel) -> None:
        assert state(channel) == "starting"
        await channel.settled()
        assert state(channel) == "running"
        await frames(channel)
        summary = channel.summary()
        assert summary["source"] == "synthetic:160x120@30"
        assert summary["error"] is None
        assert summary["viewers"] == 0
        assert channel.record()["frames"]["out"] >= 3
        await channel.stop()
        assert state(channel) == "stopped"
        await channel.start()
        await channel.settled()
        assert state(channel) == "running"

    with_channel(PLAIN, act)


def test_what_can_be_is_changed_live_and_the_rest_by_a_restart() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        before = channel.session
        assert await channel.change({"swap": {"seam": 0.1}}) == {"live": ["swap.seam"], "restarted": False}
        assert channel.session is before
        found = await channel.change({"live": {"deadline_ms": 80}, "swap": {"seam": 0.2}})
        assert found == {"live": [], "restarted": True}
        assert channel.session is not before
        await frames(channel)
        assert channel.session is not None
        assert channel.session.config.swap.seam == 0.2
        assert channel.session.config.live.deadline_ms == 80

    with_channel(PLAIN, act)


def test_a_source_of_another_size_restarts_the_session() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        assert (await channel.change({"source": "synthetic:320x240@30"}))["restarted"]
        await frames(channel)
        assert channel.summary()["source"] == "synthetic:320x240@30"

    with_channel(PLAIN, act)


def test_a_change_that_cannot_be_leaves_all_as_it_was() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        with pytest.raises(UnknownKey):
            await channel.change({"swp": {}})
        with pytest.raises(BadValue):
            await channel.change({"swap": {"seam": 7}})
        with pytest.raises(SourceNotFound):
            await channel.change({"source": "nothing.mp4", "live": {"deadline_ms": 80}})
        assert channel.state == "running"
        await frames(channel)
        assert channel.summary()["source"] == PLAIN.source
        assert channel.session is not None
        assert channel.session.config.live.deadline_ms == PLAIN.live.deadline_ms

    with_channel(PLAIN, act)


def test_what_fails_with_privacy_to_be_closed_leaves_it_closed() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        assert await channel.change({"privacy": {"mode": "open"}})
        for other in ({"sinks": ["/nowhere/at/all.mp4"]}, {"source": "nothing.mp4", "live": {"deadline_ms": 80}}):
            await channel.change({"privacy": {"mode": "open"}})
            with pytest.raises(LivefuseError):
                await channel.change({"privacy": {"mode": "closed"}, **other})
            assert channel.config.privacy.mode == "closed"
            await channel.settled()
            assert channel.session is not None
            assert channel.session.config.privacy.mode == "closed"
            assert channel.session.config.source == PLAIN.source

    with_channel(PLAIN, act)


def test_another_source_that_may_be_seen_does_not_open_the_one_before() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        before = channel.session
        other = {"source": "synthetic:160x120@25", "privacy": {"mode": "open"}}
        assert (await channel.change(other))["restarted"]
        assert before is not None
        assert before.config.privacy.mode == "closed"
        assert channel.session is not before
        assert channel.config.privacy.mode == "open"
        closed = {"source": PLAIN.source, "privacy": {"mode": "closed"}}
        assert not (await channel.change(closed))["restarted"], "closing comes first"

    with_channel(PLAIN, act)


def test_closing_privacy_does_not_wait_for_another_change() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        await channel.change({"privacy": {"mode": "open"}})
        assert channel.session is not None
        running = channel.session._running
        assert running is not None
        await reached(lambda: running.stages.composite.privacy.mode == "open")
        async with channel._changing:
            closing = asyncio.create_task(channel.change({"privacy": {"mode": "closed"}}))
            await reached(lambda: running.stages.composite.privacy.mode == "closed")
            assert not closing.done(), "its turn has not come"
        assert (await closing)["live"] == ["privacy.mode"]
        assert channel.session.config.privacy.mode == "closed"

    with_channel(PLAIN, act)


def test_what_is_stopped_while_it_restarts_stays_stopped() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        restarting = asyncio.create_task(channel.restart())
        await asyncio.sleep(0)
        await channel.stop()
        await restarting
        assert channel.state == "stopped"
        closing = asyncio.create_task(channel.close())
        await asyncio.sleep(0)
        with pytest.raises(SessionError, match="removed"):
            await channel.start()
        await closing

    with_channel(PLAIN, act)


def test_a_session_whose_source_is_missing_tries_again_until_it_is_there(tmp_path: Path) -> None:
    clip = tmp_path / "later.png"

    async def act(channel: Channel) -> None:
        with pytest.raises(SourceNotFound):
            await channel.settled()
        assert channel.summary()["error"]["code"] == "LF0201"
        await channel.change({"source": PLAIN.source})
        await reached(lambda: channel.state == "running")
        assert channel.summary()["error"] is None

    with_channel(PLAIN.model_copy(update={"source": str(clip)}), act)


def test_what_is_changed_while_a_session_opens_is_not_lost(tmp_path: Path) -> None:
    async def act(channel: Channel) -> None:
        assert channel.state == "starting"
        name = await channel.add_sink(str(tmp_path / "out.mkv"))
        assert (await channel.change({"swap": {"seam": 0.1}}))["live"] == ["swap.seam"]
        assert name in channel.summary()["sinks"]

    with_channel(PLAIN, act)


def test_what_could_not_run_runs_once_it_is_mended() -> None:
    async def act(channel: Channel) -> None:
        with pytest.raises(BadValue, match=r"detect\.model"):
            await channel.settled()
        await reached(lambda: channel.state == "failed")
        with pytest.raises(BadValue, match=r"align\.model"):
            await channel.change({"detect": {"model": "yunet"}, "align": {"model": "yunet"}})
        await channel.change({"detect": {"model": "known"}})
        assert channel.state == "running"

    with_channel(PLAIN.model_copy(update={"detect": DetectConfig(model="openseeface")}), act)


def test_sinks_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "out.mkv"

    async def act(channel: Channel) -> None:
        await channel.settled()
        name = await channel.add_sink(str(file))
        await frames(channel, 10)
        assert channel.summary()["sinks"] == {name: str(file)}
        await channel.remove_sink(name)
        assert file.stat().st_size > 0
        with pytest.raises(NotHere):
            await channel.remove_sink(name)
        await channel.stop()
        with pytest.raises(SessionError):
            await channel.add_sink(str(file))

    with_channel(PLAIN, act)


def test_a_recording_is_never_lost_to_a_restart_and_the_viewers_own_sink_stays(tmp_path: Path) -> None:
    file = tmp_path / "out.mkv"

    async def act(channel: Channel) -> None:
        await channel.settled()
        await frames(channel, 5)
        await channel.change({"live": {"deadline_ms": 80}})
        first = file.read_bytes()
        assert len(first) > 500
        await frames(channel, 5)
        with pytest.raises(NotHere):
            await channel.remove_sink("webrtc")
        await channel.stop()
        assert file.read_bytes() == first
        assert (tmp_path / "out-2.mkv").stat().st_size > 500
        assert channel.config.sinks == (str(file),)

    with_channel(PLAIN.model_copy(update={"sinks": (str(file),)}), act)


def test_what_is_tried_again_and_again_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def act(channel: Channel) -> None:
        with pytest.raises(SourceNotFound):
            await channel.settled()
        before = channel.session
        await reached(lambda: channel.session is not before)
        await reached(lambda: channel.session is not None and channel.session.state == "closed")

    with_channel(PLAIN.model_copy(update={"source": "nothing.mp4"}), act)
    said = [record.message for record in caplog.records if "nothing.mp4" in record.message]
    assert len(said) == 1
    assert "LF0201" in said[0]
    assert "Try:" in said[0]


def test_sound_and_webrtc_are_in_the_record() -> None:
    async def act(channel: Channel) -> None:
        await channel.settled()
        await frames(channel)
        record = channel.record()
        assert record["webrtc"]["viewers"] == []
        assert record["publisher"]["state"] == "none"
        assert record["audio"]["listeners"] == 0

    with_channel(PLAIN, act)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return Paths.default()


def with_daemon(daemon: Daemon, act: Callable[[Daemon], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            await daemon.start()
            return await act(daemon)
        finally:
            await daemon.stop()

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_sessions_are_created_and_removed_by_name(paths: Paths) -> None:
    async def act(daemon: Daemon) -> None:
        assert list(daemon.channels) == ["live"]
        other = await daemon.create("other", PLAIN, start=False)
        assert other.state == "stopped"
        with pytest.raises(AlreadyHere):
            await daemon.create("other", PLAIN)
        with pytest.raises(BadValue):
            await daemon.create("../etc", PLAIN)
        await daemon.remove("other")
        with pytest.raises(NotHere, match="other"):
            daemon.channel("other")

    with_daemon(Daemon(DaemonConfig(sessions={"live": PLAIN}), paths=paths), act)


def test_a_name_that_was_given_anew_is_not_taken_away_by_a_late_removal(paths: Paths) -> None:
    async def act(daemon: Daemon) -> None:
        old, go_on = daemon.channel("live"), asyncio.Event()
        close = old.close

        async def late() -> None:
            await close()
            await go_on.wait()

        slow = asyncio.create_task(daemon.remove("live"))
        await asyncio.sleep(0)
        old.close = late  # type: ignore[method-assign]
        slower = asyncio.create_task(daemon.remove("live"))
        await slow
        new = await daemon.create("live", PLAIN)
        go_on.set()
        await slower
        assert daemon.channel("live") is new

    with_daemon(Daemon(DaemonConfig(sessions={"live": PLAIN}), paths=paths), act)


_FILE = """
source = "synthetic:160x120@30"
detect.model = "known"
swap.seam = {seam}
[serve]
port = {port}
"""


def test_a_changed_file_is_taken_over_and_nothing_else(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text(_FILE.format(seam=0.5, port=0))

    async def act(daemon: Daemon) -> None:
        channel = daemon.channel("live")
        await channel.settled()
        session = channel.session
        assert session is not None
        await channel.change({"swap": {"fade_frames": 9}})
        file.write_text(_FILE.format(seam=0.25, port=4000) + '[sessions.more]\nsource = "synthetic:320x240@30"\n')
        found = await daemon.reload()
        assert found["changed"] == {"live": {"live": ["swap.seam"], "restarted": False}}
        assert found["added"] == ["more"]
        assert found["restart"] == ["serve"]
        assert (await daemon.reload())["restart"] == []
        assert channel.session is session, "not a frame was lost for it"
        assert session.config.swap.seam == 0.25
        assert session.config.swap.fade_frames == 9, "what was changed by hand stays"
        file.write_text("swap.seam = 7\n")
        with pytest.raises(ConfigError):
            await daemon.reload()
        assert session.config.swap.seam == 0.25
        file.write_text(_FILE.format(seam=0.25, port=4000))
        assert (await daemon.reload())["removed"] == ["more"]

    config = load_daemon_config(file)
    with_daemon(Daemon(config, file=file, paths=paths), act)


def test_a_file_is_followed_while_it_changes(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text(_FILE.format(seam=0.5, port=0))

    async def act(daemon: Daemon) -> None:
        channel = daemon.channel("live")
        await channel.settled()
        file.write_text("this is no TOML")
        await asyncio.sleep(1.5)
        assert channel.state == "running"
        file.write_text(_FILE.format(seam=0.125, port=0))
        await reached(lambda: channel.session is not None and channel.session.config.swap.seam == 0.125)

    with_daemon(Daemon(load_daemon_config(file), file=file, paths=paths), act)


def test_without_a_file_there_is_nothing_to_reload(paths: Paths) -> None:
    async def act(daemon: Daemon) -> None:
        with pytest.raises(ConfigError, match="without a configuration file"):
            await daemon.reload()

    serve = ServeConfig(token="a-token-long-enough")
    daemon = Daemon(DaemonConfig(serve=serve, sessions={"live": PLAIN}), paths=paths)
    assert daemon.token == "a-token-long-enough"
    with_daemon(daemon, act)
