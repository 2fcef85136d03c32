"""Whether the daemon lives, and whether everything that should run does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from livefuse import __version__
from livefuse.web.roles import Role, everybody

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


def router(daemon: Daemon) -> APIRouter:
    """`/healthz` and `/readyz`."""
    router = APIRouter(tags=["daemon"])

    @router.get("/healthz")
    @everybody
    async def alive() -> dict[str, str]:
        """The daemon answers."""
        return {"status": "alive", "version": __version__}

    @router.get("/readyz", responses={503: {"description": "Some session that should run does not."}})
    @everybody
    async def ready(request: Request, response: Response) -> dict[str, Any]:
        """Every session that should run does; otherwise 503, and for those who may watch, what keeps which from running."""
        missing = not_ready(daemon)
        if missing:
            response.status_code = 503
            response.headers["Retry-After"] = "1"
        told = missing if request.state.role >= Role.VIEW else {}
        return {"status": "waiting" if missing else "ready", "sessions": told}

    return router


def not_ready(daemon: Daemon) -> dict[str, str]:
    """Sessions that should run and do not, with their state or the code of what went wrong."""
    found = {name: (channel.state, channel.error) for name, channel in daemon.channels.items()}
    waiting = dict.fromkeys(daemon.config.sessions.keys() - found.keys(), "starting")
    for name, (state, error) in found.items():
        if state in ("starting", "failed"):
            waiting[name] = f"{state}: {error.code}" if error else state
    return waiting
