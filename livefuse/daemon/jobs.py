"""Jobs: files to be swapped, models to be fetched and measured, one of each kind at a time, beside the live sessions.

What takes a core runs in a process of its own at the lowest priority (`job_process` says why).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from livefuse.daemon.job import ENDED, STATES, FileJobRequest, Job, JobKind, JobState, Progress, Report, now
from livefuse.daemon.job_request import again, file_job, measure_job, pull_job
from livefuse.daemon.job_runs import Run, error_of, make_run
from livefuse.daemon.jobs_store import JobsFile
from livefuse.daemon.presets import Presets
from livefuse.errors import AlreadyHere, DaemonError, Interrupted, NotHere
from livefuse.paths import Paths

log = logging.getLogger("livefuse")

MOST_QUEUED, MOST_ENDED = 100, 200
_JOIN_S = 15.0
_KINDS: tuple[JobKind, ...] = ("file", "pull", "measure")
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
        return self._queue(file_job(request, self._presets.get(request.preset) if request.preset else {}))

    def add_pull(self, model: str, *, accept_licence: bool = False) -> Job:
        """Queue the fetching of a model. Raises: ModelMissing for an unknown one, LicenceNotAccepted, AlreadyHere."""
        return self._queue(pull_job(model, accept_licence=accept_licence))

    def add_measure(self, model: str, providers: Sequence[str]) -> Job:
        """Queue the measuring of a model's speed. Raises: ModelMissing, BadValue, EngineFailed, AlreadyHere."""
        return self._queue(measure_job(model, providers))

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
        return self._queue(again(job))

    def move(self, job_id: str, place: int) -> Job:
        """Give a waiting job another place among those of its kind that wait: 0 comes next. Raises: NotHere, AlreadyHere."""
        with self._changed:
            job = self._get(job_id)
            if job.state != "queued":
                raise AlreadyHere(f"the job is {job.state}", hint="only jobs that wait can change places")
            waiting = [other for other in self._jobs.values() if (other.kind, other.state) == (job.kind, "queued")]
            slots = [other.id for other in waiting]
            waiting.remove(job)
            waiting.insert(min(place, len(waiting)), job)
            order = dict(zip(slots, waiting, strict=True))
            moved = [order.get(one, other) for one, other in self._jobs.items()]
            self._jobs = {one.id: one for one in moved}
            self._keep()
            return job.model_copy(deep=True)

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        states = [job.state for job in self.list()]
        return {state: states.count(state) for state in STATES}

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
