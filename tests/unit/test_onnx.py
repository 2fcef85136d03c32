from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from livefuse.errors import ModelCorrupt, ModelMissing, StoreUnwritable
from livefuse.weights.onnx import model as files
from livefuse.weights.onnx.model import Value, read_model, write_model

WEIGHTS: dict[str, npt.NDArray[Any]] = {
    "f32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "f16": np.array([0.5, -2.0, 65504.0], np.float16),
    "f64": np.array(3.25),
    "i64": np.array([-(2**40), 7], np.int64),
    "i32": np.array([[-5]], np.int32),
}


def proto(weights: list[onnx.TensorProto]) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, None])
    listed = helper.make_tensor_value_info("f32", TensorProto.FLOAT, [2, 3])
    nodes = [
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node("Relu", ["h"], ["z"]),
        helper.make_node("Gelu", ["z"], ["y"], domain="com.microsoft"),
    ]
    graph = helper.make_graph(nodes, "g", [x, listed], [y], weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, {"emap": "yes"})
    return model


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("raw", [True, False], ids=["raw_data", "typed_data"])
def test_weights_are_what_the_onnx_package_reads(tmp_path: Path, raw: bool) -> None:
    made = [
        numpy_helper.from_array(value, name)
        if raw
        else helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value.ravel().tolist())
        for name, value in WEIGHTS.items()
    ]
    model = read_model(saved(tmp_path, proto(made)))
    for name, value in WEIGHTS.items():
        found = files.initializer(model, name)
        assert found is not None
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        assert np.array_equal(found, value)
    assert files.initializer(model, "none") is None
    assert [name for name, _, _ in files.initializer_shapes(model)] == list(WEIGHTS)
    assert files.initializer_shapes(model)[1] == ("f16", (3,), "float16")


def test_the_graph_s_door(tmp_path: Path) -> None:
    model = read_model(saved(tmp_path, proto([numpy_helper.from_array(WEIGHTS["f32"], "f32")])))
    assert files.inputs(model) == [Value("x", ("batch", 3, ""), "float32")]  # the listed weight is no input
    assert files.outputs(model) == [Value("y", ("batch", 3, ""), "float32")]
    assert files.operators(model) == {"Relu": 2, "com.microsoft::Gelu": 1}
    assert files.metadata(model) == {"emap": "yes"}
    assert model.opset == 17


def test_fields_without_a_name_here_survive_a_round_trip(tmp_path: Path) -> None:
    original = proto([numpy_helper.from_array(WEIGHTS["f16"], "f16")])
    function = helper.make_function("d", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [])
    original.functions.append(function)
    original.graph.node[0].metadata_props.add(key="k", value="v")
    model = read_model(saved(tmp_path, original))
    model.proto.producer_name = "changed"
    write_model(model, tmp_path / "out.onnx")
    original.producer_name = "changed"
    assert onnx.load(tmp_path / "out.onnx") == original
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "out.onnx"]  # no temporary file is left


def test_real_models_round_trip(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "models").glob("*.onnx")):
        write_model(read_model(path), tmp_path / path.name)
        assert onnx.load(tmp_path / path.name) == onnx.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", bytes(range(256)) * 9, b"\x00" * 64], ids=["empty", "text", "bytes", "zeros"]
)
def test_what_is_no_onnx_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt, match=r"photo\.onnx is no ONNX file"):
        read_model(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, proto([numpy_helper.from_array(np.zeros(5000, np.float32), "f32")]))
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(ModelCorrupt, match=r"m\.onnx"):
        read_model(path)


def test_missing_and_unwritable(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="nowhere"):
        read_model(tmp_path / "nowhere.onnx")
    model = read_model(saved(tmp_path, proto([])))
    with pytest.raises(StoreUnwritable, match="no_folder"):
        write_model(model, tmp_path / "no_folder" / "m.onnx")


def test_weights_that_do_not_fit_their_shape(tmp_path: Path) -> None:
    wrong = numpy_helper.from_array(WEIGHTS["f32"], "f32")
    wrong.dims[0] = 5
    with pytest.raises(ModelCorrupt, match=r"'f32' does not fill its shape \(5, 3\)"):
        files.initializer(read_model(saved(tmp_path, proto([wrong]))), "f32")
    wrong.raw_data = wrong.raw_data[:-1]
    with pytest.raises(ModelCorrupt, match="'f32'"):
        files.initializer(read_model(saved(tmp_path, proto([wrong]))), "f32")


def test_weights_that_cannot_be_read(tmp_path: Path) -> None:
    outside = TensorProto(name="far", dims=[1], data_type=1, data_location=TensorProto.EXTERNAL)
    short = helper.make_tensor("bf", TensorProto.BFLOAT16, [1], [1.0])
    model = read_model(saved(tmp_path, proto([outside, short])))
    with pytest.raises(ModelCorrupt, match="'far' lies in another file"):
        files.initializer(model, "far")
    with pytest.raises(ModelCorrupt, match="'bf' is bfloat16"):
        files.initializer(model, "bf")
