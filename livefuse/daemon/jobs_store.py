"""The list of jobs on disk: one JSON file, written whole at every change of state, so that a restart forgets nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from livefuse.daemon.job import Job, now
from livefuse.swap.consent import write_durably

log = logging.getLogger("livefuse")


class _Kept(BaseModel):
    schema_version: int = 1
    jobs: list[Job] = []


class JobsFile:
    """Only its owner may read it: paths of files are nobody else's business."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Job]:
        """Those that were kept, oldest first. What was running when the daemon ended was interrupted.

        A damaged file is set aside, never written over.
        """
        if not self.path.exists():
            return []
        try:
            kept = _Kept.model_validate_json(self.path.read_bytes())
        except ValidationError:
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            log.warning("the list of jobs could not be read; it is kept as %s", aside)
            return []
        return [_after_restart(job) for job in kept.jobs]

    def write(self, jobs: Sequence[Job]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(self.path, _Kept(jobs=list(jobs)).model_dump_json(indent=1).encode())


def _after_restart(job: Job) -> Job:
    """A model that was being fetched is still wanted, and its download goes on where it stopped. A file that was being swapped
    would begin anew: that is asked for, not assumed."""
    if job.kind == "pull" and job.state in ("running", "interrupted"):
        return job.model_copy(update={"state": "queued", "started": "", "ended": ""})
    if job.state != "running":
        return job
    return job.model_copy(update={"state": "interrupted", "ended": now()})
