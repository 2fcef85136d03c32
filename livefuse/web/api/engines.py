"""What runs the models here, and which models the sessions ask it to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import Field

from livefuse.config import Config
from livefuse.runtime.probe import onnxruntime_providers
from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import view

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


_NO_MODEL = ("", "none", "known", "mesh", "auto", "estimate")


class SessionEngines(Told):
    """One session's models, by the setting that names them, and the providers it prefers."""

    session: str
    providers: list[str]
    models: dict[str, str]


class Engines(Told):
    providers: list[str] = Field(description="ONNX Runtime's execution providers here, the preferred first")
    sessions: list[SessionEngines] = Field(description="of the sessions that run")


def router(daemon: Daemon) -> APIRouter:
    """`/api/engines`."""
    router = api_router("models")

    @router.get("/engines")
    @view
    async def list_engines() -> Engines:
        """Execution providers of this machine, and what each running session has loaded."""
        running = [channel for channel in daemon.channels.values() if channel.state == "running"]
        return Engines(
            providers=onnxruntime_providers(short=True),
            sessions=[
                SessionEngines(
                    session=channel.name,
                    providers=list(channel.config.runtime.providers),
                    models=models_of(channel.config),
                )
                for channel in running
            ],
        )

    return router


def models_of(config: Config) -> dict[str, str]:
    """The networks that a configuration asks for, by setting."""
    if config.backend == "null":
        return {}
    named = {
        "detect.model": config.detect.model,
        "align.model": config.align.model,
        "swap.model": config.swap.model,
        "enhance.model": config.enhance.model,
        "expression.model": config.expression.model,
        "mask.matte": config.mask.matte,
        "mask.parser": config.mask.parser if config.mask.regions else "",
        "output.upscale": config.output.upscale,
    }
    named |= {f"mask.occlusion.{number}": name for number, name in enumerate(config.mask.occlusion)}
    return {key: name for key, name in named.items() if name not in _NO_MODEL}
