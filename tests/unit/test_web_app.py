"""Pages, health, the API's own description, and streams that end with the daemon."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from livefuse.daemon_config import ServeConfig
from livefuse.errors import LivefuseError, SourceNotFound
from livefuse.explain import all_errors
from livefuse.web.docs import described
from livefuse.web.edge import Edge
from livefuse.web.pages import StaticFiles, static_folder
from tests.unit.web_fakes import BEARER, FakeDaemon, ask

FOREIGN_ASSET = re.compile(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(\s*["']?https?:""")


@pytest.fixture(scope="module")
def app() -> Any:
    return FakeDaemon().app


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications of this test have no API: what is tested lies beside it."""
    monkeypatch.setattr("livefuse.web.app.routers", lambda _: [])


# --- pages


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("path", ["/", "/live", "/live?clean=1", "/live/publish", "/docs"])
def test_pages_are_shells_for_everybody(path: str) -> None:
    closed = FakeDaemon(serve=ServeConfig(view="token")).app
    page = ask(closed, "GET", path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert ask(closed, "HEAD", path).headers["content-length"] == page.headers["content-length"]


def test_pages_and_their_files_need_nothing_from_elsewhere_and_run_nothing_inline(app: Any) -> None:
    for name in StaticFiles(static_folder()).names:
        text = ask(app, "GET", f"/static/{name}").content.decode("utf-8", "replace")
        assert not FOREIGN_ASSET.search(text), name
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text), name
            for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
                assert ask(app, "GET", asset).status_code == 200, (name, asset)


@pytest.mark.usefixtures("bare")
def test_only_the_bare_player_may_be_framed_and_only_by_listed_origins() -> None:
    app = FakeDaemon(serve=ServeConfig(origins=("https://studio.example",))).app
    bare = ask(app, "GET", "/live?clean=1").headers["content-security-policy"]
    assert "frame-ancestors 'self' https://studio.example" in bare
    for path in ("/live", "/", "/live/publish", "/docs"):
        assert "frame-ancestors 'none'" in ask(app, "GET", path).headers["content-security-policy"]


def test_browsers_ask_each_time_and_are_told_when_nothing_changed(app: Any) -> None:
    first = ask(app, "GET", "/live")
    assert first.headers["cache-control"] == "no-cache"
    again = ask(app, "GET", "/live", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert ask(app, "GET", "/live", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_page_that_changed_on_disk_is_read_again(tmp_path: Any) -> None:
    page = tmp_path / "a.html"
    page.write_text("one")
    (tmp_path / "secret.toml").write_text("x")
    files = StaticFiles(tmp_path)
    before = files.file("a.html")
    page.write_text("two")
    import os

    os.utime(page, ns=(1, 1))
    assert files.file("a.html").body == b"two"
    assert files.file("a.html").etag != before.etag
    assert files.names == ["a.html"]


@pytest.mark.parametrize(
    "name",
    [
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "%2e%2e%2f%2e%2e%2fpages.py",
        "..\\pages.py",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "C:%5cwindows%5cwin.ini",
        "style.css%00.html",
        "style.css/",
        "./style.css%20",
        "\u202egnp.exe",
        "a" * 5000,
        "",
        ".",
        "__init__.py",
    ],
)
def test_no_name_leads_out_of_the_folder(app: Any, name: str) -> None:
    response = ask(app, "GET", f"/static/{name}")
    assert response.status_code == 404
    assert "import" not in response.text


@pytest.mark.parametrize(
    "name", ["..", "LIVE", "live.html", "li ve", "<img src=x onerror=alert(1)>", "a" * 3000, "\u0000"]
)
def test_other_names_are_no_pages(app: Any, name: str) -> None:
    from urllib.parse import quote

    path = f"/{quote(name)}" if name != ".." else "/x/.."
    response = ask(app, "GET", path)
    assert response.status_code in (404, 200)
    if response.status_code == 404:
        assert response.headers["content-type"] == "application/problem+json"


def test_ranges_are_not_followed_however_many(app: Any) -> None:
    ranges = "bytes=" + ",".join(f"{n}-{n + 1}" for n in range(0, 2000, 2))
    response = ask(app, "GET", "/static/style.css", headers={"Range": ranges[:8000]})
    assert response.status_code == 200
    assert response.content == (static_folder() / "style.css").read_bytes()


# --- health


def test_alive_is_free_and_says_the_version(app: Any) -> None:
    assert ask(app, "GET", "/healthz", client="192.168.1.9").json()["status"] == "alive"


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ("running", None, None),
        ("stopped", None, None),
        ("ended", None, None),
        ("starting", None, "starting"),
        ("failed", SourceNotFound("rtsp://u:hidden@camera/1"), "failed: LF0201"),
    ],
)
def test_ready_means_that_what_should_run_does(state: str, error: LivefuseError | None, said: str | None) -> None:
    daemon = FakeDaemon()
    daemon.channels["live"].state, daemon.channels["live"].error = state, error
    response = ask(daemon, "GET", "/readyz")
    assert response.status_code == (503 if said else 200)
    assert response.json()["sessions"] == ({"live": said} if said else {})
    assert "hidden" not in response.text


@pytest.mark.usefixtures("bare")
def test_a_session_that_has_not_begun_keeps_the_daemon_from_being_ready() -> None:
    daemon = FakeDaemon()
    daemon.channels.clear()
    assert ask(daemon, "GET", "/readyz").json() == {"status": "waiting", "sessions": {"live": "starting"}}


# --- the description


def test_the_description_says_roles_errors_and_how_to_show_the_token(app: Any) -> None:
    tree = ask(app, "GET", "/openapi.json").json()
    assert tree == described(app)
    assert tree["paths"]["/{name}/whip"]["post"]["security"] == [{"token": []}]
    assert tree["paths"]["/{name}/whep"]["post"]["security"] == [{}, {"token": []}]
    assert "security" not in tree["paths"]["/healthz"]["get"]
    assert [error["code"] for error in tree["x-errors"]] == list(all_errors())
    for methods in tree["paths"].values():
        for operation in methods.values():
            assert operation["x-role"] in ("everybody", "view", "control", "identities", "owner")
            assert operation["tags"]
            assert operation["description"]


def test_the_index_leads_on(app: Any) -> None:
    index = ask(app, "GET", "/api").json()
    assert index["sessions"] == ["live"]
    for key in ("docs", "openapi", "health", "ready"):
        assert ask(app, "GET", index[key]).status_code == 200


def test_unknown_addresses_are_problems(app: Any) -> None:
    for path in ("/api/nothing", "/a/b/c", "/live/"):
        response = ask(app, "GET", path, headers=BEARER)
        assert (response.status_code, response.json()["code"]) == (404, "LF0901")


# --- the edge


async def through_edge(app: Any, closing: asyncio.Event) -> list[Any]:
    sent: list[Any] = []
    headers: list[Any] = []
    quiet = asyncio.Event()

    async def receive() -> Any:
        await quiet.wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    await asyncio.wait_for(Edge(app, closing, ())(scope, receive, send), 5)
    return sent


def test_streams_end_whole_when_the_daemon_does() -> None:
    async def main() -> list[Any]:
        closing = asyncio.Event()

        async def stream(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            closing.set()
            assert (await receive())["type"] == "http.disconnect"

        return await through_edge(stream, closing)

    assert asyncio.run(main())[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_while_it_ends_new_requests_are_told() -> None:
    async def main() -> list[Any]:
        closing = asyncio.Event()
        closing.set()

        async def never(*_: Any) -> None:
            raise AssertionError

        return await through_edge(never, closing)

    assert asyncio.run(main())[0]["status"] == 503


def test_a_failure_in_the_middle_of_an_answer_breaks_it_off() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        asyncio.run(through_edge(half, asyncio.Event()))


@pytest.mark.usefixtures("bare")
def test_names_of_sessions_are_for_those_who_may_watch() -> None:
    hidden = FakeDaemon(serve=ServeConfig(view="token"), names=("k4nary",))
    hidden.channels["k4nary"].state = "starting"
    for path, status in (("/other", 404), ("/other/publish", 404), ("/readyz", 503), ("/k4nary", 200)):
        response = ask(hidden, "GET", path)
        assert response.status_code == status
        assert "k4nary" not in response.text
    assert "k4nary" in ask(hidden, "GET", "/other", headers=BEARER).text
    assert "k4nary" in ask(hidden, "GET", "/readyz", headers=BEARER).text
