"""A job in a process of its own, from the daemon's side.

A process, not a thread: it shares no interpreter lock with the live sessions; it has the lowest priority, so that they come
first wherever both want a core; and what crashes there takes no session with it. It gets one JSON object as the first line of
standard input, which stays open: when it ends, the job is given up. It says one JSON object a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import IO, Any

from livefuse.daemon.job import JobError
from livefuse.errors import Interrupted, JobFailed

_GRACE_S = 10.0


class Refused(Exception):
    """A job's process said why it failed."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.detail)
        self.error = error


class ProcessRun(ABC):
    """Runs `python -m MODULE`, and hears what it says."""

    module = ""

    def __init__(self) -> None:
        self._lock, self._stopped = threading.Lock(), False
        self._process: subprocess.Popen[str] | None = None
        self._error: JobError | None = None
        self._done = False

    def __call__(self) -> None:
        """Raises: Refused with what the process said, Interrupted, JobFailed when it just ended."""
        process = self._start()
        if process is None:
            raise interrupted()
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                self._take(line)
        if process.returncode:
            self.tidy()
        if self._stopped and not self._done:
            raise interrupted()
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

    @abstractmethod
    def order(self) -> Mapping[str, Any]:
        """What the process is told."""

    @abstractmethod
    def heard(self, said: Mapping[str, Any]) -> None:
        """One of its lines that is neither an error nor its end."""

    @abstractmethod
    def tidy(self) -> None:
        """It was killed: remove what it left unfinished."""

    def _start(self) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._stopped:
                return None
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),
            )  # fmt: skip
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(self.order()) + "\n")
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
        elif "done" in said:
            self._done = True
        else:
            self.heard(said)


def interrupted() -> Interrupted:
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
