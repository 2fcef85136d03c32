"""The commands that talk to a daemon, against the real web application over a daemon without pictures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer import Typer
from typer.testing import CliRunner, Result

from livefuse.cli import sessions_parts
from livefuse.cli.groups import jobs_app, sessions_app
from livefuse.cli.remote import connect, health, nested
from livefuse.cli.table import in_order
from livefuse.client import Client
from livefuse.daemon.jobs import Jobs
from livefuse.daemon.presets import Presets
from livefuse.errors import (
    BadValue,
    DaemonUnreachable,
    LivefuseError,
    NoConsent,
    NotAllowed,
    NotHere,
    SourceNotFound,
    UnknownKey,
)
from livefuse.web.app import make_app
from tests.unit.web_fakes import TOKEN, FakeChannel, FakeDaemon

URL = "http://127.0.0.1:7853"
SPREAD = {"p50": 11.0, "p95": 22.0, "p99": 33.0, "max": 44.0}


class Channel(FakeChannel):
    """Says what the real one says."""

    def summary(self, figures: Any = None) -> dict[str, Any]:
        shown = {"source": "synthetic:", "identity": "", "swapper": "mesh", "privacy": "closed", "fps": 29.97}
        sinks = dict(self.sinks)
        return super().summary() | shown | {"latency_ms": SPREAD, "publisher": False, "sinks": sinks}

    def record(self, figures: Any = None) -> dict[str, Any]:
        frames = {"out": 900, "unswapped": 3, "dropped": {"deadline": 2, "capture": 0}}
        stages = {"detect": SPREAD, "swap": SPREAD}
        spreads = {"stages_ms": stages, "pipeline_ms": SPREAD, "latency_ms": SPREAD}
        return super().record() | {"frames": frames, "fps": 29.97} | spreads


class Over(httpx.BaseTransport):
    """Carries a client's requests to an application of this process."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self._app = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
        self._runner = runner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._asked(request))

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._app.handle_async_request(copy)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        content = b"".join([part async for part in answer.stream])
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    fake = FakeDaemon()
    fake.channels = {"live": Channel("live"), "guest": Channel("guest")}
    fake.presets = Presets(tmp_path / "presets")
    fake.jobs = Jobs(fake.presets, tmp_path / "jobs.json")  # not started: what is queued stays so
    app = make_app(fake)  # type: ignore[arg-type]
    found = {"token": TOKEN}
    runner = asyncio.Runner()

    def find(url: str = "", token: str = "") -> Client:
        return Client(URL, found["token"], transport=Over(app, runner))

    monkeypatch.setattr(Client, "find", find)
    fake.found = found  # type: ignore[attr-defined]
    with runner:
        yield fake


def run(*words: str, app: Typer = sessions_app) -> Result:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, LivefuseError):
        raise result.exception
    assert result.exception is None, result.output
    return result


def printed(*words: str, app: Typer = sessions_app) -> Any:
    return json.loads(run(*words, "--json", app=app).stdout)


class TestSeeing:
    def test_the_list_has_a_row_for_each_session(self, daemon: FakeDaemon) -> None:
        lines = run("list").stdout.splitlines()
        assert lines[0].split()[:4] == ["NAME", "STATE", "SOURCE", "FPS"]
        assert lines[1].split() == ["live", "running", "synthetic:", "30.0", "11.0", "22.0", "0", "-"]
        assert [session["name"] for session in printed("list")["sessions"]] == ["live", "guest"]

    def test_rows_end_where_their_words_do(self, daemon: FakeDaemon) -> None:
        for words in (["list"], ["show", "live"], ["stats", "live"]):
            lines = run(*words).stdout.splitlines()
            assert lines == [line.rstrip() for line in lines]

    def test_what_does_not_run_has_no_figures(self, daemon: FakeDaemon) -> None:
        run("stop", "live")
        assert run("list").stdout.splitlines()[1].split()[:6] == ["live", "stopped", "synthetic:", "-", "-", "-"]

    def test_one_session_is_shown_key_by_key(self, daemon: FakeDaemon) -> None:
        text = run("show", "live").stdout
        assert "urls.whip" in text
        assert "config.privacy.mode" in text
        assert printed("show", "live")["config"]["privacy"]["mode"] == "closed"

    def test_a_session_that_is_not_there(self, daemon: FakeDaemon) -> None:
        with pytest.raises(NotHere, match="no session `nobody`") as caught:
            run("show", "nobody")
        assert "live" in caught.value.hint

    def test_a_name_cannot_leave_its_part_of_the_path(self, daemon: FakeDaemon) -> None:
        with pytest.raises(LivefuseError):
            run("show", "../config")

    def test_the_stats_are_a_table_with_a_line_of_counters(self, daemon: FakeDaemon) -> None:
        text = run("stats", "live").stdout
        assert [line.split()[0] for line in text.splitlines()[:5]] == ["STAGE", "detect", "swap", "pipeline", "capture"]
        assert "900 frames at 30.0 fps, 3 not swapped; dropped: deadline 2" in text
        assert printed("stats", "live")["latency_ms"] == SPREAD

    def test_stages_stand_in_the_order_in_which_a_frame_meets_them(self) -> None:
        stages = {"sink": 1, "look": 2, "mine": 3, "detect": 4, "swap": 5, "lane": 6}
        assert list(in_order(stages)) == ["look", "detect", "lane", "swap", "sink", "mine"]

    def test_what_is_watched_is_drawn_again_each_second(
        self, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr("time.sleep", sleep)
        monkeypatch.setattr("rich.live.Live.update", lambda self, view, refresh: drawn.append(view))
        drawn: list[Any] = []
        with connect("") as client, pytest.raises(KeyboardInterrupt):
            sessions_parts._watch(client, "live")
        assert slept == [1.0] * 3
        assert [view.renderables[0].row_count for view in drawn] == [4, 4]

    def test_stats_of_one_that_never_ran(self, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Channel, "record", lambda self, figures=None: {"state": "stopped"})
        assert "live is stopped: no frame yet" in run("stats", "live").stdout


class TestChanging:
    def test_settings_arrive_nested_and_typed(self, daemon: FakeDaemon) -> None:
        result = run("set", "live", "detect.size=640", "overlay.enabled=true", "swap.model=mesh")
        assert daemon.channels["live"].changes == [
            {"detect": {"size": 640}, "overlay": {"enabled": True}, "swap": {"model": "mesh"}}
        ]
        assert "took effect while it runs: detect, overlay, swap" in result.stderr

    def test_a_misspelt_key_is_refused_with_the_nearest(self, daemon: FakeDaemon) -> None:
        with pytest.raises(UnknownKey, match="privcy") as caught:
            run("set", "live", "privcy.mode=open")
        assert "privacy.mode" in caught.value.hint
        assert daemon.channels["live"].changes == []

    @pytest.mark.parametrize("word", ["detect.size", "=3", "detect..size=3", ".=1"])
    def test_a_word_that_sets_nothing(self, daemon: FakeDaemon, word: str) -> None:
        with pytest.raises(BadValue, match="sets nothing"):
            run("set", "live", word)

    @pytest.mark.parametrize(("word", "state"), [("stop", "stopped"), ("start", "running"), ("restart", "running")])
    def test_start_and_stop(self, daemon: FakeDaemon, word: str, state: str) -> None:
        assert f"live is {state}" in run(word, "live").stderr
        assert daemon.channels["live"].state == state

    def test_a_session_is_made_from_a_file_and_settings_over_it(self, daemon: FakeDaemon, tmp_path: Path) -> None:
        file = tmp_path / "third.toml"
        file.write_text('source = "webrtc:"\n[detect]\nsize = 320\nevery = 2\n')
        result = run("create", "third", str(file), "--set", "detect.size=640")
        config = daemon.channels["third"].config
        assert (config.source, config.detect.size, config.detect.every) == ("webrtc:", 640, 2)
        assert f"{URL}/third" in result.stderr

    def test_a_session_is_made_from_a_preset(self, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.unit.web_fakes.FakeChannel", Channel)
        run("preset", "save", "near", "detect.size=320")
        assert printed("preset", "list")["presets"] == ["near"]
        run("create", "third", "--preset", "near", "--no-start")
        assert daemon.channels["third"].config.detect.size == 320

    def test_a_preset_is_laid_over_a_session(self, daemon: FakeDaemon) -> None:
        run("preset", "save", "near", "detect.size=320")
        assert "took effect" in run("preset", "apply", "live", "near").stderr
        assert daemon.channels["live"].changes == [{"detect": {"size": 320}}]

    def test_a_session_is_removed(self, daemon: FakeDaemon) -> None:
        run("remove", "guest")
        assert list(daemon.channels) == ["live"]

    def test_a_source_is_changed(self, daemon: FakeDaemon) -> None:
        run("source", "live", "webrtc:")
        assert daemon.channels["live"].changes == [{"source": "webrtc:"}]

    def test_sinks_come_and_go(self, daemon: FakeDaemon) -> None:
        assert printed("sink", "add", "live", "udp://127.0.0.1:5004")["name"] == "sink0"
        assert daemon.channels["live"].sinks == {"sink0": "udp://127.0.0.1:5004"}
        run("sink", "remove", "live", "sink0")
        assert daemon.channels["live"].sinks == {}
        with pytest.raises(NotHere):
            run("sink", "remove", "live", "sink0")

    def test_a_sink_of_a_session_that_does_not_run_waits(self, daemon: FakeDaemon) -> None:
        run("stop", "live")
        words = run("sink", "add", "live", "udp://127.0.0.1:5004").stderr
        assert "live does not run: udp://127.0.0.1:5004 opens when it starts" in words

    def test_the_file_is_read_again(self, daemon: FakeDaemon) -> None:
        assert "nothing in the file has changed" in run("reload").stderr
        assert daemon.events == ["reload"]

    def test_what_the_file_changed_is_told(self, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
        async def reload(self: FakeDaemon) -> dict[str, Any]:
            changed = {"live": {"live": ["detect.size"], "restarted": False}, "guest": {"live": [], "restarted": True}}
            return {"changed": changed, "added": ["third"], "removed": [], "restart": ["webrtc"]}

        monkeypatch.setattr(FakeDaemon, "reload", reload)
        assert run("reload").stderr.splitlines() == [
            "live: took effect while it runs: detect.size",
            "guest: restarted with the new settings",
            "added third",
            "[webrtc] takes effect when the daemon starts again",
        ]


class TestIdentity:
    def test_a_drawn_face_needs_no_words(self, daemon: FakeDaemon) -> None:
        run("identity", "live", "synthetic:9")
        identity = daemon.channels["live"].changes[0]["identity"]
        assert (identity["photo"], identity["consent"]) == ("synthetic:9", "synthetic")

    def test_a_photo_needs_consent_before_the_daemon_is_asked(self, daemon: FakeDaemon, tmp_path: Path) -> None:
        photo = tmp_path / "me.jpg"
        photo.write_bytes(b"\xff\xd8\xff")
        with pytest.raises(NoConsent):
            run("identity", "live", str(photo))
        assert daemon.channels["live"].changes == []

    def test_a_photo_is_named_so_that_another_folder_finds_it(
        self, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("me.jpg").write_bytes(b"\xff\xd8\xff")
        run("identity", "live", "me.jpg", "--consent", "self")
        assert daemon.channels["live"].changes[0]["identity"]["photo"] == str(tmp_path / "me.jpg")

    def test_a_photo_is_sent_and_kept_under_a_name(
        self, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[Any] = []
        monkeypatch.setattr(Client, "send", lambda self, *words, **query: sent.append((*words, query)))
        photo = tmp_path / "me.png"
        photo.write_bytes(b"\x89PNG")
        run("identity", "live", str(photo), "--consent", "self", "--by", "me", "--store", "anna b")
        assert sent == [("/api/identities/anna%20b", b"\x89PNG", "image/png", {"consent": "self", "by": "me"})]
        assert daemon.channels["live"].changes[0]["identity"]["photo"] == "anna b"

    def test_what_is_no_photo_is_refused_by_the_daemon(self, daemon: FakeDaemon, tmp_path: Path) -> None:
        photo = tmp_path / "me.png"
        photo.write_bytes(b"not a picture")
        with pytest.raises(LivefuseError, match="photo"):
            run("identity", "live", str(photo), "--consent", "self", "--store", "anna")
        with pytest.raises(SourceNotFound):
            run("identity", "live", str(tmp_path / "none.png"), "--consent", "self", "--store", "anna")
        assert daemon.channels["live"].changes == []


class TestJobs:
    def test_a_file_is_queued_seen_and_cancelled(self, daemon: FakeDaemon, tmp_path: Path) -> None:
        source, out = tmp_path / "in.png", tmp_path / "out.png"
        source.write_bytes(png())
        job_id = run(
            "add", str(source), str(out), "--set", "identity.photo=synthetic:7", "--set", "identity.consent=synthetic",
            app=jobs_app,
        ).stdout.strip()  # fmt: skip
        row = run("list", app=jobs_app).stdout.splitlines()[1].split()
        assert row[:3] == [job_id[:8], "queued", "file"]
        assert row[3:6] == ["in.png", "->", "out.png"]
        assert f"{source} -> {out}" in run("show", job_id[:8], app=jobs_app).stdout
        run("cancel", job_id[:8], app=jobs_app)
        assert daemon.jobs.get(job_id).state == "cancelled"

    def test_a_job_that_is_not_there(self, daemon: FakeDaemon) -> None:
        for command in ("show", "cancel"):
            with pytest.raises(NotHere, match="no job 'beef'"):
                run(command, "beef", app=jobs_app)

    def test_an_input_that_is_not_there(self, daemon: FakeDaemon, tmp_path: Path) -> None:
        with pytest.raises(LivefuseError) as caught:
            run("add", str(tmp_path / "none.mp4"), str(tmp_path / "out.mp4"), app=jobs_app)
        assert caught.value.exit_code == 3


class TestHealth:
    def app(self) -> Typer:
        app = Typer()
        app.command()(health)
        return app

    def test_a_well_daemon(self, daemon: FakeDaemon) -> None:
        assert run(app=self.app()).stdout == f"{URL} is well\n"
        assert printed(app=self.app())["ready"] is True

    def test_one_whose_session_failed_is_alive_but_not_ready(self, daemon: FakeDaemon) -> None:
        daemon.channels["live"].state = "failed"
        assert "not every session runs" in run(app=self.app()).stdout

    def test_nobody_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
        monkeypatch.delenv("LIVEFUSE_DAEMON", raising=False)
        with pytest.raises(DaemonUnreachable) as caught:
            run(app=self.app())
        assert caught.value.exit_code == 1


def test_without_the_token_nothing_changes(daemon: FakeDaemon) -> None:
    daemon.found["token"] = ""  # type: ignore[attr-defined]
    run("list")
    with pytest.raises(NotAllowed, match="token") as caught:
        run("stop", "live")
    assert "LIVEFUSE_TOKEN" in caught.value.hint
    assert daemon.channels["live"].state == "running"


@pytest.mark.parametrize("words", [["detect=1", "detect.size=2"], ["a.b=1", "a.b.c=2"]])
def test_a_key_is_a_value_or_a_section(words: list[str]) -> None:
    with pytest.raises(BadValue, match="say only one"):
        nested(words)


def png() -> bytes:
    import cv2
    import numpy as np

    done, encoded = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))
    assert done
    return encoded.tobytes()
