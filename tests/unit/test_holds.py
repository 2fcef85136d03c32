"""Holds outlive the daemon: what is kept of them, and who begins held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefuse.config import Config
from livefuse.daemon.daemon import Daemon
from livefuse.daemon.holds import Holds
from livefuse.daemon_config import DaemonConfig
from livefuse.paths import Paths
from tests.unit.api_calls import Api, fake_api
from tests.unit.web_fakes import FakeChannel


def written(file: Path) -> Holds:
    """As the next daemon reads it."""
    return Holds(file)


def test_what_is_held_is_kept_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "state" / "holds.json"
    holds = Holds(file)
    holds.write()
    assert not file.exists()
    holds.say("live", "panic")
    holds.write()
    assert (written(file).of("live"), written(file).of("guest")) == ("panic", "")
    holds.say_all("pause")
    holds.say("live", "")
    holds.write()
    assert (written(file).of("live"), written(file).of("guest")) == ("", "pause")
    holds.forget("live")
    assert holds.of("live") == "pause"
    holds.say_all("")
    holds.write()
    assert not file.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"all": "no"}', '{"all": "no", "sessions": {}}', '{"all": "", "sessions": 3}']
)
def test_what_cannot_be_read_holds_everything_back(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "holds.json"
    file.write_text(text)
    assert Holds(file).of("live") == "panic"
    assert "begins private" in caplog.text


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file")
    holds = Holds(tmp_path / "state" / "holds.json")
    holds.say_all("panic")
    for _ in range(2):
        holds.write()
    assert len(caplog.records) == 1


def test_sessions_begin_as_they_were_left_and_new_ones_as_all_are(tmp_path: Path) -> None:
    paths = Paths.default({"LIVEFUSE_HOME": str(tmp_path)})

    async def story() -> None:
        first = Daemon(DaemonConfig(sessions={}), paths=paths)
        first.holds.say_all("panic")
        channel = await first.create("live", Config(), start=False)
        assert (channel.hold, channel.summary()["hold"], channel.record()["audio"]["silent"]) == (
            "panic",
            "panic",
            True,
        )
        first.holds.write()  # and then it is killed: nobody stops it
        second = Daemon(DaemonConfig(sessions={}), paths=paths)
        channel = await second.create("live", Config(), start=False)
        assert channel.hold == "panic"
        assert channel._session().held == "panic"
        second.holds.say_all("")
        second.holds.say("live", "pause")
        await second.remove("live")
        channel = await second.create("live", Config(), start=False)
        assert channel.hold == "", "another session of that name"
        for daemon in (first, second):
            await daemon.stop()

    asyncio.run(story())


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    with fake_api(tmp_path) as made:
        made.daemon.channels["guest"] = FakeChannel("guest")
        yield made


def test_a_button_is_kept_before_it_is_answered(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "state" / "holds.json"
    api.daemon.holds = Holds(file)
    api("POST", "/api/panic")
    assert json.loads(file.read_text()) == {"all": "panic", "sessions": {}}
    api("POST", "/api/sessions/live/resume")
    assert json.loads(file.read_text()) == {"all": "panic", "sessions": {"live": ""}}
    api("POST", "/api/sessions/guest/resume")
    assert not file.exists(), "the last one was let go: new ones are not private either"
    api("POST", "/api/sessions/guest/pause")
    assert json.loads(file.read_text()) == {"all": "", "sessions": {"guest": "pause"}}
    api("POST", "/api/resume")
    assert not file.exists()
