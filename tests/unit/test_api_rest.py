"""Models, engines, sources, jobs, configuration and errors over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefuse.config import make_config
from livefuse.daemon.model_use import models_of
from livefuse.daemon_config import make_daemon_config
from livefuse.source.devices import Camera
from livefuse.web.api import sources
from livefuse.web.docs import described, routes
from livefuse.web.roles import Role
from livefuse.weights.recipe import builtin_recipes
from tests.unit.api_calls import Api, fake_api
from tests.unit.source_clips import write_clip
from tests.unit.test_jobs import Held


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    with fake_api(home) as made:
        yield made


def until_ended(api: Api, job: str) -> dict[str, object]:
    end = time.monotonic() + 30
    while (told := api("GET", job).json())["state"] in ("queued", "running"):
        assert time.monotonic() < end, told
        time.sleep(0.02)
    return dict(told)


def test_models_are_listed_pulled_verified_and_removed(api: Api, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mirror").mkdir()
    (home / "mirror" / "peppa_wutz.onnx").write_bytes(b"\x08\x07")
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(home / "mirror"))
    listed = api("GET", "/api/models", token=None).json()["models"]
    assert len(listed) == len(builtin_recipes())
    assert api("GET", "/api/models/peppa", token=None).json()["installed"] is False
    queued = api("POST", "/api/models/peppa/pull")
    assert (queued.status_code, queued.json()["model"]) == (202, "peppa_wutz")
    assert until_ended(api, queued.headers["location"])["state"] == "done"
    model = api("GET", "/api/models/peppa_wutz", token=None).json()
    assert (model["installed"], model["status"]) == (True, "unverified")
    assert str(home) not in str(model), "no path of the daemon's machine"
    assert api("POST", "/api/models/peppa/verify").json() == {"name": "peppa_wutz", "status": "unverified"}
    assert api("DELETE", "/api/models/peppa").status_code == 200
    api.refused("DELETE", "/api/models/peppa", 404, "LF0901")
    for method, path in (("GET", "x"), ("DELETE", "x"), ("POST", "x/pull"), ("POST", "x/verify")):
        api.refused(method, f"/api/models/{path}", 404, "LF0901")


def test_a_licence_is_accepted_by_whoever_pulls(home: Path) -> None:
    bound = next(recipe.name for recipe in builtin_recipes().values() if recipe.non_commercial)
    with fake_api(home, make_run=Held()) as api:
        problem = api.refused("POST", f"/api/models/{bound}/pull", 403, "LF0506")
        assert "accept_licence" in problem["hint"]
        answer = api("POST", f"/api/models/{bound}/pull", json={"accept_licence": True})
        assert answer.status_code == 202


def test_jobs_over_http(home: Path) -> None:
    clip = write_clip(home / "in.mp4")
    body = {
        "input": str(clip), "output": str(home / "out.mp4"), "identity": "synthetic:7", "config": {"backend": "null"},
    }  # fmt: skip
    held = Held()
    with fake_api(home, make_run=held) as api:
        made = api("POST", "/api/jobs", json=body)
        assert made.status_code == 202, made.text
        where = made.headers["location"]
        assert api("GET", "/api/jobs").json()["jobs"][0]["id"] == made.json()["id"]
        api.refused("POST", "/api/jobs", 409, "LF0902", json=body)
        api.refused("POST", "/api/jobs", 422, "LF0201", json=body | {"input": "/nowhere/x.mp4"})
        api.refused("POST", "/api/jobs", 422, "LF0301", json=body | {"output": "/nowhere/x.mp4"})
        api.refused("POST", "/api/jobs", 422, "LF0102", json=body | {"config": {"source": "camera:0"}})
        api.refused("POST", where + "/retry", 409, "LF0902")
        api("DELETE", where)
        assert until_ended(api, where)["state"] == "cancelled"
        again = api("POST", where + "/retry")
        assert (again.status_code, again.json()["config"]) == (202, made.json()["config"])
        assert api("DELETE", where).json()["state"] == "cancelled"
        api.refused("GET", where, 404, "LF0901")
        api.refused("GET", "/api/jobs", 401, "LF0903", token=None)


def test_a_configuration_is_shown_without_secrets_and_read_again(api: Api) -> None:
    tree = {
        "serve": {"token": "s3cr3t-canary-token"},
        "webrtc": {"ice_servers": [{"urls": ["turn:h"], "secret": "k3y"}]},
    }
    api.daemon.config = make_daemon_config(tree)
    api.daemon.channels["live"].config = make_config({"sinks": ["rtmp://host/app/streamkey"]})
    told = api("GET", "/api/config")
    assert told.json()["serve"]["token"] == "***"
    assert told.json()["sessions"]["live"]["sinks"] == ["rtmp://host/app/***"]
    for secret in ("canary", "k3y", "streamkey"):
        assert secret not in told.text
    api.refused("GET", "/api/config", 401, "LF0903", token=None)
    assert "sessions" in api("GET", "/api/config/schema", token=None).json()["properties"]
    assert api("POST", "/api/config/reload").json() == {"changed": {}, "added": [], "removed": [], "restart": []}
    assert api.daemon.events == ["reload"]


def test_errors_are_explained_to_everybody(api: Api) -> None:
    told = api("GET", "/api/errors/lf0403", token=None).json()
    assert (told["name"], told["code"]) == ("NoConsent", "LF0403")
    codes = [one["code"] for one in api("GET", "/api/errors", token=None).json()["errors"]]
    assert codes == sorted(codes)
    assert "LF0901" in codes
    api.refused("GET", "/api/errors/LF9999", 404, "LF0901", token=None)


def test_what_there_is_on_this_machine(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "list_cameras", lambda: [Camera("A cam", "v4l2:/dev/video9", "/dev/video9")])
    told = api("GET", "/api/sources").json()
    assert [(one["url"], one["name"]) for one in told["cameras"]] == [("camera:0", "A cam")]
    assert "rtsp" in told["schemes"]
    assert "rtmp" in api("GET", "/api/sinks").json()["schemes"]
    assert "cpu" in api("GET", "/api/engines", token=None).json()["providers"]
    findings = api("GET", "/api/doctor").json()
    assert sum(findings["counts"].values()) == len(findings["findings"]) > 3


def test_engines_are_what_a_configuration_names() -> None:
    config = make_config({"enhance": {"model": "gfpgan_1.4"}, "mask": {"occlusion": ["estimate", "xseg_1"]}})
    assert models_of(config) == {
        "detect.model": "yunet", "align.model": "openseeface", "enhance.model": "gfpgan_1.4", "mask.occlusion.1": "xseg_1",
    }  # fmt: skip
    assert models_of(make_config({"backend": "null"})) == {}


def test_every_operation_is_described_and_named_once(api: Api) -> None:
    tree = described(api.app)
    operations = [one for path in tree["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids))
    assert [one["operationId"] for one in operations if not one.get("summary") or not one.get("description")] == []


def test_only_reading_is_free(api: Api) -> None:
    """Generated: whatever changes something, or shows faces, files or settings, wants the token."""
    free = {(method, path) for path, method, role in routes(api.app) if role <= Role.VIEW and path.startswith("/api/")}
    changing = {one for one in free if one[0] not in ("GET", "HEAD")}
    assert changing == {("POST", "/api/ticket"), ("POST", "/api/pair")}
    for path, method, role in routes(api.app):
        if path.startswith("/api/") and role > Role.VIEW:
            known = path.replace("{name}", "live")
            answer = api(method, known, token=None)
            assert answer.status_code == 401, (method, path)
