"""One button, one request: pause, panic and resume, and the next face. What Stream Decks, hotkeys and scripts press."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from livefuse.config import IdentityConfig
from livefuse.errors import UnknownIdentity
from livefuse.gate import HoldKind
from livefuse.swap.identity.store import IdentityStore
from livefuse.web.api.told import Change, Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


class Held(Told):
    """What leaves a session now."""

    session: str
    state: Literal["stopped", "starting", "running", "ended", "failed"]
    hold: HoldKind = Field(
        description="pause or panic: slates leave instead of pictures, and no sound; empty: pictures"
    )
    idle: bool = Field(description="whether it rests because nobody looks")
    covered: bool = Field(description="whether every output shows the slate already; one that is stuck shows it later")


class HeldList(Told):
    sessions: list[Held]


class Worn(Change):
    """What became of a change of faces."""

    identity: str = Field(description="the stored identity that is worn now")


def router(daemon: Daemon) -> APIRouter:
    """`/api/panic`, `/api/pause`, `/api/resume`, the same of one session, and the next or previous identity."""
    router = api_router("control")
    turns: WeakKeyDictionary[Channel, asyncio.Lock] = WeakKeyDictionary()

    async def hold(name: str, kind: HoldKind) -> Held:
        held = await _hold(daemon, daemon.channel(name), kind)
        if not any(channel.hold for channel in daemon.channels.values()):
            daemon.holds.say_all("")  # the last one was let go: what is made from now on begins as usual
        await run_in_threadpool(daemon.holds.write)
        return held

    async def hold_all(kind: HoldKind) -> HeldList:
        daemon.holds.say_all(kind)
        channels = list(daemon.channels.values())
        held = await asyncio.gather(*(_hold(daemon, channel, kind) for channel in channels))
        await run_in_threadpool(daemon.holds.write)
        return HeldList(sessions=held)

    async def step(name: str, by: int) -> Worn:
        """Presses that follow each other quickly each go on from where the last one came to."""
        channel = daemon.channel(name)
        async with turns.setdefault(channel, asyncio.Lock()):
            following = await run_in_threadpool(_following, channel.current.identity.photo, by)
            wanted = IdentityConfig().model_dump() | {"photo": following}
            return Worn(**await channel.change({"identity": wanted}), identity=following)

    @router.post("/panic")
    @control
    async def panic_all() -> HeldList:
        """Show the private slate in every session, at once, and let nothing be heard; also in those that are made later, and
        after a restart of the daemon, until they are resumed."""
        return await hold_all("panic")

    @router.post("/pause")
    @control
    async def pause_all() -> HeldList:
        """Show the pause slate in every session."""
        return await hold_all("pause")

    @router.post("/resume")
    @control
    async def resume_all() -> HeldList:
        """Show pictures again in every session, whatever they were held for."""
        return await hold_all("")

    @router.post("/sessions/{name}/panic")
    @control
    async def panic_session(name: str) -> Held:
        """Show the private slate to every viewer, output and camera of a session, at once, and let nothing be heard."""
        return await hold(name, "panic")

    @router.post("/sessions/{name}/pause")
    @control
    async def pause_session(name: str) -> Held:
        """Show the pause slate: the networks rest, the camera and all outputs stay open, nothing is heard."""
        return await hold(name, "pause")

    @router.post("/sessions/{name}/resume")
    @control
    async def resume_session(name: str) -> Held:
        """Show pictures again. Nothing of what was held back is shown or heard."""
        return await hold(name, "")

    @router.post("/sessions/{name}/identity/next")
    @control
    async def next_identity(name: str) -> Worn:
        """Put on the next of the stored identities with consent, by name; after the last comes the first."""
        return await step(name, 1)

    @router.post("/sessions/{name}/identity/previous")
    @control
    async def previous_identity(name: str) -> Worn:
        """Put on the one before, by name."""
        return await step(name, -1)

    return router


async def _hold(daemon: Daemon, channel: Channel, kind: HoldKind) -> Held:
    daemon.holds.say(channel.name, kind)
    covered = await channel.hold_with(kind)
    return Held(session=channel.name, state=channel.state, hold=channel.hold, idle=channel.idle, covered=covered)


def _following(worn: str, by: int) -> str:
    """From somebody who is not stored, the first or the last. Raises: UnknownIdentity when nobody is stored."""
    store = IdentityStore.default()
    damaged = store.damaged()
    names = [stored.name for stored in store.list() if stored.id not in damaged]
    if not names:
        raise UnknownIdentity("no identity is stored with consent", hint="`livefuse identity add NAME PHOTO` keeps one")
    folded = [name.casefold() for name in names]
    if worn.casefold() not in folded:
        return names[0 if by > 0 else -1]
    return names[(folded.index(worn.casefold()) + by) % len(names)]
