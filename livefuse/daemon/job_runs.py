"""How each kind of job is run, from the daemon's side: what it tells goes into the job, and it can be stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from livefuse.daemon.job import Job, JobError, Progress
from livefuse.errors import Interrupted, JobFailed, LivefuseError

_GRACE_S = 10.0
_LEAST_S = 1.0  # before that, no time left is worth saying
_NOTES = 50

Report = Callable[[Progress], None]


class Run(Protocol):
    """One job being run on the thread that calls it."""

    def __call__(self) -> None:
        """Raises: what made the job fail; Interrupted when it was stopped."""
        ...

    def stop(self) -> None:
        """From any thread, also before the start."""
        ...


class Refused(Exception):
    """A job's process said why it failed."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.detail)
        self.error = error


class FileRun:
    """A file job in its own process, see `livefuse.daemon.file_job`."""

    def __init__(self, job: Job, report: Report) -> None:
        self._job, self._report = job, report
        self._lock, self._stopped = threading.Lock(), False
        self._process: subprocess.Popen[str] | None = None
        self._error: JobError | None = None
        self._done = False
        self._began = time.monotonic()

    def __call__(self) -> None:
        process = self._start()
        if process is None:
            raise _interrupted()
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                self._take(line)
        if process.returncode:  # killed: its unfinished output is left, and nobody else writes there
            out = Path(self._job.output)
            out.with_name(f".{out.name}.livefuse-part").unlink(missing_ok=True)
        if self._stopped and not self._done:
            raise _interrupted()
        if self._error is not None:
            raise Refused(self._error)
        if not self._done:
            raise JobFailed(f"the job's process ended with {process.returncode}", hint="the daemon's log may say why")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None and process.stdin is not None:
            _close(process.stdin)
            threading.Thread(target=_kill_later, args=(process,), name="livefuse-job-end", daemon=True).start()

    def _start(self) -> subprocess.Popen[str] | None:
        order = {"config": self._job.config, "output": self._job.output}
        with self._lock:
            if self._stopped:
                return None
            self._began = time.monotonic()
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "livefuse.daemon.file_job"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),
            )  # fmt: skip
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it died at once, or was stopped meanwhile: reading on tells which
            return process
        return process

    def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return  # a library that prints
        if not isinstance(said, Mapping):
            return
        if "error" in said:
            self._error = JobError.model_validate(said["error"])
        elif "note" in said:
            if len(self._job.notes) < _NOTES:
                self._job.notes.append(str(said["note"]))
        elif "done" in said:
            self._done = True
        else:
            self._report(self._progress(said))

    def _progress(self, said: Mapping[str, Any]) -> Progress:
        frames, total = int(said["frames"]), said["frames_total"]
        eta = _left_s(frames, total, time.monotonic() - self._began)
        return Progress(frames=frames, frames_total=total, fps=float(said["fps"]), eta_s=eta)


class PullRun:
    """A model being fetched. What was fetched stays when it is stopped: the next pull goes on there."""

    def __init__(self, job: Job, report: Report) -> None:
        self._job, self._report = job, report
        self._stopped = threading.Event()
        self._began = time.monotonic()

    def __call__(self) -> None:
        from livefuse.weights.store import ModelStore

        self._began = time.monotonic()
        self._check()
        store = ModelStore.default()
        store.pull(self._job.model, progress=self._tell, accept_licence=self._job.accept_licence)

    def stop(self) -> None:
        self._stopped.set()

    def _tell(self, done_bytes: int, total_bytes: int | None) -> None:
        self._check()
        eta = _left_s(done_bytes, total_bytes, time.monotonic() - self._began)
        self._report(Progress(bytes_done=done_bytes, bytes_total=total_bytes, eta_s=eta))

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _interrupted()


def make_run(job: Job, report: Report) -> Run:
    return FileRun(job, report) if job.kind == "file" else PullRun(job, report)


def error_of(error: Exception) -> JobError:
    """What a failed run is to be remembered by."""
    if isinstance(error, Refused):
        return error.error
    if isinstance(error, LivefuseError):
        return JobError.of(error)
    return JobError.of(JobFailed(f"{type(error).__name__}: {error}", hint="please report it"))


def _left_s(done: int, total: int | None, took_s: float) -> float | None:
    if not total or not done or took_s < _LEAST_S:
        return None
    return round(max(0, total - done) * took_s / done, 1)


def _interrupted() -> Interrupted:
    return Interrupted("stopped before the end; nothing was written", hint="run the job again")


def _close(pipe: IO[str]) -> None:
    try:
        pipe.close()
    except OSError:
        return  # its process is gone already


def _kill_later(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
