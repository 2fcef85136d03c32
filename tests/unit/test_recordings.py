"""Recordings: named by the daemon, completed in time, found again, and never anything else of the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livefuse.config import Config
from livefuse.daemon.recording_files import BEGIN_BYTES, NAME, RecordingFiles, recordings_folder
from livefuse.daemon.recordings import Recordings
from livefuse.errors import AlreadyHere, DiskFull, NotHere, SessionError, SinkUnwritable
from tests.unit.api_calls import Api, fake_api

ONE, TWO = "livefuse-2026-11-22-200000.mp4", "livefuse-2026-11-22-200100-second.mp4"


class Channel:
    """A session whose outputs are files that are made as they are completed."""

    def __init__(self, name: str = "live", state: str = "running") -> None:
        self.name, self.state, self.config = name, state, Config(sinks=())
        self.urls: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.session = SimpleNamespace(sink_urls=self.urls, record=self.record)

    def record(self, figures: Any = None) -> dict[str, Any]:
        return {"sinks": {name: {"error": self.errors.get(name, "")} for name in self.urls}}

    async def add_sink(self, url: str) -> str:
        self.urls[name := f"file:{Path(url).name}"] = url
        return name

    async def remove_sink(self, name: str) -> None:
        url = self.urls.pop(name)
        if name not in self.errors:
            Path(url.removeprefix("file:")).write_bytes(b"whole")

    async def change(self, overrides: Any) -> None:
        self.config = self.config.model_copy(update={"sinks": tuple(overrides["sinks"])})


def disk(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))


def test_a_recording_has_a_name_that_nobody_chose_and_ends_as_a_whole_file(tmp_path: Path) -> None:
    async def story() -> None:
        channel: Any = Channel()
        recordings = Recordings(tmp_path / "videos" / "livefuse")
        begun = await recordings.begin(channel)
        assert NAME.fullmatch(begun.id)
        assert (begun.state, begun.session) == ("recording", "live")
        assert [*channel.urls.values()] == [f"file:{tmp_path}/videos/livefuse/{begun.id}"]
        with pytest.raises(AlreadyHere):
            await recordings.begin(channel)
        ended = await recordings.end(channel)
        assert ended is not None
        assert (ended.id, ended.state, ended.bytes, ended.seconds) == (begun.id, "done", 5, None)
        assert recordings.running(channel) == []
        with pytest.raises(NotHere):
            await recordings.end(channel)

    asyncio.run(story())


def test_two_at_the_same_second_have_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=lambda: datetime(2026, 11, 22, 20, 0, 0))
    monkeypatch.setattr("livefuse.daemon.recording_files.datetime", clock)
    files = RecordingFiles(tmp_path)
    first = files.next_path("live")
    first.touch()
    (tmp_path / f".{first.stem}-2.mp4.livefuse-part").touch()
    assert [first.name, files.next_path("live").name] == [ONE, f"{ONE[:-4]}-3.mp4"]
    second = files.next_path("second").name
    assert second == f"{ONE[:-4]}-second.mp4"
    assert NAME.fullmatch(second)


def test_what_does_not_run_is_not_recorded(tmp_path: Path) -> None:
    channel: Any = Channel(state="stopped")
    with pytest.raises(SessionError, match="stopped"):
        asyncio.run(Recordings(tmp_path).begin(channel))


def test_after_a_restart_the_next_file_is_the_one_that_grows(tmp_path: Path) -> None:
    channel: Any = Channel()
    channel.urls[f"file:{ONE[:-4]}-2.mp4"] = f"file:{tmp_path / ONE}"
    (tmp_path / f".{ONE[:-4]}-2.mp4.livefuse-part").write_bytes(b"1234567")
    (running,) = Recordings(tmp_path).running(channel)
    assert (running.id, running.bytes) == (f"{ONE[:-4]}-2.mp4", 7)


def test_a_session_that_waits_to_run_again_can_be_let_go(tmp_path: Path) -> None:
    channel: Any = Channel(state="starting")
    channel.config = Config(sinks=("udp://127.0.0.1:9", f"file:{tmp_path / ONE}"))
    assert asyncio.run(Recordings(tmp_path).end(channel)) is None
    assert channel.config.sinks == ("udp://127.0.0.1:9",)


def test_a_recording_that_failed_says_why_and_gives_way_to_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        channel: Any = Channel()
        recordings = Recordings(tmp_path)
        first = await recordings.begin(channel)
        channel.errors[f"file:{first.id}"] = "no room left"
        (failed,) = recordings.running(channel, channel.record())
        assert (failed.state, failed.error) == ("failed", "no room left")
        (tmp_path / first.id).touch()  # its second is over
        second = await recordings.begin(channel)
        assert second.id != first.id
        assert [one.id for one in recordings.running(channel)] == [second.id]

    asyncio.run(story())


def test_nothing_begins_on_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, BEGIN_BYTES - 1)
    channel: Any = Channel()
    with pytest.raises(DiskFull, match="511 MiB are free"):
        asyncio.run(Recordings(tmp_path).begin(channel))
    assert not channel.urls


def test_a_recording_is_completed_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        channel: Any = Channel()
        recordings = Recordings(tmp_path, look_s=0.01)
        disk(monkeypatch, BEGIN_BYTES)
        begun = await recordings.begin(channel)
        await asyncio.sleep(0.05)
        assert channel.urls
        disk(monkeypatch, BEGIN_BYTES // 8)
        async with asyncio.timeout(10):
            while not recordings.why_ended(channel):
                await asyncio.sleep(0.01)
        assert not channel.urls
        assert (tmp_path / begun.id).read_bytes() == b"whole"
        assert "nearly full" in recordings.why_ended(channel)
        disk(monkeypatch, BEGIN_BYTES)
        (tmp_path / begun.id).touch()
        await recordings.begin(channel)
        assert recordings.why_ended(channel) == ""

    asyncio.run(story())


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkUnwritable, match=r"serve\.recordings"):
        RecordingFiles(tmp_path / "file" / "below").next_path("live")


def test_only_recordings_are_listed(tmp_path: Path) -> None:
    for name in (ONE, TWO, "holiday.mp4", "livefuse-notes.mp4", f"{ONE}.txt"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "livefuse-2026-11-22-200200.mp4").symlink_to(tmp_path / "holiday.mp4")
    (tmp_path / "livefuse-2026-11-22-200300.mp4").mkdir()
    os.utime(tmp_path / ONE, (1000, 1000))
    files = RecordingFiles(tmp_path)
    assert [one.id for one in files.finished()] == [TWO, ONE]
    assert files.path(ONE) == tmp_path / ONE
    for name in ("holiday.mp4", f"../{tmp_path.name}/{ONE}", "livefuse-2026-11-22-200200.mp4", "..", ""):
        with pytest.raises(NotHere):
            files.path(name)
    files.remove(ONE)
    assert [one.id for one in files.finished()] == [TWO]
    assert RecordingFiles(tmp_path / "nothing").finished() == []


def test_what_a_daemon_left_when_it_was_killed_is_found(tmp_path: Path) -> None:
    part = tmp_path / f".{ONE}.livefuse-part"
    part.write_bytes(b"up to there")
    files = RecordingFiles(tmp_path)
    assert files.finished() == []  # somebody may be writing it
    old_s = time.time() - 60
    os.utime(part, (old_s, old_s))
    (found,) = files.finished()
    assert (found.id, found.state, found.bytes) == (ONE, "cut off", 11)
    assert files.path(ONE) == part
    files.remove(ONE)
    assert not part.exists()


def test_where_recordings_go(tmp_path: Path) -> None:
    assert recordings_folder("/srv/films", {}) == Path("/srv/films")
    assert recordings_folder("", {"LIVEFUSE_HOME": str(tmp_path)}) == tmp_path / "recordings"
    assert recordings_folder("", {}).name == "livefuse"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    with fake_api(tmp_path) as made:
        channel = Channel()
        made.daemon.channels["live"] = channel
        yield made


def test_one_button_records_and_what_came_of_it_can_be_fetched(api: Api, tmp_path: Path) -> None:
    begun = api("POST", "/api/sessions/live/record")
    assert (begun.status_code, begun.json()["state"]) == (201, "recording")
    api.refused("POST", "/api/sessions/live/record", 409, "LF0902")
    name = begun.json()["id"]
    told = api("GET", "/api/recordings").json()
    assert told["folder"] == str(tmp_path / "recordings")
    assert [(one["id"], one["session"]) for one in told["recordings"]] == [(name, "live")]
    api.refused("GET", f"/api/recordings/{name}", 404, "LF0901")  # it is not whole yet
    assert api("DELETE", "/api/sessions/live/record").json()["recording"]["id"] == name
    api.refused("DELETE", "/api/sessions/live/record", 404, "LF0901")

    whole = api("GET", f"/api/recordings/{name}")
    assert (whole.content, whole.headers["content-type"]) == (b"whole", "video/mp4")
    assert whole.headers["content-disposition"] == f'attachment; filename="{name}"'
    part = api("GET", f"/api/recordings/{name}", headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"ho", "bytes 1-2/5")
    assert api("DELETE", f"/api/recordings/{name}").status_code == 204
    assert api("GET", "/api/recordings").json()["recordings"] == []


def test_recordings_are_for_whoever_has_the_token(api: Api, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / ONE).write_bytes(b"a face")
    for method, path in (
        ("GET", "/api/recordings"),
        ("GET", f"/api/recordings/{ONE}"),
        ("POST", "/api/sessions/live/record"),
    ):
        api.refused(method, path, 401, "LF0903", token=None)
    api.refused("GET", "/api/recordings/..%2f..%2fetc%2fpasswd", 404, "LF0901")
    ticket = api("POST", "/api/ticket").json()["ticket"]
    assert api("GET", f"/api/recordings/{ONE}?ticket={ticket}", token=None).content == b"a face"
