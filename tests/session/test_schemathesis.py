"""The API against its own description: Schemathesis makes requests up, a real daemon on the null backend answers.

Nothing may fail inside (5xx), and every answer must be one that the description has, in status, type and shape.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from livefuse.daemon_config import make_daemon_config
from livefuse.paths import Paths
from livefuse.web.server import Serving, serve

# Schemathesis and what it stands on warn of themselves; what the daemon warns of is in another thread, and logged.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]

TOKEN = "schemathesis-token-0123456789"
SESSION = {"backend": "null", "source": "synthetic:160x120@30", "sinks": ["null:"]}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CONFIGS = {"change_session": (), "put_preset": (), "create_session": ("config",), "create_job": ("config",)}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A daemon on a thread of its own, in a home of its own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEFUSE_HOME", str(home))
        patch.setenv("LIVEFUSE_MODEL_MIRROR", str(home / "no-mirror"))
        patch.chdir(home)
        config = make_daemon_config(SESSION, {"serve.port": 0, "serve.token": TOKEN})
        told: list[Serving] = []
        loops: list[asyncio.AbstractEventLoop] = []
        answers = threading.Event()

        def announce(serving: Serving) -> None:
            told.append(serving)
            loops.append(asyncio.get_running_loop())
            answers.set()

        thread = threading.Thread(
            target=lambda: asyncio.run(serve(config, paths=Paths.default(), announce=announce)), name="daemon"
        )
        thread.start()
        assert answers.wait(30)
        yield told[0]
        loops[0].call_soon_threadsafe(told[0].stop)
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def described(daemon: Serving) -> Any:
    config = SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}, "stateful": {"enabled": False}}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return schemathesis.openapi.from_url(f"{daemon.listening.url}/openapi.json", config=config)


def requests_of(described: Any, check: Callable[[Any], None], most: int) -> None:
    """To every operation but streams, which have no end, those that take SDP, and readiness, which may be a 503."""
    bounded = settings(max_examples=most, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    operations = [
        result.ok()
        for result in described.exclude(path_regex="/(events|whip|whep|compare|readyz)(/|$)").get_all_operations()
    ]
    assert len(operations) > 40
    for operation in operations:
        bounded(given(operation.as_strategy())(check))()  # type: ignore[no-untyped-call]


def test_no_request_breaks_the_daemon(described: Any) -> None:
    def check(case: Any) -> None:
        tame(case)
        response = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        case.validate_response(response, checks=CHECKS)

    requests_of(described, check, 3)


def test_without_the_token_nothing_changes(described: Any) -> None:
    def check(case: Any) -> None:
        tame(case)
        case.headers.pop("Authorization", None)
        response = case.call(timeout=30)
        case.validate_response(response, checks=CHECKS)
        if case.operation.definition.raw["x-role"] == "control":
            assert response.status_code == 401

    requests_of(described, check, 1)


def tame(case: Any) -> None:
    """Sessions that exist, and configurations that neither fetch models nor keep the cores busy."""
    name = case.operation.definition.raw.get("operationId", "")
    if "name" in case.path_parameters and "sessions" in case.path and name != "remove_session":
        case.path_parameters["name"] = "live"
    if name in CONFIGS and isinstance(case.body, dict):
        tree = case.body
        for key in CONFIGS[name]:
            tree = tree.setdefault(key, {}) if isinstance(tree.get(key, {}), dict) else {}
        tree |= SESSION
    if name == "set_source" and isinstance(case.body, dict):
        case.body["url"] = SESSION["source"]


def test_the_daemon_still_runs_and_wrote_nothing_elsewhere(daemon: Serving) -> None:
    told = httpx.get(f"{daemon.listening.url}/api/sessions/live").json()
    assert told["state"] in ("running", "starting", "stopped")
    ours = ("config", "state", "identities", "cache", "recordings")
    strays = [path.name for path in Path.cwd().iterdir() if path.name not in ours]
    assert strays == []
