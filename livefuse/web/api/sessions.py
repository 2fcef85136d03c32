"""Sessions: made, seen, changed while they run, ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from livefuse.config import Config, make_config
from livefuse.daemon.asked import AskedConfig
from livefuse.daemon.shown import for_viewers, shown, unmasked
from livefuse.daemon_config import SESSION_NAME, laid_over
from livefuse.gate import HoldKind
from livefuse.web.api.of_apps import check_change
from livefuse.web.api.told import Asked, Change, Told, api_router, said
from livefuse.web.records import Records
from livefuse.web.roles import Role, control, view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


class SessionSummary(Told):
    """One line of the list."""

    name: str
    state: Literal["stopped", "starting", "running", "ended", "failed"]
    hold: HoldKind = Field("", description="pause or panic while slates leave instead of pictures")
    idle: bool = Field(False, description="whether it rests because nobody looks")
    error: dict[str, str] | None = Field(description="code, message and hint of what keeps it from running")
    viewers: int


class SessionList(Told):
    sessions: list[SessionSummary]


class SessionUrls(Told):
    """Paths below the daemon's own address."""

    player: str
    publish: str
    whep: str
    whip: str


class Session(SessionSummary):
    """Everything about one."""

    urls: SessionUrls
    config: dict[str, Any] | None = Field(
        None, description="what it runs on, secrets as ***; only for callers with the token"
    )


class NewSession(Asked):
    """A session to be made: a preset, and settings over it."""

    name: Annotated[str, Field(pattern=f"^{SESSION_NAME}$", description="becomes a part of its addresses")]
    preset: str = Field("", description="preset to begin with")
    config: AskedConfig = Field(default_factory=Config, description="settings over the preset's; defaults where unsaid")
    start: bool = Field(True, description="have it begin at once")


def router(daemon: Daemon, records: Records) -> APIRouter:
    """`/api/sessions` and what is right below it."""
    router = api_router("sessions")

    async def told(channel: Channel, *, whole: bool) -> Session:
        return _told(channel, await records.record(channel), whole=whole)

    @router.get("/sessions")
    @view
    async def list_sessions(request: Request) -> SessionList:
        """All sessions with their states; for whoever has the token, what goes in and out and whose face it is."""
        whole = request.state.role >= Role.CONTROL
        all_records = [(channel, await records.record(channel)) for channel in list(daemon.channels.values())]
        return SessionList(sessions=[SessionSummary(**_summary(one, figures, whole)) for one, figures in all_records])

    @router.post("/sessions", status_code=201)
    async def create_session(body: NewSession, response: Response) -> Session:
        """Make a session and have it begin. Whether it runs is told by its `state`, a little later."""
        preset = daemon.presets.get(body.preset) if body.preset else {}
        config = make_config(laid_over(preset, said(body.config)), origin="request")
        channel = await daemon.create(body.name, config, start=body.start)
        response.headers["Location"] = f"/api/sessions/{body.name}"
        return await told(channel, whole=True)

    @router.get("/sessions/{name}")
    @view
    async def get_session(name: str, request: Request) -> Session:
        """One session: what it does, its addresses, and for whoever has the token its configuration."""
        return await told(daemon.channel(name), whole=request.state.role >= Role.CONTROL)

    @router.patch("/sessions/{name}")
    @control
    async def change_session(name: str, body: AskedConfig, request: Request) -> Change:
        """Lay settings over a session's while it runs: what is not mentioned stays.

        What a running session cannot take restarts it; if that fails, all is as before. Addresses that come back masked,
        as they were shown, stay what they are.
        """
        channel = daemon.channel(name)
        change = unmasked(said(body), channel.config)
        check_change(request, daemon, change, channel.current)
        return Change(**await channel.change(change))

    @router.delete("/sessions/{name}", status_code=204)
    async def remove_session(name: str) -> None:
        """End a session and forget it; its viewers are sent away."""
        await daemon.remove(name)

    @router.post("/sessions/{name}/start")
    @control
    async def start_session(name: str) -> Session:
        """Have a session run; nothing happens if it does."""
        channel = daemon.channel(name)
        await channel.start()
        return await told(channel, whole=True)

    @router.post("/sessions/{name}/stop")
    @control
    async def stop_session(name: str) -> Session:
        """End a session's pictures; its outputs are completed, and its viewers see a slate."""
        channel = daemon.channel(name)
        await channel.stop()
        return await told(channel, whole=True)

    @router.post("/sessions/{name}/restart")
    @control
    async def restart_session(name: str) -> Session:
        """Begin anew, and wait until it runs; its viewers stay."""
        channel = daemon.channel(name)
        await channel.restart()
        return await told(channel, whole=True)

    return router


def _told(channel: Channel, figures: Mapping[str, Any], *, whole: bool) -> Session:
    base = f"/{channel.name}"
    urls = SessionUrls(player=base, publish=f"{base}/publish", whep=f"{base}/whep", whip=f"{base}/whip")
    config = shown(channel.config) if whole else None
    return Session(**_summary(channel, figures, whole) | {"urls": urls, "config": config})


def _summary(channel: Channel, figures: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    return channel.summary(figures) if whole else for_viewers(channel.summary(figures))
