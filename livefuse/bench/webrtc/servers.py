"""The process under measurement: a real daemon, or the server of aiortc as shipped, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import httpx

from livefuse.daemon_config import DEFAULT_SESSION
from livefuse.errors import DaemonUnreachable, SessionError
from livefuse.paths import HOME_VARIABLE, Paths

Kind = Literal["livefuse", "shipped"]

_READY_S = 90.0
_LOOK_S = 0.04
_END_S = 15.0
_KEPT_LINES = 40


class Server:
    """A running child process. `started_ns` is when it was started, `ready_s` how long until `/readyz` said 200."""

    def __init__(self, kind: Kind, process: subprocess.Popen[bytes], home: Path, started_ns: int) -> None:
        self.kind, self.process, self.home, self.started_ns = kind, process, home, started_ns
        self.url, self.token = "", ""
        self.ready_s = 0.0
        self._said: list[str] = []
        streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        self._listeners = [threading.Thread(target=self._listen, args=(s,), daemon=True) for s in streams]
        for listener in self._listeners:
            listener.start()

    @property
    def page(self) -> str:
        """The player with nothing but the picture."""
        return f"{self.url}/{DEFAULT_SESSION}?clean=1"

    def wait_until_ready(self) -> None:
        """Raises: DaemonUnreachable, SessionError of what keeps its session from running."""
        deadline_ns = self.started_ns + round(_READY_S * 1e9)
        while time.monotonic_ns() < deadline_ns and self.process.poll() is None:
            if not self.url:
                self._look_for_address()
            elif self._answers("/readyz"):
                self.ready_s = (time.monotonic_ns() - self.started_ns) / 1e9
                return
            elif self.kind == "livefuse":
                self._check_session()
            time.sleep(_LOOK_S)
        self.end()
        said = "\n".join(self._said) or "it said nothing"
        raise DaemonUnreachable(
            f"the server under measurement did not come up: {said}", hint="`livefuse serve -v` by hand"
        )

    def get(self, path: str) -> Any:
        """JSON of a route."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """JSON of an answer. Raises: DaemonUnreachable if it is not 2xx."""
        answer = self._asked(method, path, body)
        return answer.json() if answer.content else None

    def metrics(self) -> str:
        """What `/metrics` says."""
        return self._asked("GET", "/metrics", None).text

    def record(self) -> dict[str, Any]:
        """The session's record so far."""
        answer: dict[str, Any] = self.get(f"/api/sessions/{DEFAULT_SESSION}/stats")
        record: dict[str, Any] = answer.get("stats", answer)
        return record

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for listener in self._listeners:
            listener.join()

    def _asked(self, method: str, path: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=30)
        if answer.is_error:
            raise DaemonUnreachable(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def _check_session(self) -> None:
        try:
            told = self.get(f"/api/sessions/{DEFAULT_SESSION}")
        except (httpx.TransportError, DaemonUnreachable):  # it has only begun
            return
        if told["state"] == "failed":
            raise SessionError(
                f"the session under measurement failed: {told['error']['message']}", hint=told["error"]["hint"]
            )

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(self.url + path, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def _look_for_address(self) -> None:
        """A daemon writes where it listens and its token into its home; the shipped one prints a line."""
        for file in (self.home / "state").glob("daemon-*.json"):
            text = file.read_text("utf-8")
            if text.endswith(("}", "}\n")):  # written in full
                said = json.loads(text)
                self.url, self.token = said["url"].rstrip("/"), said["token"]

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                text = line.decode("utf-8", "replace").rstrip()
                del self._said[:-_KEPT_LINES]
                self._said.append(text)
                if self.kind == "shipped" and text.startswith('{"url"'):
                    self.url = json.loads(text)["url"]


@contextmanager
def server(kind: Kind, config: str) -> Iterator[Server]:
    """A started, ready server on the TOML text `config`. Its state is gone afterwards; the models are the user's own.

    Raises: DaemonUnreachable, SessionError.
    """
    with tempfile.TemporaryDirectory(prefix="livefuse-bench-") as folder:
        home = Path(folder)
        furnish(home)
        file = home / "bench.toml"
        file.write_text(config, "utf-8")
        command = {
            "livefuse": [sys.executable, "-m", "livefuse", "serve", "--port", "0", str(file)],
            "shipped": [sys.executable, "-m", "livefuse.bench.webrtc.shipped", str(file)],
        }[kind]
        started_ns = time.monotonic_ns()
        environment = os.environ | {HOME_VARIABLE: str(home)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        running = Server(kind, process, home, started_ns)
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.end()


def furnish(home: Path) -> None:
    """What the user has fetched or written stays theirs: a link to it, so that nothing is fetched again."""
    mine, theirs = Paths.default({HOME_VARIABLE: str(home)}), Paths.default()
    mine.config.mkdir()
    for own, user in ((mine.models, theirs.models), (mine.cache, theirs.cache), (mine.recipes, theirs.recipes)):
        if user.is_dir():
            own.symlink_to(user, target_is_directory=True)
