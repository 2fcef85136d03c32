"""One port for HTTPS with real sockets: who is served how, and whom the command line trusts."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from livefuse.cli.serve_reach import stranger_lines
from livefuse.cli.serve_words import lines, warnings
from livefuse.client import Client, running_daemons
from livefuse.daemon_config import DaemonConfig, ServeConfig
from livefuse.errors import BadValue, DaemonUnreachable
from livefuse.paths import Paths
from livefuse.tls.serving import Tls
from livefuse.tls.trusting import trusting
from livefuse.web.accepting import plain_answer
from livefuse.web.listening import Listening
from livefuse.web.reach import reach
from livefuse.web.server import Serving, serve
from tests.unit.test_tls import given
from tests.unit.web_fakes import TOKEN, FakeDaemon


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.app.routers", lambda _: [])
    for name in ("LIVEFUSE_DAEMON", "LIVEFUSE_TOKEN", "LIVEFUSE_CA"):
        monkeypatch.delenv(name, raising=False)


def served(home: Path, work: Callable[[Serving], Awaitable[None]], **keys: Any) -> None:
    """Serve with TLS and a fake daemon, do `work` once it answers, end it."""

    def make(config: DaemonConfig, **_: Any) -> Any:
        fake = FakeDaemon()
        fake.config = config
        return fake

    async def main() -> None:
        serving: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
        config = DaemonConfig.model_validate({"serve": {"port": 0, "tls": "auto", **keys}})
        paths = Paths.default({"LIVEFUSE_HOME": str(home)})
        server = asyncio.create_task(serve(config, paths=paths, announce=serving.set_result, make_daemon=make))
        await asyncio.wait((serving, server), return_when=asyncio.FIRST_COMPLETED)
        if server.done():
            server.result()
        ready = await serving
        try:
            await work(ready)
        finally:
            ready.stop()
            await asyncio.wait_for(server, 20)

    asyncio.run(main())


def trust_of(ready: Serving) -> ssl.SSLContext:
    assert ready.tls is not None
    return trusting(ready.tls.pem.decode(), "the authority")


async def said(port: int, text: bytes) -> bytes:
    """What plain bytes are answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def test_https_is_served_under_all_names_and_plain_http_to_this_machine(tmp_path: Path) -> None:
    async def work(ready: Serving) -> None:
        port = ready.listening.port
        assert ready.listening.url == f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(verify=trust_of(ready)) as http:
            for host in ("127.0.0.1", "localhost"):
                answer = await http.get(f"https://{host}:{port}/healthz")
                assert answer.status_code == 200
                assert "Strict-Transport-Security" not in answer.headers, (
                    "of a local authority it would lock people out"
                )
            plain = await http.get(f"http://127.0.0.1:{port}/healthz")
            assert plain.status_code == 200
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                async with httpx.AsyncClient() as stranger:
                    await stranger.get(f"https://127.0.0.1:{port}/healthz")
            assert (await http.get(f"https://127.0.0.1:{port}/healthz")).status_code == 200

    served(tmp_path, work)


def test_names_of_the_certificate_are_our_own_over_https_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "studio-7")

    async def work(ready: Serving) -> None:
        port = ready.listening.port
        name, own = f"studio-7.local:{port}", f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(verify=trust_of(ready)) as http:

            async def status(url: str, **headers: str) -> int:
                return (await http.get(f"{url}/healthz", headers=headers)).status_code

            assert await status(own, Host=name) == 200
            assert await status(f"http://127.0.0.1:{port}", Host=name) == 421, "who speaks mDNS could be called so too"
            assert await status(own, Host=f"evil.example:{port}") == 421
            assert await status(own, Host=name, Origin=f"https://{name}") == 200
            assert await status(own, Host=name, Origin=f"http://{name}") == 403, "a page without TLS is another's"
            assert await status(own, Origin=f"https://evil.example:{port}") == 403

    served(tmp_path, work)


def test_the_command_line_trusts_our_own_authority_and_no_other(tmp_path: Path) -> None:
    async def work(ready: Serving) -> None:
        def ask(**more: Any) -> None:
            with Client.find(state=tmp_path / "state", **more) as client:
                assert client.get("/healthz")["status"] == "alive"

        await asyncio.to_thread(ask)
        await asyncio.to_thread(ask, url=ready.listening.url)
        with pytest.raises(DaemonUnreachable, match="not trusted") as caught:
            await asyncio.to_thread(ask, url=f"https://localhost:{ready.listening.port}")
        assert "LIVEFUSE_CA" in caught.value.hint
        file = tmp_path / "state" / "tls" / "ca.crt"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LIVEFUSE_CA", str(file))
            await asyncio.to_thread(ask, url=f"https://localhost:{ready.listening.port}")
            patch.setenv("LIVEFUSE_CA", str(tmp_path / "missing"))
            with pytest.raises(BadValue, match="cannot be read"):
                await asyncio.to_thread(ask, url=f"https://localhost:{ready.listening.port}")
        assert "PRIVATE" not in json.dumps([one.ca for one in running_daemons(tmp_path / "state")])

    served(tmp_path, work)


def test_of_own_files_the_command_line_takes_this_very_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    files = given(folder)

    async def work(ready: Serving) -> None:
        def ask() -> None:
            with Client.find(state=tmp_path / "state") as client:
                client.get("/healthz")

        await asyncio.to_thread(ask)
        told = next((tmp_path / "state").glob("daemon-*.json"))
        tree = json.loads(told.read_text())
        tree["certificate"] = Tls(ServeConfig(tls="auto"), tmp_path / "other").pem.decode()
        told.write_text(json.dumps(tree))
        with pytest.raises(DaemonUnreachable, match="not trusted"):
            await asyncio.to_thread(ask)

    served(tmp_path, work, tls="", tls_cert=files.tls_cert, tls_key=files.tls_key)


def test_who_comes_in_plain_text_over_a_network_is_told_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livefuse.web.accepting._is_here", lambda _: False)

    async def work(ready: Serving) -> None:
        port = ready.listening.port
        there = await said(port, f"GET /live?clean=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert there.startswith(b"HTTP/1.1 307 ")
        assert f"\r\nLocation: https://127.0.0.1:{port}/live?clean=1\r\n".encode() in there
        ca = await said(port, f"GET /ca.crt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert ready.tls is not None
        assert ca.endswith(ready.tls.pem)
        assert b"application/x-x509-ca-cert" in ca
        assert b"PRIVATE" not in ca
        assert (await said(port, b"\x00\x01\x02\r\n\r\n")).startswith(b"HTTP/1.1 400 ")

    served(tmp_path, work)


def test_who_says_nothing_or_half_of_it_is_let_go_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livefuse.web.accepting.LOOK_S", 0.3)

    async def work(ready: Serving) -> None:
        port = ready.listening.port
        silent = socket.create_connection(("127.0.0.1", port))
        half = socket.create_connection(("127.0.0.1", port))
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        async with httpx.AsyncClient(verify=trust_of(ready)) as http:
            assert (await http.get(f"{ready.listening.url}/healthz")).status_code == 200
        for one in (silent, half):
            one.settimeout(10)
            with one:
                assert await asyncio.to_thread(one.recv, 1) == b""

    served(tmp_path, work)


def test_too_many_who_wait_are_not_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.accepting.MOST_CONNECTIONS", 2)

    async def work(ready: Serving) -> None:
        waiting = [socket.create_connection(("127.0.0.1", ready.listening.port)) for _ in range(3)]
        for one in waiting:
            one.settimeout(10)
        assert await asyncio.to_thread(waiting[2].recv, 1) == b""
        for one in waiting:
            one.close()

    served(tmp_path, work)


def test_a_certificate_is_renewed_while_it_runs_and_a_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livefuse.web.accepting._RENEW_S", 0.02)
    answers: Iterator[bool | BadValue] = iter([True, BadValue("the file is gone")])

    async def work(ready: Serving) -> None:
        def renew() -> bool:
            answer = next(answers, False)
            if isinstance(answer, BadValue):
                raise answer
            return answer

        monkeypatch.setattr(ready.tls, "renew", renew)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if "could not be renewed" in caplog.text:
                break
        assert "a new certificate is served" in caplog.text
        assert "could not be renewed: the file is gone" in caplog.text

    with caplog.at_level(logging.WARNING):
        served(tmp_path, work)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.local:7853\r\n\r\n", b"307"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n", b"400"),
        (b"GET //evil.example/ HTTP/1.1\r\nHost: a.local\r\n\r\n", b"400"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: a.local\r\n\r\n", b"400"),
        (b"POST /live/whip HTTP/1.1\r\nHost: a.local\r\n\r\nv=0", b"400"),
        (b"HEAD /ca.crt HTTP/1.1\r\nHost: a.local\r\n\r\n", b"200"),
        (b"", b"400"),
    ],
)
def test_plain_requests(head: bytes, status: bytes) -> None:
    answer = plain_answer(head, b"PEM")
    assert answer.split(b" ")[1] == status
    assert b"evil" not in answer
    assert answer.endswith(b"PEM") is (status == b"200" and head.startswith(b"GET"))


def test_without_an_authority_of_its_own_there_is_no_certificate_to_fetch() -> None:
    assert plain_answer(b"GET /ca.crt HTTP/1.1\r\nHost: a.local\r\n\r\n", None).split(b" ")[1] == b"307"


# --- what `livefuse serve` says


def serving(host: str, tls: Tls | None = None) -> Serving:
    daemon: Any = FakeDaemon(serve=ServeConfig(host=host))
    return Serving(Listening(host, 7853, (), "https" if tls else "http"), daemon, lambda: None, tls)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.reach.outward_address", lambda: "192.168.1.5")
    monkeypatch.setattr("getpass.getuser", lambda: "me")


@pytest.mark.usefixtures("network")
def test_a_stranger_is_told_everything(tmp_path: Path) -> None:
    tls = Tls(ServeConfig(tls="auto"), tmp_path)
    ready = serving("0.0.0.0", tls)
    text = "\n".join(lines(ready, Paths.default({"LIVEFUSE_HOME": str(tmp_path)}), secret=True))
    for part in (
        f"https://192.168.1.5:7853/#token={TOKEN}",
        "http://192.168.1.5:7853/ca.crt",
        tls.fingerprint[:47],
        tls.fingerprint[48:],
        "ssh -L 7853:localhost:7853 me@192.168.1.5",
        "http://127.0.0.1:7853/live?clean=1#token=",
        "█",
    ):
        assert part in text
    assert "not encrypted" not in " ".join(warnings(ready, 7853))


@pytest.mark.usefixtures("network")
def test_what_is_no_terminal_gets_neither_token_nor_code(tmp_path: Path) -> None:
    ready = serving("0.0.0.0", Tls(ServeConfig(tls="auto"), tmp_path))
    text = "\n".join(lines(ready, Paths.default({"LIVEFUSE_HOME": str(tmp_path)}), secret=False))
    assert TOKEN not in text
    assert "█" not in text


@pytest.mark.usefixtures("network")
def test_without_tls_the_choices_are_named_and_on_loopback_nothing() -> None:
    said = "\n".join(stranger_lines(serving("0.0.0.0"), secret=False))
    assert "HTTPS" in said
    assert "livefuse serve --tls" in said
    assert "ssh -L 7853:localhost:7853 me@192.168.1.5" in said
    assert stranger_lines(serving("127.0.0.1"), secret=True) == []


def test_a_narrow_terminal_gets_no_broken_code(network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert "█" not in "".join(stranger_lines(serving("0.0.0.0"), secret=True))


def test_names_that_the_authority_may_not_vouch_for_are_warned_of(tmp_path: Path) -> None:
    Tls(ServeConfig(tls="auto"), tmp_path)
    late = Tls(ServeConfig(tls="auto", hosts=("late.example",)), tmp_path)
    assert "livefuse tls renew" in warnings(serving("127.0.0.1", late), 7853)[0]


@pytest.mark.parametrize(
    ("host", "local", "others"),
    [
        ("127.0.0.1", "http://127.0.0.1:7853", ""),
        ("::1", "http://[::1]:7853", ""),
        ("0.0.0.0", "http://127.0.0.1:7853", "http://192.168.1.5:7853"),
        ("192.168.1.9", "", "http://192.168.1.9:7853"),
    ],
)
def test_where_it_is_reached(network: None, host: str, local: str, others: str) -> None:
    found = reach(host, 7853, None)
    assert (found.local, found.network) == (local, others)
