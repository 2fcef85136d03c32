"""What runs the models here, and which models the sessions have loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter
from pydantic import Field

from livefuse.daemon.model_use import models_of
from livefuse.daemon.speeds import runtime_name
from livefuse.engines import Loaded
from livefuse.memory import resident_bytes
from livefuse.runtime.probe import onnxruntime_providers
from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


class Network(Told):
    """One network that a session has loaded."""

    model: str
    kind: str
    provider: str = Field(description="the execution provider that runs most of its nodes; empty where nobody can tell")
    placement: dict[str, int] = Field(
        description="nodes by provider: ONNX Runtime falls back to the CPU without a word"
    )
    precision: Literal["fp32", "fp16", "int8", ""] = Field(description="of its weights, where that is known")
    bytes: int = Field(description="of its weights, which is what it holds of memory at least")
    load_ms: float


class SessionEngines(Told):
    """One session's models, by the setting that names them, and the providers it prefers."""

    session: str
    providers: list[str]
    models: dict[str, str]
    networks: list[Network] = Field(description="in the order in which they were loaded; what was once loaded stays")


class Engines(Told):
    runtime: str = Field(description="what runs the models, with its version")
    rss_bytes: int = Field(description="memory that the daemon holds altogether")
    providers: list[str] = Field(description="ONNX Runtime's execution providers here, the preferred first")
    sessions: list[SessionEngines] = Field(description="of the sessions that run")


def router(daemon: Daemon) -> APIRouter:
    """`/api/engines`."""
    router = api_router("models")

    @router.get("/engines")
    @view
    async def list_engines() -> Engines:
        """Execution providers of this machine, and what each running session has loaded: on what, how large, how long it took."""
        running = [channel for channel in daemon.channels.values() if channel.state == "running"]
        return Engines(
            runtime=runtime_name(),
            rss_bytes=resident_bytes(),
            providers=onnxruntime_providers(short=True),
            sessions=[_told(channel) for channel in running],
        )

    return router


def _told(channel: Channel) -> SessionEngines:
    session = channel.session
    return SessionEngines(
        session=channel.name,
        providers=list(channel.config.runtime.providers),
        models=models_of(channel.config),
        networks=[_network(one) for one in (session.networks if session else ())],
    )


def _network(one: Loaded) -> Network:
    nodes = dict(one.placement)
    return Network(
        model=one.model, kind=one.kind, provider=max(nodes, key=nodes.__getitem__) if nodes else "", placement=nodes,
        precision=one.precision, bytes=one.bytes, load_ms=round(one.load_ms, 1),
    )  # fmt: skip
