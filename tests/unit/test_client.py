from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from livefuse.client import Client, is_loopback, problem, running_daemons, segment
from livefuse.errors import (
    BadValue,
    DaemonError,
    DaemonUnreachable,
    LivefuseError,
    NoConsent,
    NotAllowed,
    NotHere,
)

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def nobody_said_where(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEFUSE_DAEMON", "LIVEFUSE_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def told(state: Path, port: int, *, pid: int | None = None, token: str = "tok") -> str:
    url = f"http://127.0.0.1:{port}"
    tree = {"url": url, "token": token, "pid": pid or os.getpid(), "version": "0.1.0", "started": "2026-01-01T00:00:00"}
    (state / f"daemon-{port}.json").write_text(json.dumps(tree))
    return url


def a_process_that_ended() -> int:
    import subprocess
    import sys

    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def token_of(client: Client) -> str:
    return str(client._http.headers.get("Authorization", "")).removeprefix("Bearer ")


class TestFind:
    def test_the_one_that_runs_here(self, tmp_path: Path) -> None:
        url = told(tmp_path, 7853, token="secret")
        with Client.find(state=tmp_path) as client:
            assert client.url == url
            assert token_of(client) == "secret"

    def test_one_whose_process_has_ended_is_none(self, tmp_path: Path) -> None:
        told(tmp_path, 7853, pid=a_process_that_ended())
        assert running_daemons(tmp_path) == []
        with pytest.raises(DaemonUnreachable, match="no daemon runs here") as caught:
            Client.find(state=tmp_path)
        assert "livefuse serve" in caught.value.hint

    def test_one_whose_number_another_user_has_got_is_none(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(pid: int, signal: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        told(tmp_path, 7853)
        monkeypatch.setattr("livefuse.finding.os.kill", refused)
        assert running_daemons(tmp_path) == []

    @pytest.mark.parametrize("text", ["", "{", "[]", '"words"', "{}", '{"url": 1, "token": "", "pid": "x"}'])
    def test_a_file_that_says_something_else_is_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "daemon-1.json").write_text(text)
        url = told(tmp_path, 7853)
        assert [daemon.url for daemon in running_daemons(tmp_path)] == [url]

    def test_of_several_one_has_to_be_named(self, tmp_path: Path) -> None:
        first, second = told(tmp_path, 7853, token="first"), told(tmp_path, 7854, token="second")
        with pytest.raises(BadValue, match="2 daemons run here") as caught:
            Client.find(state=tmp_path)
        assert f"--daemon {first}" in caught.value.hint
        with Client.find(second + "/", state=tmp_path) as client:
            assert token_of(client) == "second"

    def test_the_environment_names_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told(tmp_path, 7853)
        monkeypatch.setenv("LIVEFUSE_DAEMON", "https://studio.example")
        monkeypatch.setenv("LIVEFUSE_TOKEN", "theirs")
        with Client.find(state=tmp_path) as client:
            assert client.url == "https://studio.example"
            assert token_of(client) == "theirs"

    def test_a_kept_token_never_goes_to_another_machine(self, tmp_path: Path) -> None:
        told(tmp_path, 7853)
        (tmp_path / "token").write_text("kept\n")
        with Client.find("http://192.0.2.7:7853", state=tmp_path) as away:
            assert token_of(away) == ""
        with Client.find("http://localhost:9999", state=tmp_path) as home:
            assert token_of(home) == "kept"

    @pytest.mark.parametrize("url", ["localhost:7853", "ftp://x", "http://", "http://h:99999", "http://[::1"])
    def test_what_is_no_address_is_refused(self, url: str) -> None:
        with pytest.raises(BadValue, match="no daemon's address"):
            Client.find(url)


def answering(handler: Handler) -> Client:
    return Client("http://daemon.example:7853", "tok", transport=httpx.MockTransport(handler))


def refusing(status: int, **body: Any) -> Client:
    return answering(lambda request: httpx.Response(status, json=body))


class TestCall:
    def test_it_carries_the_token_and_the_body(self) -> None:
        seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={"ok": True})

        with answering(handle) as client:
            assert client.patch("/api/sessions/live", {"overlay": {"enabled": True}}) == {"ok": True}
        assert seen[0].headers["Authorization"] == "Bearer tok"
        assert json.loads(seen[0].content) == {"overlay": {"enabled": True}}
        assert str(seen[0].url) == "http://daemon.example:7853/api/sessions/live"

    def test_an_answer_without_content_is_an_empty_one(self) -> None:
        assert answering(lambda request: httpx.Response(204)).delete("/x") == {}

    def test_text_stays_text(self) -> None:
        assert answering(lambda request: httpx.Response(200, text="livefuse_frames 1")).get("/metrics") == (
            "livefuse_frames 1"
        )

    def test_a_problem_is_raised_as_what_it_was_there(self) -> None:
        client = refusing(403, code="LF0403", detail="nobody has said", hint="--consent self", title="No consent")
        with pytest.raises(NoConsent, match="nobody has said") as caught:
            client.get("/x")
        assert (caught.value.hint, caught.value.exit_code) == ("--consent self", 4)

    @pytest.mark.parametrize("code", sorted(LivefuseError.registry))
    def test_every_error_comes_back_as_itself(self, code: str) -> None:
        with pytest.raises(LivefuseError) as caught:
            refusing(400, code=code, detail="words").get("/x")
        assert type(caught.value) is LivefuseError.registry[code]

    @pytest.mark.parametrize(("status", "kind"), [(401, NotAllowed), (404, NotHere), (500, DaemonError)])
    def test_an_answer_without_a_code_is_told_by_its_status(self, status: int, kind: type[LivefuseError]) -> None:
        with pytest.raises(kind, match=f"answered {status}"):
            answering(lambda request: httpx.Response(status, text="<html>proxy</html>")).get("/x")

    def test_a_code_of_a_newer_daemon_is_told_by_its_status(self) -> None:
        with pytest.raises(NotHere, match="words"):
            refusing(404, code="LF9999", detail="words").get("/x")

    def test_who_lacks_the_token_is_told_where_it_comes_from(self) -> None:
        with pytest.raises(NotAllowed) as caught:
            answering(lambda request: httpx.Response(401)).get("/x")
        assert "LIVEFUSE_TOKEN" in caught.value.hint

    def test_a_problem_of_another_shape_does_not_hide_the_failure(self) -> None:
        request = httpx.Request("GET", "http://daemon.example/x")
        error = problem(httpx.Response(422, json=[1], request=request))
        assert type(error) is DaemonError
        assert "answered 422" in error.message

    def test_nobody_there(self) -> None:
        def handle(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("connection refused", request=request)

        with pytest.raises(DaemonUnreachable, match=r"daemon\.example:7853: connection refused"):
            answering(handle).get("/x")

    def test_nobody_answers(self) -> None:
        def handle(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("slow", request=request)

        with pytest.raises(DaemonUnreachable, match="did not answer in time"):
            answering(handle).get("/x")

    def test_a_daemon_elsewhere_cannot_send_the_token_on(self) -> None:
        hosts: list[str] = []

        def handle(request: httpx.Request) -> httpx.Response:
            hosts.append(request.url.host)
            return httpx.Response(302, headers={"Location": "http://evil.example/"})

        with pytest.raises(DaemonError, match="answered 302"):
            answering(handle).get("/x")
        assert hosts == ["daemon.example"]


def test_a_name_is_one_part_of_a_path() -> None:
    assert segment("../api?x#y") == "..%2Fapi%3Fx%23y"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_is_this_machine(url: str, own: bool) -> None:
    assert is_loopback(url) is own


def test_no_proxy_stands_between_a_machine_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    assert not Client("http://127.0.0.1:7853")._http._mounts
    assert Client("http://192.0.2.9:7853")._http._mounts
