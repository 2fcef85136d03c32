"""The server with real sockets: ports, state file, signals, an end that completes what runs; the token; `livefuse serve`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from livefuse.cli.app import run_command
from livefuse.cli.serve import serve_and_open
from livefuse.cli.serve_words import lines, warnings
from livefuse.daemon.token import find_token, token_file
from livefuse.daemon_config import DaemonConfig, ServeConfig
from livefuse.errors import BadValue, DaemonError, PortTaken
from livefuse.paths import Paths
from livefuse.web.listening import Listening, listen
from livefuse.web.server import Serving, serve
from tests.unit.web_fakes import TOKEN, FakeDaemon

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and signals of POSIX")


@pytest.fixture(autouse=True)
def _no_api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API's routes take a third of a second to make, and are needed where a stream of events is."""
    if "stream" not in request.node.name:
        monkeypatch.setattr("livefuse.web.app.routers", lambda _: [])


def paths_in(folder: Path) -> Paths:
    return Paths.default({"LIVEFUSE_HOME": str(folder)})


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen(1)
        yield squatter.getsockname()[1]


def served(
    paths: Paths,
    work: Callable[[Serving, httpx.AsyncClient], Awaitable[None]],
    *,
    config: DaemonConfig | None = None,
    daemon: FakeDaemon | None = None,
    **more: Any,
) -> FakeDaemon:
    """Run a server with a fake daemon, do `work` once it answers, end it."""
    fake = daemon or FakeDaemon()

    def make(config: DaemonConfig, **_: Any) -> Any:
        fake.config = config
        return fake

    async def main() -> None:
        serving: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
        asked = config or DaemonConfig.model_validate({"serve": {"port": 0}, "sessions": {"live": {}}})
        server = asyncio.create_task(serve(asked, paths=paths, announce=serving.set_result, make_daemon=make, **more))
        await asyncio.wait((serving, server), return_when=asyncio.FIRST_COMPLETED)
        if server.done():
            server.result()
        ready = await serving
        try:
            async with httpx.AsyncClient(base_url=ready.listening.url) as http:
                await work(ready, http)
        finally:
            ready.stop()
            await asyncio.wait_for(server, 20)

    asyncio.run(main())
    return fake


# --- ports


def test_the_next_free_port_is_taken() -> None:
    with taken() as port:
        with pytest.raises(PortTaken, match=f"ports {port} to {port} are all taken"):
            listen("127.0.0.1", port, tries=0)
        found = listen("127.0.0.1", port)
        assert port < found.port <= port + 20
        assert found.url == f"http://127.0.0.1:{found.port}"
        second = listen("127.0.0.1", found.port)
        assert second.port > found.port
        second.close()
        found.close()


def test_any_port_will_do() -> None:
    found = listen("127.0.0.1", 0)
    assert found.port > 0
    found.close()


def test_whoever_connects_before_the_application_is_loaded_waits() -> None:
    found = listen("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", found.port), timeout=2):
        pass
    found.close()


@pytest.mark.parametrize("host", ["192.0.2.7", "no such host", "nowhere.invalid", "x" * 300])
def test_a_host_that_is_not_here_is_a_bad_value(host: str) -> None:
    with pytest.raises(BadValue, match=r"serve\.host"):
        listen(host, 0)


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("h", "h")])
def test_the_url_is_one_that_this_machine_can_call(host: str, url: str) -> None:
    assert Listening(host, 80, ()).url == f"http://{url}:80"


def test_names_listen_at_all_their_addresses_with_one_port() -> None:
    found = listen("localhost", 0)
    assert {one.getsockname()[1] for one in found.sockets} == {found.port}
    found.close()


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_served(tmp_path: Path) -> None:
    config = DaemonConfig.model_validate({"serve": {"port": 0, "host": "::1"}})

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        assert ready.listening.url.startswith("http://[::1]:")
        assert (await http.get("/healthz")).status_code == 200

    served(paths_in(tmp_path), work, config=config)


# --- life


def test_it_answers_and_tells_where_it_is_while_it_lives(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    seen: list[Path] = []

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        response = await http.get("/readyz")
        assert response.status_code == 200
        assert "server" not in response.headers
        (told,) = paths.state.glob("daemon-*.json")
        seen.append(told)
        assert told.name == f"daemon-{ready.listening.port}.json"
        if os.name == "posix":
            assert stat.S_IMODE(told.stat().st_mode) == 0o600
        said = json.loads(told.read_text())
        assert said["url"] == ready.listening.url
        assert (said["token"], said["pid"]) == (TOKEN, os.getpid())
        assert said.keys() == {"url", "token", "pid", "version", "started"}

    daemon = served(paths, work)
    assert daemon.events == ["start", "stop"]
    assert not seen[0].exists()
    assert list(paths.state.iterdir()) == []


def test_sessions_end_before_the_server_and_their_viewers_with_them(tmp_path: Path) -> None:
    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/sdp"}
        assert (await http.post("/live/whep", headers=headers, content="v=0\r\n")).status_code == 201

    daemon = served(paths_in(tmp_path), work)
    assert daemon.channels["live"].broadcast.closed
    assert daemon.channels["live"].broadcast.viewers == 0


def test_an_open_stream_ends_whole(tmp_path: Path) -> None:
    ended: list[str] = []
    following: list[asyncio.Task[None]] = []

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        begun = asyncio.Event()

        async def follow() -> None:
            async with (
                httpx.AsyncClient(timeout=15) as other,
                other.stream("GET", f"{ready.listening.url}/api/events") as response,
            ):
                assert response.headers["content-type"].startswith("text/event-stream")
                async for _ in response.aiter_raw():
                    begun.set()
            ended.append("whole")

        following.append(asyncio.create_task(follow()))
        await asyncio.wait_for(begun.wait(), 10)
        ready.stop()
        await asyncio.wait_for(following[0], 10)

    served(paths_in(tmp_path), work)
    assert ended == ["whole"]


def test_sessions_that_do_not_end_are_left_after_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stuck = FakeDaemon()

    async def forever() -> None:
        await asyncio.Event().wait()

    stuck.stop = forever  # type: ignore[method-assign]

    async def work(ready: Serving, http: httpx.AsyncClient) -> None: ...

    served(paths_in(tmp_path), work, daemon=stuck, stop_s=0.05)
    assert "did not end" in caplog.text


def test_a_daemon_that_cannot_begin_ends_the_server_with_its_error(tmp_path: Path) -> None:
    broken = FakeDaemon()

    async def fails() -> None:
        raise BadValue("sessions: nonsense", hint="x")

    broken.start = fails  # type: ignore[method-assign]

    async def work(ready: Serving, http: httpx.AsyncClient) -> None: ...

    paths = paths_in(tmp_path)
    with pytest.raises(BadValue, match="nonsense"):
        served(paths, work, daemon=broken)
    assert list(paths.state.glob("*")) == []


def test_a_state_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    async def work(ready: Serving, http: httpx.AsyncClient) -> None: ...

    with pytest.raises(DaemonError, match="cannot write"):
        served(paths_in(tmp_path), work)


@posix
def test_the_first_signal_ends_it_cleanly_and_the_second_at_once(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        assert signal.getsignal(signal.SIGTERM) not in before
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL

    assert served(paths_in(tmp_path), work).events == ["start", "stop"]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@posix
def test_hang_up_reads_the_configuration_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    daemon = FakeDaemon()

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        while "reload" not in daemon.events:
            await asyncio.sleep(0.01)
        assert (await http.get("/healthz")).status_code == 200

    served(paths_in(tmp_path), work, daemon=daemon)
    assert "read again" in caplog.text


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /live/whip HTTP/1.1\r\nHost: HERE\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /live/whip HTTP/1.1\r\nHost: HERE\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST /live/whip HTTP/1.1\r\nHost: HERE\r\nContent-Length: -4\r\n\r\nabcde",
        b"GET http://attacker.example/healthz HTTP/1.1\r\nHost: attacker.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
)
def test_what_is_no_honest_request_gets_no_answer_of_the_application(tmp_path: Path, request_bytes: bytes) -> None:
    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ready.listening.port)
        writer.write(request_bytes.replace(b"HERE", f"127.0.0.1:{ready.listening.port}".encode()))
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.split(b" ")[1:2] in ([], [b"400"], [b"401"], [b"421"])
        assert b"alive" not in answer
        assert (await http.get("/healthz")).status_code == 200

    served(paths_in(tmp_path), work)


@pytest.mark.parametrize("beginning", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: HERE\r\n\r\nGET /he"])
def test_a_connection_that_never_finishes_asking_is_closed(
    tmp_path: Path, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livefuse.web.protocol.LOOK_S", 0.05)

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ready.listening.port)
        writer.write(beginning.replace(b"HERE", f"127.0.0.1:{ready.listening.port}".encode()))
        answer = await asyncio.wait_for(reader.read(), 4)  # uvicorn's own limit for an idle connection is 5 s
        assert (b"alive" in answer) == (b"\r\n\r\n" in beginning)
        writer.close()

    served(paths_in(tmp_path), work)


def test_connections_are_bounded_for_sessions_need_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.protocol.MOST_CONNECTIONS", 3)

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        opened = [await asyncio.open_connection("127.0.0.1", ready.listening.port) for _ in range(4)]
        assert await asyncio.wait_for(opened[3][0].read(), 4) == b""
        assert not opened[0][0].at_eof()
        for _, writer in opened:
            writer.close()
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)
        raise AssertionError("no room was made")

    served(paths_in(tmp_path), work)


def test_an_answered_request_whose_body_never_ends_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.protocol.LOOK_S", 0.1)

    async def work(ready: Serving, http: httpx.AsyncClient) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ready.listening.port)
        host = f"127.0.0.1:{ready.listening.port}".encode()
        writer.write(b"POST /nowhere/at/all HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 1000\r\n\r\n")
        assert b" 404 " in await asyncio.wait_for(reader.readline(), 5)

        async def drip() -> None:
            while not reader.at_eof():
                writer.write(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 4)  # as long as bytes come, uvicorn itself would go on
        dripping.cancel()
        writer.close()

    served(paths_in(tmp_path), work)


# --- the token


def test_the_token_is_made_once_and_kept_for_its_user_alone(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    token = find_token(DaemonConfig(), paths, {})
    assert len(token) >= 40
    assert find_token(DaemonConfig(), paths, {}) == token
    assert list(paths.state.iterdir()) == [token_file(paths)]
    if os.name == "posix":
        assert stat.S_IMODE(token_file(paths).stat().st_mode) == 0o600
        token_file(paths).chmod(0o644)
        assert find_token(DaemonConfig(), paths, {}) == token
        assert stat.S_IMODE(token_file(paths).stat().st_mode) == 0o600


def test_what_is_said_wins_over_what_is_kept(tmp_path: Path) -> None:
    config = DaemonConfig(serve=ServeConfig(token="of-the-configuration"))
    environ = {"LIVEFUSE_TOKEN": "of-the-environment"}
    assert find_token(config, paths_in(tmp_path), environ) == "of-the-configuration"
    assert find_token(DaemonConfig(), paths_in(tmp_path), environ) == "of-the-environment"
    assert not paths_in(tmp_path).state.exists()


@pytest.mark.parametrize("damaged", ["", "short", "with space inside of it and more", "\x00" * 40, "\xff" * 40])
def test_a_damaged_token_file_is_made_anew(tmp_path: Path, damaged: str) -> None:
    paths = paths_in(tmp_path)
    paths.state.mkdir(parents=True)
    token_file(paths).write_bytes(damaged.encode("latin-1"))
    token = find_token(DaemonConfig(), paths, {})
    assert len(token) >= 40
    assert find_token(DaemonConfig(), paths, {}) == token


@pytest.mark.parametrize(
    "bad", ["short", "has a space in it, which no header", "newline\nnewline\nnewline", "ünïcödé-tökèn-tökèn"]
)
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(tmp_path: Path, bad: str) -> None:
    with pytest.raises(BadValue, match=r"serve\.token") as refused:
        find_token(DaemonConfig(serve=ServeConfig(token=bad)), paths_in(tmp_path), {})
    assert bad not in str(refused.value)


@posix
def test_a_token_file_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    paths.state.mkdir(parents=True)
    target = tmp_path / "elsewhere"
    target.write_text("x" * 40)
    token_file(paths).symlink_to(target)
    with pytest.raises(DaemonError, match="token"):
        find_token(DaemonConfig(), paths, {})


# --- words


def serving(host: str = "127.0.0.1", port: int = 7853, **serve: Any) -> Serving:
    daemon: Any = FakeDaemon(serve=ServeConfig(host=host, **serve), names=("live", "second"))
    return Serving(Listening(host, port, ()), daemon, lambda: None)


def test_the_block_says_where_everything_is(tmp_path: Path) -> None:
    text = "\n".join(lines(serving(), paths_in(tmp_path), secret=True))
    for part in (
        f"http://127.0.0.1:7853/#token={TOKEN}",
        "/live?clean=1",
        f"/live/publish#token={TOKEN}",
        "/live/whep",
        "/second/whip",
        "http://127.0.0.1:7853/docs",
        str(token_file(paths_in(tmp_path))),
    ):
        assert part in text


def test_a_network_is_warned_of() -> None:
    assert warnings(serving(), 7853) == []
    assert warnings(serving(port=7854), 7853) == ["port 7853 is taken; 7854 is used"]
    said = " ".join(warnings(serving("0.0.0.0"), 7853))
    assert "needs the token" in said
    assert "HTTPS" in said
    assert "anybody" in " ".join(warnings(serving("0.0.0.0", view="open"), 0))


# --- the command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What `livefuse serve` would run."""
    said: list[dict[str, Any]] = []

    async def serve_nothing(config: DaemonConfig, *, announce: Callable[[Serving], None], **more: Any) -> None:
        said.append({"config": config, **more})
        daemon: Any = FakeDaemon()
        daemon.config = config
        announce(Serving(Listening(config.serve.host, config.serve.port or 7853, ()), daemon, lambda: None))

    monkeypatch.setattr("livefuse.web.server.serve", serve_nothing)
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_TOKEN", raising=False)
    return said


def test_flags_win_over_the_file(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, secret = tmp_path / "my.toml", tmp_path / "token"
    file.write_text('source = "camera:0"\n[serve]\nport = 9000\n[sessions.second]\nsource = "camera:1"\n')
    secret.write_text("a-token-of-a-file-1234\n")
    flags = ["--port", "9001", "--token-file", str(secret), "--sink", "null:", "--set", "webrtc.max_viewers=3"]
    assert run_command(["serve", str(file), *flags]) == 0
    config: DaemonConfig = asked[0]["config"]
    assert (config.serve.port, config.serve.token, config.webrtc.max_viewers) == (9001, "a-token-of-a-file-1234", 3)
    assert config.sessions["live"].sinks == ("null:",)
    assert config.sessions["second"].source == "camera:1"
    assert asked[0]["file"] == file
    assert asked[0]["overrides"]["serve.port"] == 9001
    assert "http://127.0.0.1:9001/second/whep" in capsys.readouterr().out


def test_json_is_one_line_for_programs(asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["serve", "--json", "--host", "0.0.0.0"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["url"] == "http://127.0.0.1:7853"
    assert told["token"] == TOKEN
    assert told["sessions"]["live"]["whip"] == "http://127.0.0.1:7853/live/whip"
    assert "HTTPS" in said.err


def test_the_users_own_file_is_read(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "livefuse.toml").write_text("[serve]\nport = 9002\n")
    assert run_command(["serve"]) == 0
    assert asked[0]["config"].serve.port == 9002


def test_alone_it_opens_the_page(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("livefuse.cli.serve._open", opened.append)
    serve_and_open()
    assert opened == [f"http://127.0.0.1:7853/#token={TOKEN}"]
    assert run_command(["serve"]) == 0
    assert len(opened) == 1


def test_a_photo_without_consent_is_not_served(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    assert run_command(["serve", "--face", str(tmp_path / "me.jpg")]) == 4
    assert asked == []


@pytest.mark.parametrize("content", [None, "", b"\xff\xfe"])
def test_a_token_file_without_a_token_is_said(
    asked: list[dict[str, Any]], tmp_path: Path, content: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content or b"\n")
    assert run_command(["serve", "--token-file", str(file)]) == 2
    assert "--token-file" in capsys.readouterr().err
    assert asked == []
