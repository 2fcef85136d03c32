"""Sessions, their outputs, presets and the stream of events, over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import make_config
from livefuse.daemon.channel import Channel
from livefuse.daemon_config import WebRtcConfig
from livefuse.errors import SourceNotFound
from livefuse.web.api import events
from livefuse.web.api.events import stream
from livefuse.web.records import Records
from tests.unit.api_calls import Api, fake_api

CAMERA = "rtsp://cam:hunter2@host/x"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    with fake_api(tmp_path) as made:
        yield made


def test_sessions_are_listed_for_everybody_who_may_watch(api: Api) -> None:
    assert [one["name"] for one in api("GET", "/api/sessions", token=None).json()["sessions"]] == ["live"]


def test_a_configuration_is_shown_to_whoever_has_the_token_and_never_with_secrets(api: Api) -> None:
    api.daemon.channels["live"].config = make_config({"source": CAMERA})
    assert api("GET", "/api/sessions/live", token=None).json()["config"] is None
    session = api("GET", "/api/sessions/live").json()
    assert session["config"]["source"] == "rtsp://cam:***@host/x"
    assert session["urls"] == {
        "player": "/live", "publish": "/live/publish", "whep": "/live/whep", "whip": "/live/whip",
    }  # fmt: skip


def test_a_session_is_made_from_a_preset_and_settings_over_it(api: Api) -> None:
    api("PUT", "/api/presets/soft", json={"swap": {"seam": 0.9, "morph": 0.5}})
    body = {"name": "second", "preset": "soft", "config": {"swap": {"morph": 0.2}}}
    made = api("POST", "/api/sessions", json=body)
    assert (made.status_code, made.headers["location"]) == (201, "/api/sessions/second")
    swap = api.daemon.channels["second"].config.swap
    assert (swap.seam, swap.morph) == (0.9, 0.2)
    api.refused("POST", "/api/sessions", 409, "LF0902", json=body)
    api.refused("POST", "/api/sessions", 404, "LF0901", json={"name": "third", "preset": "none"})
    assert api("DELETE", "/api/sessions/second").status_code == 204
    api.refused("GET", "/api/sessions/second", 404, "LF0901")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "A"}, "LF0102"),
        ({"name": "a/b"}, "LF0102"),
        ({"name": "x", "config": {"privcy": {}}}, "LF0101"),
        ({"name": "x", "config": {"privacy": {"mode": "ajar"}}}, "LF0102"),
        ({"name": "x", "more": 1}, "LF0101"),
        ({}, "LF0102"),
        ([], "LF0102"),
    ],
)
def test_what_makes_no_sense_makes_no_session(api: Api, body: Any, code: str) -> None:
    api.refused("POST", "/api/sessions", 422, code, json=body)
    assert list(api.daemon.channels) == ["live"]


def test_a_change_says_only_what_was_said(api: Api) -> None:
    api.daemon.channels["live"].config = make_config({"source": CAMERA})
    answer = api("PATCH", "/api/sessions/live", json={"swap": {"seam": 0.1}, "source": "rtsp://cam:***@host/x"})
    assert answer.json() == {"live": ["source", "swap"], "restarted": False}
    assert api.daemon.channels["live"].changes == [{"swap": {"seam": 0.1}, "source": CAMERA}]
    api.refused("PATCH", "/api/sessions/live", 422, "LF0101", json={"swap": {"seem": 0.1}})


def test_a_session_is_started_stopped_and_begun_anew(api: Api) -> None:
    assert api("POST", "/api/sessions/live/stop").json()["state"] == "stopped"
    assert api("POST", "/api/sessions/live/start").json()["state"] == "running"
    assert api("POST", "/api/sessions/live/restart").json()["state"] == "running"
    api.refused("POST", "/api/sessions/nobody/start", 404, "LF0901")


def test_one_address_for_each_button(api: Api) -> None:
    for path, body, change in (
        ("source", {"url": "camera:1"}, {"source": "camera:1"}),
        ("privacy", {"mode": "closed"}, {"privacy": {"mode": "closed"}}),
        ("overlay", {"enabled": True}, {"overlay": {"enabled": True}}),
        (
            "identity",
            {"photo": "mona"},
            {"identity": {"photo": "mona", "consent": None, "by": "", "face": None}},
        ),
    ):
        assert api("PUT", f"/api/sessions/live/{path}", json=body).status_code == 200
        assert api.daemon.channels["live"].changes[-1] == change
        api.refused("PUT", f"/api/sessions/live/{path}", 401, "LF0903", json=body, token=None)


def test_sinks_come_and_go_while_a_session_runs(api: Api) -> None:
    made = api("POST", "/api/sessions/live/sinks", json={"url": "rtmp://host/app/streamkey"})
    assert (made.status_code, made.json()["name"]) == (201, "sink0")
    assert "streamkey" not in made.text
    assert api.daemon.channels["live"].sinks == {"sink0": "rtmp://host/app/streamkey"}
    assert api("DELETE", "/api/sessions/live/sinks/sink0").status_code == 204
    api.refused("DELETE", "/api/sessions/live/sinks/sink0", 404, "LF0901")
    api.refused("POST", "/api/sessions/live/sinks", 422, "LF0102", json={"url": "exec:rm"})


def test_sinks_of_a_session_that_does_not_run_are_settings(api: Api) -> None:
    channel = api.daemon.channels["live"]
    channel.state, channel.config = "stopped", make_config({"sinks": ["null:", "rtmp://host/app/key"]})
    listed = api("GET", "/api/sessions/live/sinks").json()["sinks"]
    assert [(one["name"], one["url"]) for one in listed] == [("0", "null:"), ("1", "rtmp://host/app/***")]
    assert api("POST", "/api/sessions/live/sinks", json={"url": "vcam:"}).json()["name"] == "2"
    assert channel.changes[-1] == {"sinks": ["null:", "rtmp://host/app/key", "vcam:"]}
    assert api("DELETE", "/api/sessions/live/sinks/0").status_code == 204
    assert channel.changes[-1] == {"sinks": ["rtmp://host/app/key"]}
    api.refused("DELETE", "/api/sessions/live/sinks/7", 404, "LF0901")


def test_presets_over_http(api: Api) -> None:
    assert api("PUT", "/api/presets/soft", json={"swap": {"seam": 0.9}}).status_code == 201
    assert api("PUT", "/api/presets/soft", json={"swap": {"seam": 0.8}}).status_code == 200
    assert api("GET", "/api/presets").json()["presets"] == ["soft"]
    assert api("GET", "/api/presets/soft").json() == {"name": "soft", "config": {"swap": {"seam": 0.8}}}
    assert api("POST", "/api/sessions/live/preset/soft").json()["live"] == ["swap"]
    assert api.daemon.channels["live"].changes == [{"swap": {"seam": 0.8}}]
    problem = api.refused("PUT", "/api/presets/x", 422, "LF0102", json={"source": CAMERA})
    assert "hunter2" not in str(problem)
    assert api("DELETE", "/api/presets/soft").status_code == 204
    api.refused("GET", "/api/presets/soft", 404, "LF0901")
    api.refused("GET", "/api/presets/..%2f..%2fetc", 404, "LF0901")
    api.refused("POST", "/api/sessions/live/preset/soft", 404, "LF0901")


def test_stats_are_the_record(api: Api) -> None:
    assert api("GET", "/api/sessions/live/stats", token=None).json()["state"] == "running"
    api.refused("GET", "/api/sessions/nobody/stats", 404, "LF0901", token=None)
    api.refused("GET", "/api/sessions/nobody/events", 404, "LF0901", token=None)
    for interval in ("0", "-1", "1e9", "nan"):
        api.refused("GET", f"/api/events?interval={interval}", 422, "LF0102", token=None)


def test_events_tell_figures_and_changes_and_the_end(api: Api) -> None:
    channels = dict(api.daemon.channels)

    async def watched() -> list[tuple[str | None, Any]]:
        seen = []
        async for event in stream(channels.values, Records(), 0.2):
            seen.append((event.event, event.data or json.loads(event.raw_data or "")))
            if len(seen) == 2:
                channels["live"].state = "failed"
                channels["live"].error = SourceNotFound("no camera", hint="plug it in")
            elif event.event == "state" and len(seen) > 2:
                channels.clear()
            elif event.event == "gone":
                return seen
        return seen

    seen = asyncio.run(asyncio.wait_for(watched(), 20))
    kinds = [kind for kind, _ in seen]
    assert kinds[:2] == ["state", "stats"]
    assert kinds[-1] == "gone"
    assert seen[1][1]["stats"]["state"] == "running"
    failed = [data for kind, data in seen if kind == "state"][-1]
    assert (failed["state"], failed["error"]["code"]) == ("failed", "LF0201")


def test_a_client_that_does_not_read_is_given_nothing(api: Api) -> None:
    """Events are made when they are taken: while nobody takes one, no record is made."""
    channel, asked = api.daemon.channels["live"], []
    record = channel.record

    def counted(figures: Any) -> dict[str, Any]:
        asked.append(1)
        return dict(record(figures))

    channel.record = counted

    async def slow() -> int:
        events = aiter(stream(lambda: [channel], Records(), 0.2))
        await anext(events)
        await anext(events)
        await asyncio.sleep(0.7)
        await anext(events)
        return len(asked)

    assert asyncio.run(slow()) == 2


def test_a_record_is_made_once_for_all_who_ask(api: Api) -> None:
    channel, records, threads = api.daemon.channels["live"], Records(), []

    class Session:
        def record(self) -> dict[str, Any]:
            threads.append(threading.current_thread())
            return {"fps": 30.0}

    channel.session = Session()

    async def many() -> list[Any]:
        return await asyncio.gather(*(records.record(channel) for _ in range(50)), records.text(channel))

    told = asyncio.run(many())
    assert [one["fps"] for one in told[:-1]] == [30.0] * 50
    assert json.loads(told[-1]) == told[0]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread(), "the loop's thread has media to carry"


class Stream:
    """One request for events, as a server would make it: its answer comes in parts, until the client or the daemon goes."""

    def __init__(self, api: Api) -> None:
        self.sent: list[dict[str, Any]] = []
        self._asked = False
        host = [(b"host", b"127.0.0.1:7853")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/api/events", "raw_path": b"/api/events", "query_string": b"", "root_path": "", "headers": host,
            "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 7853),
        }  # fmt: skip
        self.task = asyncio.ensure_future(api.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    async def until(self, parts: int) -> None:
        async with asyncio.timeout(20):
            while len(self.sent) < parts:
                await asyncio.sleep(0.01)


def test_streams_are_counted_and_end_with_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 1)

    async def run(api: Api) -> None:
        first = Stream(api)
        await first.until(3)
        assert first.status == 200
        assert (b"content-type", b"text/event-stream; charset=utf-8") in first.sent[0]["headers"]
        second = Stream(api)
        await second.until(2)
        assert second.status == 503
        assert b"LF0900" in second.sent[1]["body"]
        api.app.state.closing.set()
        await asyncio.wait_for(asyncio.gather(first.task, second.task), 20)
        assert first.sent[-1]["more_body"] is False

    with fake_api(tmp_path) as api:
        asyncio.run(run(api))


def test_a_client_that_goes_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 1)

    async def run(api: Api) -> None:
        for _ in range(3):
            stream = Stream(api)
            await stream.until(2)
            assert stream.status == 200
            stream.task.cancel()
            await asyncio.gather(stream.task, return_exceptions=True)

    with fake_api(tmp_path) as api:
        asyncio.run(run(api))


HALF = "\ud800"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/sessions", {"name": "second", "config": {"source": HALF}}),
        ("PATCH", "/api/sessions/live", {"sinks": [HALF]}),
        ("PATCH", "/api/sessions/live", {"cast": [{"photo": "a.png", "like": HALF}]}),
        ("PUT", "/api/sessions/live/identity", {"photo": HALF}),
        ("PUT", "/api/presets/soft", {"source": HALF}),
        ("POST", "/api/jobs", {"input": "/a.png", "output": "/b.png", "identity": HALF}),
        ("POST", "/api/jobs", {"input": "/a.png", "output": "/b.png", "config": {"identity": {"by": HALF}}}),
    ],
)
def test_half_a_character_is_refused_for_no_list_could_show_it(api: Api, method: str, path: str, body: Any) -> None:
    api.refused(method, path, 422, "LF0102", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert api.daemon.channels.keys() == {"live"}
    assert not api.daemon.channels["live"].changes
    for listed in ("sessions", "jobs", "presets"):
        assert api("GET", f"/api/{listed}").status_code == 200


CANARY = "k4nary"
FAULT = SourceNotFound(f"no such file: /home/{CANARY}/pictures/clip.mp4", hint=f"is rtsp://cam:{CANARY},x@host/1 up?")


def test_viewers_are_not_told_paths_addresses_and_whose_face_it_is(api: Api) -> None:
    channel = api.daemon.channels["live"]
    summary = {
        "name": "live", "state": "failed", "viewers": 0,
        "error": {"code": "LF0201", "message": FAULT.message, "hint": FAULT.hint},
        "source": f"/home/{CANARY}/a.mp4", "identity": f"/home/{CANARY}/me.jpg",
        "sinks": {"out": f"file:/home/{CANARY}/b.mkv", "far": f"rtmp://{CANARY}/app/***"},
    }  # fmt: skip
    channel.summary = lambda figures=None: summary
    for path in ("/api/sessions", "/api/sessions/live"):
        told = api("GET", path, token=None)
        assert CANARY not in told.text
        assert CANARY in api("GET", path).text
    session = api("GET", "/api/sessions/live", token=None).json()
    assert (session["source"], session["identity"]) == ("file:", "")
    assert session["sinks"] == {"out": "file:", "far": "rtmp:"}
    assert session["error"]["message"] == "no such file: clip.mp4"


def test_viewers_are_told_of_outputs_by_their_kind(api: Api) -> None:
    channel = api.daemon.channels["live"]
    channel.state, channel.config = "stopped", make_config({"sinks": [f"/home/{CANARY}/a.mkv", "rtmp://h/app/key"]})
    told = api("GET", "/api/sessions/live/sinks", token=None).json()["sinks"]
    assert [one["url"] for one in told] == ["file:", "rtmp:"]
    told = api("GET", "/api/sessions/live/sinks").json()["sinks"]
    assert [one["url"] for one in told] == [f"/home/{CANARY}/a.mkv", "rtmp://h/app/***"]


def test_what_everybody_may_read_of_a_fault_holds_no_password_and_no_path() -> None:
    async def scene() -> None:
        channel = Channel("live", make_config({"source": CAMERA}), WebRtcConfig(audio=False))
        channel._error = FAULT
        record = channel.record({"sinks": {"out": {"frames": 1, "error": f"{FAULT}"}}})
        assert CANARY not in json.dumps(record)
        assert record["sinks"]["out"]["frames"] == 1
        assert record["error"]["message"] == "no such file: clip.mp4"
        assert channel.summary({})["error"]["message"] == FAULT.message
        assert CANARY not in channel.summary({})["error"]["hint"]
        await channel.close()

    asyncio.run(scene())


def test_events_hold_no_path(api: Api) -> None:
    async def first() -> str:
        channel = api.daemon.channels["live"]
        channel.state, channel.error = "failed", FAULT
        async for event in stream(lambda: [channel], Records(), 1.0):
            return json.dumps(event.data)
        raise AssertionError

    assert CANARY not in asyncio.run(first())
