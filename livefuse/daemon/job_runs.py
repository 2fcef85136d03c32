"""How each kind of job is run, from the daemon's side: what it tells goes into the job, and it can be stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from livefuse.daemon.job import Job, JobError, Progress, Report
from livefuse.daemon.job_pace import Pace
from livefuse.daemon.job_process import ProcessRun, Refused
from livefuse.daemon.pulls import PullRun
from livefuse.daemon.speeds import MeasureRun
from livefuse.errors import JobFailed, LivefuseError

_NOTES = 50


class Run(Protocol):
    """One job being run on the thread that calls it."""

    def __call__(self) -> None:
        """Raises: what made the job fail; Interrupted when it was stopped."""
        ...

    def stop(self) -> None:
        """From any thread, also before the start."""
        ...


class FileRun(ProcessRun):
    """A file job in its own process, see `livefuse.daemon.file_job`."""

    module = "livefuse.daemon.file_job"

    def __init__(self, job: Job, report: Report) -> None:
        super().__init__()
        self._job, self._report = job, report
        self._pace = Pace()

    def order(self) -> Mapping[str, Any]:
        return {"config": self._job.config, "output": self._job.output}

    def heard(self, said: Mapping[str, Any]) -> None:
        if "note" in said:
            if len(self._job.notes) < _NOTES:
                self._job.notes.append(str(said["note"]))
        else:
            self._report(self._progress(said))

    def tidy(self) -> None:  # nobody else writes there
        out = Path(self._job.output)
        out.with_name(f".{out.name}.livefuse-part").unlink(missing_ok=True)

    def _progress(self, said: Mapping[str, Any]) -> Progress:
        frames, total = int(said["frames"]), said["frames_total"]
        if frames:  # before the first one, models are loaded
            self._pace(frames)
        return Progress(
            frames=frames,
            frames_total=total,
            fps=float(said["fps"]),
            eta_s=self._pace.left_s(total),
            bottleneck=said.get("bottleneck", ""),
            bottleneck_ms=said.get("bottleneck_ms"),
        )


def make_run(job: Job, report: Report) -> Run:
    """What runs a job of its kind."""
    if job.kind == "pull":
        return PullRun(job, report)
    return MeasureRun(job) if job.kind == "measure" else FileRun(job, report)


def error_of(error: Exception) -> JobError:
    """What a failed run is to be remembered by."""
    if isinstance(error, Refused):
        return error.error
    if isinstance(error, LivefuseError):
        return JobError.of(error)
    return JobError.of(JobFailed(f"{type(error).__name__}: {error}", hint="please report it"))
