"""The web application, called without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from livefuse.daemon.jobs import Jobs
from livefuse.daemon.presets import Presets
from livefuse.web.app import make_app
from tests.unit.web_fakes import TOKEN, FakeDaemon

BASE = "http://127.0.0.1:7853"


class Api:
    """One application and the loop that it lives on."""

    def __init__(self, daemon: Any, runner: asyncio.Runner) -> None:
        self.daemon, self.app, self._runner = daemon, make_app(daemon), runner

    def __call__(self, method: str, path: str, *, token: str | None = TOKEN, **more: Any) -> httpx.Response:
        """A response; with the token unless said otherwise."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.request(method, path, headers=headers, **more)

        return self._runner.run(call())

    def refused(self, method: str, path: str, status: int, code: str, **more: Any) -> dict[str, Any]:
        """A problem, of that status and code."""
        response = self(method, path, **more)
        assert (response.status_code, response.json().get("code")) == (status, code), response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = response.json()
        return problem


@contextmanager
def fake_api(home: Path, **jobs: Any) -> Iterator[Api]:
    """With presets and jobs of its own."""
    daemon = FakeDaemon()
    daemon.presets = Presets(home / "presets")
    daemon.jobs = Jobs(daemon.presets, home / "jobs.json", **jobs)
    daemon.jobs.start()
    try:
        with asyncio.Runner() as runner:
            yield Api(daemon, runner)
    finally:
        daemon.jobs.stop()
