"""A real daemon in a process of its own, with a folder of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

START_S, END_S, WAIT_S = 60.0, 15.0, 30.0
LIVEFUSE = (sys.executable, "-m", "livefuse")


def until(true: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """Poll until something is true, and return it; fail with `what` after `seconds`."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := true():
            return found
        time.sleep(0.05)
    pytest.fail(f"not within {seconds:g} s: {what}")


class Daemon:
    """A `livefuse serve` with a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str], config: str) -> None:
        self._folder, self._environ = folder, environ
        self._config = folder / "serve.toml"
        self._config.write_text(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.port, self.url, self.token = 0, "", ""

    def start(self) -> Daemon:
        """Returns when it answers; a second start takes the same port."""
        self._starts += 1
        said, told = self._log("out"), self._log("err")
        command = [*LIVEFUSE, "serve", str(self._config), "--port", str(self.port), "--json"]
        with said.open("wb") as out, told.open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env=self._environ, cwd=self._folder)
        line = until(lambda: self._first_line(said), "the daemon says where it listens", START_S)
        answer = json.loads(line)
        self.url, self.token = answer["url"].rstrip("/").partition("#")[0].rstrip("/"), answer["token"]
        self.port = int(self.url.rpartition(":")[2])
        try:
            until(self._ready, "the daemon is ready", START_S)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error.msg}\n{httpx.get(f'{self.url}/readyz', timeout=5).text}\n{self.log()}")
        return self

    def kill(self) -> None:
        """As a crash or the OOM killer would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Gracefully, and not for ever."""
        try:
            self._signal(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            pytest.fail(f"the daemon did not end on SIGTERM within {END_S:g} s\n{self.log()}")

    def log(self) -> str:
        return self._log("err").read_text("utf-8", "replace")

    def api(self, method: str, path: str, **options: Any) -> Any:
        """What an API call with the token gives."""
        headers = {"Authorization": f"Bearer {self.token}"}
        response = httpx.request(method, f"{self.url}/api{path}", headers=headers, timeout=30, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def session(self, name: str = "live") -> dict[str, Any]:
        summary: dict[str, Any] = self.api("GET", f"/sessions/{name}")
        return summary

    def page(self, path: str) -> str:
        """An address that carries the token."""
        return f"{self.url}{path}#token={self.token}"

    def _signal(self, number: int) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)
            process.wait(END_S)

    def _ready(self) -> bool:
        self._check_alive()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        return False

    def _first_line(self, path: Path) -> str:
        self._check_alive()
        line, newline, _ = path.read_text("utf-8").partition("\n")
        return line if newline else ""

    def _check_alive(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the daemon ended with {self._process.returncode}\n{self.log()}")

    def _log(self, kind: str) -> Path:
        return self._folder / f"daemon-{self._starts}.{kind}"
