"""What is missing between a fresh machine and a swapped picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import Field

from livefuse.daemon_config import DEFAULT_SESSION
from livefuse.photos import DETECTOR, LANDMARKER
from livefuse.source.devices import list_cameras
from livefuse.web.api.told import Told, api_router
from livefuse.weights.store import ModelStore

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class NeededModel(Told):
    name: str
    bytes: int | None
    installed: bool


class SuggestedCamera(Told):
    url: str
    name: str


class FirstSteps(Told):
    """What there is and what lacks, and whether what is changed lasts."""

    chosen: bool = Field(description="whether anybody has ever said what to show; otherwise nothing runs yet")
    session: str
    models: list[NeededModel] = Field(description="what finding and placing a face needs")
    lacking_bytes: int
    camera: SuggestedCamera | None = Field(description="the first real camera of the daemon's machine that is free")
    remembers: bool = Field(description="whether changes last beyond this run of the daemon")
    kept_in: str = Field(description="the file that changes are kept in")
    config_file: str = Field(description="the configuration file it was started with, where there is one")


def router(daemon: Daemon) -> APIRouter:
    """`/api/first`."""
    router = api_router("machine")

    @router.get("/first")
    def get_first_steps() -> FirstSteps:
        """What somebody who has just started livefuse for the first time still needs."""
        store = ModelStore.default()
        models = [_model(store, name) for name in (DETECTOR, LANDMARKER)]
        remembered = daemon.remembered
        keeps = remembered is not None and remembered.keeps
        return FirstSteps(
            chosen=_chosen(daemon),
            session=DEFAULT_SESSION,
            models=models,
            lacking_bytes=sum(model.bytes or 0 for model in models if not model.installed),
            camera=_camera(),
            remembers=keeps,
            kept_in=str(remembered.file) if remembered is not None and keeps else "",
            config_file=str(daemon.file or ""),
        )

    return router


def _chosen(daemon: Daemon) -> bool:
    live = daemon.channels.get(DEFAULT_SESSION)
    if daemon.remembered is None or not daemon.remembered.fresh or live is None:
        return True
    return live.state != "stopped" or bool(live.config.identity.photo or live.config.cast)


def _model(store: ModelStore, name: str) -> NeededModel:
    status = store.status(name)
    installed = status in ("present", "verified", "unverified")
    return NeededModel(name=name, bytes=store.recipe(name).bytes, installed=installed)


def _camera() -> SuggestedCamera | None:
    for number, camera in enumerate(list_cameras()):
        if not camera.is_virtual and not camera.note:
            return SuggestedCamera(url=f"camera:{number}", name=camera.name)
    return None
