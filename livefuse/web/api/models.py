"""Models: what is known, what is here and how fast it is, fetched, verified and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from livefuse.config import RuntimeConfig
from livefuse.daemon.job import Job
from livefuse.daemon.model_use import needs_of, setting_of, users
from livefuse.daemon.speeds import Speed, Speeds, speeds_of
from livefuse.errors import ModelInUse, ModelMissing, NotHere
from livefuse.paths import Paths
from livefuse.web.api.jobs import accepted
from livefuse.web.api.told import Asked, Told, api_router
from livefuse.web.roles import view
from livefuse.weights.add.writing import forget_recipe
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
    own: bool = Field(description="whether it is a file that was added here")
    status: Status
    installed: bool
    part_bytes: int = Field(description="what an unfinished download has left, which the next one goes on from")
    needs_acceptance: bool = Field(description="whether its licence has yet to be accepted on this machine")
    setting: str = Field(description="the key of a session that puts it to use; empty for what others bring along")
    needs: tuple[str, ...] = Field(description="other models that it cannot do without")
    used_by: list[str] = Field(description="sessions that run it")
    job: str = Field(description="the job that fetches or measures it now, or is about to")
    speeds: list[Speed] = Field(description="measured on this machine, the most telling first")


class ModelList(Told):
    models: list[Model]


class Pull(Asked):
    accept_licence: bool = Field(False, description="accept a non-commercial licence, once for this machine")


class Measure(Asked):
    providers: tuple[str, ...] | None = Field(
        None, max_length=8, description="execution providers, preferred first; those of the first session when unsaid"
    )


class Verified(Told):
    name: str
    status: Status


class Removed(Told):
    name: str
    state: Literal["removed"] = "removed"


def router(daemon: Daemon) -> APIRouter:
    """`/api/models`."""
    router = api_router("models")
    shelf = _Shelf(daemon)

    @router.get("/models")
    @view
    def list_models() -> ModelList:
        """Every known model: what it is for, its size, licence and speed, whether it is here, and who uses it."""
        store = ModelStore.default()
        return ModelList(models=shelf.told(store, store.list()))

    @router.get("/models/{model}")
    @view
    def get_model(model: str) -> Model:
        """One model, by its name or alias."""
        store = ModelStore.default()
        return shelf.told(store, [store.stored(_known(store, model))])[0]

    @router.post("/models/{model}/pull", status_code=202)
    def pull_model(model: str, response: Response, body: Pull | None = None) -> Job:
        """Fetch a model, mirrors first: a job that tells how far it is. What broke off goes on where it stopped."""
        name = _known(ModelStore.default(), model)
        accept = body is not None and body.accept_licence
        return accepted(daemon.jobs.add_pull(name, accept_licence=accept), response)

    @router.post("/models/{model}/measure", status_code=202)
    def measure_model(model: str, response: Response, body: Measure | None = None) -> Job:
        """Measure how fast a model runs here: a job of the lowest priority. Where its file is not here, random weights in the
        same architecture run in its place."""
        name = _known(ModelStore.default(), model)
        providers = body.providers if body is not None and body.providers is not None else shelf.providers()
        return accepted(daemon.jobs.add_measure(name, providers), response)

    @router.post("/models/{model}/verify")
    def verify_model(model: str) -> Verified:
        """Hash a model's file and compare it with its recipe."""
        store = ModelStore.default()
        name = _known(store, model)
        return Verified(name=name, status=store.verify(name))

    @router.delete("/models/{model}")
    def remove_model(model: str) -> Removed:
        """Delete a model's file, and its recipe if it came of adding the file. Refused while a session runs it."""
        store = ModelStore.default()
        name = _known(store, model)
        shelf.check_free(store, name)
        removed = store.remove(name)
        if not (forget_recipe(store.recipe(name), Paths.default().recipes) or removed):
            raise NotHere(f"nothing of {name} is here", hint="see `status` in the list of models")
        return Removed(name=name)

    return router


class _Shelf:
    """Models, with what the daemon does with them."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def told(self, store: ModelStore, models: list[StoredModel]) -> list[Model]:
        speeds, used, jobs = Speeds.default().all(), self._used(store), self._jobs()
        return [_told(store, model, speeds, used.get(model.recipe.name, []), jobs) for model in models]

    def providers(self) -> tuple[str, ...]:
        """What the first session prefers."""
        first = next(iter(list(self._daemon.channels.values())), None)
        return (first.config.runtime if first else RuntimeConfig()).providers

    def check_free(self, store: ModelStore, name: str) -> None:
        """Raises: ModelInUse."""
        used, job = self._used(store).get(name, []), self._jobs().get(name)
        if used:
            raise ModelInUse(f"{name} is used by {_listed(used)}", hint="choose another model there, or stop it first")
        if job:
            raise ModelInUse(f"a job works on {name}", hint=f"cancel job {job} first, or wait for its end")

    def _used(self, store: ModelStore) -> dict[str, list[str]]:
        return users(list(self._daemon.channels.values()), store)

    def _jobs(self) -> dict[str, str]:
        """Unfinished ones, by model."""
        return {
            job.model: job.id for job in self._daemon.jobs.list() if job.model and job.state in ("queued", "running")
        }


def _listed(sessions: list[str]) -> str:
    return ("the session " if len(sessions) == 1 else "the sessions ") + ", ".join(sessions)


def _known(store: ModelStore, name: str) -> str:
    """A recipe's own name. Raises: NotHere."""
    try:
        return store.recipe(name).name
    except ModelMissing as error:
        raise NotHere(error.message, hint=error.hint) from error


def _told(store: ModelStore, model: StoredModel, speeds: list[Speed], used: list[str], jobs: dict[str, str]) -> Model:
    recipe = model.recipe
    return Model(
        **recipe.model_dump(include={"name", "aliases", "kind", "description", "licence", "licence_url"}),
        bytes=recipe.bytes or _file_bytes(model),
        non_commercial=recipe.non_commercial,
        fetchable=recipe.fetchable,
        own=recipe.family is not None,
        status=model.status,
        installed=model.status in ("present", "verified", "unverified"),
        part_bytes=store.part_bytes(recipe.name),
        needs_acceptance=store.needs_acceptance(recipe),
        setting=setting_of(recipe),
        needs=needs_of(recipe),
        used_by=used,
        job=jobs.get(recipe.name, ""),
        speeds=speeds_of(recipe.name, model.recorded_sha256, speeds),
    )


def _file_bytes(model: StoredModel) -> int | None:
    try:
        return model.path.stat().st_size
    except OSError:
        return None
