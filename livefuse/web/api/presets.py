"""Presets: parts of a configuration under names, laid over a session with one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from pydantic import Field

from livefuse.daemon.asked import AskedConfig
from livefuse.web.api.told import Change, Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class PresetList(Told):
    presets: list[str]


class Preset(Told):
    name: str
    config: dict[str, Any] = Field(description="what it says, and nothing more")


def router(daemon: Daemon) -> APIRouter:
    """`/api/presets`."""
    router = api_router("presets")

    @router.get("/presets")
    @control
    def list_presets() -> PresetList:
        """Their names."""
        return PresetList(presets=daemon.presets.names())

    @router.get("/presets/{preset}")
    @control
    def get_preset(preset: str) -> Preset:
        """What a preset says."""
        return Preset(name=preset, config=daemon.presets.get(preset))

    @router.put("/presets/{preset}", responses={201: {"model": Preset, "description": "It is new."}})
    @control
    def put_preset(preset: str, body: AskedConfig, response: Response) -> Preset:
        """Keep settings under a name, in place of what it said before. Passwords in addresses are refused."""
        if daemon.presets.put(preset, body.model_dump(mode="json", exclude_unset=True)):
            response.status_code = 201
        return Preset(name=preset, config=daemon.presets.get(preset))

    @router.delete("/presets/{preset}", status_code=204)
    @control
    def remove_preset(preset: str) -> None:
        """Forget a preset."""
        daemon.presets.remove(preset)

    @router.post("/sessions/{name}/preset/{preset}")
    @control
    async def apply_preset(name: str, preset: str) -> Change:
        """Lay a preset over a session while it runs."""
        channel = daemon.channel(name)
        return Change(**await channel.change(daemon.presets.get(preset)))

    return router
