"""Models that state a batch of one: freed, tried, and left alone where their graph needs the one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from livefuse.config import make_config
from livefuse.device.base import Lane
from livefuse.engines import Engines, bears_batches
from livefuse.frame import I64
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.onnx.free_batch import free_batch, freed_file
from livefuse.weights.onnx.model import inputs, outputs, read_model
from livefuse.weights.recipe import load_recipe
from livefuse.weights.store import ModelStore
from livefuse.weights.synthesize import synthesize


def model_of(nodes: list[onnx.NodeProto], path: Path, weights: dict[str, I64] | None = None) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 12])],
        [onnx.numpy_helper.from_array(values, name) for name, values in (weights or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_inswapper_takes_a_batch_once_it_is_freed(tmp_path: Path) -> None:
    path = tmp_path / "inswapper.onnx"
    synthesize("inswapper_128", path, tiny=True)
    freed = freed_file(path, tmp_path / "cache")
    assert [value.shape for value in inputs(read_model(freed))] == [("batch", 3, 128, 128), ("batch", 512)]
    assert outputs(read_model(freed))[0].shape == ("batch", 3, 128, 128)
    onnx.checker.check_model(onnx.load(freed))
    engine = OrtEngine(freed)
    assert bears_batches(engine)
    random = np.random.default_rng(1)
    feeds = {
        "target": random.random((4, 3, 128, 128), np.float32),
        "source": random.random((4, 512), np.float32),
    }
    together = engine.run(Lane(0), feeds)["output"].copy()
    alone = OrtEngine(path)
    for i in range(4):
        single = alone.run(Lane(0), {name: values[i : i + 1] for name, values in feeds.items()})["output"][0]
        assert np.abs(together[i] - single).max() < 1e-4


def test_the_copy_is_made_once(tmp_path: Path) -> None:
    path = model_of([helper.make_node("Flatten", ["x"], ["y"])], tmp_path / "flat.onnx")
    freed = freed_file(path, tmp_path / "cache")
    written_ns = freed.stat().st_mtime_ns
    assert freed_file(path, tmp_path / "cache") == freed
    assert freed.stat().st_mtime_ns == written_ns


def test_a_graph_that_holds_the_one_inside_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"shape": np.array([1, 12], np.int64)}
    path = model_of([helper.make_node("Reshape", ["x", "shape"], ["y"])], tmp_path / "one.onnx", shape)
    engines = Engines(make_config({}), ModelStore(tmp_path / "store"))
    monkeypatch.setattr(engines, "file", lambda _: path)
    assert engines.load_batched(load_recipe("inswapper_128")) is None


def test_a_graph_that_mixes_its_batch_is_found_out(tmp_path: Path) -> None:
    """Normalising over the batch axis too: it runs, and gives something else."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["rest"]),
        helper.make_node("Flatten", ["rest"], ["y"]),
    ]
    path = model_of(nodes, tmp_path / "mixed.onnx")
    assert not bears_batches(OrtEngine(freed_file(path, tmp_path / "cache")))


@pytest.mark.parametrize("axis", [0, 2])
def test_only_a_first_axis_of_one_is_freed(tmp_path: Path, axis: int) -> None:
    path = model_of([helper.make_node("Flatten", ["x"], ["y"])], tmp_path / "flat.onnx")
    model = read_model(path)
    model.proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 7
    free_batch(model)
    (value,) = inputs(model)
    assert value.shape == ((7, 3, 4) if axis == 0 else ("batch", 3, 7))
