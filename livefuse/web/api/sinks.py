"""A session's outputs and the settings that are changed most, one address each: one button, one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from livefuse.config import IdentityConfig
from livefuse.daemon.asked import AskedIdentity, AskedText
from livefuse.daemon.shown import kind_of, without_folders
from livefuse.errors import NotHere
from livefuse.sinks.url import parse_sink_url
from livefuse.source.url import masked
from livefuse.web.api.of_apps import check_change
from livefuse.web.api.told import Asked, Change, Told, api_router
from livefuse.web.roles import Role, control, view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


class Address(Asked):
    url: AskedText = Field(min_length=1, max_length=4096)


class PrivacyMode(Asked):
    mode: Literal["closed", "open"] = Field(description="closed: never the real face; open: pass it through")


class OverlaySwitch(Asked):
    enabled: bool = Field(description="whether the latency overlay is drawn")


class Sink(Told):
    """One output. `error` says why it takes no frames."""

    name: str
    url: str = Field(description="secrets as ***")
    frames: int = 0
    dropped: int = 0
    error: str = ""


class SinkList(Told):
    sinks: list[Sink]


def router(daemon: Daemon) -> APIRouter:
    """What is below `/api/sessions/NAME`."""
    router = api_router("session")

    async def changed(name: str, change: dict[str, Any], request: Request) -> Change:
        channel = daemon.channel(name)
        check_change(request, daemon, change, channel.current)
        return Change(**await channel.change(change))

    @router.get("/sessions/{name}/sinks")
    @view
    async def list_sinks(name: str, request: Request) -> SinkList:
        """Where a session's pictures go, beside its viewers; where exactly, for whoever has the token."""
        whole = request.state.role >= Role.CONTROL
        return SinkList(sinks=_sinks(daemon.channel(name), masked if whole else kind_of))

    @router.post("/sessions/{name}/sinks", status_code=201)
    @control
    async def add_sink(name: str, body: Address, request: Request, response: Response) -> Sink:
        """Hand the pictures to one more output, without a hitch for the others."""
        channel = daemon.channel(name)
        check_change(request, daemon, {"sinks": [body.url]}, channel.current)
        parse_sink_url(body.url)
        if channel.state == "running":
            sink = await channel.add_sink(body.url)
        else:
            sink = str(len(channel.config.sinks))
            await channel.change({"sinks": [*channel.config.sinks, body.url]})
        response.headers["Location"] = f"/api/sessions/{name}/sinks"
        return Sink(name=sink, url=masked(body.url))

    @router.delete("/sessions/{name}/sinks/{sink}", status_code=204)
    @control
    async def remove_sink(name: str, sink: str) -> None:
        """Complete one output and let it go."""
        channel = daemon.channel(name)
        if channel.state == "running":
            await channel.remove_sink(sink)
            return
        kept = {str(number): url for number, url in enumerate(channel.config.sinks)}
        if kept.pop(sink, None) is None:
            raise NotHere(f"there is no sink `{sink}`", hint="a session that does not run counts its sinks: 0, 1, ...")
        await channel.change({"sinks": list(kept.values())})

    @router.put("/sessions/{name}/source")
    @control
    async def set_source(name: str, body: Address, request: Request) -> Change:
        """Take the pictures from elsewhere."""
        return await changed(name, {"source": body.url}, request)

    @router.put("/sessions/{name}/identity")
    @control
    async def set_identity(name: str, body: AskedIdentity, request: Request) -> Change:
        """Put another face on: a stored identity, or a photo of the daemon's machine with the ground to use it."""
        whole = IdentityConfig().model_dump() | body.model_dump(exclude_unset=True)  # another face has its own consent
        return await changed(name, {"identity": whole}, request)

    @router.put("/sessions/{name}/privacy")
    @control
    async def set_privacy(name: str, body: PrivacyMode, request: Request) -> Change:
        """What leaves when a face was not swapped. Only the owner opens it."""
        return await changed(name, {"privacy": {"mode": body.mode}}, request)

    @router.put("/sessions/{name}/overlay")
    @control
    async def set_overlay(name: str, body: OverlaySwitch) -> Change:
        """Show or hide the latency overlay."""
        return Change(**await daemon.channel(name).change({"overlay": {"enabled": body.enabled}}))

    return router


def _sinks(channel: Channel, told_url: Callable[[str], str]) -> list[Sink]:
    if channel.session is None or channel.state != "running":
        return [Sink(name=str(number), url=told_url(url)) for number, url in enumerate(channel.config.sinks)]
    record = channel.session.record().get("sinks", {})
    urls = channel.session.sink_urls
    told = {name: record.get(name, {}) for name in urls}
    return [
        Sink(
            name=name,
            url=told_url(urls[name]),
            frames=one.get("frames", 0),
            dropped=one.get("dropped", 0),
            error=without_folders(one.get("error") or ""),
        )
        for name, one in told.items()
    ]
