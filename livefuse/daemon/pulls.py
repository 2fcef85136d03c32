"""A model being fetched, as a job. What was fetched stays when it is stopped or breaks off: the next pull goes on there, also
in another daemon."""

from __future__ import annotations

import threading

from livefuse.daemon.job import Job, Progress, Report
from livefuse.daemon.job_pace import Pace
from livefuse.errors import Interrupted


class PullRun:
    """One fetching."""

    def __init__(self, job: Job, report: Report) -> None:
        self._job, self._report = job, report
        self._stopped = threading.Event()
        self._pace = Pace()

    def __call__(self) -> None:
        """Raises: Interrupted, and what the store raises."""
        from livefuse.weights.store import ModelStore

        self._check()
        store = ModelStore.default()
        self._pace(store.part_bytes(self._job.model))
        store.pull(self._job.model, progress=self._tell, accept_licence=self._job.accept_licence)

    def stop(self) -> None:
        self._stopped.set()

    def _tell(self, done_bytes: int, total_bytes: int | None) -> None:
        self._check()
        self._pace(done_bytes)
        rate = self._pace.per_s
        self._report(
            Progress(
                bytes_done=done_bytes,
                bytes_total=total_bytes,
                bytes_per_s=None if rate is None else round(rate),
                eta_s=self._pace.left_s(total_bytes),
            )
        )

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Interrupted("stopped before the end; what was fetched is kept", hint="pull again: it goes on there")
