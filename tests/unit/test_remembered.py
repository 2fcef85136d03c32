"""What is changed without a configuration file holds at the next start; nothing that is damaged keeps one from starting."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import Config, make_config
from livefuse.daemon.daemon import Daemon
from livefuse.daemon.remembered import FILE, Remembered
from livefuse.daemon_config import load_daemon_config
from livefuse.paths import Paths

OFF = {"serve.remember": False}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.default({"LIVEFUSE_HOME": str(tmp_path)})


def changed(config: Config, **over: Any) -> Config:
    """With other values, sections by their keys."""
    return make_config(config.model_dump(), {key.replace("__", "."): value for key, value in over.items()})


def run(paths: Paths, overrides: dict[str, Any] | None = None, **over: Any) -> Remembered:
    """A daemon's life in which the session `live` is changed."""
    remembered = Remembered(paths, overrides)
    begun = remembered.config().sessions
    remembered.begin(begun)
    remembered.keep(begun | {"live": changed(begun["live"], **over)})
    return remembered


def live(paths: Paths, overrides: dict[str, Any] | None = None) -> Config:
    return Remembered(paths, overrides).config().sessions["live"]


def test_a_fresh_machine_has_chosen_nothing(paths: Paths) -> None:
    assert Remembered(paths).fresh
    assert Remembered(paths).config().sessions == {"live": Config()}
    assert not Remembered(paths, {"source": "camera:0"}).fresh
    assert not Remembered(paths, {"identity.photo": "synthetic:7"}).fresh
    assert Remembered(paths, {"serve.port": 0, "webrtc.codec": "vp8"}).fresh


def test_a_change_holds_at_the_next_start(paths: Paths) -> None:
    run(paths, source="camera:0", identity__photo="synthetic:7", identity__consent="synthetic", swap__boost=1)
    again = Remembered(paths)
    assert not again.fresh
    config = again.config().sessions["live"]
    assert (config.source, config.identity.photo, config.identity.consent) == ("camera:0", "synthetic:7", "synthetic")
    assert config.swap.boost == 1
    assert config == changed(Config(), source="camera:0", identity__photo="synthetic:7", identity__consent="synthetic", swap__boost=1)  # fmt: skip


def test_only_what_differs_is_written_with_words_on_top(paths: Paths) -> None:
    run(paths, overlay__enabled=True)
    text = (paths.config / FILE).read_text()
    assert text.startswith("# Kept by livefuse")
    assert [line for line in text.splitlines() if line and line[0] != "#"] == [
        "[sessions.live]", "[sessions.live.overlay]", "enabled = true",
    ]  # fmt: skip
    assert load_daemon_config(paths.config / FILE).sessions["live"].overlay.enabled, "it is a configuration file"


def test_nothing_is_written_before_something_changes(paths: Paths) -> None:
    remembered = run(paths)
    assert not remembered.file.exists()
    remembered.keep({"live": changed(Config(), sinks=[])})
    assert "sinks" not in remembered.file.read_text(), "a channel drops the sink that only keeps it going"


def test_cameras_come_back_and_recordings_and_streams_do_not(paths: Paths) -> None:
    sinks = ["vcam:?size=640x360", "rtmp://live.example/app/s3cret", "/videos/a.mp4"]
    remembered = run(paths, sinks=sinks)
    assert live(paths).sinks == ("vcam:?size=640x360",)
    assert "s3cret" not in remembered.file.read_text()
    remembered.keep({"live": changed(Config(), sinks=[])})
    assert "vcam:" not in remembered.file.read_text()


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_addresses_with_passwords_are_for_the_user_alone(paths: Paths) -> None:
    run(paths, source="rtsp://u:s3cret@host/1")
    assert stat.S_IMODE((paths.config / FILE).stat().st_mode) == 0o600
    assert live(paths).source == "rtsp://u:s3cret@host/1"


def test_what_flags_say_is_for_one_run(paths: Paths) -> None:
    run(paths, source="camera:0", overlay__enabled=True)
    run(paths, {"source": "synthetic:", "overlay.enabled": False}, track__faces="all")
    config = live(paths)
    assert (config.source, config.overlay.enabled, config.track.faces) == ("camera:0", True, "all")
    assert live(paths, {"source": "synthetic:"}).source == "synthetic:", "a flag wins"


def test_what_is_changed_back_is_forgotten(paths: Paths) -> None:
    remembered = run(paths, source="camera:0")
    remembered.keep({"live": Config()})
    assert live(paths) == Config()


def test_consent_belongs_to_the_face_it_was_given_for(paths: Paths) -> None:
    run(paths, identity__photo="/a/ada.jpg", identity__consent="licence", identity__by="Ada")
    said = live(paths, {"identity.photo": "/a/bob.jpg"}).identity
    assert (said.photo, said.consent, said.by) == ("/a/bob.jpg", None, "")
    run(paths, identity__photo="bob", identity__consent=None, identity__by="")
    kept = live(paths).identity
    assert (kept.photo, kept.consent, kept.by) == ("bob", None, "")


def test_an_identity_is_kept_whole_over_that_of_a_flag(paths: Paths) -> None:
    run(paths, identity__photo="/a/ada.jpg", identity__consent="licence", identity__by="Ada")
    flags = {"identity.photo": "/a/bob.jpg", "identity.consent": "self"}
    run(paths, flags, identity__photo="eve", identity__consent=None)
    kept = live(paths).identity
    assert (kept.photo, kept.consent, kept.by) == ("eve", None, "")


def test_a_value_that_is_none_again_is_left_out(paths: Paths) -> None:
    run(paths, seconds=5.0)
    run(paths, seconds=None)
    assert live(paths).seconds is None


def test_further_sessions_come_and_go(paths: Paths) -> None:
    remembered = Remembered(paths)
    remembered.begin(remembered.config().sessions)
    second = changed(Config(), source="webrtc:", cast=[{"like": "/a/b.png", "photo": "ada"}])
    remembered.keep({"live": changed(Config(), overlay__enabled=True), "second": second})
    kept = Remembered(paths).config().sessions
    assert kept["second"] == second
    assert not kept["second"].overlay.enabled, "the one session's settings are not the other's"
    again = Remembered(paths)
    again.begin(kept)
    again.keep({"second": second})
    assert list(Remembered(paths).config().sessions) == ["second"]


@pytest.mark.parametrize(
    "text",
    [
        "[sessions.live\n", "\xff", '[sessions.live]\nsuorce = "camera:0"\n', '[sessions."../x"]\n', "[serve]\nport = 1\n",
        "sessions = 3\n", "[sessions]\nlive = 3\n", '[sessions.live.privacy]\nmode = "ajar"\n',
    ],
)  # fmt: skip
def test_a_damaged_file_is_set_aside(paths: Paths, text: str, caplog: pytest.LogCaptureFixture) -> None:
    paths.config.mkdir(parents=True)
    (paths.config / FILE).write_bytes(text.encode("latin-1"))
    with caplog.at_level(logging.WARNING, "livefuse"):
        remembered = Remembered(paths)
    assert remembered.fresh
    assert remembered.config().sessions == {"live": Config()}
    (aside,) = paths.config.iterdir()
    assert aside.name.startswith(f"{FILE}.damaged-")
    assert aside.read_bytes() == text.encode("latin-1")
    assert str(aside) in caplog.text


def test_nothing_is_read_or_written_where_that_is_off(paths: Paths) -> None:
    run(paths, source="camera:0")
    before = (paths.config / FILE).read_text()
    remembered = run(paths, OFF, source="camera:1")
    assert not remembered.keeps
    assert (paths.config / FILE).read_text() == before
    assert live(paths, OFF) == Config()


def test_a_folder_that_cannot_be_written_is_said_once(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text("a file where the folder should be")
    remembered = Remembered(paths)
    remembered.begin({"live": Config()})
    with caplog.at_level(logging.WARNING, "livefuse"):
        remembered.keep({"live": changed(Config(), source="camera:0")})
        remembered.keep({"live": changed(Config(), source="camera:1")})
    assert caplog.text.count("cannot be kept") == 1


def daemon_of(paths: Paths, overrides: dict[str, Any] | None = None) -> Daemon:
    remembered = Remembered(paths, {"serve.token": "a-token-of-a-test-123", **(overrides or {})})
    return Daemon(remembered.config(), paths=paths, remembered=remembered)


def test_a_fresh_daemon_starts_nothing_and_keeps_what_it_is_told(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.daemon.daemon._LOOK_S", 0.02)

    async def first() -> None:
        daemon = daemon_of(paths)
        await daemon.start()
        try:
            assert daemon.channel("live").state == "stopped"
            await daemon.channel("live").change({"identity": {"photo": "synthetic:7", "consent": "synthetic"}})
            assert daemon.channel("live").state == "stopped", "a choice starts nothing"
            for _ in range(200):
                if (paths.config / FILE).exists():
                    break
                await asyncio.sleep(0.02)
            assert (paths.config / FILE).exists(), "kept while it runs, for a crash comes unasked"
        finally:
            await daemon.stop()

    async def second() -> None:
        daemon = daemon_of(paths, {"backend": "null", "detect.model": "known", "source": "synthetic:320x240@15"})
        await daemon.start()
        try:
            assert daemon.channel("live").state in ("starting", "running")
            assert daemon.channel("live").config.identity.photo == "synthetic:7"
        finally:
            await daemon.stop()

    asyncio.run(first())
    asyncio.run(second())


def test_what_was_changed_last_is_kept_at_the_end(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.daemon.daemon._LOOK_S", 3600.0)

    async def main() -> None:
        daemon = daemon_of(paths)
        await daemon.start()
        await daemon.channel("live").change({"overlay": {"enabled": True}})
        await daemon.stop()

    asyncio.run(main())
    assert live(paths).overlay.enabled
