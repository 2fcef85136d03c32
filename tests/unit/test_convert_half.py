"""Half precision: which tensors have which type, and that norms survive what float16 cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from livefuse.errors import EngineFailed
from livefuse.weights.convert.half import to_half
from livefuse.weights.convert.prepare import prepared
from livefuse.weights.emap import emap_beside
from livefuse.weights.onnx.model import read_model, write_model
from livefuse.weights.synthesize import synthesize

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
NORMALISING = ("ReduceMean", "ReduceSum", "Sqrt")
NAMES = ("inswapper_128", "xseg", "gpen_bfr_256")


def halved(source: Path, folder: Path) -> Any:
    """The converted file as the `onnx` package reads it, checked in full."""
    folder.mkdir(exist_ok=True)
    model = read_model(prepared(source, folder))
    to_half(model)
    out = folder / f"{source.stem}_fp16.onnx"
    write_model(model, out)
    loaded = onnx.load(str(out))
    onnx.checker.check_model(loaded, full_check=True)
    onnx.shape_inference.infer_shapes(loaded, check_type=True, strict_mode=True)
    return loaded


def types(model: Any) -> dict[str, int]:
    """The type of every tensor, all of them stated in the file."""
    graph = model.graph
    told = {info.name: info.type.tensor_type.elem_type for info in (*graph.input, *graph.value_info, *graph.output)}
    told |= {weight.name: weight.data_type for weight in graph.initializer}
    assert {name for node in graph.node for name in node.output} <= told.keys()
    return told


def producers(model: Any) -> dict[str, Any]:
    return {name: node for node in model.graph.node for name in node.output}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    folder = tmp_path_factory.mktemp("half")
    made = {}
    for name in NAMES:
        synthesize(name, folder / f"{name}.onnx", tiny=True)
        made[name] = folder / f"{name}.onnx", halved(folder / f"{name}.onnx", folder / name)
    return made


def graph_file(
    path: Path,
    nodes: list[Any],
    weights: Mapping[str, npt.ArrayLike],
    shape: tuple[int, ...],
    results: tuple[str, ...] = ("y",),
) -> Path:
    """One input x; the results are of its shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name in results],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def instance_norm(guard: float = 1e-8) -> tuple[list[Any], dict[str, npt.ArrayLike]]:
    """As exporters write it, between two convolutions that change nothing."""
    mean = {"axes": [2, 3], "keepdims": 1}
    nodes = [
        helper.make_node("Conv", ["x", "one"], ["a"]),
        helper.make_node("ReduceMean", ["a"], ["mean"], **mean),
        helper.make_node("Sub", ["a", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["variance"], **mean),
        helper.make_node("Add", ["variance", "guard"], ["guarded"]),
        helper.make_node("Sqrt", ["guarded"], ["root"]),
        helper.make_node("Div", ["unit", "root"], ["inverse"]),
        helper.make_node("Mul", ["centred", "inverse"], ["normal"]),
        helper.make_node("Conv", ["normal", "one"], ["y"]),
    ]
    weights: dict[str, npt.ArrayLike] = {
        "one": np.ones((1, 1, 1, 1), np.float32), "guard": np.float32(guard), "unit": np.float32(1)
    }  # fmt: skip
    return nodes, weights


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_outputs_keep_their_types(networks: dict[str, tuple[Path, Any]], name: str) -> None:
    source, model = networks[name]
    before = onnx.load(str(source))
    for given, kept in ((before.graph.input, model.graph.input), (before.graph.output, model.graph.output)):
        assert [(v.name, v.type.tensor_type.elem_type) for v in given] == [
            (v.name, v.type.tensor_type.elem_type) for v in kept
        ]


@pytest.mark.parametrize("name", NAMES)
def test_convolutions_are_in_half_precision(networks: dict[str, tuple[Path, Any]], name: str) -> None:
    source, model = networks[name]
    told = types(model)
    matrix = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm")]
    assert len(matrix) > 10
    assert {told[tensor] for node in matrix for tensor in (*node.input, *node.output)} == {HALF}
    assert (
        source.parent / name / f"{name}_fp16.onnx"
    ).stat().st_size < 0.68 * source.stat().st_size  # tiny: emap, graph


@pytest.mark.parametrize("name", NAMES)
def test_norms_stay_in_float32_from_end_to_end(networks: dict[str, tuple[Path, Any]], name: str) -> None:
    _, model = networks[name]
    told, made_by = types(model), producers(model)
    norms = [node for node in model.graph.node if node.op_type in NORMALISING]
    assert len(norms) > 10
    for node in norms:
        assert {told[tensor] for tensor in (node.input[0], *node.output)} == {FLOAT}
    for root in (node for node in model.graph.node if node.op_type == "Sqrt"):
        seen: list[Any] = []
        tensor = root.input[0]
        while not seen or seen[-1].op_type not in ("ReduceMean", "ReduceSum"):  # the guard, up to the sum
            seen.append(made_by[tensor])
            tensor = seen[-1].input[0]
        assert "Cast" not in {node.op_type for node in seen}
        assert made_by[tensor].op_type in ("Mul", "Sub")  # the square is not a cast one
        (user,) = [node for node in model.graph.node if root.output[0] in node.input]
        assert user.op_type == "Div"
        assert told[user.output[0]] == FLOAT


def test_the_identitys_matrix_is_untouched_and_last(networks: dict[str, tuple[Path, Any]]) -> None:
    source, model = networks["inswapper_128"]
    before = onnx.load(str(source)).graph.initializer[-1]
    after = model.graph.initializer[-1]
    assert (after.name, after.data_type) == ("buff2fs", FLOAT)
    np.testing.assert_array_equal(numpy_helper.to_array(after), numpy_helper.to_array(before))
    converted = source.parent / "inswapper_128" / "inswapper_128_fp16.onnx"
    np.testing.assert_array_equal(emap_beside(converted), numpy_helper.to_array(before))


def test_scales_of_a_resize_stay_float32(networks: dict[str, tuple[Path, Any]]) -> None:
    told = types(networks["inswapper_128"][1])
    resizes = [node for node in networks["inswapper_128"][1].graph.node if node.op_type == "Resize"]
    assert resizes
    for node in resizes:
        assert told[node.input[0]] == HALF
        assert {told[name] for name in node.input[1:] if name} == {FLOAT}


def test_a_variance_over_float16s_largest_number(tmp_path: Path) -> None:
    nodes, weights = instance_norm()
    source = graph_file(tmp_path / "norm.onnx", nodes, weights, (1, 1, 128, 128))
    x = np.where(np.indices((128, 128)).sum(axis=0) % 2, 300, -300).astype(np.float32)[None, None]
    with np.errstate(over="ignore"):
        assert np.isinf(x.astype(np.float16) ** 2).all()  # what the square would be in half precision
    # Whoever computes in half precision to the letter sees +-1: (+-300 - 0) / sqrt(90000).
    (y,) = ReferenceEvaluator(halved(source, tmp_path / "half")).run(None, {"x": x})
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.sign(x))


def test_a_flat_channel_is_not_divided_by_zero(tmp_path: Path) -> None:
    nodes, weights = instance_norm(1e-8)
    assert np.float16(1e-8) == 0
    source = graph_file(tmp_path / "norm.onnx", nodes, weights, (1, 1, 8, 8))
    (y,) = ReferenceEvaluator(halved(source, tmp_path / "half")).run(None, {"x": np.full((1, 1, 8, 8), 7, np.float32)})
    np.testing.assert_array_equal(y, 0)


def test_guards_outside_a_norm_stay_too(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Add", ["a", "guard"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    source = graph_file(tmp_path / "g.onnx", nodes, {"guard": np.float32(1e-6)}, (1, 4))
    model = halved(source, tmp_path / "half")
    kinds = {node.op_type: types(model)[node.output[0]] for node in model.graph.node if node.op_type != "Cast"}
    assert kinds["Add"] == FLOAT


def test_weights_over_the_largest_number_keep_their_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "small"], ["a"], name="small"),
        helper.make_node("MatMul", ["a", "large"], ["y"], name="large"),
    ]
    weights = {"small": np.eye(4, dtype=np.float32) * 1e-3, "large": np.eye(4, dtype=np.float32) * 1e5}
    model = halved(graph_file(tmp_path / "m.onnx", nodes, weights, (1, 4)), tmp_path / "half")
    told = {weight.name: weight.data_type for weight in model.graph.initializer}
    assert told == {"small.half": HALF, "large": FLOAT}
    (y,) = ReferenceEvaluator(model).run(None, {"x": np.ones((1, 4), np.float32)})
    np.testing.assert_allclose(y, 100, rtol=2e-3)


def test_a_result_that_is_read_on_keeps_its_name_and_type(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["early"]), helper.make_node("MatMul", ["early", "w"], ["y"])]
    source = graph_file(tmp_path / "r.onnx", nodes, {"w": np.eye(4, dtype=np.float32)}, (1, 4), ("early", "y"))
    model = halved(source, tmp_path / "half")
    assert [types(model)[name] for name in ("x", "early", "y")] == [FLOAT] * 3
    outputs = ReferenceEvaluator(model).run(None, {"x": np.array([[-1, 0, 1, 2]], np.float32)})
    np.testing.assert_array_equal(outputs, [[[0, 0, 1, 2]]] * 2)


def test_a_weight_for_both_precisions_lies_there_twice(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("ReduceMean", ["b"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "w"], ["y"]),
    ]
    source = graph_file(tmp_path / "w.onnx", nodes, {"w": np.array([[1, 2, 3, 4]], np.float32)}, (1, 4))
    model = halved(source, tmp_path / "half")
    assert sorted(weight.data_type for weight in model.graph.initializer) == [FLOAT, HALF]
    (y,) = ReferenceEvaluator(model).run(None, {"x": np.ones((1, 4), np.float32)})
    np.testing.assert_array_equal(y, [[2.5, 5, 7.5, 10]])  # the mean of 1 2 3 4, times each


def test_branches_read_float32_from_around_them(tmp_path: Path) -> None:
    def branch(operator: str) -> Any:
        result = helper.make_tensor_value_info(operator, FLOAT, (4,))
        return helper.make_graph([helper.make_node(operator, ["a"], [operator])], operator, [], [result])

    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs")),
    ]
    source = graph_file(tmp_path / "if.onnx", nodes, {"zero": np.float32(0)}, (4,))
    model = halved(source, tmp_path / "half")
    assert types(model)["a"] == HALF
    x = np.array([-1, 0, 1, 2], np.float32)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_array_equal(y, [0, 0, -1, -2])


def test_a_graph_whose_types_do_not_fit_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = graph_file(tmp_path / "bad.onnx", nodes, {}, (1, 4))
    model = read_model(path)
    model.proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(EngineFailed, match=r"bad\.onnx: its types do not fit together"):
        to_half(model)
