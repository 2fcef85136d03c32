"""Panic, pause, resume, the next face and `ps`: over HTTP, and from the command line."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livefuse.cli import ctl, ps
from livefuse.cli.app import app as whole_app
from livefuse.cli.quick import quick
from livefuse.client import Client
from livefuse.config import Config, IdentityConfig
from livefuse.errors import BadValue, DaemonUnreachable, LivefuseError, NotAllowed, NotHere
from livefuse.finding import Reached
from livefuse.swap.identity.store import IdentityStore
from tests.unit.api_calls import Api, fake_api
from tests.unit.web_fakes import FakeChannel


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    with fake_api(tmp_path) as made:
        made.daemon.channels["guest"] = FakeChannel("guest")
        yield made


def holds(api: Api) -> list[str]:
    return [channel.hold for channel in api.daemon.channels.values()]


def test_one_session_is_held_and_let_go(api: Api) -> None:
    for what, kind in (("panic", "panic"), ("pause", "pause"), ("resume", "")):
        told = api("POST", f"/api/sessions/live/{what}").json()
        assert told == {"session": "live", "state": "running", "hold": kind, "idle": False, "covered": True}
        assert holds(api) == [kind, ""]
        assert api("GET", "/api/sessions/live").json()["hold"] == kind
    api.refused("POST", "/api/sessions/none/panic", 404, "LF0901")


def test_all_sessions_are_held_with_one_request(api: Api) -> None:
    for what, kind in (("panic", "panic"), ("resume", ""), ("pause", "pause")):
        told = api("POST", f"/api/{what}").json()["sessions"]
        assert [(one["session"], one["hold"]) for one in told] == [("live", kind), ("guest", kind)]
        assert holds(api) == [kind, kind]


def test_nobody_else_holds_anything(api: Api) -> None:
    api.refused("POST", "/api/panic", 401, "LF0903", token=None)
    assert holds(api) == ["", ""]


class People:
    """Stored identities, of which one has no consent any more."""

    def __init__(self, *names: str, without: str = "") -> None:
        self._names, self._without = names, without

    def list(self) -> list[Any]:
        from types import SimpleNamespace

        return [SimpleNamespace(name=name, id=name) for name in self._names]

    def damaged(self) -> dict[str, str]:
        return {self._without: "withdrawn"}


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IdentityStore, "default", lambda: People("anna", "bert", "Cleo", "dora", without="bert"))


def wear(api: Api, photo: str) -> None:
    config = Config(identity=IdentityConfig(photo=photo, consent="synthetic"))
    api.daemon.channels["live"].config = config


@pytest.mark.parametrize(
    ("worn", "next_one", "previous_one"),
    [
        ("anna", "Cleo", "dora"),
        ("cleo", "dora", "anna"),
        ("dora", "anna", "Cleo"),
        ("", "anna", "dora"),
        ("bert", "anna", "dora"),
    ],
)
def test_the_next_and_the_one_before_go_round_by_name(
    api: Api, people: None, worn: str, next_one: str, previous_one: str
) -> None:
    wear(api, worn)
    for which, wanted in (("next", next_one), ("previous", previous_one)):
        told = api("POST", f"/api/sessions/live/identity/{which}").json()
        assert told == {"live": ["identity"], "restarted": False, "identity": wanted}
        identity = api.daemon.channels["live"].changes[-1]["identity"]
        assert identity == IdentityConfig().model_dump() | {"photo": wanted}, "the consent is the new one's own"


def test_presses_that_follow_each_other_go_on_from_one_another(api: Api, people: None) -> None:
    channel = api.daemon.channels["live"]

    async def change(overrides: Any) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        channel.config = Config(identity=IdentityConfig(**overrides["identity"]))
        return {"live": ["identity"], "restarted": False}

    channel.change = change
    wear(api, "anna")

    async def thrice() -> list[str]:
        import httpx

        from tests.unit.web_fakes import BEARER

        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7853", headers=BEARER) as http:
            answers = await asyncio.gather(*(http.post("/api/sessions/live/identity/next") for _ in range(3)))
        return [answer.json()["identity"] for answer in answers]

    assert sorted(api._runner.run(thrice())) == ["Cleo", "anna", "dora"]


def test_without_anybody_stored_there_is_no_next(api: Api) -> None:
    api.refused("POST", "/api/sessions/live/identity/next", 404, "LF0405")


# --- the command line ----------------------------------------------------------------------------------------------

HELD = {"session": "live", "state": "running", "hold": "panic", "idle": False, "covered": True}
SESSION = {
    "name": "live", "state": "running", "hold": "", "idle": False, "error": None, "source": "camera:0", "identity": "anna",
    "fps": 29.97, "latency_ms": {"p50": 10.0, "p95": 21.5, "p99": 30.0}, "viewers": 2, "sinks": {"vcam": "vcam:"},
}  # fmt: skip
NETWORK = {"model": "yunet", "provider": "CPUExecutionProvider", "bytes": 3 << 20}
ENGINES: dict[str, Any] = {
    "runtime": "onnxruntime 1.31", "rss_bytes": 300 << 20,
    "sessions": [{"session": "live", "networks": [NETWORK, NETWORK, {**NETWORK, "provider": "CUDAExecutionProvider"}]}],
}  # fmt: skip
ROUTES: dict[str, Any] = {
    "POST /api/panic": {"sessions": [HELD, {**HELD, "session": "guest", "covered": False}]},
    "POST /api/resume": {"sessions": []},
    "POST /api/sessions/live/panic": HELD,
    "POST /api/sessions/a%20b/pause": {**HELD, "session": "a b", "hold": "pause"},
    "GET /api": {"sessions": ["guest", "live"]},
    "GET /api/sessions": {"sessions": [SESSION, {**SESSION, "name": "guest", "hold": "panic", "viewers": 0}]},
    "GET /api/engines": ENGINES,
    "PUT /api/sessions/live/identity": {"live": ["identity.photo"], "restarted": False},
    "POST /api/sessions/live/identity/next": {"live": ["identity.photo"], "restarted": False, "identity": "bert"},
    "POST /api/sessions/live/identity/previous": {"live": [], "restarted": True, "identity": "anna"},
    "POST /api/sessions/live/preset/soft": {"live": ["swap.seam"], "restarted": False},
    "PUT /api/sessions/live/overlay": {"live": ["overlay.enabled"], "restarted": False},
    "POST /api/sessions/live/sinks": {"name": "vcam", "url": "vcam:"},
    "DELETE /api/sessions/guest/sinks/vcam": {},
}


class Handler(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, Any]] = []  # noqa: RUF012 - one server at a time

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = f"{self.command} {self.path}"
        Handler.asked.append((asked, self.headers["Authorization"], json.loads(body) if body else None))
        status, told = (200, ROUTES[asked]) if asked in ROUTES else (404, _gone(asked))
        if self.headers["Authorization"] != "Bearer secret":
            status, told = 401, {"code": "LF0903", "detail": "no token", "hint": "send one"}
        answer = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - as the library calls them

    def log_message(self, *_: Any) -> None: ...


def _gone(asked: str) -> dict[str, str]:
    return {"code": "LF0901", "detail": f"there is no {asked}", "hint": "look"}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Handler.asked = []
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("LIVEFUSE_DAEMON", url)
    monkeypatch.setenv("LIVEFUSE_TOKEN", "secret")
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked() -> list[str]:
    return [what for what, _, _ in Handler.asked]


def run(*words: str) -> Any:
    result = CliRunner().invoke(whole_app, list(words))
    if isinstance(result.exception, LivefuseError):
        raise result.exception
    assert result.exception is None, result.output
    return result


def test_panic_is_one_request_and_says_who_is_stuck(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick(["ctl", "panic"]) == 0
    assert asked() == ["POST /api/panic"]
    said = capsys.readouterr().err
    assert "live: private" in said
    assert "guest: an output is stuck" in said
    assert run("ctl", "panic").stderr == said, "the whole command line says the same"
    assert json.loads(run("ctl", "panic", "--json").stdout) == ROUTES["POST /api/panic"]
    assert "no session" in run("ctl", "resume").stderr


def test_one_session_can_be_meant(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick(["ctl", "pause", "-s", "a b"]) == 0
    assert run("ctl", "panic", "--session", "live").stderr == "live: private: everybody sees the slate\n"
    assert asked() == ["POST /api/sessions/a%20b/pause", "POST /api/sessions/live/panic"]
    assert capsys.readouterr().err == "a b: paused\n"


@pytest.mark.parametrize(
    "words",
    [[], ["ps"], ["ctl"], ["ctl", "next"], ["ctl", "panic", "--help"], ["ctl", "panic", "-s", "--json"], ["panic"]],
)
def test_everything_else_is_for_the_whole_command_line(daemon: str, words: list[str]) -> None:
    assert quick(words) is None
    assert asked() == []


def test_what_goes_wrong_is_told_by_the_whole_command_line(daemon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert quick(["ctl", "panic", "-s", "none"]) is None
    with pytest.raises(NotHere, match="there is no POST"):
        run("ctl", "panic", "-s", "none")
    monkeypatch.setenv("LIVEFUSE_TOKEN", "wrong")
    with pytest.raises(NotAllowed):
        run("ctl", "panic")
    with pytest.raises(DaemonUnreachable, match="no daemon answers"):
        Reached("http://127.0.0.1:9", "", None).press("/api/panic")
    with pytest.raises(BadValue, match="no daemon's address"):
        Reached("nowhere", "", None).press("/api/panic")


def test_panic_imports_neither_an_http_library_nor_the_command_tree(daemon: str) -> None:
    script = (
        "import sys; from livefuse.cli.quick import quick; code = quick(['ctl', 'panic']);"
        "sys.exit(code or sum(name in sys.modules for name in ('httpx', 'typer', 'pydantic', 'numpy', 'cv2', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "private" in done.stderr) == (0, True), done.stderr


def test_faces_presets_overlay_and_outputs_of_the_session_that_is_meant(daemon: str) -> None:
    assert run("ctl", "identity", "anna").stderr.startswith("live: anna, ")
    run("ctl", "identity", "synthetic:7")
    assert "bert" in run("ctl", "next").stderr
    assert "anna" in run("ctl", "previous").stderr
    assert "bert" in run("ctl", "identity", "next").stderr
    assert "soft" in run("ctl", "preset", "soft").stderr
    assert run("ctl", "overlay", "on").stderr == "live: overlay on\n"
    run("ctl", "overlay", "off")
    assert "added vcam" in run("ctl", "sink", "add", "vcam:").stderr
    run("ctl", "sink", "add", "file:out.mp4")
    assert run("ctl", "sink", "remove", "vcam", "--session", "guest").stderr == "guest: removed vcam\n"
    bodies = [body for what, _, body in Handler.asked if not what.startswith("GET") and body]
    assert bodies == [
        {"photo": "anna"}, {"photo": "synthetic:7", "consent": "synthetic"}, {"enabled": True}, {"enabled": False},
        {"url": "vcam:"}, {"url": f"file:{Path('out.mp4').absolute()}"},
    ]  # fmt: skip


@pytest.mark.parametrize(("names", "chosen"), [(["a"], "a"), (["a", "live"], "live"), (["a", "b"], ""), ([], "")])
def test_which_session_is_meant(daemon: str, monkeypatch: pytest.MonkeyPatch, names: list[str], chosen: str) -> None:
    monkeypatch.setitem(ROUTES, "GET /api", {"sessions": names})
    with Client(daemon, "secret") as client:
        if chosen:
            assert ctl._chosen(client, "") == chosen
        else:
            with pytest.raises(BadValue):
                ctl._chosen(client, "")
        assert ctl._chosen(client, "other") == "other"


def test_ps_says_what_runs_on_what_for_whom(daemon: str) -> None:
    told = run("ps")
    head, first, second = told.stdout.splitlines()
    columns = "SESSION STATE SOURCE FACE FPS P95 MS RUNS ON MEMORY VIEWERS SINKS"
    assert head.split() == columns.split()
    assert first.split() == [
        "live",
        "running",
        "camera:0",
        "anna",
        "30.0",
        "21.5",
        "cpu,",
        "cuda",
        "9",
        "MiB",
        "2",
        "vcam",
    ]
    assert second.split() == ["guest", "private", "camera:0", "anna", "-", "-", "-", "-", "0", "vcam"]
    assert told.stderr == f"{daemon}, 300 MiB in all, onnxruntime 1.31\n"
    whole = json.loads(run("ps", "--json").stdout)
    assert whole["sessions"][0]["networks"] == ENGINES["sessions"][0]["networks"]
    assert run("ps", "--watch").stdout == told.stdout, "into a pipe it is told once"


def test_ps_draws_the_same_again_and_again(daemon: str) -> None:
    from rich.console import Console

    console = Console(width=200, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with Client(daemon, "secret") as client:
        console.print(ps._view(ps._asked(client)))
    console.file.close()
    text = console.export_text()
    assert "live" in text
    assert "300 MiB in all" in text


@pytest.mark.parametrize(
    ("state", "hold", "idle", "word"),
    [
        ("running", "", False, "running"),
        ("running", "", True, "idle"),
        ("running", "pause", True, "paused"),
        ("running", "panic", False, "private"),
        ("starting", "panic", False, "private"),
        ("failed", "panic", False, "failed"),
        ("stopped", "", False, "stopped"),
    ],
)
def test_one_word_says_how_a_session_is(state: str, hold: str, idle: bool, word: str) -> None:
    assert ps.state_of({"state": state, "hold": hold, "idle": idle}) == word


def test_ps_tells_what_failed_and_without_a_daemon_what_to_do(
    daemon: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = {"code": "LF0201", "message": "no camera", "hint": "plug it in"}
    monkeypatch.setitem(ROUTES, "GET /api/sessions", {"sessions": [{**SESSION, "state": "failed", "error": error}]})
    assert "live: LF0201 no camera" in run("ps").stderr
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_DAEMON")
    for words in (("ps",), ("ctl", "panic"), ("ctl", "next")):
        with pytest.raises(DaemonUnreachable, match="no daemon runs here") as found:
            run(*words)
        assert "livefuse serve" in found.value.hint


# --- the documentation ---------------------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "control.md"
CURL = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("curl ")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_a_curl_line_of_the_documentation_works_as_it_stands(daemon: str) -> None:
    line = CURL[0].replace("http://127.0.0.1:7853", daemon)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout) == ROUTES["POST /api/panic"], done.stderr
    assert asked() == ["POST /api/panic"]


def test_what_the_documentation_asks_for_is_there() -> None:
    routes = Path(__file__).with_name("routes.txt").read_text("utf-8")
    assert len(CURL) >= 5
    for line in CURL:
        path = line.split("7853", 1)[1].replace("/live/", "/{name}/").replace("/soft", "/{preset}")
        assert f"POST    {path} control" in routes
    for words in re.findall(r"^livefuse (ctl \w+|ps)", DOCS.read_text("utf-8"), re.M):
        assert run(*words.split(), "--help").exit_code == 0
