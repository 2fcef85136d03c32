"""Pairing over HTTP, what each scope opens, and how soon what was taken back ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from livefuse.daemon.jobs import Jobs
from livefuse.daemon.pairing import MOST_OF_ONE
from livefuse.daemon.presets import Presets
from livefuse.daemon_config import ServeConfig
from livefuse.errors import BadValue
from livefuse.web import revocation
from livefuse.web.docs import routes
from livefuse.web.problems import Refused
from livefuse.web.revocation import WhileHeld
from livefuse.web.roles import Role, role_with
from livefuse.web.tokens import Caller
from tests.unit.api_calls import Api
from tests.unit.web_fakes import BEARER, OFFER, SDP, TOKEN, FakeChannel, FakeDaemon

SCOPES = ("view", "control", "identities")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("daemon")
    daemon = FakeDaemon(serve=ServeConfig(view="token"), folder=folder)
    daemon.presets = Presets(folder / "presets")
    daemon.jobs = Jobs(daemon.presets, folder / "jobs.json")  # not started
    with asyncio.Runner() as runner:
        yield Api(daemon, runner)


@pytest.fixture
def api(made: Api) -> Api:
    """One application for all: making one takes longer than any test here. Each begins without apps and presets."""
    made.daemon.apps.path.unlink(missing_ok=True)
    made.daemon.pairing._asking.clear()
    made.daemon.pairing._began.clear()
    made.daemon.channels["live"] = FakeChannel("live")
    for name in made.daemon.presets.names():
        made.daemon.presets.remove(name)
    return made


def asked(api: Api, name: str = "Stream Deck", *scopes: str) -> dict[str, Any]:
    response = api("POST", "/api/pair", token=None, json={"name": name, "scopes": scopes or ("view", "control")})
    assert response.status_code == 202, response.text
    told: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/pair/{told['id']}"
    return told


def paired(api: Api, *scopes: str) -> str:
    """The token of an app with these scopes."""
    told = asked(api, "App", *scopes)
    assert api("POST", f"/api/pair/{told['id']}/allow").status_code == 200
    token: str = api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()["token"]
    return token


# --- asking


def test_from_asking_to_a_token_of_its_own(api: Api) -> None:
    told = asked(api)
    assert told.keys() == {"id", "secret", "code", "expires_in"}
    state = api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()
    assert (state["state"], state["token"], state["name"]) == ("pending", "", "Stream Deck")
    (pending,) = api("GET", "/api/apps").json()["pending"]
    assert (pending["code"], pending["address"], pending["here"]) == (told["code"], "127.0.0.1", True)
    assert "secret" not in json.dumps(pending)
    allowed = api("POST", f"/api/pair/{told['id']}/allow", json={"scopes": ["view"]})
    assert allowed.json()["scopes"] == ["view"]
    state = api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()
    assert (state["state"], state["scopes"]) == ("allowed", ["view"])
    assert api("GET", "/api", token=state["token"]).status_code == 200
    again = api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()
    assert (again["state"], again["token"]) == ("delivered", "")
    listed = api("GET", "/api/apps").json()
    assert (listed["pending"], [app["name"] for app in listed["apps"]]) == ([], ["Stream Deck"])
    assert state["token"] not in json.dumps(listed)
    assert "sha256" not in json.dumps(listed)
    assert listed["apps"][0]["last_used"]


def test_one_that_is_denied_is_told_so(api: Api) -> None:
    told = asked(api)
    assert api("POST", f"/api/pair/{told['id']}/deny").status_code == 200
    assert api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()["state"] == "denied"
    api.refused("POST", f"/api/pair/{told['id']}/allow", 409, "LF0902")
    assert api("POST", "/api/pair", token=None, json={"name": "Stream Deck"}).status_code == 429


def test_nobody_else_learns_what_became_of_it(api: Api) -> None:
    told = asked(api)
    api("POST", f"/api/pair/{told['id']}/allow")
    for token in (None, "x" * 43, TOKEN):
        api.refused("GET", f"/api/pair/{told['id']}", 404, "LF0901", token=token)
    assert api("GET", f"/api/pair/{told['id']}?secret={told['secret']}", token=None).status_code == 404


def test_asking_again_and_again_is_no_guess_at_the_token(api: Api) -> None:
    for n in range(12):  # more than wrong tokens are let pass
        told = asked(api, f"App {n}")
        assert api("GET", f"/api/pair/{told['id']}", token=told["secret"]).status_code == 200
        api.daemon.pairing._asking.clear()
        api.daemon.pairing._began.clear()
    assert api("GET", "/api").status_code == 200


def test_too_many_are_told_to_wait(api: Api) -> None:
    for _ in range(MOST_OF_ONE):
        asked(api)
    response = api("POST", "/api/pair", token=None, json={"name": "One more"})
    assert (response.status_code, response.json()["code"]) == (429, "LF0903")
    assert 100 <= int(response.headers["retry-after"]) <= 120


def test_a_daemon_that_pairs_no_apps_says_so(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        closed = Api(FakeDaemon(serve=ServeConfig(pairing=False), folder=tmp_path), runner)
        closed.refused("POST", "/api/pair", 403, "LF0903", token=None, json={"name": "Deck"})


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "a\u202eb"}, {"name": "x" * 41}, {"name": "<b>" * 20}, {"name": 1}, {"name": ["Deck"]},
        {"name": "Deck", "scopes": []}, {"name": "Deck", "scopes": ["owner"]}, {"name": "Deck", "scopes": ["view"] * 9},
        {"name": "Deck", "admin": True}, {"name": "Deck", "scopes": "view"}, [], "Deck", None,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(api: Api, body: Any) -> None:
    response = api("POST", "/api/pair", token=None, json=body)
    assert response.status_code == 422, response.text
    assert api("GET", "/api/apps").json()["pending"] == []


def test_half_a_character_is_no_name(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    response = api("POST", "/api/pair", token=None, content=b'{"name": "a\\ud800"}', headers=headers)
    assert response.status_code == 422


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_pages_of_other_sites_cannot_even_ask(api: Api, headers: dict[str, str]) -> None:
    response = api("POST", "/api/pair", token=None, json={"name": "Deck"}, headers=headers)
    assert response.status_code in (403, 421)
    form = {"Content-Type": "text/plain"}
    assert api("POST", "/api/pair", token=None, content=b'{"name": "Deck"}', headers=form).status_code == 415
    assert api("GET", "/api/apps").json()["pending"] == []


def test_a_page_that_may_call_is_named_to_the_owner(tmp_path: Path) -> None:
    serve = ServeConfig(origins=("https://deck.example",))
    with asyncio.Runner() as runner:
        listed = Api(FakeDaemon(serve=serve, folder=tmp_path), runner)
        headers = {"Origin": "https://deck.example"}
        assert listed("POST", "/api/pair", token=None, json={"name": "Deck"}, headers=headers).status_code == 202
        assert listed("GET", "/api/apps").json()["pending"][0]["origin"] == "https://deck.example"


# --- the apps there are


def test_apps_are_changed_and_removed(api: Api) -> None:
    token = paired(api, "view", "control")
    (app,) = api("GET", "/api/apps").json()["apps"]
    changed = api("PATCH", f"/api/apps/{app['id']}", json={"name": "Deck", "scopes": ["view"]}).json()
    assert (changed["name"], changed["scopes"]) == ("Deck", ["view"])
    assert api("POST", "/api/sessions/live/start", token=token).status_code == 403
    assert api("DELETE", f"/api/apps/{app['id']}").status_code == 204
    assert api("GET", "/api", token=token).status_code == 401
    for method in ("DELETE", "PATCH"):
        api.refused(method, f"/api/apps/{app['id']}", 404, "LF0901", json={} if method == "PATCH" else None)


@pytest.mark.parametrize("app_id", ["..%2f..%2fx", "0" * 16, "%00", "a" * 3000])
def test_ids_are_looked_up_and_nothing_else(api: Api, app_id: str) -> None:
    assert api("DELETE", f"/api/apps/{app_id}").status_code == 404


def test_a_list_that_cannot_be_read_is_said_and_allows_nobody(api: Api) -> None:
    token = paired(api, "view")
    api.daemon.apps.path.write_text("{")
    assert api("GET", "/api", token=token).status_code == 401
    assert "apps.json cannot be read" in api("GET", "/api/apps").json()["problem"]


# --- scopes


def test_every_route_opens_to_whoever_has_its_scope_and_to_nobody_else(api: Api) -> None:
    """Generated: all routes, asked with each scope alone. What comes after admission does not matter here."""
    tokens = {scope: paired(api, scope) for scope in SCOPES}
    for path, method, wanted in routes(api.app):
        if path.endswith("/events") or method == "HEAD":
            continue
        filled = path.replace("{name}", "other")
        for scope, token in tokens.items():
            body = (
                {"content": b"{", "headers": {"Content-Type": "application/json"}} if method in ("POST", "PUT") else {}
            )
            answer = api(method, filled, token=token, **body)
            refused = answer.status_code == 403 and answer.json()["code"] == "LF0903"
            assert refused == (not role_with([scope]) >= wanted), (method, path, scope, answer.text)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "says"),
    [
        (["view"], "POST", "/api/sessions/live/start", "scope `control`"),
        (["control"], "GET", "/api/identities", "scope `identities`"),
        (["identities"], "POST", "/api/sessions/live/stop", "scope `control`"),
        (["view", "control", "identities"], "GET", "/api/apps", "for the owner"),
        (["view", "control", "identities"], "GET", "/api/config", "for the owner"),
    ],
)
def test_who_lacks_a_scope_is_told_which(api: Api, scopes: list[str], method: str, path: str, says: str) -> None:
    problem = api.refused(method, path, 403, "LF0903", token=paired(api, *scopes))
    assert says in problem["detail"]


def test_an_app_cannot_help_itself_to_more(api: Api) -> None:
    token = paired(api, *SCOPES)
    told = asked(api, "Accomplice")
    (app,) = api("GET", "/api/apps").json()["apps"]
    for method, path in (
        ("POST", f"/api/pair/{told['id']}/allow"), ("PATCH", f"/api/apps/{app['id']}"), ("GET", "/api/apps"),
    ):  # fmt: skip
        assert (
            api(method, path, token=token, json={"scopes": list(SCOPES)} if method != "GET" else None).status_code
            == 403
        )
    assert api("GET", "/api/apps").json()["pending"]


def test_what_an_app_may_control_it_may_not_lead_astray(api: Api) -> None:
    token = paired(api, "control")
    base = "/api/sessions/live"
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", base, {"source": "/etc/passwd"}),
        ("PATCH", base, {"privacy": {"mode": "open"}}),
        ("PUT", f"{base}/source", {"url": "http://169.254.169.254/"}),
        ("PUT", f"{base}/privacy", {"mode": "open"}),
        ("PUT", f"{base}/identity", {"photo": "/home/me/photo.jpg", "consent": "self"}),
        ("POST", f"{base}/sinks", {"url": "/tmp/out.mp4"}),
        ("PUT", "/api/presets/mine", {"sinks": ["/tmp/out.mp4"]}),
        ("PUT", "/api/presets/mine", {"privacy": {"mode": "open"}}),
    ]
    for method, path, body in refused:
        api.refused(method, path, 403, "LF0903", token=token, json=body)
    assert api.daemon.channels["live"].changes == []
    assert api("GET", "/api/presets", token=token).json()["presets"] == []
    allowed: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", base, {"overlay": {"enabled": True}}),
        ("PUT", f"{base}/source", {"url": "camera:1"}),
        ("PUT", f"{base}/privacy", {"mode": "closed"}),
        ("PUT", f"{base}/identity", {"photo": "Mona Lisa"}),
        ("POST", f"{base}/sinks", {"url": "vcam:"}),
        ("PUT", "/api/presets/mine", {"swap": {"seam": 0.9}}),
    ]
    for method, path, body in allowed:
        assert api(method, path, token=token, json=body).is_success, (method, path)
    assert len(api.daemon.channels["live"].changes) == 4


def test_what_the_owner_keeps_in_a_preset_an_app_may_apply(api: Api) -> None:
    token = paired(api, "control")
    api("PUT", "/api/presets/record", json={"sinks": ["/srv/out.mp4"]})
    assert api("POST", "/api/sessions/live/preset/record", token=token).status_code == 200
    assert api.daemon.channels["live"].changes[-1] == {"sinks": ["/srv/out.mp4"]}


def test_whoever_may_watch_is_told_neither_paths_nor_faces(api: Api) -> None:
    for scope, whole in (("view", False), ("identities", False), ("control", True)):
        told = api("GET", "/api/sessions/live", token=paired(api, scope)).json()
        assert (told["config"] is not None) == whole


def test_roles_compare_as_sets() -> None:
    assert role_with(["control", "identities"]) >= Role.IDENTITIES
    assert not role_with(["control"]) >= Role.IDENTITIES
    assert not role_with(SCOPES) >= Role.OWNER
    assert role_with(SCOPES) <= Role.OWNER
    assert Role.EVERYBODY < Role.VIEW < Role.CONTROL
    assert not Role.CONTROL <= Role.IDENTITIES


# --- tickets, and taking back


def test_a_ticket_shows_no_more_than_the_app_may_by_now(api: Api) -> None:
    token = paired(api, "view")
    (app,) = api("GET", "/api/apps").json()["apps"]
    ticket = api("POST", "/api/ticket", token=token).json()["ticket"]
    assert api("GET", f"/api?ticket={ticket}", token=None).status_code == 200
    assert api("GET", f"/api/presets?ticket={ticket}", token=None).status_code == 403
    api("PATCH", f"/api/apps/{app['id']}", json={"scopes": ["view", "control"]})
    assert api("GET", f"/api/presets?ticket={ticket}", token=None).status_code == 403
    api("DELETE", f"/api/apps/{app['id']}")
    assert api("GET", f"/api?ticket={ticket}", token=None).status_code == 401


def test_streams_of_an_app_that_was_removed_end_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "LOOK_S", 0.01)
    held, sent = [True], list[dict[str, Any]]()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        held[0] = False
        assert (await receive())["type"] == "http.disconnect"

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(WhileHeld(stream, lambda: held[0])({}, never, send), 5))
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_answers_of_an_app_that_stays_are_left_alone() -> None:
    sent = list[dict[str, Any]]()

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"{}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1"})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(WhileHeld(answers, lambda: True)({}, receive, send))
    assert [message.get("body") for message in sent] == [None, b"1"]


@pytest.mark.parametrize(("kind", "left"), [("whep", ["view"]), ("whip", ["view"]), ("whip", [])])
def test_who_watches_or_publishes_with_a_right_that_is_taken_back_is_hung_up_on(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: str, left: list[str]
) -> None:
    monkeypatch.setattr(revocation, "LOOK_S", 0.01)
    token = paired(api, "view", "control")
    (app,) = api("GET", "/api/apps").json()["apps"]
    channel = api.daemon.channels["live"]
    peers = channel.broadcast if kind == "whep" else channel.inlet
    assert api("POST", f"/live/{kind}", token=token, headers=SDP, content=OFFER).status_code == 201

    async def settle() -> int:
        for _ in range(20):
            await asyncio.sleep(0.01)
        return len(peers.peers)

    assert api._runner.run(settle()) == 1
    if left:
        api("PATCH", f"/api/apps/{app['id']}", json={"scopes": left})
    else:
        api("DELETE", f"/api/apps/{app['id']}")
    assert api._runner.run(settle()) == (1 if kind == "whep" else 0)
    if kind == "whep":
        api("DELETE", f"/api/apps/{app['id']}")
        assert api._runner.run(settle()) == 0


def test_owners_hear_who_asks_and_others_do_not(api: Api) -> None:
    told = asked(api)
    heard = {name: events(api, bearer) for name, bearer in (("owner", TOKEN), ("app", paired(api, "control")))}
    assert heard["app"]["pair"] == []
    (first,) = heard["owner"]["pair"]
    assert [app["id"] for app in first["pending"]] == [told["id"]]


def events(api: Api, token: str) -> dict[str, list[Any]]:
    """What the first instants of the stream of events bring."""
    found: dict[str, list[Any]] = {"pair": [], "stats": []}

    async def listen() -> None:
        sent: asyncio.Queue[Any] = asyncio.Queue()
        headers = [(b"host", b"127.0.0.1:7853"), (b"authorization", f"Bearer {token}".encode())]
        scope = {
            "type": "http", "method": "GET", "path": "/api/events", "raw_path": b"/api/events", "query_string": b"",
            "root_path": "", "scheme": "http", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7853),
        }  # fmt: skip

        async def receive() -> Any:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(api.app(scope, receive, sent.put))
        async with asyncio.timeout(10):
            while not found["stats"]:
                for text in (await sent.get()).get("body", b"").decode().replace("\r\n", "\n").split("\n\n"):
                    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
                    if said.get("event") in found:
                        found[said["event"]].append(json.loads(said["data"]))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    api._runner.run(listen())
    return found


# --- secrets


def test_no_secret_is_logged_or_told_twice(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = asked(api)
    api("POST", f"/api/pair/{told['id']}/allow")
    token = api("GET", f"/api/pair/{told['id']}", token=told["secret"]).json()["token"]
    api("GET", "/api/sessions/none", token=token)
    left_out = ("/events", "/doctor", "/connect")  # endless, slow, and the owner's own page of tokens
    asked_for = [
        path
        for path, method, _ in routes(api.app)
        if method == "GET" and path.startswith("/api/") and not path.endswith(left_out) and "{job_id}" not in path
    ]
    answers = {path: api("GET", path.replace("{name}", "live"), token=TOKEN).text for path in asked_for}
    for secret in (token, told["secret"], TOKEN):
        assert secret not in caplog.text
        assert [path for path, answer in answers.items() if secret in answer] == []


def test_wrong_tokens_are_slowed_down_beside_apps_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    paired(api, "view")
    monkeypatch.setattr("livefuse.web.tokens.asyncio.sleep", sleep)
    assert api("GET", "/api", token="lfa_" + "x" * 43).status_code == 401
    assert len(waits) == 1


def test_an_entry_says_whose_token_it_was(api: Api) -> None:
    token = paired(api, "view")
    (app,) = api("GET", "/api/apps").json()["apps"]
    entry = api.app.state.entry

    async def admit(shown: str) -> Caller:
        caller: Caller = await entry.admit(Role.VIEW, free=Role.EVERYBODY, authorization=f"Bearer {shown}")
        return caller

    assert api._runner.run(admit(token)) == Caller(Role.VIEW, app["id"])
    assert api._runner.run(admit(TOKEN)) == Caller(Role.OWNER, "")
    assert BEARER["Authorization"].endswith(TOKEN)
    with pytest.raises(Refused):
        api._runner.run(admit("wrong"))
    with pytest.raises(BadValue):
        api.daemon.apps.change(app["id"], name="")
    assert isinstance(api("GET", "/api"), httpx.Response)
