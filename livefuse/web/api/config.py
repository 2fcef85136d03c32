"""The daemon's own configuration: shown, described, read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import Field

from livefuse.daemon.shown import shown
from livefuse.daemon_config import DaemonConfig
from livefuse.web.api.told import Change, Told, api_router
from livefuse.web.roles import view

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class Reloaded(Told):
    """What a configuration file that has changed came to."""

    changed: dict[str, Change] = Field(description="by session")
    added: list[str]
    removed: list[str]
    restart: list[str] = Field(description="sections that take effect when the daemon starts again")


def router(daemon: Daemon) -> APIRouter:
    """`/api/config`."""
    router = api_router("config")

    @router.get("/config")
    async def get_config() -> dict[str, Any]:
        """What the daemon was told, and what its sessions run on by now; secrets as ***."""
        now = {name: shown(channel.config) for name, channel in daemon.channels.items()}
        return shown(daemon.config) | {"sessions": now}

    @router.get("/config/schema")
    @view
    async def get_config_schema() -> dict[str, Any]:
        """The JSON Schema of a configuration file."""
        return DaemonConfig.model_json_schema()

    @router.post("/config/reload")
    async def reload_config() -> Reloaded:
        """Read the configuration file again; sessions take over what has changed in it."""
        return Reloaded(**await daemon.reload())

    return router
