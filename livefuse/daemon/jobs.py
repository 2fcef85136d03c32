"""Jobs: files to be swapped and models to be fetched, one of each kind at a time, beside the live sessions.

A file job runs in a process of its own at the lowest priority (`file_job` says why).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from livefuse.config import make_config
from livefuse.daemon.job import ENDED, STATES, FileJobRequest, Job, JobKind, JobState, Progress, now
from livefuse.daemon.job_files import checked_input, checked_output
from livefuse.daemon.job_runs import Report, Run, error_of, make_run
from livefuse.daemon.jobs_store import JobsFile
from livefuse.daemon.presets import Presets
from livefuse.daemon_config import laid_over
from livefuse.errors import AlreadyHere, BadValue, DaemonError, IdentityError, Interrupted, LicenceNotAccepted, NotHere
from livefuse.paths import Paths

log = logging.getLogger("livefuse")

MOST_QUEUED, MOST_ENDED = 100, 200
_JOIN_S = 15.0
_KINDS: tuple[JobKind, ...] = ("file", "pull")
MakeRun = Callable[[Job, Report], Run]


class Jobs:
    """Every method may be called from any thread; what it gives are copies."""

    def __init__(self, presets: Presets, file: Path | None = None, *, make_run: MakeRun = make_run) -> None:
        self._presets, self._make_run = presets, make_run
        self._file = JobsFile(file or Paths.default().state / "jobs.json")
        self._jobs: dict[str, Job] = {}
        self._runs: dict[str, Run] = {}
        self._cancelling: set[str] = set()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def start(self) -> None:
        """Take up what the last daemon left queued."""
        with self._changed:
            self._jobs = {job.id: job for job in self._file.read()}
            self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, args=(kind,), name=f"livefuse-jobs-{kind}", daemon=True)
            for kind in _KINDS
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Interrupt what runs; what is queued stays so for the next start."""
        with self._changed:
            self._stopping = True
            for run in self._runs.values():
                run.stop()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def add_file(self, request: FileJobRequest) -> Job:
        """Queue a picture or video. Raises: ConfigError, SourceError, SinkError, IdentityError, AlreadyHere, NotHere."""
        source = checked_input(request.input)
        out = checked_output(request.output, source, overwrite=request.overwrite)
        tree = self._tree(request, source, out)
        job = Job(kind="file", input=str(source), output=str(out), overwrite=request.overwrite, config=tree)
        return self._queue(job)

    def add_pull(self, model: str, *, accept_licence: bool = False) -> Job:
        """Queue the fetching of a model. Raises: ModelMissing for an unknown one, LicenceNotAccepted, AlreadyHere."""
        from livefuse.weights.store import ModelStore

        store = ModelStore.default()
        recipe = store.recipe(model)
        if store.needs_acceptance(recipe) and not accept_licence:
            raise LicenceNotAccepted(
                f"{recipe.name} is for non-commercial use only ({recipe.licence}, {recipe.licence_url})",
                hint='say `"accept_licence": true` if that is your use',
            )
        return self._queue(Job(kind="pull", model=recipe.name, accept_licence=accept_licence))

    def list(self) -> list[Job]:
        """Oldest first."""
        with self._changed:
            return [job.model_copy(deep=True) for job in self._jobs.values()]

    def get(self, job_id: str) -> Job:
        """Raises: NotHere."""
        with self._changed:
            return self._get(job_id).model_copy(deep=True)

    def cancel(self, job_id: str) -> Job:
        """Take it out of the queue, or stop it; one that has ended is forgotten. Raises: NotHere."""
        with self._changed:
            job = self._get(job_id)
            if job.state in ENDED:
                del self._jobs[job_id]
                self._keep()
            elif job.state == "queued":
                self._end(job, "cancelled")
            else:
                self._cancelling.add(job_id)  # it is running until its thread has seen it end
                self._runs[job_id].stop()
            return job.model_copy(deep=True)

    def retry(self, job_id: str) -> Job:
        """Queue one that ended without success anew. Raises: NotHere, AlreadyHere, and what a changed file gives rise to."""
        job = self.get(job_id)
        if job.state not in ("failed", "cancelled", "interrupted"):
            raise AlreadyHere(f"the job is {job.state}", hint="jobs that failed or were stopped can be tried again")
        if job.kind == "file":
            checked_output(job.output, checked_input(job.input), overwrite=job.overwrite)
        fresh = Job(
            **job.model_dump(include={"kind", "input", "output", "overwrite", "config", "model", "accept_licence"})
        )
        return self._queue(fresh)

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        states = [job.state for job in self.list()]
        return {state: states.count(state) for state in STATES}

    def _tree(self, request: FileJobRequest, source: Path, out: Path) -> dict[str, Any]:
        """The whole of what the job is told, as nested mappings."""
        said = request.config.model_dump(mode="json", exclude_unset=True)
        taken = {"source", "sinks"} & set(said)
        if taken:
            raise BadValue(f"config.{min(taken)} is said", hint="a job has `input` and `output` instead")
        base = {key: value for key, value in self._preset(request.preset).items() if key not in ("source", "sinks")}
        tree = laid_over({"privacy": {"mode": "open"}}, laid_over(base, said))
        if request.identity:
            tree = laid_over(tree, {"identity": {"photo": request.identity}})
        tree |= {"source": str(source), "sinks": [str(out)], "stats": ""}
        config = make_config(tree, origin="job")
        if not config.identity.photo and not config.cast and config.swap.model == "mesh":
            raise IdentityError("no face to put on", hint="`identity`: the name of a stored one")
        return tree

    def _preset(self, name: str) -> dict[str, Any]:
        return self._presets.get(name) if name else {}

    def _queue(self, job: Job) -> Job:
        with self._changed:
            waiting = [other for other in self._jobs.values() if other.state not in ENDED]
            if len(waiting) >= MOST_QUEUED:
                raise AlreadyHere(f"{MOST_QUEUED} jobs are waiting", hint="wait for some, or cancel them")
            for other in waiting:
                _refuse_same(job, other)
            self._jobs[job.id] = job
            try:
                self._file.write(list(self._jobs.values()))
            except OSError as error:
                del self._jobs[job.id]
                raise DaemonError(
                    f"the list of jobs cannot be kept: {error.strerror}", hint=f"is {self._file.path.parent} writable?"
                ) from error
            self._changed.notify_all()
            return job.model_copy(deep=True)

    def _get(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotHere("there is no such job", hint="see the list of jobs")
        return job

    def _work(self, kind: JobKind) -> None:
        while (job := self._next(kind)) is not None:
            self._run(job)

    def _next(self, kind: JobKind) -> Job | None:
        """The oldest that waits, now running; None at the end."""
        with self._changed:
            while not self._stopping:
                job = next((j for j in self._jobs.values() if j.kind == kind and j.state == "queued"), None)
                if job is not None:
                    job.state, job.started = "running", now()
                    self._runs[job.id] = self._make_run(job, self._reporter(job))
                    self._keep()
                    return job
                self._changed.wait()
            return None

    def _run(self, job: Job) -> None:
        ended: JobState = "done"
        error: Exception | None = None
        try:
            self._runs[job.id]()
        except Interrupted:
            ended = "cancelled" if job.id in self._cancelling else "interrupted"
        except Exception as failure:
            log.warning("job %s failed: %s", job.id, failure)
            ended, error = "failed", failure
        with self._changed:
            del self._runs[job.id]
            job.error = error_of(error) if error is not None else None
            self._cancelling.discard(job.id)
            self._end(job, ended)

    def _end(self, job: Job, state: JobState) -> None:
        job.state, job.ended = state, now()
        job.progress.eta_s = None
        ended = [other.id for other in self._jobs.values() if other.state in ENDED and other.ended]
        for old in ended[: max(0, len(ended) - MOST_ENDED)]:
            del self._jobs[old]
        self._keep()

    def _reporter(self, job: Job) -> Report:
        def report(progress: Progress) -> None:
            with self._changed:
                job.progress = progress

        return report

    def _keep(self) -> None:
        """What was taken on goes on without the list on disk: a full disk must not end the thread that works it off."""
        try:
            self._file.write(list(self._jobs.values()))
        except OSError as error:
            log.error("the list of jobs cannot be kept in %s: %s", self._file.path, error.strerror)


def _refuse_same(job: Job, other: Job) -> None:
    same = job.kind == other.kind and (job.output, job.model) == (other.output, other.model)
    if same:
        what = job.output or job.model
        raise AlreadyHere(f"a job for {what} is {other.state} already", hint=f"it is job {other.id}")
