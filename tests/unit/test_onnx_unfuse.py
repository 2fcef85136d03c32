"""ONNX Runtime's fused operators as standard ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from livefuse.device.base import Lane
from livefuse.errors import ModelCorrupt
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.onnx.model import operators, read_model
from livefuse.weights.onnx.unfuse import standard_file

onnx = pytest.importorskip("onnx")


def fused(path: Path, activation: str, params: Sequence[float], *, summed: bool = False, opset: int = 11) -> Path:
    """One FusedConv on (1, 2, 5, 5)."""
    helper, rng = onnx.helper, np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("w", (3, 2, 3, 3)), ("b", (3,)))
    ]
    node = helper.make_node(
        "FusedConv", ["x", "w", "b", *(["z"] if summed else [])], ["y"], domain="com.microsoft", kernel_shape=[3, 3],
        pads=[1, 1, 1, 1], activation=activation, **({"activation_params": [float(p) for p in params]} if params else {}),
    )  # fmt: skip
    tensor = onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", tensor, [1, 2, 5, 5])]
    inputs += [helper.make_tensor_value_info("z", tensor, [1, 3, 5, 5])] if summed else []
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", tensor, [1, 3, 5, 5])], weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=6), str(path))
    return path


def run(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    engine, rng = OrtEngine(path), np.random.default_rng(1)
    feeds = {name: rng.normal(size=shape).astype(np.float32) * 3 for name, shape in engine.inputs.items()}  # type: ignore[arg-type]
    return np.array(engine.run(Lane(0), feeds)["y"])


@pytest.mark.parametrize(
    ("activation", "params"),
    [("Relu", ()), ("Sigmoid", ()), ("Tanh", ()), ("Clip", (0, 6)), ("LeakyRelu", (0.2,)), ("HardSigmoid", (0.3, 0.4))],
)
def test_the_numbers_stay(tmp_path: Path, activation: str, params: Sequence[float]) -> None:
    path = fused(tmp_path / "m.onnx", activation, params)
    plain = standard_file(path, tmp_path / "cache")
    onnx.checker.check_model(str(plain), full_check=True)
    assert dict(operators(read_model(plain))) == {"Conv": 1, activation: 1}
    np.testing.assert_allclose(run(plain), run(path), atol=1e-5)


def test_what_is_added_before_the_activation_stays(tmp_path: Path) -> None:
    path = fused(tmp_path / "m.onnx", "Relu", (), summed=True)
    plain = standard_file(path, tmp_path / "cache")
    assert operators(read_model(plain))["Add"] == 1
    np.testing.assert_allclose(run(plain), run(path), atol=1e-5)


def test_a_copy_is_made_once_and_only_where_it_is_needed(tmp_path: Path) -> None:
    path = fused(tmp_path / "m.onnx", "Clip", (0, 6))
    plain = standard_file(path, tmp_path / "cache")
    made_ns = plain.stat().st_mtime_ns
    assert standard_file(path, tmp_path / "cache") == plain
    assert plain.stat().st_mtime_ns == made_ns
    assert standard_file(plain, tmp_path / "cache") == plain
    fused(path, "Clip", (0, 5))
    assert standard_file(path, tmp_path / "cache") != plain, "another file of the same name"


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="the activation 'Mish'"):
        standard_file(fused(tmp_path / "m.onnx", "Mish", ()), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_default_landmarker_keeps_its_numbers(shared: Path, tmp_path: Path) -> None:
    path = shared / "models" / "openseeface_lm_model0.onnx"
    plain = standard_file(path, tmp_path)
    onnx.checker.check_model(str(plain))
    assert not any("::" in operator for operator in operators(read_model(plain)))
    feed = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    before, after = (next(iter(OrtEngine(p).run(Lane(0), {"input": feed}).values())) for p in (path, plain))
    np.testing.assert_allclose(after, before, atol=2e-4)
