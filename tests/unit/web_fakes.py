"""A daemon and its channels without cameras, models or WebRTC: what the web application sees of them."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI

from livefuse.config import Config
from livefuse.daemon.apps import Apps
from livefuse.daemon.history import History
from livefuse.daemon.holds import Holds
from livefuse.daemon.pairing import Pairing
from livefuse.daemon_config import DaemonConfig, ServeConfig, WebRtcConfig
from livefuse.errors import AlreadyHere, BadOffer, LivefuseError, NotHere, TooManyPeers
from livefuse.paths import Paths

TOKEN = "s3cr3t-canary-token-0123456789"
ANSWER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


class FakePeer:
    """A peer that never connects; keeps the candidates it was told."""

    def __init__(self, offer: str) -> None:
        self.id = secrets.token_urlsafe(18)
        self.answer = ANSWER
        self.state = "new"
        self.candidates: list[str] = []
        self.connection = SimpleNamespace(remoteDescription=SimpleNamespace(sdp=offer))

    async def add_candidates(self, fragment: str) -> int:
        found = [line for line in fragment.splitlines() if line.startswith("a=candidate:")]
        self.candidates += found
        return len(found)


class FakePeers:
    """Stands for a Broadcast and for an Inlet."""

    def __init__(self, most: int = 32) -> None:
        self.peers: dict[str, FakePeer] = {}
        self.most = most
        self.closed = False

    @property
    def viewers(self) -> int:
        return len(self.peers)

    @property
    def connected(self) -> bool:
        return bool(self.peers)

    async def watch(self, offer: str) -> FakePeer:
        if not offer.startswith("v=0"):
            raise BadOffer("not a session description (SDP)", hint="send SDP")
        if len(self.peers) >= self.most:
            raise TooManyPeers(f"{self.most} viewers watch already", hint="raise webrtc.max_viewers")
        peer = FakePeer(offer)
        self.peers[peer.id] = peer
        return peer

    publish = watch

    async def leave(self, peer_id: str) -> bool:
        peer = self.peers.pop(peer_id, None)
        if peer is not None:
            peer.state = "closed"
        return peer is not None

    async def close(self) -> None:
        self.closed = True
        for peer_id in list(self.peers):
            await self.leave(peer_id)

    def record(self) -> dict[str, Any]:
        return {"viewers": []}


class FakeChannel:
    """A channel whose state is what a test says."""

    def __init__(self, name: str, config: Config | None = None) -> None:
        self.name, self.config = name, config or Config()
        self.state = "running"
        self.hold, self.idle = "", False
        self.error: LivefuseError | None = None
        self.session: Any = None
        self.broadcast, self.compare, self.inlet = FakePeers(), FakePeers(), FakePeers()
        self.changes: list[Any] = []
        self.history = History()
        self.sinks: dict[str, str] = {}

    async def start(self) -> None:
        self.state = "running"

    async def stop(self) -> None:
        self.state = "stopped"

    async def restart(self) -> None:
        self.state = "running"

    async def hold_with(self, kind: str) -> bool:
        self.hold = kind
        return True

    async def settled(self) -> None:
        if self.error:
            raise self.error

    async def close(self) -> None:
        await self.stop()
        await self.broadcast.close()
        await self.inlet.close()

    async def change(self, overrides: Any) -> dict[str, Any]:
        self.changes.append(overrides)
        return {"live": sorted(overrides), "restarted": False}

    async def add_sink(self, url: str) -> str:
        name = f"sink{len(self.sinks)}"
        self.sinks[name] = url
        return name

    async def remove_sink(self, name: str) -> None:
        if self.sinks.pop(name, None) is None:
            raise NotHere(f"there is no sink `{name}`", hint="GET the session")

    def summary(self, figures: Any = None) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "hold": self.hold,
            "idle": self.idle,
            "error": None,
            "viewers": self.broadcast.viewers,
        }

    def record(self, figures: Any = None) -> dict[str, Any]:
        return {**(figures or {}), "state": self.state, "webrtc": self.broadcast.record()}

    @property
    def current(self) -> Config:
        return self.config


class FakeDaemon:
    """The interface of livefuse.daemon.daemon.Daemon that the web application uses."""

    def __init__(
        self,
        *,
        serve: ServeConfig | None = None,
        webrtc: WebRtcConfig | None = None,
        names: tuple[str, ...] = ("live",),
        folder: Path | None = None,
    ) -> None:
        sessions = {name: Config() for name in names}
        self.config = DaemonConfig(serve=serve or ServeConfig(), webrtc=webrtc or WebRtcConfig(), sessions=sessions)
        self.token = TOKEN
        self.channels: dict[str, Any] = {name: FakeChannel(name) for name in names}
        self.events: list[str] = []
        self.paths = Paths.default({"LIVEFUSE_HOME": str(folder or os.devnull)})  # which nothing can be written into
        self.remembered: Any = None
        self.file: Any = None
        self.apps = Apps(self.paths.state / "apps.json")
        self.pairing = Pairing(self.apps)
        self.holds = Holds(self.paths.state / "holds.json")
        self.presets: Any = None
        self.jobs: Any = None

    @cached_property
    def app(self) -> FastAPI:
        from livefuse.web.app import make_app

        return make_app(self)  # type: ignore[arg-type]

    async def start(self) -> None:
        self.events.append("start")

    async def stop(self) -> None:
        self.events.append("stop")
        for channel in self.channels.values():
            await channel.close()

    async def reload(self) -> dict[str, Any]:
        self.events.append("reload")
        return {"changed": {}, "added": [], "removed": [], "restart": []}

    async def take_off_withdrawn(self) -> None:
        self.events.append("take off")

    def channel(self, name: str) -> Any:
        if name not in self.channels:
            raise NotHere(f"there is no session `{name}`", hint=f"sessions: {', '.join(self.channels)}")
        return self.channels[name]

    async def create(self, name: str, config: Config, *, start: bool = True) -> Any:
        if name in self.channels:
            raise AlreadyHere(f"there is a session `{name}` already", hint="take another name")
        self.channels[name] = FakeChannel(name, config)
        return self.channels[name]

    async def remove(self, name: str) -> None:
        await self.channel(name).close()
        self.channels.pop(name)


HOST = "127.0.0.1:7853"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SDP = {"Content-Type": "application/sdp"}
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"

Headers = Mapping[str, str] | list[tuple[str, str]]


def ask(
    app: Any,
    method: str,
    path: str,
    *,
    headers: Headers | None = None,
    content: Any = None,
    at: str = HOST,
    client: str = "127.0.0.1",
) -> httpx.Response:
    """One request to an application, or to that of a daemon. `at` is the address that the connection came to."""
    if isinstance(app, FakeDaemon):
        app = app.app

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(client, 40000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{at}") as http:
            pairs = list(headers.items()) if isinstance(headers, Mapping) else headers or []
            sent = [(name.encode(), value.encode("utf-8")) for name, value in pairs]
            return await http.request(method, path, headers=sent, content=content)

    return asyncio.run(once())
