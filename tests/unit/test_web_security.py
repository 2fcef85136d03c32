"""What keeps others out: hosts, origins, bodies, roles, tokens, and secrets that stay in."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from livefuse.config import Config
from livefuse.daemon_config import ServeConfig
from livefuse.errors import BadValue, LivefuseError, SinkLost
from livefuse.web.docs import routes
from livefuse.web.limits import JSON_BYTES, PHOTO_BYTES, SDP_BYTES, Limits
from livefuse.web.problems import STATUS, Refused, problem, status_of
from livefuse.web.roles import Role
from livefuse.web.security import authority, is_loopback
from livefuse.web.tokens import TICKET_S, Caller, Entry, Guesses, Tickets
from tests.unit.web_fakes import BEARER, HOST, OFFER, SDP, TOKEN, FakeDaemon, ask

TABLE = Path(__file__).with_name("routes.txt")
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
FOREIGN_HOSTS = [
    "attacker.example",
    "attacker.example:7853",
    "127.0.0.1",
    "127.0.0.1:7854",
    "127.0.0.1:99999",
    "127.0.0.1:07853x",
    "localhost:7853.evil.com",
    "localhost.evil.com:7853",
    "user@127.0.0.1:7853",
    "user:pass@localhost:7853",
    "127.0.0.1:7853, attacker.example",
    "127.0.0.1:7853/api/health?",
    "x/api/health?",
    "[::1]x:7853",
    "[::1",
    "::1:7853",
    "[::2]:7853",
    "0.0.0.0:7853",
    "",
    " ",
    "localhost:7853\\@evil.com",
    "l\u043ecalhost:7853",
    "127.1:7853",
    "2130706433:7853",
]
FOREIGN_ORIGINS = [
    "null",
    "",
    " ",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:7854",
    "http://127.0.0.1",
    "http://localhost.evil.com",
    "http://localhost:7853.evil.com",
    "http://[::1]x",
    "http://[::1",
    "http://evil.com#127.0.0.1:7853",
    "http://127.0.0.1:7853@evil.com",
    "http://user@127.0.0.1:7853",
    "http://127.0.0.1:7853/path",
    "http://127.0.0.1:7853 http://evil.com",
    "file://",
    "chrome-extension://abcdef",
    "https://attacker.example",
    "//127.0.0.1:7853",
    "127.0.0.1:7853",
]


def daemon(**serve: Any) -> FakeDaemon:
    return FakeDaemon(serve=ServeConfig(**serve))


@pytest.fixture(scope="module")
def app() -> Any:
    return FakeDaemon().app


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications of this test have no API: what is tested lies before it."""
    monkeypatch.setattr("livefuse.web.app.routers", lambda _: [])


def entry_with(delay_s: tuple[float, float] = (0.1, 0.4)) -> Entry:
    known = FakeDaemon()
    return Entry(TOKEN, ServeConfig(), known.apps, known.pairing, delay_s=delay_s)


def problem_of(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "hint"} <= body.keys()
    assert body["status"] == response.status_code
    return body


# --- Host


@pytest.mark.parametrize("host", [HOST, "localhost:7853", "LOCALHOST:7853", "[::1]:7853", "[0:0:0:0:0:0:0:1]:7853"])
def test_own_hosts_are_served(app: Any, host: str) -> None:
    assert ask(app, "GET", "/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_hosts_are_refused_everywhere(app: Any, host: str) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/live"), ("POST", "/live/whep"), ("POST", "/live/whip")):
        response = ask(app, method, path, headers=[("Host", host), *BEARER.items(), *SDP.items()], content=OFFER)
        assert response.status_code == 421
        assert problem_of(response)["code"] == "LF0903"


def test_two_hosts_or_none_are_refused(app: Any) -> None:
    assert ask(app, "GET", "/healthz", headers=[("Host", HOST), ("Host", HOST)]).status_code == 421
    messages = raw(app, {"headers": []})
    assert messages[0]["status"] == 421


@pytest.mark.usefixtures("bare")
def test_further_hosts_are_those_of_the_configuration() -> None:
    named = daemon(hosts=("studio.example", "other.example:8443"))
    for host, status in (
        ("studio.example", 200),
        ("studio.example:7853", 200),
        ("studio.example:9", 421),
        ("other.example:8443", 200),
        ("other.example:7853", 421),
        ("other.example", 421),
    ):
        assert ask(named, "GET", "/healthz", headers={"Host": host}).status_code == status


@pytest.mark.usefixtures("bare")
def test_bound_to_everything_its_own_addresses_are_served() -> None:
    everywhere = daemon(host="0.0.0.0")
    assert ask(everywhere, "GET", "/healthz", at="192.168.1.5:7853").status_code == 200
    foreign = ask(everywhere, "GET", "/healthz", at="192.168.1.5:7853", headers={"Host": "192.168.1.6:7853"})
    assert foreign.status_code == 421
    rebound = ask(everywhere, "GET", "/healthz", at="192.168.1.5:7853", headers={"Host": "attacker.example:7853"})
    assert rebound.status_code == 421


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("wrong", [{"hosts": ("http://x",)}, {"hosts": ("",)}, {"origins": ("x.example",)}])
def test_names_that_no_request_could_match_are_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        ask(daemon(**wrong), "GET", "/healthz")


def test_an_authority_is_read_strictly() -> None:
    assert authority("Studio.Example:80") == ("studio.example", 80)
    assert [authority(text) for text in ("a:0", "a:65536", "a:", "a.", "a b", "a:1:2", "[1.2.3.4]")] == [None] * 7
    assert is_loopback("[::1]")
    assert is_loopback("127.8.8.8")
    assert is_loopback("[::ffff:127.0.0.1]")
    assert not is_loopback("localhost.example")


# --- Origin


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_foreign_origins_are_refused(app: Any, origin: str) -> None:
    for method, path in (("POST", "/live/whip"), ("POST", "/live/whep"), ("GET", "/api/events"), ("GET", "/api")):
        response = ask(app, method, path, headers=[("Origin", origin), *BEARER.items(), *SDP.items()], content=OFFER)
        assert response.status_code == 403
        assert problem_of(response)["code"] == "LF0903"
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}"])
def test_the_own_origin_and_none_are_served(app: Any, origin: str) -> None:
    assert ask(app, "POST", "/live/whep", headers={**SDP, "Origin": origin}, content=OFFER).status_code == 201
    assert ask(app, "POST", "/live/whep", headers=SDP, content=OFFER).status_code == 201


def test_two_origins_are_refused(app: Any) -> None:
    twice = [("Origin", f"http://{HOST}"), ("Origin", f"http://{HOST}")]
    assert ask(app, "GET", "/api", headers=twice).status_code == 403


@pytest.mark.usefixtures("bare")
def test_a_listed_origin_may_call_and_read() -> None:
    studio = daemon(origins=("https://studio.example",))
    origin = {"Origin": "https://studio.example"}
    asked = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
        "Access-Control-Request-Private-Network": "true",
    }
    preflight = ask(studio, "OPTIONS", "/live/whip", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://studio.example"
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert {"POST", "DELETE", "PATCH"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
    response = ask(studio, "POST", "/live/whep", headers={**SDP, **origin}, content=OFFER)
    assert response.status_code == 201
    assert response.headers["access-control-expose-headers"] == "Location, ETag, Link, Retry-After"
    assert "Origin" in response.headers["vary"]
    refused = ask(studio, "POST", "/live/whip", headers={**SDP, **origin}, content=OFFER)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://studio.example"
    foreign = ask(studio, "OPTIONS", "/live/whip", headers={**asked, "Origin": "https://studio.example.evil"})
    assert foreign.status_code == 403


def test_what_foreign_pages_embed_is_refused(app: Any) -> None:
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert ask(app, "GET", "/api", headers=embedded).status_code == 403
    assert ask(app, "GET", "/api", headers={**embedded, "Sec-Fetch-Site": "same-site"}).status_code == 403
    followed_link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(app, "GET", "/live", headers=followed_link).status_code == 200


def test_foreign_web_sockets_are_closed_before_they_open(app: Any) -> None:
    for header in ((b"origin", b"null"), (b"origin", b"https://evil.example")):
        headers = [(b"host", HOST.encode()), header]
        assert raw(app, {"type": "websocket", "headers": headers})[0]["type"] == "websocket.close"


def raw(app: Any, changes: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/healthz",
        "raw_path": b"/healthz",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", HOST.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7853),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope | changes, receive, send))
    return sent


# --- bodies


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/xml"],
)
def test_no_route_takes_what_a_form_can_send(app: Any, kind: str) -> None:
    for path, method, _ in routes(app):
        if method in CHANGING:
            filled = path.replace("{name}", "live").replace("{peer}", "p")
            response = ask(app, method, filled, headers={**BEARER, "Content-Type": kind}, content="a=1")
            assert response.status_code == 415, (method, path)


def test_compressed_bodies_are_refused(app: Any) -> None:
    headers = {**SDP, "Content-Encoding": "gzip"}
    assert ask(app, "POST", "/live/whep", headers=headers, content=b"\x1f\x8b").status_code == 415


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(0, total, 1024):
        yield b"x" * 1024


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("kind", "most"), [("application/sdp", SDP_BYTES), ("application/trickle-ice-sdpfrag", SDP_BYTES)]
)
def test_bodies_are_bounded_before_they_are_read(app: Any, kind: str, most: int, chunked: bool) -> None:
    content = chunks(most + 2048) if chunked else b"x" * (most + 1)
    response = ask(app, "POST", "/live/whep", headers={"Content-Type": kind}, content=content)
    assert response.status_code in ((413, 415) if kind != "application/sdp" and chunked else (413,))
    problem_of(response)


@pytest.mark.parametrize(("kind", "most"), [("application/json", JSON_BYTES), ("image/jpeg", PHOTO_BYTES)])
@pytest.mark.parametrize("length", ["{}", "9" * 40, "-1", "0x10", "²"])
def test_a_stated_length_beyond_the_bound_is_refused_unread(app: Any, kind: str, most: int, length: str) -> None:
    said = length.format(most + 1) if "{" in length else length
    if length == "{}":
        said = str(most + 1)
    headers = [
        (b"host", HOST.encode()),
        (b"content-type", kind.encode()),
        (b"content-length", said.encode("latin-1", "replace")),
        (b"authorization", f"Bearer {TOKEN}".encode()),
    ]
    assert raw(app, {"method": "POST", "path": "/api/sessions", "headers": headers})[0]["status"] == 413


def test_a_get_has_no_body(app: Any) -> None:
    response = ask(app, "GET", "/healthz", headers={"Content-Type": "application/json"}, content="{}")
    assert response.status_code == 413


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async def reads(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(_: Any) -> None: ...

    headers = [(b"content-type", b"application/json"), (b"content-length", b"9")]
    scope = {"type": "http", "method": "POST", "path": "/api/sessions", "headers": headers}
    with pytest.raises(Refused) as refused:
        asyncio.run(Limits(reads, pause_s=0.01)(scope, never, send))
    assert refused.value.status_code == 408


# --- roles


def test_every_route_has_the_role_of_the_checked_table(app: Any) -> None:
    table = sorted((path, method, str(role.name).lower()) for path, method, role in routes(app))
    now = "".join(f"{method:7} {path} {role}\n" for path, method, role in table)
    assert now == TABLE.read_text(), f"a route changed: compare with {TABLE.name}, then write it anew"


def test_whatever_changes_something_needs_the_token(app: Any) -> None:
    free = {("/{name}/whep", "POST"), ("/{name}/whep/{peer}", "PATCH"), ("/{name}/whep/{peer}", "DELETE")}
    free |= {("/api/ticket", "POST")}  # a viewer's own connection, and a word for what may be seen anyhow
    free |= {("/api/pair", "POST")}  # a question to the owner, which changes nothing
    changing = {(path, method) for path, method, role in routes(app) if method in CHANGING and role <= Role.VIEW}
    assert changing == free


def test_without_the_token_every_route_answers_as_its_role_says() -> None:
    closed, opened = (daemon(view=view).app for view in ("token", "open"))
    for path, method, role in routes(closed):
        if path.endswith("/events"):
            continue
        filled = path.replace("{name}", "live")
        for one, refused in ((closed, role > Role.EVERYBODY), (opened, role > Role.VIEW)):
            response = ask(one, method, filled)
            assert (response.status_code == 401) == refused, (method, path)
            if refused and method != "HEAD":
                assert problem_of(response)["code"] == "LF0903"
                assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.usefixtures("bare")
def test_a_route_that_says_no_role_needs_the_token() -> None:
    app = FakeDaemon().app

    @app.get("/a/new/undeclared/route")
    async def undeclared() -> dict[str, str]:
        return {"secret": "x"}

    assert ask(app, "GET", "/a/new/undeclared/route").status_code == 401
    assert ask(app, "GET", "/a/new/undeclared/route", headers=BEARER).status_code == 200


def test_the_body_of_a_caller_without_token_is_not_read(app: Any) -> None:
    response = ask(app, "POST", "/api/sessions", headers={"Content-Type": "application/json"}, content="{not json")
    assert response.status_code == 401


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    "wrong", ["Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9\xff"]
)
def test_wrong_tokens_are_refused(wrong: str) -> None:
    response = ask(FakeDaemon(), "POST", "/live/whip", headers={"Authorization": wrong})
    assert response.status_code == 401
    assert TOKEN not in response.text


def test_the_token_is_taken_from_the_header_only(app: Any) -> None:
    assert ask(app, "DELETE", f"/live/whip/x?token={TOKEN}&ticket={TOKEN}").status_code == 401
    assert ask(app, "DELETE", "/live/whip/x", headers={"Cookie": f"token={TOKEN}"}).status_code == 401
    assert ask(app, "DELETE", "/live/whip/x", headers={"authorization": f"bearer  {TOKEN}"}).status_code == 404


@pytest.mark.usefixtures("bare")
def test_watching_is_free_on_loopback_by_a_loopback_name_only() -> None:
    proxied = daemon(hosts=("studio.example",))
    assert ask(proxied, "GET", "/api").status_code == 200
    assert ask(proxied, "GET", "/api", headers={"Host": "studio.example"}).status_code == 401
    assert ask(proxied, "GET", "/api", client="192.168.1.9").status_code == 401
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):  # a proxy that says Host: 127.0.0.1
        assert ask(proxied, "GET", "/api", headers={name: "for=203.0.113.9"}).status_code == 401
    bound = daemon(host="0.0.0.0")
    assert ask(bound, "GET", "/api", at="192.168.1.5:7853", client="192.168.1.9").status_code == 401
    assert ask(bound, "GET", "/api").status_code == 401
    assert ask(bound, "GET", "/api", headers=BEARER).status_code == 200
    assert ask(daemon(host="0.0.0.0", view="open"), "GET", "/api").status_code == 200
    assert ask(daemon(view="token"), "GET", "/api").status_code == 401


# --- tickets and guesses


@pytest.mark.usefixtures("bare")
def test_a_ticket_reads_and_never_changes() -> None:
    app = daemon(view="token").app
    assert ask(app, "POST", "/api/ticket").status_code == 401
    ticket = ask(app, "POST", "/api/ticket", headers=BEARER).json()["ticket"]
    assert TOKEN not in ticket
    assert ask(app, "GET", f"/api?ticket={ticket}").status_code == 200
    assert ask(app, "DELETE", f"/live/whip/x?ticket={ticket}").status_code == 401
    assert ask(app, "POST", f"/live/whep?ticket={ticket}", headers=SDP, content=OFFER).status_code == 401
    assert ask(app, "GET", f"/api?ticket={ticket}x").status_code == 401


def test_tickets_end_and_cannot_be_made_up() -> None:
    now = [100.0]
    tickets, others = Tickets(lambda: now[0]), Tickets()
    ticket = tickets.issue(Caller(Role.VIEW))
    assert tickets.caller(ticket) == Caller(Role.VIEW)
    raised = ".".join([ticket.split(".")[0], str(Role.OWNER.value), *ticket.split(".")[2:]])
    for wrong in (raised, others.issue(Caller(Role.OWNER)), "", "a.b.c.d", "....", "é"):
        assert tickets.caller(wrong) == Caller()
    now[0] += TICKET_S + 1
    assert tickets.caller(ticket) == Caller()


def test_guessing_is_slow_and_ends() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0], most=3)
    for _ in range(50):
        guesses.wrong("a", "an old token")  # a page left open
    assert guesses.blocked_s("a") == 0
    for number in range(5):
        guesses.wrong("a", str(number))
    assert guesses.blocked_s("a") == 60
    assert guesses.blocked_s("b") == 0
    now[0] = 61.0
    assert guesses.blocked_s("a") == 0


def test_who_guessed_too_much_is_told_to_wait_even_with_the_right_token() -> None:
    entry = entry_with((0, 0))

    async def tries() -> list[int]:
        said = []
        for guess in [*map(str, range(10)), TOKEN]:
            try:
                await entry.admit(Role.CONTROL, free=Role.VIEW, authorization=f"Bearer {guess}", address="a")
            except Refused as refused:
                said.append(refused.status_code)
        await entry.admit(Role.CONTROL, free=Role.VIEW, authorization=f"Bearer {TOKEN}", address="b")
        return said

    assert asyncio.run(tries()) == [401] * 10 + [429]


def test_a_wrong_token_costs_a_random_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("livefuse.web.tokens.asyncio.sleep", sleep)
    entry = entry_with()

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(Refused):
                await entry.admit(Role.CONTROL, free=Role.VIEW, authorization="Bearer wrong")

    asyncio.run(twice())
    assert len(set(waits)) == 2
    assert all(0.1 <= wait <= 0.4 for wait in waits)


# --- headers and secrets


def test_every_answer_carries_the_security_headers(app: Any) -> None:
    asked = [("GET", "/"), ("GET", "/live"), ("GET", "/nothing/at/all"), ("PUT", "/live/whep"), ("POST", "/live/whip")]
    asked += [("GET", "/static/nothing"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/static/style.css")]
    answers = [ask(app, method, path) for method, path in asked]
    answers += [ask(app, "GET", "/", headers={"Host": "evil"}), ask(app, "GET", "/", headers={"Origin": "null"})]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers


def failing(error: Exception) -> Any:
    failed = FakeDaemon()

    async def reload() -> dict[str, Any]:
        raise error

    failed.reload = reload  # type: ignore[method-assign]
    app = failed.app

    @app.post("/a/failing/route")
    async def fails() -> dict[str, Any]:
        return await failed.reload()

    return app


@pytest.mark.usefixtures("bare")
def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError(f"with {TOKEN} at rtmp://live.example/app/stream-key")
    response = ask(failing(error), "POST", "/a/failing/route", headers=BEARER)
    assert response.status_code == 500
    assert problem_of(response)["detail"] == "internal error"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "RuntimeError: with *** at rtmp://live.example/app/***" in caplog.text
    assert "Traceback" in caplog.text
    for secret in (TOKEN, "stream-key"):
        assert secret not in response.text
        assert secret not in caplog.text


@pytest.mark.usefixtures("bare")
def test_secrets_of_urls_do_not_leave(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="livefuse")
    error = SinkLost(
        "rtmp://a.example/app/stream-key and srt://b:1?passphrase=hidden hung up", hint="rtsp://u:a,b)hidden@c/x"
    )
    response = ask(failing(error), "POST", f"/a/failing/route?ticket={TOKEN}", headers=BEARER)
    assert response.status_code == 503
    assert problem_of(response)["detail"] == "rtmp://a.example/app/*** and srt://b:1?passphrase=*** hung up"
    for secret in (TOKEN, "stream-key", "hidden"):
        assert secret not in response.text
        assert secret not in caplog.text
    assert "POST /a/failing/route 503" in caplog.text


def test_no_answer_holds_the_token(app: Any) -> None:
    for path, method, _ in routes(app):
        if method == "GET" and not path.endswith("/events"):
            assert TOKEN not in ask(app, "GET", path.replace("{name}", "live")).text


# --- problems


def test_every_error_has_a_status_that_fits() -> None:
    known: set[type[LivefuseError]] = {LivefuseError, *LivefuseError.registry.values()}
    assert set(STATUS) <= known
    for cls in known:
        assert 400 <= status_of(cls) < 600
        answer = problem(status_of(cls), cls("what", hint="try"))
        assert answer.media_type == "application/problem+json"
        assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    said = {cls.code: status_of(cls) for cls in known}
    assert said["LF0102"] == 422
    assert said["LF0901"] == 404
    assert said["LF0902"] == 409
    assert said["LF0903"] == 403
    assert said["LF0801"] == 400
    assert said["LF0802"] == 503
    assert said["LF0403"] == 403
    assert said["LF0501"] == 409


@pytest.mark.usefixtures("bare")
def test_validation_errors_say_where_and_not_what_was_sent() -> None:
    app = FakeDaemon().app

    @app.post("/a/checked/route")
    async def checked(count: int) -> Response:
        return Response()

    response = ask(app, "POST", "/a/checked/route?count=hunter2", headers=BEARER)
    assert response.status_code == 422
    body = problem_of(response)
    assert body["code"] == "LF0102"
    assert body["errors"][0]["where"] == "query.count"
    assert "hunter2" not in response.text


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("body", "key", "hint"),
    [
        ({"overlay": {"enabledd": True}}, "overlay.enabledd", "did you mean `overlay.enabled`?"),
        ({"overlai": {}}, "overlai", "did you mean `overlay`?"),
        ({"overlay": {"zzz": 1}}, "overlay.zzz", "known keys here: enabled"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(body: dict[str, Any], key: str, hint: str) -> None:
    app = FakeDaemon().app

    @app.post("/a/checked/body")
    async def changed(body: Config) -> Response:
        return Response()

    response = ask(
        app, "POST", "/a/checked/body", headers=BEARER | {"Content-Type": "application/json"}, content=json.dumps(body)
    )
    assert response.status_code == 422
    said = problem_of(response)
    assert (said["code"], said["detail"]) == ("LF0101", f"request: unknown key `{key}`")
    assert said["hint"].startswith(hint)
