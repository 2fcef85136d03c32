"""`livefuse apps` and `livefuse pair`, against the real web application."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from livefuse.cli import apps as commands
from livefuse.cli.groups import apps_app
from livefuse.client import Client
from livefuse.daemon.apps import Scope
from livefuse.errors import BadValue, LivefuseError, NotAllowed, NotHere
from livefuse.web.app import make_app
from tests.unit.web_fakes import TOKEN, FakeDaemon

URL = "http://127.0.0.1:7853"


class Loop(httpx.BaseTransport):
    """An application on a loop of its own, so that one command can wait for another."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._app = httpx.ASGITransport(make_app(daemon), client=("127.0.0.1", 50000))  # type: ignore[arg-type]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._asked(request), self.loop).result(20)

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._app.handle_async_request(copy)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        content = b"".join([part async for part in answer.stream])
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeDaemon, Loop]]:
    fake = FakeDaemon(folder=tmp_path_factory.mktemp("daemon"))
    loop = Loop(fake)
    yield fake, loop
    loop.end()


@pytest.fixture
def daemon(served: tuple[FakeDaemon, Loop], monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    fake, loop = served
    fake.apps.path.unlink(missing_ok=True)
    fake.pairing._asking.clear()
    fake.pairing._began.clear()
    monkeypatch.setattr(Client, "find", lambda url="", token="": Client(URL, TOKEN, transport=loop))
    monkeypatch.setattr(commands, "LOOK_S", 0.01)
    return fake


def run(*words: str, app: Typer = apps_app, said: str = "") -> Result:
    result = CliRunner().invoke(app, list(words), input=said)
    if isinstance(result.exception, LivefuseError):
        raise result.exception
    return result


def asks(daemon: FakeDaemon, name: str = "Stream Deck", *scopes: Scope) -> str:
    asking, _ = daemon.pairing.ask(name, scopes or ("view", "control"), "10.0.0.9")
    return asking.code


def state(daemon: FakeDaemon) -> list[str]:
    return [one.state for one in daemon.pairing._asking.values()]


def test_the_list_has_those_that_ask_with_their_code(daemon: FakeDaemon) -> None:
    daemon.apps.add("Deck", ["view"])
    code = asks(daemon, "Phone")
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "ID", "MAY", "LAST", "USED", "CODE"]
    assert lines[1].split()[0::2] == ["Deck", "view"]
    assert lines[2].split()[-2:] == ["asks", code]
    told = json.loads(run("list", "--json").stdout)
    assert [app["name"] for app in told["apps"]] == ["Deck"]


def test_allowing_asks_to_compare_the_codes(daemon: FakeDaemon) -> None:
    code = asks(daemon)
    with pytest.raises(NotAllowed, match="codes differ"):
        run("allow", said="n\n")
    assert state(daemon) == ["pending"]
    allowed = run("allow", said="y\n")
    assert f"Does it show the code {code}?" in allowed.output
    assert "Stream Deck, from 10.0.0.9, wants: view, control" in allowed.output
    assert state(daemon) == ["allowed"]


def test_allowing_may_give_less(daemon: FakeDaemon) -> None:
    code = asks(daemon)
    told = json.loads(run("allow", code, "--yes", "--scopes", "view", "--json").stdout)
    assert told["scopes"] == ["view"]


def test_denying(daemon: FakeDaemon) -> None:
    asks(daemon)
    run("deny", "Stream Deck")
    assert state(daemon) == ["denied"]


def test_which_one_is_meant(daemon: FakeDaemon) -> None:
    with pytest.raises(NotHere, match="no app asks"):
        run("allow")
    asks(daemon)
    asks(daemon)
    for words in (("allow",), ("allow", "Stream Deck")):
        with pytest.raises(BadValue, match="several"):
            run(*words)
    with pytest.raises(NotHere, match="'Phone' asks"):
        run("deny", "Phone")


def test_revoking(daemon: FakeDaemon) -> None:
    app, token = daemon.apps.add("Deck", ["view"])
    with pytest.raises(NotHere):
        run("revoke", "Other")
    assert json.loads(run("revoke", "Deck", "--json").stdout) == {"id": app.id, "name": "Deck", "state": "revoked"}
    assert daemon.apps.with_token(token) is None


def asking_command(*words: str) -> Typer:
    app = Typer()
    app.command()(commands.pair)
    return app


def test_pair_waits_and_prints_the_token_alone(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def slept(_: float) -> None:
        looked.append(1)
        if len(looked) == 2:
            run("allow", "--yes")

    monkeypatch.setattr("livefuse.cli.apps.time.sleep", slept)
    result = run("My script", "--scopes", "view", app=asking_command())
    token = result.stdout.strip()
    assert daemon.apps.list()[0].scopes == ("view",)
    found = daemon.apps.with_token(token)
    assert found is not None
    assert found.name == "My script"
    assert f"code {next(iter(daemon.pairing._asking.values())).code}" in result.stderr
    assert token not in result.stderr


@pytest.mark.parametrize(("how", "says"), [("deny", "said no"), ("expire", "nobody answered")])
def test_pair_ends_without_a_token(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, how: str, says: str) -> None:
    def slept(_: float) -> None:
        if how == "deny":
            run("deny")
        else:
            next(iter(daemon.pairing._asking.values())).ends_s = 0.0
            daemon.pairing._tidy = lambda: None  # type: ignore[method-assign]
            next(iter(daemon.pairing._asking.values())).state = "expired"

    tidy = daemon.pairing._tidy
    monkeypatch.setattr("livefuse.cli.apps.time.sleep", slept)
    try:
        with pytest.raises(NotAllowed, match=says):
            run("My script", app=asking_command())
    finally:
        daemon.pairing._tidy = tidy  # type: ignore[method-assign]
    assert list(daemon.apps.list()) == []


@pytest.mark.parametrize("scopes", ["owner", "view,all", ",", " "])
def test_scopes_are_checked_before_anybody_is_asked(daemon: FakeDaemon, scopes: str) -> None:
    with pytest.raises(BadValue):
        run("My script", "--scopes", scopes, app=asking_command())
    assert state(daemon) == []


def test_a_damaged_list_is_said(daemon: FakeDaemon) -> None:
    Path(daemon.apps.path).parent.mkdir(parents=True, exist_ok=True)
    Path(daemon.apps.path).write_text("{")
    assert "cannot be read" in run("list").stderr
