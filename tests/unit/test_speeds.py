"""How fast models are here: measured in another process, remembered by file, runtime and provider."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livefuse.bench.models import Options, Row
from livefuse.cli.app import app
from livefuse.config import make_config
from livefuse.daemon.job import Job
from livefuse.daemon.model_use import models_of, needs_of, setting_of
from livefuse.daemon.speeds import MeasureRun, Speed, Speeds, runtime_name, speeds_of
from livefuse.engines import Engines, _precision
from livefuse.errors import Interrupted, JobFailed
from livefuse.weights.recipe import builtin_recipes
from livefuse.weights.store import ModelStore
from tests.unit.api_calls import Api, fake_api
from tests.unit.test_jobs import Held
from tests.unit.trickling import write_recipe

CPU = {"runtime": {"providers": ["cpu"]}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def speeds(home: Path) -> Speeds:
    return Speeds.default()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def api(home: Path, held: Held) -> Iterator[Api]:
    with fake_api(home, make_run=held) as made:
        yield made


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


def speed(**more: Any) -> Speed:
    said = {
        "model": "m", "sha256": "a", "weights": "real", "runtime": runtime_name(), "provider": "cpu", "machine": "a cpu",
        "median_ms": 5.0, "p95_ms": 6.0, "load_ms": 1.0, "runs": 20, "when": "2026-01-01T00:00:00.000+00:00",
    }  # fmt: skip
    return Speed(**{**said, **more})


def test_a_measurement_takes_the_place_of_an_older_one_of_the_same(speeds: Speeds) -> None:
    for one in (speed(), speed(median_ms=4.0), speed(provider="cuda"), speed(sha256="b"), speed(runtime="old 1.0")):
        speeds.keep(one)
    kept = [(one.median_ms, one.provider, one.sha256, one.runtime) for one in speeds.all()]
    here = runtime_name()
    assert kept == [
        (4.0, "cpu", "a", here),
        (5.0, "cuda", "a", here),
        (5.0, "cpu", "b", here),
        (5.0, "cpu", "a", "old 1.0"),
    ]


def test_figures_of_another_file_are_not_this_ones() -> None:
    stand_in = speed(sha256="", weights="random", when="2026-03-01")
    older, newer = speed(), speed(provider="cuda", when="2026-02-01")
    foreign, other = speed(sha256="b"), speed(model="n")
    old_runtime = speed(runtime="old 1.0", when="2026-04-01")
    assert speeds_of("m", "a", [stand_in, older, foreign, other, old_runtime, newer]) == [
        newer,
        older,
        old_runtime,
        stand_in,
    ]
    assert speeds_of("m", "", [older, stand_in]) == [stand_in]


def test_what_cannot_be_read_is_measured_anew(speeds: Speeds, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert speeds.all() == []
    file = home / "home" / "state" / "speeds.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"speeds": [{"model": 1}]}')
    assert speeds.all() == []
    assert "cannot be read" in caplog.text
    speeds.keep(speed())
    assert len(json.loads(file.read_text())["speeds"]) == 1


def test_a_model_is_measured_in_another_process(speeds: Speeds) -> None:
    job = Job(kind="measure", model="facemesh_468", config=CPU)
    run = MeasureRun(job, speeds)
    run()
    (found,) = speeds.all()
    assert (found.model, found.provider, found.runtime, found.sha256) == ("facemesh_468", "cpu", runtime_name(), "")
    assert found.weights in ("random", "stand-in")
    assert found.median_ms > 0
    assert found.machine
    assert "on cpu" in job.notes[0]
    assert not Path(run._folder).exists(), "what was written meanwhile is gone"


def test_a_measurement_that_is_stopped_leaves_nothing(speeds: Speeds) -> None:
    run = MeasureRun(Job(kind="measure", model="codeformer", config=CPU), speeds)
    ended: list[Exception] = []

    def go() -> None:
        try:
            run()
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: run._process is not None)
    run.stop()
    thread.join(30)
    assert [type(error) for error in ended] == [Interrupted]
    assert speeds.all() == []
    assert not Path(run._folder).exists()


def test_measuring_over_http(api: Api, held: Held, speeds: Speeds) -> None:
    queued = api("POST", "/api/models/peppa/measure")
    assert (queued.status_code, queued.json()["kind"], queued.json()["model"]) == (202, "measure", "peppa_wutz")
    assert queued.json()["config"] == CPU, "what the first session runs on"
    assert api("GET", "/api/models/peppa").json()["job"] == queued.json()["id"]
    api.refused("POST", "/api/models/peppa/measure", 409, "LF0902")
    api.refused("POST", "/api/models/nothing/measure", 404, "LF0901")
    api.refused("POST", "/api/models/openseeface/measure", 422, "LF0102", json={"providers": ["steam"]})
    api.refused("POST", "/api/models/openseeface/measure", 422, "LF0102", json={"providers": ["qnn"]})
    api.refused("POST", "/api/models/openseeface/measure", 401, "LF0903", token=None)
    speeds.keep(speed(model="peppa_wutz", sha256="", weights="random"))
    assert api("GET", "/api/models/peppa", token=None).json()["speeds"][0]["median_ms"] == 5.0
    until(lambda: held.runs)
    held.runs[0].over.set()


def test_who_uses_a_model_is_told_and_keeps_it(api: Api, home: Path) -> None:
    live = api.daemon.channels["live"]
    live.config = make_config({"swap": {"model": "ghost_1"}, "mask": {"occlusion": ["estimate"]}})
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    names = ("ghost_1_256", "yunet_n", "gfpgan_1.4")
    for name in names:
        (folder / builtin_recipes()[name].file).write_bytes(b"\x08")
    told = {model["name"]: model for model in api("GET", "/api/models", token=None).json()["models"]}
    assert [name for name in names if told[name]["used_by"]] == ["ghost_1_256", "yunet_n"]
    assert told["ghost_1_256"]["setting"] == "swap.model"
    assert all(told[name]["used_by"] == ["live"] for name in told["ghost_1_256"]["needs"]), (
        "also what it cannot do without"
    )
    problem = api.refused("DELETE", "/api/models/ghost_1", 409, "LF0507")
    assert "the session live" in problem["detail"]
    assert api("DELETE", "/api/models/gfpgan_1.4").status_code == 200
    live.state = "stopped"
    assert api("DELETE", "/api/models/ghost_1").status_code == 200


def test_a_model_that_was_added_is_forgotten_whole(api: Api, home: Path) -> None:
    recipes = home / "home" / "config" / "recipes"
    write_recipe(recipes, "https://example.test")
    path = recipes / "trickle.toml"
    path.write_text('family = "sinet_portrait"\n' + path.read_text())
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    (folder / "trickle.onnx").write_bytes(b"\x08")
    assert api("GET", "/api/models/trickle").json()["own"] is True
    api("DELETE", "/api/models/trickle")
    assert not path.exists()
    api.refused("GET", "/api/models/trickle", 404, "LF0901")


def test_every_kind_has_its_setting_or_is_brought_along() -> None:
    recipes = builtin_recipes().values()
    settings = {recipe.kind: setting_of(recipe) for recipe in recipes if setting_of(recipe)}
    assert {recipe.kind for recipe in recipes} - set(settings) == {"recogniser", "converter"}
    told = make_config({}).model_dump()
    for key in settings.values():
        section, _, name = key.partition(".")
        assert name in told[section]
    generator = builtin_recipes()["live_portrait_generator"]
    assert all(name in builtin_recipes() for name in needs_of(generator))
    assert models_of(make_config({"backend": "null"})) == {}


def test_what_is_loaded_says_on_what_and_how_long_it_took(home: Path) -> None:
    from livefuse.weights.synthesize import synthesize

    recipe = builtin_recipes()["facemesh_468"]
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    synthesize("facemesh_468", folder / recipe.file, tiny=True)
    engines = Engines(make_config({}), inline=True)
    engines.load(recipe)
    engines.load(recipe)
    (one,) = engines.loaded
    assert (one.model, one.kind, one.bytes) == ("facemesh_468", "landmarker", (folder / recipe.file).stat().st_size)
    assert one.load_ms > 0
    assert set(one.placement) <= {"cpu"}
    sizes = {4_000_000: "fp32", 2_000_000: "fp16", 1_000_000: "int8"}
    assert {size: _precision(size, 1_000_000) for size in sizes} == sizes
    assert _precision(5, None) == ""


def test_the_list_of_models_shows_what_was_measured(speeds: Speeds) -> None:
    speeds.keep(speed(model="peppa_wutz", sha256="", weights="random", median_ms=12.34))
    shown = CliRunner().invoke(app, ["models", "list"]).output
    line = next(line for line in shown.splitlines() if line.startswith("peppa_wutz"))
    assert " 12.3 " in line


def test_measured_from_the_command_line(speeds: Speeds, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def measured(store: ModelStore, names: list[str], options: Options, progress: Any) -> Iterator[Row]:
        asked.append((names, options.runtime.providers))
        yield Row(names[0], "landmarker", "ok", weights="random", median_ms=3.0, runs=20, provider="cpu")
        yield Row(names[1], "swapper", "failed", reason="too large")

    monkeypatch.setattr("livefuse.bench.models.measure_models", measured)
    result = CliRunner().invoke(app, ["models", "measure", "peppa_wutz", "dfm", "--provider", "cpu"])
    assert isinstance(result.exception, JobFailed)
    assert "too large" in str(result.exception)
    assert asked == [(["peppa_wutz", "dfm"], ("cpu",))]
    assert [(one.model, one.median_ms) for one in speeds.all()] == [("peppa_wutz", 3.0)]
