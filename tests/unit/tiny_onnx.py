"""Small ONNX files with any inputs and outputs: each output is a ramp plus the mean of every input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Shapes = Mapping[str, Sequence[int | str]]
_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


def tiny(
    path: Path,
    inputs: Shapes,
    outputs: Shapes,
    *,
    dtype: str = "float32",
    extra: Mapping[str, npt.NDArray[Any]] | None = None,
    fill: float | None = None,
    free: Mapping[str, int] | None = None,
) -> Path:
    """Write a graph. `extra` are weights that no node uses, after all others; `fill` is every output's value in place of
    the ramp; `free` gives the sizes of named axes that outputs have."""
    kind, item = _TYPES[dtype], np.dtype(dtype)
    nodes, weights = [], []
    means = []
    for name, shape in inputs.items():
        axes = list(range(len(shape)))
        nodes.append(helper.make_node("ReduceMean", [name], [f"{name}.mean"], axes=axes, keepdims=0))
        means.append(f"{name}.mean")
    nodes.append(helper.make_node("Sum", means, ["mean"]))
    for name, shape in outputs.items():
        sizes = [size if isinstance(size, int) else (free or {}).get(size, 1) for size in shape]
        ramp = np.linspace(0.1, 0.2, int(np.prod(sizes))).reshape(sizes) if fill is None else np.full(sizes, fill)
        weights.append(numpy_helper.from_array(ramp.astype(item), f"{name}.ramp"))
        if fill is None:
            nodes.append(helper.make_node("Add", [f"{name}.ramp", "mean"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}.ramp"], [name]))
    weights += [numpy_helper.from_array(value, name) for name, value in (extra or {}).items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in outputs.items()],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
