"""Models: what is known, what is here, fetched and verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from livefuse.daemon.job import Job
from livefuse.errors import ModelMissing, NotHere
from livefuse.web.api.jobs import accepted
from livefuse.web.api.told import Asked, Told, api_router
from livefuse.web.roles import view
from livefuse.weights.recipe import Kind
from livefuse.weights.store import ModelStore, Status, StoredModel

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class Model(Told):
    """A recipe, and what the store has of it."""

    name: str
    aliases: tuple[str, ...]
    kind: Kind
    description: str
    bytes: int | None = Field(description="of the file; null where nobody has said")
    licence: str
    licence_url: str
    non_commercial: bool
    fetchable: bool = Field(description="whether anybody serves it; otherwise it is yours to add")
    status: Status
    installed: bool
    needs_acceptance: bool = Field(description="whether its licence has yet to be accepted on this machine")


class ModelList(Told):
    models: list[Model]


class Pull(Asked):
    accept_licence: bool = Field(False, description="accept a non-commercial licence, once for this machine")


class Verified(Told):
    name: str
    status: Status


class Removed(Told):
    name: str
    state: Literal["removed"] = "removed"


def router(daemon: Daemon) -> APIRouter:
    """`/api/models`."""
    router = api_router("models")

    @router.get("/models")
    @view
    def list_models() -> ModelList:
        """Every known model: what it is for, its size and licence, and whether it is here."""
        store = ModelStore.default()
        return ModelList(models=[_told(store, model) for model in store.list()])

    @router.get("/models/{model}")
    @view
    def get_model(model: str) -> Model:
        """One model, by its name or alias."""
        store = ModelStore.default()
        return _told(store, store.stored(_known(store, model)))

    @router.post("/models/{model}/pull", status_code=202)
    def pull_model(model: str, response: Response, body: Pull | None = None) -> Job:
        """Fetch a model, mirrors first: a job that tells how far it is."""
        name = _known(ModelStore.default(), model)
        accept = body is not None and body.accept_licence
        return accepted(daemon.jobs.add_pull(name, accept_licence=accept), response)

    @router.post("/models/{model}/verify")
    def verify_model(model: str) -> Verified:
        """Hash a model's file and compare it with its recipe."""
        store = ModelStore.default()
        name = _known(store, model)
        return Verified(name=name, status=store.verify(name))

    @router.delete("/models/{model}")
    def remove_model(model: str) -> Removed:
        """Delete a model's file. Sessions that have it loaded go on with it."""
        store = ModelStore.default()
        name = _known(store, model)
        if not store.remove(name):
            raise NotHere(f"nothing of {name} is here", hint="see `status` in the list of models")
        return Removed(name=name)

    return router


def _known(store: ModelStore, name: str) -> str:
    """A recipe's own name. Raises: NotHere."""
    try:
        return store.recipe(name).name
    except ModelMissing as error:
        raise NotHere(error.message, hint=error.hint) from error


def _told(store: ModelStore, model: StoredModel) -> Model:
    recipe = model.recipe
    return Model(
        **recipe.model_dump(include={"name", "aliases", "kind", "description", "bytes", "licence", "licence_url"}),
        non_commercial=recipe.non_commercial,
        fetchable=recipe.fetchable,
        status=model.status,
        installed=model.status in ("present", "verified", "unverified"),
        needs_acceptance=store.needs_acceptance(recipe),
    )
