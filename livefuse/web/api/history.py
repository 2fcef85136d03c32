"""What was changed in a session, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import Field

from livefuse.daemon.history import Step, undo
from livefuse.web.api.told import Change, Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class ChangeStep(Told):
    """One change that can be taken back."""

    what: str = Field(description="what made it, where that is more than its keys: `preset evening`")
    keys: list[str]
    when: str


class ChangeHistory(Told):
    steps: list[ChangeStep] = Field(description="the newest first; 20 at most, since the daemon started")


class Undone(Change):
    """What taking a change back came to."""

    what: str
    keys: list[str]
    left: int = Field(description="how many more can be taken back")


def router(daemon: Daemon) -> APIRouter:
    """`/api/sessions/NAME/history` and `undo`."""
    router = api_router("session")

    @router.get("/sessions/{name}/history")
    @control
    async def list_history(name: str) -> ChangeHistory:
        """The changes of a session that can be taken back."""
        return ChangeHistory(steps=[_told(step) for step in daemon.channel(name).history.steps])

    @router.post("/sessions/{name}/undo")
    @control
    async def undo_change(name: str) -> Undone:
        """Lay back what the last change of a session replaced. Privacy that was closed is never opened by it."""
        channel = daemon.channel(name)
        step, came = await undo(channel)
        return Undone(**came, what=step.what, keys=list(step.keys), left=len(channel.history.steps))

    return router


def _told(step: Step) -> ChangeStep:
    return ChangeStep(what=step.what, keys=list(step.keys), when=step.when)
