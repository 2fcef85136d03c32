"""From what was asked for to a job that can be queued: clear errors now, not in an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livefuse.config import make_config
from livefuse.daemon.job import FileJobRequest, Job
from livefuse.daemon.job_files import checked_input, checked_output, output_beside
from livefuse.daemon_config import laid_over
from livefuse.errors import BadValue, EngineFailed, IdentityError, LicenceNotAccepted


def file_job(request: FileJobRequest, preset: Mapping[str, Any]) -> Job:
    """Raises: ConfigError, SourceError, SinkError, IdentityError, AlreadyHere."""
    source = checked_input(request.input)
    wanted = request.output or str(output_beside(source))
    out = checked_output(wanted, source, overwrite=request.overwrite)
    tree = _tree(request, preset, source, out)
    return Job(kind="file", input=str(source), output=str(out), overwrite=request.overwrite, config=tree)


def pull_job(model: str, *, accept_licence: bool) -> Job:
    """Raises: ModelMissing for an unknown one, LicenceNotAccepted."""
    from livefuse.weights.store import ModelStore

    store = ModelStore.default()
    recipe = store.recipe(model)
    if store.needs_acceptance(recipe) and not accept_licence:
        raise LicenceNotAccepted(
            f"{recipe.name} is for non-commercial use only ({recipe.licence}, {recipe.licence_url})",
            hint='say `"accept_licence": true` if that is your use',
        )
    return Job(kind="pull", model=recipe.name, accept_licence=accept_licence)


def measure_job(model: str, providers: Sequence[str]) -> Job:
    """Raises: ModelMissing for an unknown one, BadValue for a provider that nobody knows or that is not installed."""
    from livefuse.runtime.probe import onnxruntime_providers
    from livefuse.runtime.providers import requested
    from livefuse.weights.store import ModelStore

    recipe = ModelStore.default().recipe(model)
    try:
        requested(tuple(providers), onnxruntime_providers())
    except EngineFailed as error:  # it is the request that asks for too much
        raise BadValue(error.message, hint=error.hint) from error
    return Job(kind="measure", model=recipe.name, config={"runtime": {"providers": list(providers)}})


def again(job: Job) -> Job:
    """The same anew. Raises: what a file that changed meanwhile gives rise to."""
    if job.kind == "file":
        checked_output(job.output, checked_input(job.input), overwrite=job.overwrite)
    told = {"kind", "input", "output", "overwrite", "config", "model", "accept_licence"}
    return Job(**job.model_dump(include=told))


def _tree(request: FileJobRequest, preset: Mapping[str, Any], source: Path, out: Path) -> dict[str, Any]:
    """The whole of what the job is told, as nested mappings."""
    said = request.config.model_dump(mode="json", exclude_unset=True)
    taken = {"source", "sinks"} & set(said)
    if taken:
        raise BadValue(f"config.{min(taken)} is said", hint="a job has `input` and `output` instead")
    base = {key: value for key, value in preset.items() if key not in ("source", "sinks")}
    tree = laid_over({"privacy": {"mode": "open"}}, laid_over(base, said))
    if request.identity:
        tree = laid_over(tree, {"identity": {"photo": request.identity}})
    tree |= {"source": str(source), "sinks": [str(out)], "stats": ""}
    config = make_config(tree, origin="job")
    if not config.identity.photo and not config.cast and config.swap.model == "mesh":
        raise IdentityError("no face to put on", hint="`identity`: the name of a stored one")
    return tree
