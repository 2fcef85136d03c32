"""Figures and events as they come (server-sent events). Source: HTML Living Standard section 9.2.

Every client asks for its own next event, which is made when its connection takes it: a slow one gets fewer, and nothing is
kept for it. A change of state is seen by looking, ten times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from livefuse.daemon.shown import error_for_viewers
from livefuse.errors import DaemonError
from livefuse.web.api.apps import pending_apps
from livefuse.web.api.told import api_router
from livefuse.web.problems import Refused
from livefuse.web.records import Records
from livefuse.web.roles import Role, view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


MOST_STREAMS = 64
_LOOK_S = 0.1

Interval = Annotated[float, Query(alias="interval", ge=0.2, le=60, description="seconds between two `stats` events")]
Chosen: TypeAlias = "Callable[[], Collection[Channel]]"


def router(daemon: Daemon, records: Records) -> APIRouter:
    """`stats` as a record, and as streams."""
    router = api_router("stats")
    places_of = {True: asyncio.Semaphore(MOST_STREAMS), False: asyncio.Semaphore(MOST_STREAMS)}

    async def place(request: Request) -> AsyncIterator[None]:
        """A stream costs a task: there is an end to them. Those of others leave the owner's own places free."""
        places = places_of[request.state.role >= Role.OWNER]
        if places.locked():
            raise Refused(503, DaemonError(f"{MOST_STREAMS} streams of events are open", hint="close some"))
        async with places:
            yield

    @router.get("/sessions/{name}/stats", response_model=dict[str, Any])
    @view
    async def get_stats(name: str) -> Response:
        """The record of a session: frames, drops, latency, what each stage costs, what WebRTC does."""
        return Response(await records.text(daemon.channel(name)), media_type="application/json")

    def here(name: str) -> None:
        """Looked for before the answer begins, so that a session that is not there is a 404."""
        daemon.channel(name)

    @router.get(
        "/sessions/{name}/events", response_class=EventSourceResponse, dependencies=[Depends(here), Depends(place)]
    )
    @view
    async def session_events(name: str, interval: Interval = 1.0) -> AsyncIterator[ServerSentEvent]:
        """`stats` events with the record, `state` and `config` events when the session or its settings change, `gone` when
        it is removed."""

        def chosen() -> Collection[Channel]:
            return [daemon.channels[name]] if name in daemon.channels else []

        async for event in stream(chosen, records, interval):
            yield event
            if event.event == "gone":
                return

    @router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(place)])
    @view
    async def all_events(request: Request, interval: Interval = 1.0) -> AsyncIterator[ServerSentEvent]:
        """The same of all sessions in one stream; each event names its session. For the owner, `pair` events too: the apps
        that ask for a token, all of them whenever one begins or ends to ask."""
        asked = Pending(daemon) if request.state.role >= Role.OWNER else None
        async for event in stream(daemon.channels.values, records, interval, asked):
            yield event

    return router


class Pending:
    """Which apps ask for a token, told when they are others than before."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._told: list[str] | None = None  # whoever begins to listen is told, also that nobody asks

    def event(self) -> ServerSentEvent | None:
        now = pending_apps(self._daemon)
        ids = [app.id for app in now]
        if ids == self._told:
            return None
        self._told = ids
        return ServerSentEvent(event="pair", data={"pending": [app.model_dump() for app in now]})


async def stream(
    chosen: Chosen, records: Records, interval_s: float, asked: Pending | None = None
) -> AsyncIterator[ServerSentEvent]:
    """Events of the channels that are there at the time."""
    clock = asyncio.get_running_loop().time
    seen: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    next_s = clock()
    while True:
        now = {channel.name: _state(channel) for channel in chosen()}
        settings, before = {channel.name: channel.current for channel in chosen()}, settings
        for name, state in now.items():
            if seen.get(name) != state:
                yield ServerSentEvent(event="state", data=state)
        for name in settings.keys() & before.keys():
            if settings[name] is not before[name]:  # what they are is for those with the token to ask
                yield ServerSentEvent(event="config", data={"session": name})
        for name in seen.keys() - now.keys():
            yield ServerSentEvent(event="gone", data={"session": name})
        seen = now
        if asked is not None and (event := asked.event()) is not None:
            yield event
        if clock() >= next_s:
            for channel in list(chosen()):
                stats = await records.text(channel)
                yield ServerSentEvent(event="stats", raw_data=f'{{"session": "{channel.name}", "stats": {stats}}}')
            next_s = max(next_s + interval_s, clock())
        await asyncio.sleep(min(_LOOK_S, max(0.0, next_s - clock())))


def _state(channel: Channel) -> dict[str, Any]:
    """What is worth an event of its own."""
    error = channel.error
    return {
        "session": channel.name,
        "state": channel.state,
        "hold": channel.hold,
        "idle": channel.idle,
        "error": error_for_viewers(
            {"code": error.code, "message": error.message, "hint": error.hint} if error else None
        ),
        "viewers": channel.broadcast.viewers,
        "publisher": channel.inlet.connected,
    }
