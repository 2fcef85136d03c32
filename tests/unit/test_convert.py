"""`livefuse models convert`: what is written, what it is judged by, what is kept of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import TensorProto, helper, numpy_helper

from livefuse.cli.app import run_command
from livefuse.config import Config
from livefuse.device.base import Lane
from livefuse.engines import Engines
from livefuse.errors import (
    BadValue,
    EmptySource,
    ModelError,
    ModelMissing,
    NoFace,
    SourceNotFound,
    StoreUnwritable,
)
from livefuse.frame import U8, Faces, HostFrame
from livefuse.paths import Paths
from livefuse.runtime.ort import OrtEngine
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.weights.bind import bound
from livefuse.weights.convert import calibrate, converting, judge
from livefuse.weights.convert.calibrate import Scene, split
from livefuse.weights.convert.converting import Attempt, Wish, convert_model
from livefuse.weights.convert.feeds import feeds_of
from livefuse.weights.convert.prepare import prepared
from livefuse.weights.convert.quantise import OPSET, PLANS, Plan, near_the_ends, write_int8
from livefuse.weights.emap import emap_of
from livefuse.weights.onnx.model import read_model
from livefuse.weights.recipe import Recipe, load_recipe, read_recipe
from livefuse.weights.store import ModelStore
from tests.synthetic_models import install

SWAPPER = "inswapper_128"
QUICK = 4  # pictures


@pytest.fixture(scope="module")
def portraits() -> list[Scene]:
    drawn = [draw_portrait(seed, 256) for seed in range(QUICK)]
    return [Scene(HostFrame.of_rgb(rgb), truth.points) for rgb, truth in drawn]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portraits: list[Scene]) -> ModelStore:
    """With a swapper of few channels. Drawing whole frames takes seconds: faces are portraits here."""
    monkeypatch.setattr(calibrate, "_drawn", lambda most: portraits[:most])
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    install(Paths.default(), SWAPPER)
    return ModelStore.default()


def convert(store: ModelStore, model: str = SWAPPER, /, **wish: Any) -> converting.Converted:
    told: dict[str, Any] = {"precision": "fp16", "most": QUICK} | wish
    return convert_model(store, Paths.default().recipes, model, Wish(**told))


def kept(store: ModelStore) -> list[str]:
    """Files of models and recipes, without locks and notes."""
    folders = store.folder, Paths.default().recipes
    return sorted(path.name for folder in folders for path in folder.iterdir() if not path.name.startswith("."))


BEFORE = [f"{SWAPPER}.onnx", f"{SWAPPER}.toml"]


def test_half_precision_is_installed_with_a_recipe(store: ModelStore) -> None:
    made = convert(store)
    assert made.path == store.folder / f"{SWAPPER}_fp16.onnx"
    assert made.attempt.judgement.measure == "psnr"
    assert made.attempt.judgement.value > 45
    recipe = load_recipe(f"{SWAPPER}_fp16")
    original = load_recipe(SWAPPER)
    assert (recipe.family, recipe.urls, recipe.aliases) == (SWAPPER, (), ())
    assert (recipe.licence, recipe.non_commercial) == (original.licence, True)
    assert (recipe.inputs, recipe.source, recipe.template) == (original.inputs, original.source, original.template)
    assert f"half precision: PSNR {made.attempt.judgement.value:.1f} dB" in recipe.description
    fresh = ModelStore.default()
    assert fresh.verify(recipe.name) == "verified"
    np.testing.assert_array_equal(emap_of(fresh, recipe), emap_of(fresh, original))
    engine = Engines(Config(), fresh).load(recipe)
    feeds = {name: np.full([int(n) for n in shape], 0.5, np.float32) for name, shape in engine.inputs.items()}
    assert np.isfinite(engine.run(Lane(0), feeds)["output"]).all()


def test_removing_takes_file_and_recipe(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    convert(store)
    assert run_command(["models", "list"]) == 0
    assert f"{SWAPPER}_fp16" in capsys.readouterr().out
    assert run_command(["models", "remove", f"{SWAPPER}_fp16"]) == 0
    assert [name for name in kept(store) if "emap" not in name] == BEFORE


def test_what_falls_under_the_threshold_is_not_kept(store: ModelStore) -> None:
    with pytest.raises(
        ModelError, match=r"reaches PSNR \d+\.\d dB against float32, PSNR 110\.0 dB are needed"
    ) as refused:
        convert(store, threshold=110.0)
    assert "--threshold" in refused.value.hint
    assert kept(store) == BEFORE


def test_the_hints_threshold_is_met(store: ModelStore) -> None:
    with pytest.raises(ModelError) as refused:
        convert(store, threshold=110.0)
    value = float(refused.value.hint.split("--threshold ")[1].split()[0])
    assert convert(store, threshold=value).path.exists()


def test_only_a_file(store: ModelStore, tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    made = convert(store, out=out)
    assert (made.recipe, made.path) == (None, out)
    onnx.checker.check_model(str(out), full_check=True)
    assert kept(store) == BEFORE


def test_a_folder_that_is_not_there(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable):
        convert(store, out=tmp_path / "nowhere" / "half.onnx")
    assert kept(store) == BEFORE


def test_a_failure_while_installing_leaves_nothing(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Path:
        raise StoreUnwritable("the disk is full")

    monkeypatch.setattr(converting, "write_recipe", full)
    hidden = store.recipes[f"{SWAPPER}_fp16"]
    with pytest.raises(StoreUnwritable, match="disk is full"):
        convert(store)
    assert kept(store) == BEFORE
    assert store.recipes[f"{SWAPPER}_fp16"] == hidden


def test_a_name_that_is_taken(store: ModelStore) -> None:
    convert(store)
    with pytest.raises(BadValue, match="is here already") as taken:
        convert(store)
    assert f"models remove {SWAPPER}_fp16" in taken.value.hint
    assert convert(store, name="mine").path.name == "mine.onnx"
    with pytest.raises(BadValue, match="is here already"):
        convert(store, name=SWAPPER)


def test_an_unknown_name(store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match="no recipe is called 'inswaper'"):
        convert(store, "inswaper")


def test_a_model_that_is_not_here(store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match=r"mobilefacenet_128d\.onnx"):
        convert(store, "mobilefacenet")


def test_half_precision_is_not_halved_again(store: ModelStore) -> None:
    convert(store)
    for precision in ("fp16", "int8"):
        with pytest.raises(BadValue, match="is in float16 already"):
            convert(store, f"{SWAPPER}_fp16", precision=precision)


def test_without_the_package(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match="needs the package `onnx`") as lacking:
        convert(store)
    assert lacking.value.hint == '`pip install "livefuse[convert]"`'


def test_the_command(store: ModelStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "convert", SWAPPER, "--precision", "fp16", "--most", "3", "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["name"] == f"{SWAPPER}_fp16"
    assert told["judgement"]["crops"] == 1
    assert "nodes in half precision" in said.err
    assert run_command(["models", "convert", SWAPPER, "--precision", "fp8"]) == 2
    assert "one of fp16, int8" in capsys.readouterr().err
    assert run_command(["models", "convert", SWAPPER, "--precision", "fp16", "--threshold", "110", "--name", "b"]) == 4


# INT8


def test_int8_is_explicit_and_per_channel(store: ModelStore, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    convert(store, precision="int8", out=out, threshold=5.0)
    onnx.checker.check_model(str(out), full_check=True)
    model = onnx.load(str(out))
    weights = {weight.name: weight for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 20
    for node in convolutions:
        activation, weight = (made_by[name] for name in node.input[:2])
        assert {activation.op_type, weight.op_type} == {"DequantizeLinear"}
        stored, scale, zero = (weights[name] for name in weight.input)
        assert stored.data_type == TensorProto.INT8
        assert list(scale.dims) == [stored.dims[0]]  # a scale per output channel
        assert not numpy_helper.to_array(zero).any()
        assert not numpy_helper.to_array(weights[activation.input[2]]).any()  # symmetric, as TensorRT wants it
    last = model.graph.initializer[-1]
    original = onnx.load(str(store.path(SWAPPER))).graph.initializer[-1]
    assert (last.name, last.data_type) == ("buff2fs", TensorProto.FLOAT)
    np.testing.assert_array_equal(numpy_helper.to_array(last), numpy_helper.to_array(original))


def test_int8_is_not_quantised_again(store: ModelStore) -> None:
    convert(store, precision="int8", threshold=5.0)
    with pytest.raises(BadValue, match="is in INT8 already"):
        convert(store, f"{SWAPPER}_int8", precision="int8")


def chain(path: Path, layers: int, opset: int = 11) -> Path:
    """Matrix products one after the other; `squeeze` in the way of the opset's old fashion."""
    nodes = [helper.make_node("MatMul", [f"t{i}", f"w{i}"], [f"t{i + 1}"], name=f"m{i}") for i in range(layers)]
    nodes.append(helper.make_node("Unsqueeze", [f"t{layers}"], ["y"], axes=[0]))
    drawn = np.random.default_rng(0)
    graph = helper.make_graph(
        nodes, "chain", [helper.make_tensor_value_info("t0", TensorProto.FLOAT, (1, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 4))],
        [numpy_helper.from_array(drawn.standard_normal((4, 4)).astype(np.float32), f"w{i}") for i in range(layers)],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6), str(path))
    return path


@pytest.mark.parametrize(("largest", "scale"), [(2.54, 0.02), (1.27, 0.01)])
def test_ranges_are_those_of_the_feeds(tmp_path: Path, largest: float, scale: float) -> None:
    simple = prepared(chain(tmp_path / "c.onnx", 2), tmp_path, opset=OPSET)
    feeds = [{"t0": np.array([[0, -0.5, 0.3, value]], np.float32)} for value in (0.1, largest, 0.2)]
    write_int8(simple, tmp_path / "q.onnx", feeds, Plan(), calibration="minmax", activations="int8")
    model = onnx.load(str(tmp_path / "q.onnx"))
    weights = {weight.name: weight for weight in model.graph.initializer}
    (first,) = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "t0"]
    # 127 steps on either side of 0 reach the largest value.
    assert numpy_helper.to_array(weights[first.input[1]]) == pytest.approx(scale, rel=1e-5)


def test_uint8_spends_no_bit_on_signs(tmp_path: Path) -> None:
    simple = prepared(chain(tmp_path / "c.onnx", 1), tmp_path, opset=OPSET)
    feeds = [{"t0": np.array([[0, 0.5, 0.3, 2.55]], np.float32)}]
    write_int8(simple, tmp_path / "q.onnx", feeds, Plan(), calibration="minmax", activations="uint8")
    model = onnx.load(str(tmp_path / "q.onnx"))
    weights = {weight.name: weight for weight in model.graph.initializer}
    (first,) = [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "t0"]
    assert numpy_helper.to_array(weights[first.input[1]]) == pytest.approx(0.01, rel=1e-5)
    assert weights[first.input[2]].data_type == TensorProto.UINT8


def test_plans_leave_out_the_ends(tmp_path: Path) -> None:
    model = read_model(chain(tmp_path / "c.onnx", 6))
    nodes = list(model.proto.graph.node)
    assert near_the_ends(nodes, {"y"}, Plan()) == []
    assert near_the_ends(nodes, {"y"}, Plan(1, 2)) == ["m0", "m4", "m5"]
    assert Plan().in_words() == "every layer in INT8"
    assert Plan(1, 2).in_words() == "the first layer and the last 2 layers in float32"


def test_a_bolder_plan_is_tried_first(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(plan.first, plan.last) for plan in PLANS] == [(0, 0), (1, 1), (1, 2), (2, 4)]
    monkeypatch.setattr(converting, "PLANS", PLANS[::3])  # four take their time
    told: list[Any] = []
    wish = Wish("int8", most=3, threshold=110.0)
    with pytest.raises(ModelError):
        convert_model(store, Paths.default().recipes, SWAPPER, wish, tell=told.append)
    attempts = [step for step in told if isinstance(step, Attempt)]
    assert [attempt.how.split(" (")[0] for attempt in attempts] == [
        "every layer in INT8",
        "the first 2 layers and the last 4 layers in float32",
    ]
    assert attempts[0].size_bytes < attempts[-1].size_bytes


# Pictures


class KnownFace:
    """Finds the face of a drawn portrait where it was drawn, in anything else none."""

    def __init__(self, _: ModelStore) -> None: ...

    def __call__(self, frame: HostFrame) -> Any:
        portrait, truth = draw_portrait(1, 256)
        same = frame.planes[0].shape == portrait.shape
        return truth.points if same else Faces.none().points


def save(path: Path, rgb: U8) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def test_pictures_of_a_folder(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_Finder", KnownFace)
    portrait = draw_portrait(1, 256)[0]
    folder = tmp_path / "pictures"
    for i in range(4):
        save(folder / f"{i}.png", portrait // (i + 1))
    save(folder / "nobody.png", np.zeros((64, 64, 3), np.uint8))
    (folder / "notes.txt").write_text("no picture")
    seen = calibrate.material(folder, store, most=10)
    assert (len(seen.calibration), len(seen.judging), seen.apart) == (2, 2, True)
    # The darkest are kept back: they are the last by name.
    assert [int(scene.frame.planes[0].max()) for scene in seen.judging] == [int(portrait.max()) // n for n in (3, 4)]
    recipe = store.recipe(SWAPPER)
    engine = OrtEngine(store.path(SWAPPER))
    (feed, _) = feeds_of(bound(recipe, engine.inputs, engine.outputs), engine, seen.calibration, most=9)
    assert feed["target"].shape == (1, 3, 128, 128)
    assert np.linalg.norm(feed["source"]) == pytest.approx(1, rel=1e-5)
    assert 0.1 < feed["target"].mean() < 0.9  # normalised by the recipe: 0..1
    assert feed["target"].max() <= 1


def test_pictures_that_cannot_serve(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_Finder", KnownFace)
    save(tmp_path / "nobody.png", np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "empty").mkdir()
    for path, error in (
        (tmp_path / "nobody.png", NoFace),
        (tmp_path / "empty", EmptySource),
        (tmp_path / "missing.mp4", SourceNotFound),
    ):
        with pytest.raises(error):
            convert(store, frames=path)
    assert kept(store) == BEFORE


def test_drawn_faces_are_several_people(tmp_path: Path) -> None:
    seen = calibrate.material(None, ModelStore(tmp_path), most=2)
    assert (len(seen.calibration), len(seen.judging)) == (1, 1)
    first, second = (scene.frame.planes[0] for scene in (*seen.calibration, *seen.judging))
    assert not np.array_equal(first, second)
    assert seen.calibration[0].points.shape == (1, 5, 2)


def test_a_single_picture_serves_for_both(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_Finder", KnownFace)
    save(tmp_path / "one.png", draw_portrait(1, 256)[0])
    assert not calibrate.material(tmp_path / "one.png", store, most=5).apart


def test_a_third_is_kept_back() -> None:
    assert split("abcdef") == (("a", "b", "c", "d"), ("e", "f"))
    assert split("ab") == (("a",), ("b",))
    assert split("a") == (("a",), ("a",))


# Judging


def test_measures_worked_by_hand() -> None:
    assert judge.psnr(1e-4) == pytest.approx(40)  # every value off by 0.01
    assert judge.psnr(0) == judge.PERFECT_DB
    assert judge.psnr(float("inf")) == float("-inf")
    assert judge.cosine(np.array([3.0, 4.0]), np.array([4.0, 3.0])) == pytest.approx(24 / 25)
    assert judge.cosine(np.zeros(2), np.zeros(2)) == 1
    assert judge.cosine(np.array([1.0, np.nan]), np.array([1.0, 1.0])) == -1
    a, b = np.array([0, 0, 4, 4], np.float32), np.array([2, 0, 6, 4], np.float32)
    assert judge.overlap(a, b) == pytest.approx(8 / 24)
    assert judge.overlap(a, a + 10) == 0


def test_a_picture_that_is_not_finite_is_the_worst() -> None:
    recipe = load_recipe(SWAPPER)
    good = {"output": np.full((1, 3, 2, 2), 1.0, np.float32)}
    bad = {"output": np.full((1, 3, 2, 2), np.inf, np.float32)}  # clipped to 1 it would be perfect
    assert judge.squared_error(recipe, good, bad) == float("inf")
    assert judge.squared_error(recipe, good, good) == 0


def test_what_counts_as_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    box, points = np.array([0, 0, 100, 100], np.float32), np.full((5, 2), 50, np.float32)
    cases = [
        (box, points, 1),
        (box + 25, points, 0),  # 75 * 75 in common of 20000 - 5625: 0.39
        (box + 10, points + np.float32(7), 1),  # 0.68, points off by 9.9 px
        (box + 10, points + np.float32(8), 0),  # by 11.3 px, more than a tenth of the width
    ]
    for moved, placed, expected in cases:
        found = iter([Faces.of(box[None], [0.9], points[None]), Faces.of(moved[None], [0.9], placed[None])] * 1)
        monkeypatch.setattr(judge, "make_detector", lambda *_, answer=found, **__: lambda *_: next(answer))
        scene = Scene(HostFrame.of_rgb(np.zeros((8, 8, 3), np.uint8)), points[None])
        recipe: Recipe = load_recipe("yunet_n")
        nothing: Any = None
        assert judge.faces_kept(recipe, nothing, nothing, [scene]) == (expected, 1, 1 - expected)


def test_real_networks_in_half_precision(shared: Path, store: ModelStore, tmp_path: Path) -> None:
    mirrored = ModelStore(store.folder, [str(shared / "models")], recipes=store.recipes)
    mirrored.ensure(["yunet_n", "mobilefacenet"])
    for name, measure in (("yunet_n", "kept"), ("mobilefacenet", "cosine")):
        made = convert(mirrored, name, frames=shared / "media" / "talking_head.mp4", most=3)
        assert made.attempt.judgement.measure == measure
        assert made.attempt.judgement.value >= 0.9999
        assert made.recipe_path is not None
        assert read_recipe(made.recipe_path).family == name
