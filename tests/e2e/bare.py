"""Bare `livefuse`, as somebody types it on a fresh machine; the browser that it would open is left out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_START_S, _END_S = 60.0, 15.0


@dataclass(frozen=True, slots=True)
class Bare:
    """A daemon that answers. `began_ns` is when its process was launched."""

    url: str
    token: str
    began_ns: int
    ready_ns: int

    @property
    def page(self) -> str:
        return f"{self.url}/#token={self.token}"

    def api(self, path: str) -> Any:
        response = httpx.get(f"{self.url}/api{path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        response.raise_for_status()
        return response.json()

    def swapped(self, name: str = "live") -> int:
        """How many pictures have left with another face."""
        frames = self.api(f"/sessions/{name}/stats").get("frames", {})
        return int(frames.get("out", 0)) - int(frames.get("unswapped", 0))


@contextmanager
def bare(home: Path, environ: Mapping[str, str]) -> Iterator[Bare]:
    """Runs `livefuse` with that home until the block ends. Raises: AssertionError if it does not come up."""
    own = {"LIVEFUSE_HOME": str(home), "LIVEFUSE_SERVE__PORT": "0", "BROWSER": "true"}
    home.mkdir(parents=True, exist_ok=True)
    began_ns = time.monotonic_ns()
    with (home / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "livefuse"], env={**environ, **own}, stdout=said, stderr=subprocess.STDOUT, cwd=home
        )
    try:
        told = _told(home, process)
        yield Bare(told["url"], told["token"], began_ns, time.monotonic_ns())
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)


def _told(home: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    ends = time.monotonic() + _START_S
    while time.monotonic() < ends:
        words = (home / "said").read_text("utf-8", "replace")
        assert process.poll() is None, words
        for file in (home / "state").glob("daemon-*.json"):
            with suppress(httpx.TransportError):
                told: dict[str, str] = json.loads(file.read_text())
                httpx.get(f"{told['url']}/healthz", timeout=5).raise_for_status()
                return told
        time.sleep(0.02)
    raise AssertionError(f"livefuse does not answer within {_START_S:g} s\n{words}")
