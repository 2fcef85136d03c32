"""Jobs as people handle them: moved, looked at, downloaded, held up by something."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.daemon.job_files import output_beside
from livefuse.daemon.job_pace import bottleneck
from livefuse.daemon.job_still import still_of
from livefuse.errors import NotMedia
from tests.unit.api_calls import Api, fake_api
from tests.unit.source_clips import write_clip
from tests.unit.test_jobs import Held


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def clip(home: Path) -> Path:
    return write_clip(home / "in.mp4")


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def api(home: Path, held: Held) -> Iterator[Api]:
    with fake_api(home, make_run=held) as made:
        yield made


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


def add(api: Api, clip: Path, out: Path | None = None) -> dict[str, Any]:
    body = {"input": str(clip), "identity": "synthetic:7", "config": {"backend": "null"}}
    answer = api("POST", "/api/jobs", json=body | ({"output": str(out)} if out else {}))
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def order(api: Api) -> list[str]:
    return [Path(job["output"]).stem for job in api("GET", "/api/jobs").json()["jobs"] if job["state"] == "queued"]


def test_waiting_jobs_change_places_and_keep_them(home: Path, clip: Path, held: Held) -> None:
    with fake_api(home, make_run=held) as api:
        ids = {name: add(api, clip, home / f"{name}.mp4")["id"] for name in "abcd"}
        until(lambda: len(held.runs) == 1)
        assert order(api) == ["b", "c", "d"]
        assert api("POST", f"/api/jobs/{ids['d']}/move", json={"place": 0}).status_code == 200
        assert order(api) == ["d", "b", "c"]
        api("POST", f"/api/jobs/{ids['d']}/move", json={"place": 99})
        api("POST", f"/api/jobs/{ids['b']}/move", json={"place": 1})
        assert order(api) == ["c", "b", "d"]
        api.refused("POST", f"/api/jobs/{ids['a']}/move", 409, "LF0902", json={"place": 0})
        api.refused("POST", "/api/jobs/nobody/move", 404, "LF0901", json={"place": 0})
        api.refused("POST", f"/api/jobs/{ids['b']}/move", 422, "LF0102", json={"place": -1})
        kept = [job["output"] for job in api("GET", "/api/jobs").json()["jobs"]]
    with fake_api(home, make_run=Held()) as api:
        assert [job["output"] for job in api("GET", "/api/jobs").json()["jobs"]] == kept


def test_a_result_is_downloaded_in_parts_and_seen_as_a_still(api: Api, home: Path, clip: Path, held: Held) -> None:
    job = add(api, clip, home / "out.mp4")
    where = f"/api/jobs/{job['id']}"
    until(lambda: len(held.runs) == 1)
    for what in ("result", "preview"):
        api.refused("GET", f"{where}/{what}", 404, "LF0901")
    (home / "out.mp4").write_bytes(clip.read_bytes())
    held.runs[0].over.set()
    until(lambda: api("GET", where).json()["state"] == "done")
    whole = api("GET", f"{where}/result")
    assert whole.content == clip.read_bytes()
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == 'attachment; filename="out.mp4"'
    part = api("GET", f"{where}/result", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, clip.read_bytes()[10:20])
    still = api("GET", f"{where}/preview")
    assert still.headers["content-type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(still.content, np.uint8), cv2.IMREAD_COLOR) is not None
    api.refused("GET", f"{where}/result", 401, "LF0903", token=None)
    (home / "out.mp4").unlink()
    api.refused("GET", f"{where}/result", 404, "LF0901")


def test_models_have_no_result(api: Api) -> None:
    job = api("POST", "/api/models/peppa/pull").json()
    api.refused("GET", f"/api/jobs/{job['id']}/result", 404, "LF0901")


def test_a_still_is_small_and_of_what_is_there(home: Path) -> None:
    picture = np.zeros((900, 1600, 3), np.uint8)
    picture[:, :, 2] = 200
    cv2.imwrite(str(home / "large.png"), picture)
    still = cv2.imdecode(np.frombuffer(still_of(home / "large.png"), np.uint8), cv2.IMREAD_COLOR)
    assert still is not None
    assert still.shape[:2] == (270, 480)
    assert np.allclose(still.mean((0, 1)), (0, 0, 200), atol=8)
    (home / "noise.mp4").write_bytes(bytes(range(256)) * 64)
    with pytest.raises(NotMedia):
        still_of(home / "noise.mp4")


def test_without_an_output_it_lies_beside_the_input(api: Api, home: Path, clip: Path) -> None:
    assert add(api, clip)["output"] == str(home / "in-swapped.mp4")
    (home / "in-swapped.mp4").write_bytes(b"x")
    assert output_beside(clip) == home / "in-swapped-2.mp4"
    picture = home / "face.dat"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert output_beside(picture) == home / "face-swapped.png"


def test_what_comes_of_an_upload_is_no_upload(home: Path) -> None:
    uploads = home / "home" / "state" / "uploads"
    uploads.mkdir(parents=True)
    out = output_beside(write_clip(uploads / "clip.mp4"))
    assert out == home / "home" / "data" / "swapped" / "clip-swapped.mp4"
    assert out.parent.is_dir()


def spreads(**median: float) -> dict[str, dict[str, float]]:
    return {name: {"p50": ms, "p95": ms * 2} for name, ms in median.items()}


@pytest.mark.parametrize(
    ("median", "slowest"),
    [
        ({}, ("", None)),
        ({"queue": 80, "lane": 40, "detect": 4, "swap": 17, "sink": 6, "wait": 0}, ("swap", 17)),
        ({"queue": 0.1, "detect": 4, "swap": 17, "sink": 6, "wait": 0}, ("source", None)),
        ({"queue": 90, "detect": 4, "swap": 17, "sink": 45, "wait": 200}, ("sink", 45)),
    ],
)
def test_what_the_others_wait_for_is_named(median: dict[str, float], slowest: tuple[str, float | None]) -> None:
    assert bottleneck(spreads(**median)) == slowest
