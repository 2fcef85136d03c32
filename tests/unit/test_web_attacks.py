"""What somebody who means harm sends: to routes that anybody may call, as an app that wants more, in files passed on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import make_config
from livefuse.daemon.history import History
from livefuse.daemon.jobs import Jobs
from livefuse.daemon.preset_text import MOST_CHARACTERS, read_preset
from livefuse.daemon.presets import Presets
from livefuse.daemon_config import ServeConfig
from livefuse.errors import LivefuseError
from livefuse.swap.identity.store import IdentityStore
from livefuse.web.accepting import plain_answer
from livefuse.web.api.events import MOST_STREAMS
from livefuse.web.docs import routes
from livefuse.web.limits import PAIR_BYTES
from tests.unit.api_calls import Api
from tests.unit.web_fakes import TOKEN, FakeChannel, FakeDaemon

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("daemon")
    daemon = FakeDaemon(serve=ServeConfig(view="token"), folder=folder)
    daemon.presets = Presets(folder / "presets")
    daemon.jobs = Jobs(daemon.presets, folder / "jobs.json")  # not started
    with asyncio.Runner() as runner:
        yield Api(daemon, runner)


@pytest.fixture
def token(api: Api) -> str:
    """Of an app that may control."""
    _, token = api.daemon.apps.add("Deck", ["control"])
    assert isinstance(token, str)
    return token


# --- anybody


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"name": ' + b"9" * 100_000 + b"}",
        b"{" + b",".join(b'"k%d":1' % n for n in range(70_000)) + b"}",
        b'{"name": "' + b"x" * PAIR_BYTES + b'"}',
    ],
    ids=["deep", "large number", "many keys", "long"],
)
def test_who_asks_for_a_token_is_not_read_for_long(api: Api, body: bytes) -> None:
    assert api("POST", "/api/pair", token=None, content=body, headers=JSON).status_code == 413


def test_in_pieces_neither(api: Api) -> None:
    async def pieces() -> Any:
        for _ in range(PAIR_BYTES // 512 + 2):
            yield b" " * 512

    assert api("POST", "/api/pair", token=None, content=pieces(), headers=JSON).status_code == 413


@pytest.mark.parametrize(
    "body", [b"[" * 3000, b'{"name": ' + b"9" * 4000 + b"}", b'{"name": NaN}', b'{"name": "\xff"}', b"\xef\xbb\xbf"]
)
def test_what_is_no_sound_json_is_a_fault_of_the_caller(api: Api, body: bytes) -> None:
    assert api("POST", "/api/pair", token=None, content=body, headers=JSON).status_code in (400, 422)


def test_no_new_route_answers_other_names_or_pages(api: Api) -> None:
    """Generated, for every route there is: DNS rebinding, and pages of other sites, `null` among them."""
    for path, method, _ in routes(api.app):
        filled = path.replace("{name}", "live")
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
        ):
            assert api(method, filled, headers=headers).status_code == status, (method, path, headers)


@pytest.mark.parametrize(
    "request_line",
    ["GET /\r\n", "GET //evil.example/\r\n", "GET /a\nSet-Cookie:x=y", "GET /\\evil.example", "GET http://evil.example/", "GET /\x00", "POST /"],
)  # fmt: skip
def test_plain_http_is_sent_to_the_same_host_alone(request_line: str) -> None:
    answer = plain_answer(f"{request_line} HTTP/1.1\r\nHost: studio.lan:7853\r\n\r\n".encode("latin-1"), None).decode()
    places = [line.partition(": ")[2] for line in answer.splitlines() if line.lower().startswith("location")]
    assert places in ([], ["https://studio.lan:7853/"], ["https://studio.lan:7853/\\evil.example"])
    assert "Set-Cookie" not in answer


# --- an app


def test_an_app_keeps_no_open_privacy_for_later(api: Api, token: str) -> None:
    channel = FakeChannel("live", make_config({"privacy": {"mode": "open"}, "sinks": ["/srv/out.mp4"]}))
    api.daemon.channels["live"] = channel
    for part in ("privacy", "outputs"):
        body = {"session": "live", "parts": [part]}
        api.refused("POST", "/api/presets/later/save", 403, "LF0903", token=token, json=body)
    assert api("POST", "/api/presets/later/save", token=token, json={"session": "live"}).status_code == 201
    assert isinstance(channel.history, History)


def test_an_app_starts_no_camera_on_any_file(api: Api, token: str) -> None:
    for url in ("vcam:/etc/passwd", "vcam:/dev/sda", "vcam:../x", "pipewire:$(id)"):
        answer = api("PUT", "/api/sessions/live/camera", token=token, json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (403, "LF0903"), url


def test_an_app_cannot_fill_the_owners_places(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[int]:
        begun: list[int] = []
        scope = {
            "type": "http", "method": "GET", "path": "/api/events", "raw_path": b"/api/events", "query_string": b"",
            "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7853),
        }  # fmt: skip

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def ask(shown: str) -> None:
            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    begun.append(message["status"])

            headers = [(b"host", b"127.0.0.1:7853"), (b"authorization", f"Bearer {shown}".encode())]
            await api.app({**scope, "headers": headers}, receive, send)

        tasks = []
        for shown in [*[token] * (MOST_STREAMS + 1), TOKEN]:
            before = len(begun)
            tasks.append(asyncio.ensure_future(ask(shown)))
            async with asyncio.timeout(10):
                while len(begun) == before:
                    await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return begun

    assert api._runner.run(main()) == [200] * MOST_STREAMS + [503, 200]


def test_consent_that_an_app_states_is_not_the_users_word(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = api.daemon.apps.add("Booth", ["identities"])[1]
    said: list[str] = []

    def check(self: Any, name: str, sources: Any, config: Any, *, replace: bool) -> None:
        said.append(config.by)
        raise LivefuseError("enough")

    def remove(self: Any, name: str, *, by: str) -> None:
        said.append(by)

    monkeypatch.setattr(IdentityStore, "check", check)
    monkeypatch.setattr(IdentityStore, "remove", remove)
    for shown, by in ((token, ""), (token, "Ada"), (TOKEN, ""), (TOKEN, "Ada")):
        api("PUT", f"/api/identities/x?by={by}", token=shown)
    api("DELETE", "/api/identities/x", token=token)
    assert said == ["the app Booth", "Ada, by the app Booth", "", "Ada", "the app Booth"]


def test_a_program_cannot_say_that_it_is_a_page_of_ours(api: Api) -> None:
    api("POST", "/api/pair", token=None, json={"name": "Deck"}, headers={"Origin": "http://127.0.0.1:7853"})
    assert [app["origin"] for app in api("GET", "/api/apps").json()["pending"]] == [""]


@pytest.mark.parametrize("name", ["Deck” is part of livefuse “", 'say "yes"', "„Deck", "‘a’", "«x»"])
def test_a_name_cannot_end_the_sentence_that_it_stands_in(api: Api, name: str) -> None:
    api.refused("POST", "/api/pair", 422, "LF0102", token=None, json={"name": name})


# --- files that are passed on


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 30_000) + " = 1",
        "[" + ".".join(["a"] * 30_000) + "]",
        "swap = { " + ".".join(["a"] * 20_000) + " = 1 }",
        "swap.seam = " + "9" * 60_000,
        "a = " + "[" * 30_000,
        "a = " + "{a = " * 10_000,
        "[[" + "a" * 60_000,
        '{"config": ' + "[" * 30_000,
        '{"swap": {"seam": ' + "9" * 60_000 + "}}",
        "swap.seam = 2024-01-01T00:00:00Z",
        "\ufeff{",
        "\x00",
    ],
    ids=range(12),
)
def test_a_preset_made_to_hurt_is_refused_soon(api: Api, text: str) -> None:
    assert len(text) <= MOST_CHARACTERS
    answer = api("POST", "/api/presets/import", json={"text": text, "name": "hurt"})
    assert answer.status_code == 422, answer.text[:200]
    assert "hurt" not in api("GET", "/api/presets").json()["presets"]


def test_addresses_with_many_dots_are_none_of_these(tmp_path: Path) -> None:
    sinks = [f"rtmp://a.b{n}.example.org/live/${{KEY}}" for n in range(20)]
    _, tree = read_preset(f"sinks = {json.dumps(sinks)}")
    assert tree == {"sinks": sinks}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/sessions/live", {"source": "a\0b"}),
        ("PUT", "/api/sessions/live/source", {"url": "a\0b"}),
        ("POST", "/api/sessions/live/sinks", {"url": "a\0b.mp4"}),
        ("PUT", "/api/sessions/live/identity", {"photo": "a\0b"}),
        ("PUT", "/api/presets/nul", {"source": "a\0b"}),
        ("POST", "/api/presets/import", {"text": 'source = "a\\u0000b"', "name": "nul"}),
    ],
)
def test_no_address_holds_a_nul(api: Api, method: str, path: str, body: dict[str, Any]) -> None:
    """Which no path can, so that opening one was an internal error."""
    assert api(method, path, json=body).status_code == 422
    assert "nul" not in api("GET", "/api/presets").json()["presets"]
