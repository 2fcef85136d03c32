"""How to reach a session: values that work as they are, secrets only for whoever sent them, codes that hold what they say."""

from __future__ import annotations

import asyncio
import shlex
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import typer.main

from livefuse.cli.app import app as commands
from livefuse.daemon_config import ServeConfig
from livefuse.qr import svg_qr, terminal_qr
from livefuse.sinks.url import parse_sink_url
from livefuse.source.url import parse
from livefuse.tls.names import Names
from livefuse.tls.serving import Tls
from livefuse.web.api import connect
from tests.unit.web_fakes import BEARER, TOKEN, FakeDaemon, ask

NETWORK = "192.168.1.5"


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.web.app.routers", lambda daemon: [connect.router(daemon)])
    monkeypatch.setattr("livefuse.web.reach.outward_address", lambda: NETWORK)
    monkeypatch.setattr("getpass.getuser", lambda: "me")


def asked(
    fake: FakeDaemon, path: str = "/api/connect", *, url: str = "http://127.0.0.1:7853", **more: Any
) -> httpx.Response:
    """One request to an address, by http or https."""

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app=fake.app, client=("127.0.0.1" if "127" in url else NETWORK, 4000))
        async with httpx.AsyncClient(transport=transport, base_url=url) as http:
            return await http.get(path, headers={**BEARER, **more})

    return asyncio.run(once())


def told(fake: FakeDaemon, **more: Any) -> dict[str, Any]:
    answer = asked(fake, **more)
    assert answer.status_code == 200, answer.text
    tree: dict[str, Any] = answer.json()
    return tree


def by_kind(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {way["kind"]: way for group in tree["ways"].values() for way in group}


def with_tls(fake: FakeDaemon, **more: Any) -> FakeDaemon:
    own = SimpleNamespace(is_own=True, fingerprint="AA:BB", pem=b"PUBLIC", names=Names((), ()))
    fake.app.state.tls = SimpleNamespace(**{**vars(own), **more})
    return fake


def test_on_this_machine_everything_is_loopback_and_free_to_watch() -> None:
    tree = told(FakeDaemon(names=("live", "guest")), path="/api/connect?session=guest")
    ways = by_kind(tree)
    assert (tree["session"], tree["network"], tree["tls"]["mode"]) == ("guest", "", "")
    assert ways["player"] == {
        "kind": "player", "label": "Player", "value": "http://127.0.0.1:7853/guest", "note": "", "secret": False,
    }  # fmt: skip
    assert ways["obs-browser"]["value"] == "http://127.0.0.1:7853/guest?clean=1"
    assert ways["obs-server"]["value"] == ways["whip"]["value"] == "http://127.0.0.1:7853/guest/whip"
    assert ways["ssh"]["value"] == "ssh -L 7853:localhost:7853 me@192.168.1.5"
    assert ways["panic"]["value"].endswith("http://127.0.0.1:7853/api/sessions/guest/panic")
    assert tree["ways"]["phone"] == []
    assert list(tree["ways"]) == ["watch", "publish", "obs", "phone", "command"]


def test_on_a_network_watching_carries_the_token_and_is_secret() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    tree = told(fake, url=f"https://{NETWORK}:7853")
    ways = by_kind(tree)
    assert ways["player"]["value"] == f"https://{NETWORK}:7853/live#token={TOKEN}"
    assert ways["phone"]["value"] == f"https://{NETWORK}:7853/live/publish#token={TOKEN}"
    assert ways["ca"]["value"] == f"http://{NETWORK}:7853/ca.crt"
    assert "OBS has to trust" in ways["obs-server"]["note"]
    assert "--cacert livefuse-ca.crt" in ways["panic"]["value"]
    assert (tree["tls"]["mode"], tree["tls"]["fingerprint"]) == ("own", "AA:BB")
    assert {one["system"] for one in tree["tls"]["trust"]} >= {"ios", "android", "linux", "macos", "windows"}


def test_what_holds_the_token_says_so() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    for way in by_kind(told(fake, url=f"https://{NETWORK}:7853")).values():
        assert way["secret"] is (TOKEN in way["value"]), way["kind"]


def test_beside_tls_programs_of_this_machine_go_on_in_plain_text() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    ways = by_kind(told(fake, url="https://127.0.0.1:7853"))
    assert ways["whip"]["value"] == "http://127.0.0.1:7853/live/whip"
    assert ways["player"]["value"].startswith("https://127.0.0.1:7853/live")
    assert "--cacert" not in ways["panic"]["value"]


def test_a_phone_is_not_led_to_a_page_without_a_camera() -> None:
    fake = FakeDaemon(serve=ServeConfig(host="0.0.0.0", view="open"))
    ways = by_kind(told(fake, url=f"http://{NETWORK}:7853"))
    assert "phone" not in ways
    assert ways["phone-watch"] == {
        "kind": "phone-watch", "label": "Watch on the phone", "value": f"http://{NETWORK}:7853/live", "note": "",
        "secret": False,
    }  # fmt: skip


def test_it_is_for_whoever_may_control() -> None:
    fake = FakeDaemon()
    assert ask(fake, "GET", "/api/connect").status_code == 401
    assert ask(fake, "GET", "/api/connect/qr").status_code == 401
    assert asked(fake, "/api/connect?session=nobody").status_code == 404


def test_a_ticket_never_becomes_the_token() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    ticket = ask(fake, "POST", "/api/ticket", headers=BEARER, at="127.0.0.1:7853").json()["ticket"]
    tree = told(fake, path=f"/api/connect?ticket={ticket}", Authorization="")
    assert TOKEN not in str(tree)
    assert by_kind(tree)["phone"]["value"] == f"https://{NETWORK}:7853/live/publish"
    assert asked(fake, f"/api/connect/qr?ticket={ticket}", Authorization="").status_code == 200


# --- codes


def read_code(svg: bytes) -> str:
    """What a camera would see of our SVG, whose only strokes are horizontal."""
    import re

    scale = 4
    side = int(re.search(rb'width="(\d+)"', svg)[1])  # type: ignore[index]
    picture = np.full((side, side), 255, np.uint8)
    strokes = re.search(rb'stroke="#000"[^>]*d="([^"]+)"|d="([^"]+)"[^>]*stroke="#000"', svg)
    assert strokes
    x, y = 0.0, 0.0
    for name, numbers in re.findall(r"([Mmh])([-\d. ]+)", (strokes[1] or strokes[2]).decode()):
        values = [float(one) for one in numbers.split()]
        if name == "h":
            picture[int(y * scale - 2) : int(y * scale + 2), int(x * scale) : int((x + values[0]) * scale)] = 0
            x += values[0]
        else:
            x, y = (values[0], values[1]) if name == "M" else (x + values[0], y + values[1])
    text, *_ = cv2.QRCodeDetector().detectAndDecode(picture)
    return str(text)


def test_the_code_is_the_address() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    answer = asked(fake, "/api/connect/qr?what=phone")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"<script" not in answer.content
    assert read_code(answer.content) == f"https://{NETWORK}:7853/live/publish#token={TOKEN}"
    assert read_code(asked(fake, "/api/connect/qr?what=ca").content) == f"http://{NETWORK}:7853/ca.crt"


def test_a_code_that_leads_nowhere_is_not_drawn() -> None:
    answer = asked(FakeDaemon(), "/api/connect/qr")
    assert answer.status_code == 404
    assert "--host 0.0.0.0" in answer.json()["hint"]
    assert asked(FakeDaemon(), "/api/connect/qr?what=passwd").status_code == 422


def test_a_terminal_shows_the_same_code() -> None:
    halves = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}
    rows = [[halves[cell] for cell in line] for line in terminal_qr("https://a.local/#token=x", colour=False)]
    picture = np.asarray(rows, np.uint8).transpose(0, 2, 1).reshape(len(rows) * 2, -1)
    text, *_ = cv2.QRCodeDetector().detectAndDecode(np.kron(picture, np.ones((6, 6), np.uint8)))
    assert text == "https://a.local/#token=x"
    assert terminal_qr("x")[0].startswith("\x1b["), "black on white whatever the terminal's colours"
    assert svg_qr("x").startswith(b"<svg")


# --- the certificate


def test_everybody_may_have_the_certificate_and_nothing_else_of_the_authority(tmp_path: Path) -> None:
    fake = FakeDaemon(serve=ServeConfig(host="0.0.0.0"))
    fake.app.state.tls = Tls(ServeConfig(tls="auto"), tmp_path)
    answer = asked(fake, "/ca.crt", Authorization="")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert answer.content == fake.app.state.tls.pem
    assert b"PRIVATE" not in answer.content


def test_there_is_no_certificate_without_an_authority() -> None:
    assert asked(FakeDaemon(), "/ca.crt").status_code == 404
    assert asked(with_tls(FakeDaemon(), is_own=False), "/ca.crt").status_code == 404
    assert told(with_tls(FakeDaemon(), is_own=False))["tls"]["mode"] == "given"


# --- what is said is so


def test_sources_and_outputs_are_ones_that_open() -> None:
    ways = by_kind(told(FakeDaemon()))
    for kind in ("rtmp-in", "rtsp-in", "srt-in"):
        assert parse(ways[kind]["value"]).waits
    for kind in ("rtsp-out", "rtmp-out", "srt-out"):
        parse_sink_url(ways[kind]["value"])


def test_commands_of_ours_parse() -> None:
    tree: Any = typer.main.get_command(commands)
    typed = [line for way in by_kind(told(FakeDaemon())).values() for line in way["value"].split(" && ")]
    ours = [shlex.split(line)[1:] for line in typed if line.startswith("livefuse ")]
    assert len(ours) >= 3
    for words in ours:
        command = tree
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("livefuse", words)


def test_the_page_has_words_for_every_way() -> None:
    fake = with_tls(FakeDaemon(serve=ServeConfig(host="0.0.0.0")))
    script = Path(connect.__file__).parents[1] / "static" / "studio" / "connect_words.js"
    known = script.read_text("utf-8")
    assert [kind for kind in by_kind(told(fake)) if f'"{kind}": () =>' not in known] == []


def test_the_dependencies_are_said() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    named = " ".join(project["dependencies"])
    assert all(name in named for name in ("segno", "websockets", "cryptography", "ifaddr"))
