"""The table of every recipe: loads, runs, finite, and what fails."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from livefuse.bench import models as bench_models
from livefuse.bench.models import Options, Row, measure_models
from livefuse.cli import bench
from livefuse.errors import BadValue, ModelMissing
from livefuse.weights.recipe import Recipe, all_recipes
from livefuse.weights.store import ModelStore
from livefuse.weights.synthesize import ARCHITECTURES, build
from tests.unit import small_models as small

TINY = Options(runs=2, tiny=True, threads=1)
app = typer.Typer()
app.command("pipeline")(bench.pipeline)
app.command("models")(bench.models)


@pytest.fixture
def recipes(tmp_path: Path) -> dict[str, Recipe]:
    return all_recipes(tmp_path / "no recipes of the user's")


def of(folder: Path, *recipes: Recipe) -> ModelStore:
    return ModelStore(folder / "models", recipes={recipe.name: recipe for recipe in recipes})


def rows(store: ModelStore, names: list[str], options: Options = TINY) -> dict[str, Row]:
    return {row.name: row for row in measure_models(store, names, options)}


def own(recipe: Recipe, **changes: Any) -> Recipe:
    """A recipe of somebody's own file: no hash, no size."""
    return recipe.model_copy(update={"sha256": "", "bytes": None, "hash_from": "unknown", "synthesis": None} | changes)


def test_models_are_written_measured_and_removed(
    recipes: dict[str, Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    names = ["scrfd_500m", "inswapper_128", "w600k_mbf"]
    seen: list[str] = []
    found = list(measure_models(of(tmp_path, *recipes.values()), names, TINY, seen.append))
    assert [row.name for row in found] == seen == names
    for row in found:
        assert (row.status, row.reason, row.weights) == ("ok", "", "random")
        assert row.runs == 2
        assert 0 < row.median_ms <= row.p95_ms
        assert row.parameters
        assert row.gflop
        assert row.gflop_per_s == pytest.approx(row.gflop / row.median_ms * 1e3)
        assert row.bytes > 4 * row.parameters
    assert not list(scratch.iterdir())


def test_half_precision_is_written_where_it_is_asked_for_or_where_the_real_file_has_it(
    recipes: dict[str, Recipe], tmp_path: Path
) -> None:
    store = of(tmp_path, *recipes.values())
    plain = rows(store, ["inswapper_128", "inswapper_128_fp16"])
    assert plain["inswapper_128_fp16"].bytes < 0.6 * plain["inswapper_128"].bytes
    asked = rows(store, ["inswapper_128"], Options(runs=2, tiny=True, precision="fp16", threads=1))["inswapper_128"]
    assert asked.status == "ok"
    assert asked.bytes == plain["inswapper_128_fp16"].bytes


def test_masks_enhancers_upscalers_and_expression_models_are_fed_what_they_take(
    recipes: dict[str, Recipe], tmp_path: Path
) -> None:
    names = ["xseg_1", "occluder_vm", "codeformer", "span_kendata_x4", "live_portrait_motion_extractor"]
    names += ["live_portrait_generator"]
    found = rows(of(tmp_path, *recipes.values()), names, Options(runs=1, tiny=True, threads=1))
    assert {name: row.status for name, row in found.items()} == dict.fromkeys(names, "ok")
    weights = dict.fromkeys(names, "random") | {"live_portrait_generator": "stand-in"}
    assert {name: row.weights for name, row in found.items()} == weights


def test_every_recipe_that_nobody_has_is_of_a_known_architecture(recipes: dict[str, Recipe]) -> None:
    at_hand = {"mobilefacenet", "openseeface_lm0", "sinet_portrait", "yunet_2023mar", "yunet_n"}
    unwritten = {name for name, recipe in recipes.items() if recipe.synthesis not in ARCHITECTURES}
    assert unwritten == at_hand
    finishing = [r for r in recipes.values() if r.kind in ("occluder", "parser", "enhancer", "upscaler", "expression")]
    for recipe in finishing:
        if not ARCHITECTURES[str(recipe.synthesis)].stand_in:
            assert build(str(recipe.synthesis)).parameters == recipe.parameters, recipe.name


def test_the_real_file_is_taken_where_the_store_has_it(
    recipes: dict[str, Recipe], tmp_path: Path, shared: Path
) -> None:
    store = ModelStore(tmp_path / "models", [str(shared / "models")], recipes=recipes)
    row = rows(store, ["yunet_n"], Options(runs=2, threads=1))["yunet_n"]
    assert (row.status, row.weights, row.bytes) == ("ok", "real", recipes["yunet_n"].bytes)


def test_what_cannot_be_had_is_skipped_unless_it_was_named(recipes: dict[str, Recipe], tmp_path: Path) -> None:
    store = of(tmp_path, recipes["yunet_n"])
    assert rows(store, [])["yunet_n"].status == "skipped"
    row = rows(store, ["yunet_n"])["yunet_n"]
    assert row.status == "failed"
    assert "livefuse models pull yunet_n" in row.reason
    with pytest.raises(ModelMissing):
        rows(store, ["yunnet"])


def test_a_model_that_fails_says_why_and_the_others_go_on(
    recipes: dict[str, Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = recipes["inswapper_128"].model_copy(update={"synthesis": "nowhere"})
    store = of(tmp_path, lost, recipes["scrfd_500m"])
    found = rows(store, [])
    assert found["scrfd_500m"].status == "ok"
    assert found["inswapper_128"].status == "failed"
    assert "no architecture is called 'nowhere'" in found["inswapper_128"].reason

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(bench_models, "feed", broken)
    assert rows(store, ["scrfd_500m"])["scrfd_500m"].reason == "ZeroDivisionError: by nought"


def test_an_output_that_is_not_finite_fails(recipes: dict[str, Recipe], tmp_path: Path) -> None:
    recipe = own(recipes["crossface_ghost"])
    axes = (small.FLOAT, ("n", 512))
    nodes = [("Div", ["input", "nought"], ["output"])]
    folder = tmp_path / "models"
    folder.mkdir()
    small.write_model(folder / recipe.file, nodes, {"input": axes}, {"output": axes}, {"nought": np.float32(0)})
    row = rows(of(tmp_path, recipe), [])[recipe.name]
    assert row.status == "failed"
    assert "NaN or infinity" in row.reason


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.mark.usefixtures("home")
def test_the_command_prints_a_table_or_one_object() -> None:
    words = ["models", "scrfd_500m", "--tiny", "--runs", "2"]
    table = CliRunner().invoke(app, words)
    assert table.exit_code == 0, table.output
    assert table.stdout.split("\n")[1].split()[:4] == ["scrfd_500m", "detector", "ok", "random"]
    record = CliRunner().invoke(app, [*words, "--json"])
    told = json.loads(record.stdout)
    assert told["models"][0]["name"] == "scrfd_500m"
    assert told["models"][0]["gflop_per_s"] > 0
    assert told["options"]["tiny"] is True
    assert "cpu" in told["environment"]


@pytest.mark.usefixtures("home")
def test_the_command_fails_with_a_model_that_fails() -> None:
    result = CliRunner().invoke(app, ["models", "yunet_n", "scrfd_500m", "--tiny", "--runs", "1"])
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "scrfd_500m" in result.stdout
    result = CliRunner().invoke(app, ["models", "--precision", "int8"])
    assert isinstance(result.exception, BadValue)
