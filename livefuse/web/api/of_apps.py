"""Keeps what an app asks for within what apps may set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import Request

from livefuse.config import Config
from livefuse.daemon.for_apps import check_for_app
from livefuse.web.roles import Role

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


def check_change(request: Request, daemon: Daemon, change: Mapping[str, Any], now: Config | None = None) -> None:
    """`now` is what the session runs on. Raises: NotAllowed for what only the owner may set."""
    if request.state.role >= Role.OWNER:
        return
    configs = daemon.config.sessions.values()
    addresses = {address for config in configs for address in (config.source, *config.sinks)}
    check_for_app(change, now, addresses)


def said_by(request: Request, daemon: Daemon, by: str) -> str:
    """Who says what is kept about consent: nobody may take an app's word for that of the daemon's user."""
    if not request.state.app:
        return by
    name = next((app.name for app in daemon.apps.list() if app.id == request.state.app), request.state.app)
    return f"{by}, by the app {name}" if by else f"the app {name}"
