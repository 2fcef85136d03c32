"""Models fetched through the API: how far, how fast, stopped and gone on with, also by the next daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.daemon.job import Progress
from livefuse.daemon.job_pace import Pace
from tests.unit.api_calls import Api, fake_api
from tests.unit.trickling import CONTENT, Trickling, trickling, write_recipe


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def server(home: Path) -> Iterator[Trickling]:
    with trickling() as told:
        write_recipe(home / "home" / "config" / "recipes", told.url)
        yield told


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + 30
    while not (found := true()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)
    return found


def job(api: Api, where: str) -> dict[str, Any]:
    told: dict[str, Any] = api("GET", where).json()
    return told


def half_way(api: Api) -> str:
    """A pull of which more than half has come; its address."""
    where = str(api("POST", "/api/models/trickle/pull").headers["location"])
    until(lambda: job(api, where)["progress"]["bytes_done"] > len(CONTENT) // 2)
    return where


def test_a_pull_that_was_cancelled_goes_on_where_it_stopped(home: Path, server: Trickling) -> None:
    with fake_api(home) as api:
        where = half_way(api)
        model = api("GET", "/api/models/trickle", token=None).json()
        assert model["job"] == job(api, where)["id"]
        assert job(api, where)["progress"]["bytes_total"] == len(CONTENT)
        api.refused("DELETE", "/api/models/trickle", 409, "LF0507")
        api("DELETE", where)
        until(lambda: job(api, where)["state"] == "cancelled")
        part_bytes = api("GET", "/api/models/trickle", token=None).json()["part_bytes"]
        assert part_bytes > len(CONTENT) // 2
        server.free.set()
        again = api("POST", where + "/retry").headers["location"]
        assert until(lambda: job(api, again)["state"] not in ("queued", "running") and job(api, again))["error"] is None
        assert server.offsets == [0, part_bytes]
        told = api("GET", "/api/models/trickle", token=None).json()
        assert (told["status"], told["part_bytes"], told["job"]) == ("verified", 0, "")
        assert (home / "home" / "models" / "trickle.onnx").read_bytes() == CONTENT


def test_a_pull_goes_on_by_itself_after_a_restart(home: Path, server: Trickling) -> None:
    with fake_api(home) as api:
        where = half_way(api)
    server.free.set()
    with fake_api(home) as api:
        assert until(lambda: job(api, where)["state"] == "done")
        assert len(server.offsets) == 2
        assert server.offsets[1] > len(CONTENT) // 2
        assert (home / "home" / "models" / "trickle.onnx").read_bytes() == CONTENT


def test_a_pull_goes_on_by_itself_after_a_crash(home: Path, server: Trickling) -> None:
    with fake_api(home) as api:
        where = half_way(api)
        kept = (home / "jobs.json").read_text("utf-8")
        assert '"running"' in kept
    (home / "jobs.json").write_text(kept, "utf-8")
    server.free.set()
    with fake_api(home) as api:
        assert until(lambda: job(api, where)["state"] == "done")


def test_a_pull_that_was_cancelled_is_not_taken_up_by_the_next_daemon(home: Path, server: Trickling) -> None:
    with fake_api(home) as api:
        where = half_way(api)
        api("DELETE", where)
        until(lambda: job(api, where)["state"] == "cancelled")
    with fake_api(home) as api:
        assert job(api, where)["state"] == "cancelled"
    assert server.offsets == [0]


def test_what_is_discarded_begins_anew(home: Path, server: Trickling) -> None:
    with fake_api(home) as api:
        where = half_way(api)
        api("DELETE", where)
        until(lambda: job(api, where)["state"] == "cancelled")
        assert api("DELETE", "/api/models/trickle").status_code == 200
        assert api("GET", "/api/models/trickle", token=None).json()["part_bytes"] == 0
        server.free.set()
        again = api("POST", "/api/models/trickle/pull").headers["location"]
        until(lambda: job(api, again)["state"] == "done")
        assert server.offsets == [0, 0]


def test_the_rate_is_of_the_last_seconds_and_counts_nothing_that_was_there_before() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    pace(1_000_000)  # resumed from
    assert pace.per_s is None
    for _ in range(10):
        now_s += 1.0
        pace(1_000_000 + round(now_s) * 100)
    assert pace.per_s == pytest.approx(100)
    assert pace.left_s(1_002_000) == pytest.approx(10.0)
    for _ in range(20):  # it became slower
        now_s += 1.0
        pace(1_001_000 + round(now_s - 10) * 10)
    assert pace.per_s == pytest.approx(10)
    assert pace.left_s(None) is None
    pace(0)  # begun anew: what it did before says nothing
    assert pace.per_s is None
    assert pace.left_s(100) is None


def test_nothing_is_known_of_what_stands_still() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    for _ in range(3):
        pace(5)
        now_s += 1.0
    assert pace.per_s is None
    assert Progress().eta_s is None
